"""Quality falls with blur, darkness, turn and size; best shots are few, good and spread in time; crops are exact."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data
from skimage.measure import blur_effect
from skimage.restoration import estimate_sigma
from skimage.transform import SimilarityTransform

from facerecon.faces.alignment import FFHQ_512, scaled_template, similarity_transform
from facerecon.faces.quality import assess, conditions, fine_detail, pose_degrees, sharpness
from facerecon.faces.shots import BestShots, aligned_picture, crop_bounds, cut_chip
from facerecon.profiles import Shots
from facerecon.records import Detection, Frame, Landmarks5, Timestamp

# The astronaut's face as RetinaFace sees it, in pixels of the 512x512 portrait.
FACE = Detection(
    box=(176.0, 62.0, 270.0, 190.0),
    score=0.999,
    landmarks=((203.0, 108.0), (246.0, 108.0), (228.0, 134.0), (208.0, 157.0), (245.0, 156.0)),
)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return data.astronaut()


def frame(pixels: np.ndarray, index: int = 0) -> Frame:
    return Frame(index, Timestamp(pts=index, time_base=(1, 10)), pixels, True)


def test_blur_darkness_and_clipping_cost_quality(portrait: np.ndarray) -> None:
    good = assess(portrait, FACE)
    blurred = assess(cv2.GaussianBlur(portrait, (0, 0), 4), FACE)
    dark = assess((portrait * 0.08).astype(np.uint8), FACE)
    white = assess(np.clip(portrait.astype(int) + 200, 0, 255).astype(np.uint8), FACE)
    assert blurred.sharpness < 0.7 * good.sharpness
    assert good.score > blurred.score
    assert good.score > dark.score
    assert good.score > white.score
    assert white.clipped > 0.5
    assert 0.5 < good.score <= 1


def test_smaller_face_has_lower_quality_and_enlarging_makes_it_no_sharper(portrait: np.ndarray) -> None:
    def scaled(factor: float) -> Detection:
        points = [((x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5) for x, y in FACE.landmarks]
        box = tuple(value * factor for value in FACE.box)
        return Detection(box=box, score=FACE.score, landmarks=tuple(points))  # type: ignore[arg-type]

    small = cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA)
    blown = cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert assess(small, scaled(0.25)).score < assess(portrait, FACE).score
    assert assess(blown, FACE).sharpness < 0.8 * assess(portrait, FACE).sharpness
    assert assess(blown, FACE).score < assess(portrait, FACE).score


def test_sharpness_is_what_the_blur_metric_of_scikit_image_leaves(portrait: np.ndarray) -> None:
    for pixels in (portrait, cv2.GaussianBlur(portrait, (0, 0), 3.0), portrait[:, ::-1].copy()):
        luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[70:171, 180:261].astype(np.float32)
        expected = 1 - blur_effect(cv2.GaussianBlur(luma, (0, 0), 1.0), h_size=9)
        assert sharpness(pixels, (180.0, 70.0, 260.0, 170.0)) == pytest.approx(expected, abs=1e-7)


def test_fine_detail_is_the_noise_estimate_of_scikit_image_over_the_contrast(portrait: np.ndarray) -> None:
    for pixels in (portrait, cv2.GaussianBlur(portrait, (0, 0), 1.0), portrait[:, ::-1].copy()):
        luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[70:171, 180:261].astype(np.float64)
        expected = estimate_sigma(luma) / luma.std()
        assert fine_detail(pixels, (180.0, 70.0, 260.0, 170.0)) == pytest.approx(expected, rel=1e-12)


def test_a_face_without_finest_structure_has_no_fine_detail() -> None:
    ramp = np.repeat(np.repeat(np.arange(64, dtype=np.uint8)[:, np.newaxis, np.newaxis], 64, 1), 3, 2)
    assert fine_detail(ramp, (0.0, 0.0, 63.0, 63.0)) == pytest.approx(0, abs=1e-9)


def test_compression_and_blur_take_fine_detail_and_brightness_does_not(portrait: np.ndarray) -> None:
    def stored(quality: int) -> np.ndarray:
        _, data = cv2.imencode(".jpg", portrait, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    sharp = assess(portrait, FACE).fine_detail
    assert sharp > assess(stored(60), FACE).fine_detail > assess(stored(20), FACE).fine_detail
    assert assess(cv2.GaussianBlur(portrait, (0, 0), 1.5), FACE).fine_detail < sharp / 2
    assert fine_detail((portrait * 0.5).astype(np.uint8), FACE.box) == pytest.approx(sharp, rel=0.15)
    assert fine_detail(np.full_like(portrait, 90), FACE.box) == 0


def test_conditions_are_weighted_means_and_count_the_frames(portrait: np.ndarray) -> None:
    one, other = assess(portrait, FACE), assess((portrait * 0.5).astype(np.uint8), FACE)
    found = conditions([(FACE, one), (FACE, other)], [3.0, 1.0])
    assert found["brightness"] == pytest.approx(0.75 * one.brightness + 0.25 * other.brightness)
    assert found["inter_eye_px"] == pytest.approx(FACE.frontal_inter_eye_px)
    assert found["yaw_deg"] == pytest.approx(abs(one.yaw_deg))
    assert found["frames"] == 2


@pytest.mark.parametrize(("turn", "sign"), [(-25, -1), (25, 1)])
def test_yaw_follows_the_turn_of_a_head(turn: float, sign: int) -> None:
    head = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.62, 0.42], [-0.42, 1.12, 0.05], [0.42, 1.12, 0.05]]) * 60
    angle = np.radians(turn)
    x = head[:, 0] * np.cos(angle) + head[:, 2] * np.sin(angle)
    points = tuple(zip(x + 100, head[:, 1] + 100, strict=True))
    yaw, pitch, roll = pose_degrees(points)  # type: ignore[arg-type]
    assert np.sign(yaw) == sign
    assert abs(yaw - turn) < 6
    assert abs(pitch) < 5
    assert abs(roll) < 1


@given(st.floats(-180, 180), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_similarity_is_recovered(angle: float, scale: float, dx: float, dy: float) -> None:
    a = np.radians(angle)
    matrix = np.array([[scale * np.cos(a), -scale * np.sin(a), dx], [scale * np.sin(a), scale * np.cos(a), dy]])
    target = np.c_[np.array(FFHQ_512), np.ones(5)] @ matrix.T
    found = similarity_transform(FFHQ_512, tuple(map(tuple, target)))  # type: ignore[arg-type]
    assert np.allclose(found, matrix, atol=1e-6 * max(1, scale * 500))


@pytest.mark.parametrize("mirrored", [False, True])
def test_inexact_points_are_fitted_as_umeyama_does(mirrored: bool) -> None:
    spread = np.random.default_rng(3).normal(scale=12, size=(5, 2))
    target = np.array(FFHQ_512) * ((-0.1, 0.1) if mirrored else (0.1, 0.1)) + spread
    expected = SimilarityTransform.from_estimate(np.array(FFHQ_512), target).params[:2]
    found = similarity_transform(FFHQ_512, tuple(map(tuple, target)))  # type: ignore[arg-type]
    assert np.allclose(found, expected, atol=1e-9)


def test_coinciding_landmarks_cannot_be_aligned() -> None:
    with pytest.raises(ValueError, match="coincide"):
        similarity_transform(((1.0, 1.0),) * 5, FFHQ_512)


def test_crop_is_an_exact_copy_of_frame_pixels(portrait: np.ndarray) -> None:
    chip = cut_chip(frame(portrait), "t0001", FACE, assess(portrait, FACE), 0.35)
    x, y = chip.origin
    height, width = chip.pixels.shape[:2]
    assert np.array_equal(chip.pixels, portrait[y : y + height, x : x + width])
    assert chip.pixels.base is None or chip.pixels.base is not portrait
    left, top, right, bottom = FACE.box
    assert x <= left
    assert y <= top
    assert x + width >= right
    assert y + height >= bottom


@given(st.floats(-50, 250), st.floats(-50, 150), st.floats(1, 300), st.floats(0, 2))
def test_crop_stays_inside_the_picture_and_is_never_empty(x: float, y: float, size: float, margin: float) -> None:
    points: Landmarks5 = ((x, y), (x + 1, y), (x, y + 1), (x, y + 2), (x + 1, y + 2))
    face = Detection(box=(x, y, x + size, y + size), score=0.5, landmarks=points)
    x0, y0, x1, y1 = crop_bounds(face, margin, 200, 100)
    assert 0 <= x0 < x1 <= 200
    assert 0 <= y0 < y1 <= 100


def test_aligned_view_puts_the_eyes_where_the_template_has_them(portrait: np.ndarray) -> None:
    chip = cut_chip(frame(portrait), "t0001", FACE, assess(portrait, FACE), 0.35)
    pixels, transform = aligned_picture(chip)
    mapped = np.array(transform) @ np.c_[np.array(FACE.landmarks), np.ones(5)].T
    assert pixels.shape == (256, 256, 3)
    assert np.abs(mapped.T - np.array(scaled_template(256))).max() < 6


def test_best_shots_are_the_best_and_spread_in_time(portrait: np.ndarray) -> None:
    settings = Shots(best=3, min_spacing_s=0.5)
    shots, scores = BestShots(settings), [0.3, 0.5, 0.4, 0.6, 0.2, 0.9, 0.8, 0.1, 0.7, 0.75, 0.65]
    for index, score in enumerate(scores):
        quality = assess(portrait, FACE).model_copy(update={"score": score})
        at = frame(portrait, index * 2)
        if shots.wants(quality, at.timestamp.seconds):
            shots.add(cut_chip(at, "", FACE, quality, 0.1))
    times = sorted(chip.timestamp.seconds for chip in shots.chips)
    assert [chip.quality.score for chip in shots.chips] == sorted((c.quality.score for c in shots.chips), reverse=True)
    assert shots.chips[0].quality.score == 0.9
    assert len(shots.chips) == 3
    assert all(b - a >= 0.5 for a, b in zip(times, times[1:], strict=False))
