"""White balance removes a cast of the light and leaves a coloured scene alone."""

from __future__ import annotations

import numpy as np
import pytest
from filter_pictures import lit, portrait, psnr_db
from skimage import data

from facerecon.filters.balance import _light_of_k, reduced_scene, scene_light, white_balance
from facerecon.filters.light import luminance, to_linear

WARM, COLD = (1.0, 0.72, 0.4), (0.6, 0.8, 1.0)


def mid(pixels: np.ndarray) -> np.ndarray:
    """Without black and white, which have no say in the estimate."""
    return (pixels * 0.7 + 30).astype(np.uint8)


def test_grey_world_makes_the_means_of_the_channels_equal() -> None:
    done = white_balance(lit(mid(portrait()), *WARM))
    means = to_linear(done.pixels).mean(axis=(0, 1))
    assert done.applied
    assert np.ptp(means) < 0.01 * means.mean()


def test_luminance_of_the_average_is_kept() -> None:
    pixels = lit(mid(portrait()), *COLD)
    before, after = (luminance(to_linear(p)).mean() for p in (pixels, white_balance(pixels).pixels))
    assert after == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("method", ["grey-world", "von-kries"])
@pytest.mark.parametrize("cast", [WARM, COLD])
def test_cast_on_a_neutral_scene_is_undone(method: str, cast: tuple[float, float, float]) -> None:
    truth = white_balance(mid(data.astronaut()[::3, ::3]), method=method).pixels  # type: ignore[arg-type]
    spoilt = lit(truth, *cast)
    balanced = white_balance(spoilt, method=method).pixels  # type: ignore[arg-type]
    gain = float(to_linear(truth).mean() / to_linear(balanced).mean())
    assert psnr_db(lit(balanced, gain), truth) > psnr_db(spoilt, truth) + 6


def test_strength_goes_from_nothing_to_all() -> None:
    warm = lit(mid(portrait()), *WARM)
    spread = []
    for strength in (0.0, 0.5, 1.0):
        means = to_linear(white_balance(warm, strength=strength).pixels).mean(axis=(0, 1))
        spread.append(np.ptp(means) / means.mean())
    assert spread[0] > spread[1] > spread[2]
    assert white_balance(warm, strength=0).pixels is warm


@pytest.mark.parametrize("colour", [(180, 60, 50), (40, 160, 60), (60, 40, 170)])
@pytest.mark.parametrize("method", ["grey-world", "von-kries"])
def test_plain_coloured_wall_stays_coloured(colour: tuple[int, int, int], method: str) -> None:
    wall = np.clip(np.array(colour) + np.random.default_rng(1).integers(-9, 9, (40, 40, 3)), 0, 255).astype(np.uint8)
    done = white_balance(wall, method=method)  # type: ignore[arg-type]
    assert (done.applied, done.pixels is wall) == (False, True)
    assert "lamp" in done.note


@pytest.mark.parametrize("kelvin", [2500.0, 4000.0, 9000.0])
def test_given_temperature_turns_that_light_grey(kelvin: float) -> None:
    light = _light_of_k(kelvin)
    grey = lit(np.full((8, 8, 3), 188, np.uint8), *(light / light.max()))
    result = white_balance(grey, method="von-kries", light_k=kelvin).pixels
    assert np.ptp(result.astype(int).reshape(-1, 3).mean(axis=0)) < 3
    assert white_balance(grey).facts["light_k"] == pytest.approx(kelvin, rel=0.05)


def test_light_of_the_whole_frame_can_be_given_for_a_face() -> None:
    frame = lit(mid(data.astronaut()), *WARM)
    facts = white_balance(frame).facts
    light = (facts["light_red"], facts["light_green"], facts["light_blue"])
    face = (slice(10, 200), slice(150, 300))
    assert np.array_equal(white_balance(frame[face], light_rgb=light).pixels, white_balance(frame).pixels[face])
    with pytest.raises(ValueError, match="above 0"):
        white_balance(frame, light_rgb=(1.0, 0.0, 1.0))


@pytest.mark.parametrize("level", [0, 255])
def test_nothing_to_go_by_is_said(level: int) -> None:
    done = white_balance(np.full((9, 9, 3), level, np.uint8))
    assert not done.applied
    assert "too few" in done.note


def test_grey_picture_stays_grey() -> None:
    grey = np.arange(5, 250, dtype=np.uint8).reshape(1, -1, 1).repeat(3, 2)
    for method in ("grey-world", "von-kries"):
        assert np.abs(white_balance(grey, method=method).pixels.astype(int) - grey).max() <= 1  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(360, 640), (100, 200), (1080, 1920), (3, 700)])
def test_light_of_a_reduced_scene_is_that_of_the_scene(size: tuple[int, int]) -> None:
    """The frame may be let go, and the light told from what was kept of it."""
    pixels = np.resize(lit(mid(portrait()), *WARM), (*size, 3))
    small = reduced_scene(pixels)
    assert max(small.shape[:2]) <= 256 or min(size) < 4
    assert scene_light(small) == scene_light(pixels)
    assert np.array_equal(reduced_scene(small), small)
