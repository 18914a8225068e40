"""Size, proportions and lens: geometry is what was asked, and pixels that need not move do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filter_pictures import portrait, psnr_db

from facerecon.filters.lens import stretch, undistort
from facerecon.filters.scaling import enlarge, reduce_by


@pytest.mark.parametrize("method", ["nearest", "bicubic", "lanczos"])
def test_enlarging_then_reducing_comes_back(method: str) -> None:
    pixels = portrait(160)
    large = enlarge(pixels, 4, method)  # type: ignore[arg-type]
    assert large.shape == (640, 640, 3)
    assert np.abs(reduce_by(large, 4).astype(int) - pixels).mean() < 2.5
    assert np.array_equal(enlarge(pixels, 1, method), pixels)  # type: ignore[arg-type]


def test_nearest_repeats_pixels() -> None:
    pixels = portrait(64)
    assert np.array_equal(enlarge(pixels, 3, "nearest"), pixels.repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("model", ["brown-conrady", "fisheye"])
def test_lens_without_distortion_moves_nothing_near_the_centre(model: str) -> None:
    pixels = portrait()
    same = undistort(pixels, k1=0, model=model, focal_widths=50)  # type: ignore[arg-type]
    assert psnr_db(same, pixels) > 45


@pytest.mark.parametrize("k1", [-0.3, 0.25])
def test_bent_line_becomes_straight(k1: float) -> None:
    # Where a straight line lands in a lens with k1: r' = r (1 + k1 r^2), radii in focal lengths.
    side, focal = 201, 201.0
    straight = np.linspace(-0.45, 0.45, 4000)
    pixels = np.zeros((side, side, 3), np.uint8)
    radius = np.hypot(straight, 0.3)
    for x, y in zip(straight * (1 + k1 * radius**2), 0.3 * (1 + k1 * radius**2), strict=True):
        column, row = round(x * focal + 100), round(y * focal + 100)
        if 0 <= column < side and 0 <= row < side:
            pixels[row, column] = 255
    result = undistort(pixels, k1=k1)[:, 20:-20, 0].astype(float)
    rows = (result * np.arange(side)[:, np.newaxis]).sum(axis=0) / result.sum(axis=0)
    assert np.abs(rows - (0.3 * focal + 100)).max() < 1.0


def test_centre_stays_and_outside_is_black() -> None:
    pixels = np.full((101, 101, 3), 200, np.uint8)
    pixels[50, 50] = 255
    result = undistort(pixels, k1=0.5)
    assert result[50, 50].min() >= 250
    assert (result[0, 0] == 0).all()


def test_stretch_has_the_stated_size_and_can_be_undone() -> None:
    pixels = portrait(120)
    wide = stretch(pixels, horizontal=12 / 11, vertical=1.5)
    assert wide.shape == (180, 131, 3)
    back = cv2.resize(wide, (120, 120), interpolation=cv2.INTER_AREA)
    assert psnr_db(back, pixels) > 27
    assert stretch(pixels) is pixels
    with pytest.raises(ValueError, match="above 0"):
        stretch(pixels, horizontal=0)


def test_stretch_makes_an_ellipse_a_circle() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    cv2.ellipse(pixels, (50, 50), (24, 30), 0, 0, 360, (255, 255, 255), -1)
    shape = stretch(pixels, horizontal=1.25)[:, :, 0] > 127
    assert shape.any(axis=0).sum() == pytest.approx(shape.any(axis=1).sum(), abs=2)
