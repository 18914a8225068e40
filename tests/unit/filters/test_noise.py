"""Noise and compression filters bring a picture nearer to the truth, and leave what needs nothing."""

from __future__ import annotations

import numpy as np
import pytest
from filter_pictures import camera, jpeg, noisy, portrait, psnr_db, reduced
from skimage import data

from facerecon.filters.blocks import block_grid, deblock
from facerecon.filters.denoise import _nearest_in_time, non_local_means, non_local_means_multi, wavelet
from facerecon.filters.light import luma


def test_non_local_means_removes_noise() -> None:
    truth = portrait()
    assert psnr_db(non_local_means(noisy(truth, 20), 12, 12), truth) > psnr_db(noisy(truth, 20), truth) + 3


def test_several_frames_beat_one() -> None:
    truth = portrait()
    series = [noisy(truth, 20, seed) for seed in range(5)]
    one = non_local_means(series[2], 12, 12)
    many = non_local_means_multi(series, 2, strength_levels=12, color_strength_levels=12)
    assert psnr_db(many, truth) > psnr_db(one, truth) + 0.3


@pytest.mark.parametrize("index", [0, 4])
def test_ends_of_a_series_use_one_side(index: int) -> None:
    truth = portrait(64)
    series = [noisy(truth, 20, seed) for seed in range(5)]
    many = non_local_means_multi(series, index, strength_levels=12, color_strength_levels=12)
    assert psnr_db(many, truth) > psnr_db(series[index], truth) + 3
    assert sorted(_nearest_in_time(5, index, 3)) == sorted({index, *((1, 2) if index == 0 else (2, 3))})


def test_series_of_one_or_two_is_the_single_filter() -> None:
    frame = noisy(portrait(64), 20)
    expected = non_local_means(frame, 9, 9)
    for series in ([frame], [frame, portrait(64)]):
        assert np.array_equal(non_local_means_multi(series, 0, strength_levels=9, color_strength_levels=9), expected)


@pytest.mark.parametrize(("count", "index", "window"), [(3, 3, 3), (3, -1, 3), (3, 0, 2), (0, 0, 1)])
def test_series_that_does_not_fit_is_refused(count: int, index: int, window: int) -> None:
    frames = [portrait(32)] * count
    with pytest.raises(ValueError, match="do not fit"):
        non_local_means_multi(frames, index, strength_levels=5, color_strength_levels=5, window=window)
    with pytest.raises(ValueError, match="one size"):
        non_local_means_multi([portrait(32), portrait(64)], 0, strength_levels=5, color_strength_levels=5)


@pytest.mark.parametrize("sigma", [5.0, 10.0, 20.0])
def test_wavelet_estimates_and_removes_gaussian_noise(sigma: float) -> None:
    truth = data.astronaut()[:200, 100:300]
    spoilt = noisy(truth, sigma)
    done = wavelet(spoilt)
    assert done.facts["sigma_levels"] == pytest.approx(sigma, rel=0.3)
    assert psnr_db(done.pixels, truth) > psnr_db(spoilt, truth) + 1.5
    assert psnr_db(done.pixels, truth) > psnr_db(wavelet(spoilt, shifts=1).pixels, truth)


def test_wavelet_leaves_a_clean_picture_nearly_as_it_is() -> None:
    assert psnr_db(wavelet(portrait()).pixels, portrait()) > 38
    flat = np.full((40, 40, 3), 120, np.uint8)
    assert wavelet(flat).pixels is flat
    assert not wavelet(portrait(), sigma_levels=0.5).applied


def test_wavelet_strength_smooths_more() -> None:
    spoilt = noisy(portrait(), 15)
    change = [np.abs(wavelet(spoilt, strength=s).pixels.astype(int) - spoilt).mean() for s in (0.5, 1.0, 2.0)]
    assert change[0] < change[1] < change[2]


# --- deblocking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [(0, 0), (3, 5), (7, 2)])
def test_grid_is_found_wherever_the_crop_begins(cut: tuple[int, int]) -> None:
    plane = luma(jpeg(data.astronaut()[:256, 100:356], 20)[cut[1] :, cut[0] :])
    grid = block_grid(plane)
    assert grid is not None
    assert (grid.size_px, grid.column_px, grid.row_px) == (8, -cut[0] % 8, -cut[1] % 8)
    assert grid.confidence > 10


@pytest.mark.parametrize("quality", [10, 20, 35])
@pytest.mark.parametrize("name", ["portrait", "cat", "coffee", "camera"])
def test_deblocking_brings_jpeg_nearer_to_the_truth(name: str, quality: int) -> None:
    truth = {"portrait": portrait, "cat": data.cat, "coffee": data.coffee, "camera": camera}[name]()
    spoilt = jpeg(truth, quality)
    done = deblock(spoilt)
    assert done.applied
    assert psnr_db(done.pixels, truth) > psnr_db(spoilt, truth)
    assert seam(done.pixels) < 0.75 * seam(spoilt)


def seam(pixels: np.ndarray) -> float:
    """Mean excess of the steps on a grid of 8 over those beside it, in levels, where there is no edge."""
    steps = np.abs(np.diff(luma(pixels), axis=1))
    on, beside = steps[:, 7:-2:8], (steps[:, 6:-3:8] + steps[:, 8:-1:8]) / 2
    return float((on - beside)[(on < 20) & (beside < 5)].mean())


@pytest.mark.parametrize("factor", [1.0, 0.53])
@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "cat"])
def test_picture_without_blocks_is_returned_bit_equal(name: str, factor: float) -> None:
    pixels = reduced(camera() if name == "camera" else getattr(data, name)(), factor)
    done = deblock(pixels)
    assert (done.applied, done.pixels is pixels) == (False, True)
    assert "no block grid" in done.note


def test_real_edges_on_the_grid_stay() -> None:
    truth = jpeg(portrait(), 20).copy()
    truth[:, :64], truth[:, 64:] = truth[:, :64] // 4, 150 + truth[:, 64:] // 4
    done = deblock(jpeg(truth, 20))
    step = luma(done.pixels)[:, 64] - luma(done.pixels)[:, 63]
    assert np.median(step) > 0.9 * np.median(luma(truth)[:, 64] - luma(truth)[:, 63])


def test_deblocking_touches_only_two_pixels_beside_each_seam() -> None:
    spoilt = jpeg(portrait(), 20)
    changed = (deblock(spoilt).pixels != spoilt).any(axis=2)
    inner = np.isin(np.arange(128) % 8, (2, 3, 4, 5))
    assert changed.any()
    assert not changed[np.ix_(inner, inner)].any()
