"""The whole chain: what each key does to a real picture, where the landmarks go, and that it is deterministic."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from facerecon.degradation import (
    FACE_WIDTHS_PER_EYE,
    Degradation,
    coding,
    degrade,
    degrade_track,
    face_width_px,
    light,
)
from facerecon.records import RGB, Landmarks5

EYES: Landmarks5 = ((100.0, 120.0), (145.0, 120.0), (122.0, 145.0), (105.0, 167.0), (140.0, 167.0))


@pytest.fixture(scope="module")
def portrait() -> RGB:
    return np.ascontiguousarray(data.astronaut()[:250, 100:350])


def grey(level: int, side: int = 240) -> RGB:
    return np.full((side, side, 3), level, np.uint8)


def run(pixels: RGB, text: str, landmarks: Landmarks5 | None = None) -> RGB:
    return degrade(pixels, Degradation.parse(text), landmarks).pixels


def error(one: RGB, other: RGB) -> float:
    return float(((one.astype(float) - other) ** 2).mean())


def test_the_neutral_degradation_changes_nothing(portrait: RGB) -> None:
    for text in ("none", "width=100,blur=0", "frames=3"):
        assert np.array_equal(run(portrait, text), portrait)
    assert np.array_equal(degrade(portrait, Degradation()).to_degraded, [[1, 0, 0], [0, 1, 0]])


def test_the_measured_protocol_is_blur_area_noise_jpeg(portrait: RGB) -> None:
    """A face 100 px wide in 250 px becomes 24 px: Gaussian, area means, noise of 4 levels, JPEG quality 60."""
    blurred = cv2.GaussianBlur(portrait, (0, 0), 0.4 * 250 / 60)
    expected = cv2.resize(blurred, (60, 60), interpolation=cv2.INTER_AREA)
    clean = run(portrait, "width=24")
    assert clean.shape == (60, 60, 3)
    assert error(clean, expected) < 0.5

    noisy = run(portrait, "width=24,noise=4")
    middle = (clean > 20) & (clean < 235)
    assert (noisy.astype(float) - clean)[middle].std() == pytest.approx(4, rel=0.03)

    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=60)
    assert np.array_equal(run(portrait, "width=24,noise=4,jpeg=60"), np.array(Image.open(stream)))


def test_equal_picture_and_seed_give_equal_bytes_and_others_do_not(portrait: RGB) -> None:
    text = "width=24,gain=0.3,poisson=500,noise=4,jpeg=60"
    assert np.array_equal(run(portrait, text), run(portrait.copy(), text))
    assert not np.array_equal(run(portrait, text), run(portrait, f"{text},seed=1"))

    def noise(pixels: RGB) -> np.ndarray:
        return run(pixels, "noise=5").astype(float) - pixels

    one, other = noise(grey(100)), noise(grey(101))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("gain", [0.1, 0.5, 2.0])
def test_gain_is_a_factor_on_linear_light_and_saturates(gain: float) -> None:
    for level in (60, 120, 240):
        given, seen = (
            light.linear_of(np.float32([value / 255])) for value in (level, run(grey(level), f"gain={gain}")[0, 0, 0])
        )
        assert seen[0] == pytest.approx(min(1.0, gain * given[0]), abs=0.005)


def test_darkness_is_noisier_for_the_same_sensor() -> None:
    def relative_noise(gain: float) -> float:
        seen = light.linear_of(run(grey(160), f"gain={gain},poisson=2000").astype(np.float32) / 255)
        return float(seen.std() / seen.mean())

    # Poisson: relative noise grows with the root of the exposure's inverse.
    assert relative_noise(0.1) / relative_noise(0.4) == pytest.approx(2, rel=0.1)


def test_warm_and_cold_light_cast_to_red_and_blue_at_equal_luminance() -> None:
    luminance = np.array([0.2126, 0.7152, 0.0722])
    for key, strongest in (("warm=3000", 0), ("cold=12000", 2)):
        seen = light.linear_of(run(grey(110), key)[0, 0].astype(np.float32) / 255)
        assert int(np.argmax(seen)) == strongest
        assert seen @ luminance == pytest.approx(light.linear_of(np.float32([110 / 255]))[0], abs=0.004)


def test_motion_and_defocus_are_measured_in_pixels_of_the_reduced_picture() -> None:
    """A one-pixel line becomes as wide as the motion is long, whatever the pristine picture's size."""
    for side in (250, 500):
        line = grey(0, side)
        line[:, side // 2 - side // 100 : side // 2 + side // 100] = 255
        seen = light.linear_of(run(line, "width=40,blur=0,motion=9,angle=0").astype(np.float32)[50, :, 0] / 255)
        assert int((seen > seen.max() / 2).sum()) == pytest.approx(9, abs=1)
        upright = run(line, "width=40,blur=0,motion=9,angle=90")
        assert int((upright[50, :, 0] > 0).sum()) <= 3
        disc = light.linear_of(run(line, "width=40,blur=0,defocus=4").astype(np.float32)[50, :, 0] / 255)
        assert int((disc > disc.max() / 100).sum()) == pytest.approx(9, abs=2)


def test_linear_light_makes_averages_brighter_than_code_values() -> None:
    stripes = grey(0)
    stripes[:, ::2] = 255
    assert run(stripes, "width=48,blur=0,linear=1").mean() == pytest.approx(188, abs=1)  # half the light
    assert run(stripes, "width=48,blur=0").mean() == pytest.approx(127.5, abs=1)


def test_the_face_is_as_wide_as_asked_by_either_rule(portrait: RGB) -> None:
    made = degrade(portrait, Degradation.parse("width=32"), EYES)
    (ax, _), (bx, _) = made.carried(EYES)[:2]
    assert (bx - ax) * FACE_WIDTHS_PER_EYE == pytest.approx(32, rel=0.01)
    assert face_width_px(portrait) == 100
    assert face_width_px(portrait, EYES) == pytest.approx(45 * 2.23, rel=0.01)
    with pytest.raises(ValueError, match="the face is 100 px wide, less than the 120 px"):
        degrade(portrait, Degradation.parse("width=120"))
    with pytest.raises(ValueError, match="8 px are needed"):
        degrade(grey(0, 15), Degradation.parse("width=4"), ((0.0, 5.0), (4.0, 5.0), (2.0, 7.0), (0.5, 9.0), (3.5, 9.0)))


def test_points_go_where_the_transform_says() -> None:
    """A blob's centroid in each frame of a track is where the ground truth puts it."""
    y, x = np.mgrid[:240, :240]
    blob = np.exp(-((x - 90.3) ** 2 + (y - 140.8) ** 2) / (2 * 12**2))
    scene = np.rint(255 * blob[..., None].repeat(3, 2)).astype(np.uint8)
    landmarks: Landmarks5 = ((90.3, 140.8),) * 5
    track = degrade_track(scene, Degradation.parse("width=32,frames=8"))
    centres = []
    for frame in track:
        weight = frame.pixels[..., 0].astype(float)
        v, u = np.mgrid[: weight.shape[0], : weight.shape[1]]
        centre = np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()
        assert frame.carried(landmarks)[0] == pytest.approx(centre, abs=0.06)
        centres.append(centre)
    shifts = np.array(centres[1:]) - centres[0]
    assert np.abs(shifts).max() > 0.5
    assert np.abs(shifts).max() < 3


def test_a_track_begins_with_the_single_picture_and_its_frames_have_their_own_noise(portrait: RGB) -> None:
    model = Degradation.parse("width=32,noise=3,frames=4")
    track = degrade_track(portrait, model)
    assert len(track) == 4
    assert np.array_equal(track[0].pixels, run(portrait, "width=32,noise=3"))
    assert np.array_equal(track[0].pixels, degrade(portrait, model).pixels)
    flat = [frame.pixels.astype(float) - 100 for frame in degrade_track(grey(100), model)]
    assert abs(np.corrcoef(flat[0].ravel(), flat[1].ravel())[0, 1]) < 0.05


def test_stronger_compression_loses_more(portrait: RGB) -> None:
    clean = run(portrait, "width=48")
    by_crf = [error(run(portrait, f"width=48,crf={crf}"), clean) for crf in (10, 25, 35, 45)]
    by_quality = [error(run(portrait, f"width=48,jpeg={quality}"), clean) for quality in (95, 75, 40, 10)]
    assert by_crf == sorted(by_crf)
    assert by_quality == sorted(by_quality)
    assert by_crf[0] < 20 < by_crf[-1]


def test_h264_keeps_size_and_number_of_frames_also_of_odd_pictures(portrait: RGB) -> None:
    frames = [np.ascontiguousarray(portrait[k : k + 61, 100:177]) for k in range(5)]
    coded = coding.h264_coded(frames, 20)
    assert [frame.shape for frame in coded] == [(61, 77, 3)] * 5
    assert all(error(given, seen) < error(frames[0], frames[4]) for given, seen in zip(frames, coded, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(coded, coding.h264_coded(frames, 20), strict=True))


def test_h264_predicts_from_the_frames_before(portrait: RGB) -> None:
    """What came before shows in a frame: its decoded pixels depend on the earlier pictures."""
    last = np.ascontiguousarray(portrait[:96, 100:196])
    calm, other = coding.h264_coded([last, last], 40)[1], coding.h264_coded([last[::-1].copy(), last], 40)[1]
    assert not np.array_equal(calm, other)


@pytest.mark.parametrize("crf", [25, 30, 35])
def test_a_coded_face_stays_where_the_landmarks_say(portrait: RGB, crf: int) -> None:
    """The clip round a single picture must not drag it along: skipped blocks keep the place of earlier frames."""
    clean, coded = (
        cv2.cvtColor(run(portrait, text), cv2.COLOR_RGB2GRAY).astype(np.float32)
        for text in ("width=48", f"width=48,noise=2,crf={crf}")
    )
    shift, _ = cv2.phaseCorrelate(clean, coded, cv2.createHanningWindow(clean.shape[::-1], cv2.CV_32F))
    assert np.hypot(*shift) < 0.3  # of a coarser code the place itself becomes uncertain
