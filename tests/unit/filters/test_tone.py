"""Brightness filters keep hue, order and white; LIME is the map of the paper."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filter_pictures import camera, lit, matched, noisy, portrait, psnr_db

from facerecon.filters import illumination
from facerecon.filters.light import LINEAR, luminance, to_levels, to_linear
from facerecon.filters.tone import auto_exposure, clahe, exposure, gamma


def test_gamma_is_the_power_law() -> None:
    pixels = portrait()
    assert np.array_equal(gamma(pixels, 1), pixels)
    assert np.abs(gamma(pixels, 2) - np.rint(255 * (pixels / 255.0) ** 0.5)).max() <= 1
    with pytest.raises(ValueError, match="above 0"):
        gamma(pixels, 0)


def test_linear_light_round_trips_every_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert np.array_equal(to_levels(to_linear(levels)), levels)
    assert LINEAR[118] == pytest.approx(0.18, abs=0.003)


def test_exposure_multiplies_light_below_the_shoulder() -> None:
    dark = lit(portrait(), 0.1)
    assert np.abs(exposure(dark, stops=1).astype(int) - lit(dark, 2.0)).max() <= 1
    assert np.array_equal(exposure(dark, stops=0), dark)


@pytest.mark.parametrize("stops", [0.5, 1.5, 3.0])
def test_exposure_keeps_white_order_and_hue_and_can_be_undone(stops: float) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    bright, dark = exposure(ramp, stops=stops), exposure(ramp, stops=-stops)
    assert bright[0, 255, 0] == dark[0, 255, 0] == 255
    assert np.all(np.diff(bright[0, :, 0].astype(int)) >= 0)
    assert np.all(bright >= ramp)
    assert np.all(dark <= ramp)
    assert np.abs(exposure(dark, stops=stops).astype(int) - ramp)[:, 60:].max() <= 6
    skin = np.full((4, 4, 3), (180, 120, 90), np.uint8)
    before, after = to_linear(skin)[0, 0], to_linear(exposure(skin, stops=stops))[0, 0]
    assert after / after.sum() == pytest.approx(before / before.sum(), abs=0.01)


@pytest.mark.parametrize(("gain", "percentile"), [(0.15, 50), (0.4, 75), (1.6, 50)])
def test_auto_exposure_brings_the_percentile_to_the_target(gain: float, percentile: float) -> None:
    done = auto_exposure(lit(portrait(), gain), target_levels=100, percentile=percentile)
    reached = np.percentile(luminance(to_linear(done.pixels)), percentile)
    assert done.applied
    assert done.facts["after_levels"] == pytest.approx(100, abs=5)
    assert reached == pytest.approx(LINEAR[100], abs=0.02)


def test_auto_exposure_stops_at_its_limit_and_says_so() -> None:
    done = auto_exposure(lit(portrait(), 0.02), max_stops=1)
    assert done.facts["stops"] == 1 < done.facts["wanted_stops"]
    assert "limit" in done.note


def test_auto_exposure_undoes_darkness() -> None:
    truth = portrait()
    dark = lit(truth, 0.15)
    target = float(np.median(np.interp(luminance(to_linear(truth)), LINEAR, np.arange(256))))
    assert psnr_db(auto_exposure(dark, target_levels=target).pixels, truth) > psnr_db(dark, truth) + 15


@pytest.mark.parametrize(("level", "word"), [(0, "black"), (255, "white")])
def test_auto_exposure_leaves_black_and_white_alone(level: int, word: str) -> None:
    pixels = np.full((20, 20, 3), level, np.uint8)
    done = auto_exposure(pixels)
    assert (done.pixels is pixels, done.applied) == (True, False)
    assert word in done.note


def test_clahe_raises_local_contrast_and_keeps_colour() -> None:
    flat = (portrait() // 4 + 90).astype(np.uint8)
    result = clahe(flat, clip_limit=3, tiles=4)
    assert result.std() > 1.3 * flat.std()
    before, after = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) for p in (flat, result))
    assert np.abs(before[:, :, 1:] - after[:, :, 1:]).mean() < 0.5


def test_clahe_gain_is_bounded_by_the_clip_limit() -> None:
    faint = noisy(np.full((128, 128, 3), 120, np.uint8), 2)
    spread = [clahe(faint, clip_limit=limit).std() for limit in (1.0, 3.0, 30.0)]
    assert spread[0] < spread[1] < spread[2]


# --- LIME -----------------------------------------------------------------------------------------------------------


def test_lime_brightens_the_dark_half_and_keeps_the_bright_one() -> None:
    pixels = portrait()
    dark, bright = lit(pixels, 0.05), np.maximum(pixels, 225)
    both = np.concatenate([dark, bright], axis=1)
    result = illumination.lime(both)
    gains = [half.mean() for half in np.split(result / np.maximum(both, 1.0), 2, axis=1)]
    assert gains[0] > 2.5
    assert 1 <= gains[1] < 1.15
    assert (result >= both).all()


def test_lime_map_is_smooth_inside_and_keeps_the_shadow_edge() -> None:
    texture = np.random.default_rng(3).uniform(0.7, 1.0, (96, 96))
    texture[:, 48:] *= 0.2
    pixels = (255 * texture).astype(np.uint8)[:, :, np.newaxis].repeat(3, 2)
    light = illumination.illumination(pixels)
    assert light[:, :40].std() < 0.5 * texture[:, :40].std()
    assert light[:, :44].mean() > 3.5 * light[:, 52:].mean()
    assert pixels.min() / 255 - 1e-6 <= light.min() <= light.max() <= pixels.max() / 255 + 1e-6


def test_lime_solves_its_equation() -> None:
    initial = portrait(32).max(axis=2).astype(np.float32) / 255
    refined = illumination._refined(initial, 0.15, 2.0)
    down, right = (0.15 * illumination._weights(np.diff(initial, axis=axis), 2.0) for axis in (0, 1))
    pull = np.zeros(initial.shape)
    for weight, axis in ((down, 0), (right, 1)):
        flow = weight * np.diff(refined, axis=axis)
        pad = [(0, 0), (0, 0)]
        pad[axis] = (1, 1)
        pull += np.diff(np.pad(flow, pad), axis=axis)
    assert np.abs(refined - pull - initial).max() < 2e-2
    assert refined.mean() == pytest.approx(initial.mean(), rel=1e-3), "smoothing moves light, it makes none"


def test_lime_twice_changes_less_than_once_and_a_bright_picture_hardly() -> None:
    dark = lit(portrait(), 0.15)
    once = illumination.lime(dark)
    twice = illumination.lime(once)
    assert np.abs(twice.astype(int) - once).mean() < 0.7 * np.abs(once.astype(int) - dark).mean()
    bright = np.maximum(portrait(), 240)
    assert np.abs(illumination.lime(bright).astype(int) - bright).mean() < 12


def test_lime_restores_what_uneven_light_took() -> None:
    truth = portrait()
    shade = np.linspace(0.02, 0.9, truth.shape[1], dtype=np.float32)[np.newaxis, :, np.newaxis]
    dark = to_levels(to_linear(truth) * shade)
    result = illumination.lime(dark)
    assert psnr_db(result, truth) > psnr_db(dark, truth) + 2
    assert psnr_db(matched(result, truth), truth) > psnr_db(matched(dark, truth), truth) + 2


def test_lime_gain_is_bounded_and_denoising_acts_in_the_dark() -> None:
    dark = noisy(lit(portrait(), 0.05), 2)
    assert (illumination.lime(dark, max_gain=3).astype(int) <= 3 * dark.astype(int) + 1).all()
    scene = np.concatenate([dark, portrait()], axis=1)
    plain, smooth = illumination.lime(scene), illumination.lime(scene, denoise_levels=12)
    change = np.abs(plain.astype(int) - smooth)
    assert change[:, :128].mean() > 2 * change[:, 128:].mean()


def test_lime_of_a_large_picture_is_close_to_the_exact_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = lit(camera(), 0.3)
    quick = illumination.lime(pixels)
    monkeypatch.setattr(illumination, "SOLVED_SIDE_PX", 512)
    exact = illumination.lime(pixels)
    assert not np.array_equal(quick, exact)
    assert np.abs(quick.astype(int) - exact).mean() < 6
