"""Light and sensor follow their physics: linear factors, black-body colours, Poisson counts."""

from __future__ import annotations

import numpy as np
import pytest

from facerecon.degradation import light

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def test_the_tone_curve_is_undone_exactly_and_is_that_of_srgb() -> None:
    coded = (np.arange(256) / 255).astype(np.float32)[:, None, None].repeat(3, 2)
    assert np.array_equal(light.quantised(255 * light.coded_of(light.linear_of(coded))), (coded * 255).astype(np.uint8))
    # IEC 61966-2-1: middle grey of 18 % reflectance has code value 117.6 of 255.
    assert float(light.coded_of(np.float32([[[0.18]]]))[0, 0, 0]) * 255 == pytest.approx(117.6, abs=0.1)


def test_a_camera_at_6500_kelvin_sees_6500_kelvin_as_white() -> None:
    assert light.light_gains(6500) == pytest.approx([1, 1, 1])


def test_warm_light_is_red_and_cold_light_is_blue_at_equal_luminance() -> None:
    gains = np.array([light.light_gains(kelvin) for kelvin in (2000, 2222, 2800, 4000, 5000, 6500, 9000, 15000, 25000)])
    assert gains @ LUMINANCE == pytest.approx(np.ones(len(gains)))
    assert (np.diff(gains[:, 0]) < 0).all()
    assert (np.diff(gains[:, 2]) > 0).all()
    assert (gains > 0).all()


def test_the_black_body_is_where_the_cie_has_it() -> None:
    # CIE illuminant A is a black body of 2856 K: x 0.44757, y 0.40745 (CIE 15:2004).
    x, y = 0.44757, 0.40745
    a = np.linalg.inv(light._SRGB_OF_XYZ) @ light._planckian_rgb(2856)
    assert a[:2] / a.sum() == pytest.approx([x, y], abs=0.001)


def test_shot_noise_has_the_variance_of_its_mean() -> None:
    rng = np.random.default_rng(1)
    for level, full_well in ((0.05, 500.0), (0.5, 500.0), (0.5, 5000.0)):
        counted = light.with_shot_noise(np.full((200, 200, 3), level, np.float32), full_well, rng)
        assert counted.mean() == pytest.approx(level, rel=0.02)
        assert counted.var() == pytest.approx(level / full_well, rel=0.03)


def test_no_light_gives_no_photons() -> None:
    dark = light.with_shot_noise(np.zeros((8, 8, 3), np.float32), 1000, np.random.default_rng(1))
    assert not dark.any()
