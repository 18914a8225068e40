"""Fields, rolling exposure, sharpening, rescaling, Motion JPEG: each does what its physics or its standard says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from facerecon.degradation import Degradation, coding, degrade, degrade_track, light, optics, processing
from facerecon.records import RGB


@pytest.fixture(scope="module")
def portrait() -> RGB:
    return np.ascontiguousarray(data.astronaut()[:250, 100:350])


def run(pixels: RGB, text: str) -> RGB:
    return degrade(pixels, Degradation.parse(text)).pixels


def error(one: RGB, other: RGB) -> float:
    return float(((one.astype(float) - other) ** 2).mean())


def blob(side: int = 240) -> RGB:
    y, x = np.mgrid[:side, :side]
    spot = np.exp(-((x - 0.4 * side) ** 2 + (y - 0.55 * side) ** 2) / (2 * (side / 16) ** 2))
    return np.rint(255 * spot[..., None].repeat(3, 2)).astype(np.uint8)


def centre(pixels: RGB) -> np.ndarray:
    """Where the blob is, (x, y); what the codec leaves of the black round it does not count."""
    weight = np.maximum(pixels[..., 1].astype(float) - 12, 0)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("length", [1.5, 3.0])
def test_the_second_field_shows_the_scene_moved_to_the_right_and_the_first_stays(length: float) -> None:
    clean, combed = run(blob(), "width=48"), run(blob(), f"width=48,interlace={length}")
    assert np.array_equal(combed[::2], clean[::2])
    assert centre(combed[1::2]) - centre(clean[1::2]) == pytest.approx([length, 0], abs=0.05)


def test_a_still_scene_has_no_comb_and_each_frame_of_a_track_has_its_own(portrait: RGB) -> None:
    flat = np.full((120, 120, 3), 90, np.uint8)
    assert np.array_equal(run(flat, "width=24,interlace=5"), run(flat, "width=24"))
    track = degrade_track(portrait, Degradation.parse("width=48,interlace=3,frames=3"))
    moved = degrade_track(portrait, Degradation.parse("width=48,frames=3"))
    for combed, clean in zip(track, moved, strict=True):
        assert np.array_equal(combed.pixels[::2], clean.pixels[::2])
        assert np.array_equal(combed.to_degraded, clean.to_degraded)
        assert error(combed.pixels[1::2], clean.pixels[1::2]) > 10


@pytest.mark.parametrize("bands", [1.0, 2.0, 5.0])
def test_flicker_is_a_sinusoid_of_linear_light_along_the_rows(bands: float) -> None:
    flat = np.full((200, 160, 3), 120, np.uint8)
    level = float(light.linear_of(np.float32([120 / 255]))[0])
    seen = light.linear_of(run(flat, f"rolling=0.4,bands={bands}").astype(np.float32) / 255)
    assert float(np.ptp(seen, axis=(1, 2)).max()) == 0  # rows are exposed as wholes
    rows = seen[:, 0, 0] / level
    assert rows.mean() == pytest.approx(1, abs=0.005)
    spectrum = np.abs(np.fft.rfft(rows - 1)) * 2 / len(rows)
    assert int(np.argmax(spectrum)) == bands
    assert spectrum.max() == pytest.approx(0.4, abs=0.01)
    assert np.delete(spectrum, int(bands)).max() < 0.01


def test_bands_move_from_frame_to_frame_and_with_the_seed_but_not_in_a_still_clip() -> None:
    flat = np.full((160, 160, 3), 120, np.uint8)
    first, second = (each.pixels for each in degrade_track(flat, Degradation.parse("rolling=0.5,frames=2")))
    assert error(first, second) > 100
    assert np.array_equal(first, run(flat, "rolling=0.5"))
    assert error(first, run(flat, "rolling=0.5,seed=1")) > 100
    assert error(run(flat, "rolling=0.5,noise=1,crf=10"), first) < 5


def test_flicker_comes_before_the_full_well() -> None:
    bright = np.full((100, 100, 3), 255, np.uint8)
    seen = run(bright, "rolling=0.5")
    assert np.mean(seen[:, 0, 0] == 255) == pytest.approx(0.5, abs=0.03)


def test_an_edge_overshoots_by_the_amount_and_its_mean_stays() -> None:
    step = np.full((20, 40, 3), 100.0)
    step[:, 20:] = 150
    for amount in (0.5, 1.0, 2.0):
        seen = processing.sharpened(step, amount)
        assert seen.max() - 150 == pytest.approx(100 - seen.min())
        assert seen.max() - 150 == pytest.approx(amount * 50 * 0.3, rel=0.03)
        assert seen.mean() == pytest.approx(step.mean())


def test_sharpening_amplifies_noise_as_its_transfer_function_says() -> None:
    noisy = np.full((200, 200, 3), 128, np.uint8)
    plain, sharp = (run(noisy, f"noise=4{text}").astype(float).std() for text in ("", ",sharpen=1"))
    # (1 + a - a g) summed over frequencies: white noise grows by sqrt((1 + a)^2 - 2 a (1 + a) g(0) + a^2 |g|^2).
    kernel = np.outer(*[cv2.getGaussianKernel(9, 1)] * 2)
    assert sharp / plain == pytest.approx(np.sqrt(4 - 4 * kernel.max() + (kernel**2).sum()), rel=0.02)


def test_rescaling_takes_detail_and_keeps_size_place_and_mean(portrait: RGB) -> None:
    clean, place = run(portrait, "width=48"), centre(run(blob(), "width=48"))
    errors = []
    for factor in (1.3, 2, 3, 4):
        seen = run(portrait, f"width=48,rescale={factor}")
        assert seen.shape == clean.shape
        assert centre(run(blob(), f"width=48,rescale={factor}")) == pytest.approx(place, abs=0.1)
        assert seen.mean() == pytest.approx(clean.mean(), abs=0.7)
        errors.append(error(seen, clean))
    assert errors == sorted(errors)
    assert np.array_equal(run(portrait, "width=48,rescale=1"), clean)


def test_rescaling_by_two_removes_what_lies_above_the_new_limit() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.unique(processing.rescaled(stripes, 2)).tolist() == [100]
    assert processing.rescaled(stripes[:8, :9], 4).shape == (8, 9, 3)


def test_motion_jpeg_loses_more_with_a_coarser_quantiser_and_keeps_odd_sizes(portrait: RGB) -> None:
    odd = np.ascontiguousarray(portrait[:121, 60:137])
    errors = [error(coding.mjpeg_coded(odd, quantiser), odd) for quantiser in (2, 5, 12, 31)]
    assert errors == sorted(errors)
    assert errors[0] < 25 < errors[-1]
    assert coding.mjpeg_coded(odd, 9).shape == odd.shape
    assert np.array_equal(coding.mjpeg_coded(odd, 9), coding.mjpeg_coded(odd, 9))
    assert centre(coding.mjpeg_coded(blob(121), 5)) == pytest.approx(centre(blob(121)), abs=0.1)


def test_motion_jpeg_keeps_a_weak_texture_at_a_fine_quantiser_and_drops_it_at_a_coarse_one() -> None:
    """One cosine of the DCT, amplitude 6: its coefficient is 34, its step 27/8 of the quantiser (MPEG-1)."""
    x = np.arange(64)
    row = np.rint(128 + 6 * np.cos(np.pi * (2 * x + 1) * 5 / 16)).astype(np.uint8)
    weak = np.ascontiguousarray(np.broadcast_to(row[None, :, None], (64, 64, 3)))
    green = [float(coding.mjpeg_coded(weak, quantiser)[..., 1].std()) for quantiser in (2, 31)]
    assert green[0] == pytest.approx(float(row.std()), rel=0.2)
    assert green[1] == 0
    assert float(coding.mjpeg_coded(weak, 31).mean()) == pytest.approx(128, abs=1.5)


def test_colours_survive_motion_jpeg() -> None:
    for colour in ((200, 30, 30), (30, 200, 30), (30, 30, 200), (250, 250, 250), (5, 5, 5)):
        flat = np.full((32, 32, 3), colour, np.uint8)
        assert np.abs(coding.mjpeg_coded(flat, 2).astype(int) - flat).max() <= 4


def test_the_recorder_comes_after_the_camera_and_before_the_code(portrait: RGB) -> None:
    shot = run(portrait, "width=48,noise=3,sharpen=1")
    stored = coding.jpeg_coded(processing.rescaled(shot, 2), 50)
    assert np.array_equal(run(portrait, "width=48,noise=3,sharpen=1,rescale=2,jpeg=50"), stored)
    again = coding.mjpeg_coded(stored, 10)
    assert np.array_equal(run(portrait, "width=48,noise=3,sharpen=1,rescale=2,jpeg=50,mjpeg=10"), again)


def test_a_picture_of_levels_becomes_exactly_the_light_of_each_level(portrait: RGB) -> None:
    coded = (portrait / np.float32(255)).astype(np.float32)
    assert np.array_equal(light.scene_of(portrait, False), coded)
    assert np.array_equal(light.scene_of(portrait[:, ::-1], True), light.linear_of(coded)[:, ::-1])


def test_a_clip_gives_back_its_last_frames_as_they_are_in_the_whole(portrait: RGB) -> None:
    frames = [np.ascontiguousarray(portrait[k : k + 61, 100:177]) for k in range(6)]
    whole, end = coding.h264_coded(frames, 30), coding.h264_coded(frames, 30, 4)
    assert [each.shape for each in end] == [(61, 77, 3)] * 2
    for number, seen in enumerate(end, 4):
        assert min(range(6), key=lambda k: error(whole[k], seen)) == number


def test_a_defocus_below_a_sixteenth_of_a_pixel_changes_nothing(portrait: RGB) -> None:
    assert optics.disc_kernel(0.05).tolist() == [[1]]
    seen = run(portrait, "width=48,defocus=0.01")
    assert error(seen, run(portrait, "width=48,linear=0")) < 1
