"""Records validate on construction, are immutable, and keep exact time."""

from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facerecon.records import (
    Counts,
    Detection,
    Embedding,
    FaceChip,
    Frame,
    FrameRecord,
    RestoredFace,
    Timestamp,
    shift_landmarks,
)
from tests.fakes import FakeDetector, picture

TIME = Timestamp(pts=7, time_base=(1, 25))


@given(st.integers(0, 10**12), st.integers(1, 10**6), st.integers(1, 10**6))
def test_time_is_exact(pts: int, numerator: int, denominator: int) -> None:
    assert Timestamp(pts=pts, time_base=(numerator, denominator)).seconds == Fraction(pts * numerator, denominator)


@pytest.mark.parametrize(
    ("pts", "base", "text"),
    [
        (0, (1, 25), "PT0S"),
        (5646000, (1, 90000), "PT1M2.733333S"),
        (-5, (1, 10), "-PT0.5S"),
        (7200, (1, 1), "PT2H0S"),
        (59999999, (1, 1000000), "PT59.999999S"),
        (599999996, (1, 10000000), "PT1M0S"),
    ],
)
def test_iso_offset(pts: int, base: tuple[int, int], text: str) -> None:
    assert Timestamp(pts=pts, time_base=base).iso_offset == text


@pytest.mark.parametrize(("reductions", "right"), [((), True), ((1, 4), True), ((1,), False), ((1, 0), False)])
def test_each_closer_window_has_a_reduction_or_none_has(reductions: tuple[int, ...], right: bool) -> None:
    frame = FrameRecord(
        id="f000000",
        index=0,
        timestamp=TIME,
        iso_offset=TIME.iso_offset,
        width_px=1920,
        height_px=1080,
        keyframe=True,
        pixels_sha256="0" * 64,
        reduction=4,
        closer=((0, 0, 64, 64), (64, 0, 256, 192)),
    )
    with nullcontext() if right else pytest.raises(ValidationError):
        FrameRecord.model_validate({**frame.model_dump(), "closer_reduction": reductions})


def test_accounts_must_add_up() -> None:
    with pytest.raises(ValidationError, match="vanished"):
        Counts(requested=3, written=1, failed=1, skipped=0)


def test_records_refuse_change_and_unknown_keys() -> None:
    with pytest.raises(ValidationError):
        TIME.pts = 8  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Timestamp.model_validate({"pts": 1, "time_base": (1, 25), "index": 3})


def test_box_needs_area() -> None:
    points = ((0.0, 0.0),) * 5
    with pytest.raises(ValidationError, match="no area"):
        Detection(box=(5, 5, 5, 9), score=0.5, landmarks=points)


def test_pixels_are_read_only_and_checked() -> None:
    frame = Frame(0, TIME, np.zeros((4, 6, 3), np.uint8), True)
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1
    with pytest.raises(ValueError, match="uint8 RGB"):
        Frame(0, TIME, np.zeros((4, 6), np.uint8), True)  # type: ignore[arg-type]


def test_restored_face_needs_its_chip_and_the_right_size() -> None:
    pixels = picture(40, 40, [(10, 10, 20)])
    face = FakeDetector().detect([pixels])[0][0]
    from facerecon.faces.quality import assess

    chip = FaceChip("t0001", "f000000", TIME, (0, 0), pixels, face, assess(pixels, face))
    RestoredFace(chip, np.zeros((160, 160, 3), np.uint8), 4, (), None)
    with pytest.raises(ValueError, match="expected"):
        RestoredFace(chip, np.zeros((160, 80, 3), np.uint8), 4, (), None)


def test_vectors_of_different_models_do_not_compare() -> None:
    one, other = Embedding("a", np.ones(4, np.float32)), Embedding("b", np.ones(4, np.float32))
    assert one.similarity(one) == 1.0
    with pytest.raises(ValueError, match="cannot be compared"):
        one.similarity(other)
    with pytest.raises(ValueError, match="finite"):
        Embedding("a", np.array([np.nan], np.float32))


def test_landmarks_scale_about_pixel_corners() -> None:
    points = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (2.0, 2.0), (3.0, 3.0))
    assert shift_landmarks(points, 0, 0, 4)[0] == (1.5, 1.5)
    assert shift_landmarks(points, -1, -1)[3] == (1.0, 1.0)
