"""NIQE through basicsr: worse for what is worse, none where there are no statistics."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from facerecon.engines.niqe import niqe
from facerecon.records import RGB


@pytest.fixture(scope="module")
def photograph() -> RGB:
    return data.astronaut()[:384, :384]


def test_a_photograph_is_natural_and_worse_pictures_are_less_so(photograph: RGB) -> None:
    sharp = niqe(photograph)
    assert sharp is not None
    assert 2 < sharp < 5
    noise = np.random.default_rng(1).normal(0, 25, photograph.shape)
    blocks = cv2.resize(photograph[::4, ::4], (384, 384), interpolation=cv2.INTER_NEAREST)
    for worse in (
        np.clip(photograph + noise, 0, 255).astype(np.uint8),
        cv2.GaussianBlur(photograph, (0, 0), 3),
        blocks,
    ):
        value = niqe(worse)
        assert value is not None
        assert value > sharp + 1


def test_it_looks_at_luminance_in_rgb_order(photograph: RGB) -> None:
    blue = np.zeros_like(photograph)
    blue[..., 2] = photograph[..., 2]
    red = np.zeros_like(photograph)
    red[..., 0] = photograph[..., 2]
    assert niqe(blue) != niqe(red)
    assert niqe(photograph) == niqe(photograph.copy())


def test_without_statistics_there_is_no_value(photograph: RGB) -> None:
    assert niqe(photograph[:191, :191]) is None
    assert niqe(photograph[:96, :192]) is not None
    assert niqe(np.full((256, 256, 3), 90, np.uint8)) is None
