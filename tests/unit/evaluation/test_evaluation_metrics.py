"""Metrics have the values that their definitions give; intervals behave like intervals."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from facerecon.evaluation.metrics import cosine, face_region, interval_of_mean
from facerecon.fidelity import psnr_db, ssim
from facerecon.records import RGB, Embedding, Landmarks5

FACE: Landmarks5 = ((90.0, 100.0), (134.0, 100.0), (112.0, 125.0), (95.0, 146.0), (129.0, 146.0))


@pytest.fixture(scope="module")
def portrait() -> RGB:
    return np.ascontiguousarray(data.astronaut()[:200, 120:320])


def flat(level: int) -> RGB:
    return np.full((32, 32, 3), level, np.uint8)


def noisy(pixels: RGB, sigma: float) -> RGB:
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def test_psnr_is_its_definition() -> None:
    assert psnr_db(flat(100), flat(110)) == pytest.approx(20 * np.log10(255 / 10))
    assert psnr_db(flat(7), flat(7)) == 100
    one_channel = flat(100)
    one_channel[..., 2] = 110
    assert psnr_db(one_channel, flat(100)) == pytest.approx(20 * np.log10(255 / 10) + 10 * np.log10(3))
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr_db(flat(1), flat(1)[:16])


def test_ssim_of_flat_pictures_is_its_luminance_term() -> None:
    c1 = (0.01 * 255) ** 2
    for a, b in ((100, 120), (20, 200)):
        assert ssim(flat(a), flat(b)) == pytest.approx((2 * a * b + c1) / (a**2 + b**2 + c1), abs=1e-6)


def test_ssim_is_one_only_for_equal_pictures_symmetric_and_falls_with_noise(portrait: RGB) -> None:
    assert ssim(portrait, portrait) == pytest.approx(1)
    values = [ssim(noisy(portrait, sigma), portrait) for sigma in (2, 8, 25)]
    assert values == sorted(values, reverse=True)
    assert values[0] < 1
    assert ssim(portrait, noisy(portrait, 8)) == pytest.approx(values[1])


def test_ssim_prefers_a_shift_of_brightness_to_noise_of_equal_error(portrait: RGB) -> None:
    """The paper's point: pictures of equal mean squared error differ in structure."""
    middle = np.clip(portrait, 40, 200)
    assert psnr_db(middle + np.uint8(12), middle) == pytest.approx(psnr_db(noisy(middle, 12), middle), abs=0.1)
    assert ssim(middle + np.uint8(12), middle) > 0.95 > ssim(noisy(middle, 12), middle)


def test_cosine_knows_direction_only() -> None:
    a, b = Embedding("m", np.float32([1, 2, 3])), Embedding("m", np.float32([2, 4, 6]))
    assert cosine(a, b) == pytest.approx(1)
    assert cosine(a, Embedding("m", np.float32([-1, -2, -3]))) == pytest.approx(-1)
    assert cosine(a, Embedding("m", np.float32([3, 0, -1]))) == pytest.approx(0)
    with pytest.raises(ValueError, match="cannot be compared"):
        cosine(a, Embedding("other", np.float32([1, 2, 3])))
    with pytest.raises(ValueError, match="no direction"):
        cosine(a, Embedding("m", np.zeros(3, np.float32)))


def test_the_region_holds_the_face_and_scales_with_it(portrait: RGB) -> None:
    x0, y0, x1, y1 = face_region(portrait, FACE)
    assert all(x0 < x < x1 and y0 < y < y1 for x, y in FACE)
    assert x1 - x0 == pytest.approx(1.2 * 2.23 * 44.1, abs=2)
    a, b, c, d, e = ((x / 2, y / 2) for x, y in FACE)
    halves = face_region(portrait[:100, :100], (a, b, c, d, e))
    assert halves == pytest.approx([side / 2 for side in (x0, y0, x1, y1)], abs=1)


def test_the_region_is_clipped_and_refused_when_outside(portrait: RGB) -> None:
    x0, y0, x1, y1 = face_region(portrait[:160, :130], FACE)
    assert (x1, y1) == (130, 160)
    assert (x0, y0) == face_region(portrait, FACE)[:2]
    a, b, c, d, e = ((x + 500, y) for x, y in FACE)
    with pytest.raises(ValueError, match="lie inside the picture"):
        face_region(portrait, (a, b, c, d, e))


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400).tolist()
    interval = interval_of_mean(values)
    assert interval is not None
    low, high = interval
    error = np.std(values) / np.sqrt(len(values))
    # For many values the bootstrap agrees with the normal approximation.
    assert (low, high) == pytest.approx((np.mean(values) - 1.96 * error, np.mean(values) + 1.96 * error), abs=0.03)
    assert interval_of_mean(values) == interval
    assert interval_of_mean(values, seed=1) != interval


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    draws = (interval_of_mean(rng.normal(0, 1, 40).tolist(), resamples=300) for _ in range(200))
    covered = [low <= 0 <= high for low, high in draws]  # type: ignore[misc]
    assert 0.87 <= np.mean(covered) <= 0.99


def test_one_value_has_no_interval() -> None:
    assert interval_of_mean([]) is None
    assert interval_of_mean([3.0]) is None
    assert interval_of_mean([3.0, 3.0]) == (3.0, 3.0)
