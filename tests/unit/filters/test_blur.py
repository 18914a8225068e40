"""Blur is measured where it is, not where it is not; deconvolution brings the picture nearer to the truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filter_pictures import camera, jpeg, portrait, psnr_db, reduced, smeared
from skimage import data

from facerecon.filters.blur import (
    defocus_blur_estimate,
    disc_kernel,
    motion_blur_estimate,
    motion_kernel,
)
from facerecon.filters.deconvolution import deconvolve_defocus, deconvolve_motion


def scene(name: str) -> np.ndarray:
    return {"portrait": portrait, "camera": camera, "astronaut": data.astronaut, "coffee": data.coffee}[name]()


def turn_between(one_deg: float, other_deg: float) -> float:
    return abs((one_deg - other_deg + 90) % 180 - 90)


@pytest.mark.parametrize("angle", [0, 30, 90, 117])
@pytest.mark.parametrize("length", [5.0, 9.0, 14.5])
def test_motion_kernel_has_its_length_direction_and_centre(angle: float, length: float) -> None:
    kernel = motion_kernel(angle, length)
    half = kernel.shape[0] // 2
    y, x = (axis - half for axis in np.mgrid[: kernel.shape[0], : kernel.shape[1]])
    along = x * np.cos(np.radians(angle)) - y * np.sin(np.radians(angle))
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-9)
    # The variance of an even line is L^2 / 12; drawing it on pixels adds at most a quarter.
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, abs=0.3)


@pytest.mark.parametrize("radius", [1.0, 2.5, 6.0])
def test_disc_kernel_has_its_area_and_no_direction(radius: float) -> None:
    kernel = disc_kernel(radius)
    assert kernel.sum() == pytest.approx(1)
    assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.05)
    assert np.allclose(kernel, kernel.T)
    assert np.allclose(kernel, kernel[::-1])


@pytest.mark.parametrize("length", [9.0, 15.0])
@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, 77.0, 90.0, 130.0, 170.0])
@pytest.mark.parametrize("name", ["portrait", "astronaut", "camera", "coffee"])
def test_motion_is_measured(name: str, angle: float, length: float) -> None:
    found = motion_blur_estimate(smeared(scene(name), motion_kernel(angle, length)))
    assert found is not None
    assert turn_between(found.angle_deg, angle) <= 5
    assert found.length_px == pytest.approx(length, abs=1.1)


@pytest.mark.parametrize("radius", [2.5, 3.5, 5.0])
@pytest.mark.parametrize("name", ["portrait", "astronaut", "camera"])
def test_defocus_is_measured(name: str, radius: float) -> None:
    found = defocus_blur_estimate(smeared(scene(name), disc_kernel(radius)))
    assert found is not None
    assert found.radius_px == pytest.approx(radius, abs=0.3)
    assert found.confidence > 0.4


@pytest.mark.parametrize("name", ["portrait", "astronaut", "camera", "coffee"])
@pytest.mark.parametrize("spoil", ["sharp", "jpeg", "soft", "enlarged"])
def test_what_no_motion_or_defocus_blurred_is_left_alone(name: str, spoil: str) -> None:
    pixels = scene(name)
    if spoil == "jpeg":
        pixels = jpeg(pixels, 40)
    elif spoil == "soft":
        pixels = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    elif spoil == "enlarged":
        pixels = cv2.resize(reduced(pixels, 0.5), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    for deblur in (deconvolve_motion, deconvolve_defocus):
        done = deblur(pixels)
        assert (done.applied, done.pixels is pixels) == (False, True)
        assert "left as it is" in done.note


def test_motion_is_not_taken_for_defocus_nor_the_other_way() -> None:
    moved, unfocused = (smeared(portrait(), k) for k in (motion_kernel(35, 9), disc_kernel(3)))
    assert not deconvolve_defocus(moved).applied
    assert not deconvolve_motion(unfocused).applied


@pytest.mark.parametrize("method", ["richardson-lucy", "wiener"])
@pytest.mark.parametrize(("angle", "length"), [(35.0, 9.0), (120.0, 9.0), (80.0, 15.0)])
@pytest.mark.parametrize("name", ["portrait", "camera"])
def test_estimated_motion_is_undone(name: str, angle: float, length: float, method: str) -> None:
    truth = scene(name)
    spoilt = smeared(truth, motion_kernel(angle, length))
    done = deconvolve_motion(spoilt, method=method)  # type: ignore[arg-type]
    assert done.applied
    assert psnr_db(done.pixels, truth) > psnr_db(spoilt, truth) + 1


@pytest.mark.parametrize("radius", [2.5, 4.0])
def test_estimated_defocus_is_undone(radius: float) -> None:
    truth = portrait()
    spoilt = smeared(truth, disc_kernel(radius))
    done = deconvolve_defocus(spoilt)
    assert done.applied
    assert psnr_db(done.pixels, truth) > psnr_db(spoilt, truth) + 1


def test_coded_levels_suit_blur_that_came_after_coding() -> None:
    truth = portrait()
    spoilt = cv2.filter2D(truth, -1, motion_kernel(35, 9), borderType=cv2.BORDER_REFLECT)
    light, coded = (
        psnr_db(deconvolve_motion(spoilt, angle_deg=35, length_px=9, linear_light=choice).pixels, truth)
        for choice in (True, False)
    )
    assert coded > light > psnr_db(spoilt, truth)


@pytest.mark.parametrize("method", ["richardson-lucy", "wiener"])
def test_borders_do_not_ring(method: str) -> None:
    # A crop of a larger smeared picture: what lies beyond the border is unknown to the filter.
    truth = data.astronaut()[100:356, 100:356]
    spoilt = smeared(truth, motion_kernel(35, 9))
    crop = (slice(64, 192), slice(64, 192))
    done = deconvolve_motion(spoilt[crop], angle_deg=35, length_px=9, method=method).pixels  # type: ignore[arg-type]
    rim = np.ones((128, 128), bool)
    rim[8:-8, 8:-8] = False
    assert psnr_db(done[rim], truth[crop][rim]) > psnr_db(spoilt[crop][rim], truth[crop][rim]) - 0.5


def test_no_colour_is_made() -> None:
    grey = np.repeat(portrait().mean(axis=2).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)
    for choice in (True, False):
        result = deconvolve_motion(grey, angle_deg=35, length_px=9, linear_light=choice).pixels
        assert np.ptp(result, axis=2).max() == 0


def test_flat_and_small_pictures_say_that_they_cannot_be_measured() -> None:
    for pixels in (np.full((90, 90, 3), 77, np.uint8), portrait(32)):
        for deblur in (deconvolve_motion, deconvolve_defocus):
            assert "flat" in deblur(pixels).note


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        deconvolve_motion(portrait(), angle_deg=3)
    with pytest.raises(ValueError, match="no blur"):
        deconvolve_motion(portrait(), angle_deg=3, length_px=0)
    with pytest.raises(ValueError, match="no blur"):
        deconvolve_defocus(portrait(), radius_px=0.1)
    with pytest.raises(ValueError, match="iterations"):
        deconvolve_defocus(portrait(), radius_px=2, iterations=0)
