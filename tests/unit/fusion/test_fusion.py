"""Multi-frame fusion: finds sub-pixel motion, beats its best frame, resists a stranger and an occlusion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from facerecon.fusion import fuse, register
from facerecon.fusion.combination import _median
from facerecon.records import RGB, FaceView, Landmarks5

SCALE = 4
LANDMARKS = np.array([(204.3, 100.3), (246.9, 102.9), (223.1, 128.7), (202.0, 137.6), (243.7, 140.1)])
CROP = (144, 32, 160)  # x, y, side


def portrait() -> RGB:
    x, y, side = CROP
    return np.ascontiguousarray(data.astronaut()[y : y + side, x : x + side])


def points(matrix: np.ndarray) -> Landmarks5:
    local = LANDMARKS - CROP[:2]
    moved = (np.column_stack((local, np.ones(5))) @ matrix.T + 0.5) / SCALE - 0.5
    a, b, c, d, e = (tuple(point) for point in moved.tolist())
    return (a, b, c, d, e)


def motion(rng: np.random.Generator) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((80, 80), rng.normal(0, 2), 1 + rng.normal(0, 0.02))
    matrix[:, 2] += rng.uniform(-5, 5, 2)
    return matrix


def recorded(matrix: np.ndarray, rng: np.random.Generator, noise: float = 5.0) -> FaceView:
    """Look at the moved portrait through a camera of a quarter of its resolution."""
    moved = cv2.warpAffine(portrait(), matrix, (160, 160), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    small = cv2.resize(cv2.GaussianBlur(moved, (0, 0), 1.2), (40, 40), interpolation=cv2.INTER_AREA).astype(float)
    noisy = np.clip(np.rint(small + rng.normal(0, noise, small.shape)), 0, 255).astype(np.uint8)
    return FaceView(noisy, points(matrix))


def track(count: int = 8, noise: float = 5.0, seed: int = 0) -> tuple[list[FaceView], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    motions = [np.eye(2, 3)] + [motion(rng) for _ in range(count - 1)]
    return [recorded(each, rng, noise) for each in motions], motions


def psnr(pixels: RGB) -> float:
    inner = np.s_[24:136, 24:136]
    error = np.mean((pixels[inner].astype(float) - portrait()[inner]) ** 2)
    return float(10 * np.log10(255**2 / error))


def enlarged(view: FaceView) -> RGB:
    return np.asarray(cv2.resize(view.pixels, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC))


def test_registration_finds_the_motion_to_a_fifth_of_a_pixel() -> None:
    views, motions = track(noise=2)
    grid = np.column_stack((np.array(views[0].landmarks), np.ones(5)))
    for view, truth in zip(views[1:], motions[1:], strict=True):
        found = register(views[0], FaceView(view.pixels, shaken(view.landmarks)), 0.8)
        assert not found.problem
        error = np.hypot(*(grid @ found.to_picture.T - np.array(points(truth))).T)
        assert error.max() < 0.2


def shaken(landmarks: Landmarks5) -> Landmarks5:
    """Move the landmarks as a detector's inaccuracy does."""
    offsets = ((0.4, -0.3), (-0.5, 0.2), (0.3, 0.4), (-0.2, -0.4), (0.5, 0.1))
    a, b, c, d, e = ((x + dx, y + dy) for (x, y), (dx, dy) in zip(landmarks, offsets, strict=True))
    return (a, b, c, d, e)


@pytest.mark.parametrize("seed", [0, 1])
def test_eight_frames_beat_the_reference_and_more_frames_beat_fewer(seed: int) -> None:
    views, _ = track(16, seed=seed)
    single = psnr(enlarged(views[0]))
    four, eight, sixteen = (psnr(fuse(views[:count], [1.0] * count).pixels) for count in (4, 8, 16))
    assert single + 1.0 < eight
    assert four < eight < sixteen


def test_back_projection_sharpens_towards_the_truth_and_keeps_to_the_frames() -> None:
    views, _ = track(12, noise=2)
    blurred = fuse(views, [1.0] * 12, sharpen_iterations=0)
    sharp = fuse(views, [1.0] * 12)
    assert psnr(sharp.pixels) > psnr(blurred.pixels) + 0.5
    seen = cv2.resize(sharp.pixels, (40, 40), interpolation=cv2.INTER_AREA).astype(float)[6:34, 6:34]
    assert np.abs(seen - views[0].pixels[6:34, 6:34]).mean() < 4


def test_another_face_is_rejected_with_the_reason_and_does_not_count() -> None:
    views, _ = track()
    flat = np.full((40, 40, 3), 90, np.uint8)
    stranger = FaceView(np.ascontiguousarray(views[1].pixels[::-1]), views[1].landmarks)
    fused = fuse([*views, stranger, FaceView(flat, views[0].landmarks)], [1.0] * 10)
    assert fused.weights[8:] == (0.0, 0.0)
    assert all(fit.problem for fit in fused.registrations[8:])
    assert np.array_equal(fused.pixels, fuse(views, [1.0] * 8).pixels)


def test_an_occlusion_in_one_frame_leaves_no_trace() -> None:
    views, _ = track()
    covered = views[3].pixels.copy()
    covered[22:30, 14:26] = (250, 40, 40)
    hidden = fuse([*views[:3], FaceView(covered, views[3].landmarks), *views[4:]], [1.0] * 8)
    without = fuse([*views[:3], *views[4:]], [1.0] * 7)
    patch = np.s_[92:116, 60:100]
    assert np.abs(hidden.pixels[patch].astype(int) - without.pixels[patch]).mean() < 2.5
    assert hidden.count[patch].mean() < hidden.count[40:80, 60:100].mean() - 0.5


def test_brightness_and_contrast_of_the_reference_rule() -> None:
    views, _ = track()
    dimmed = [views[0], *(FaceView((view.pixels * 0.8 + 10).astype(np.uint8), view.landmarks) for view in views[1:])]
    assert abs(psnr(fuse(dimmed, [1.0] * 8).pixels) - psnr(fuse(views, [1.0] * 8).pixels)) < 0.5


def test_one_frame_is_itself_enlarged_and_weights_are_shares() -> None:
    views, _ = track(3)
    alone = fuse(views[:1], [0.3], sharpen_iterations=0)
    assert alone.weights == (1.0,)
    assert np.array_equal(alone.count, np.ones((160, 160), np.float32))
    assert np.abs(alone.pixels[8:-8, 8:-8].astype(int) - enlarged(views[0])[8:-8, 8:-8]).max() <= 2
    shares = fuse(views, [1.0, 1.0, 3.0]).weights
    assert sum(shares) == pytest.approx(1)
    assert shares[2] > 2 * shares[1]


def test_fusion_repeats_itself_and_refuses_nonsense() -> None:
    views, _ = track(5)
    first, second = (fuse(views, [1.0] * 5) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.deviation, second.deviation)
    with pytest.raises(ValueError, match="one quality per view"):
        fuse(views, [1.0])
    with pytest.raises(ValueError, match="at least one view"):
        fuse([], [])


def test_black_frames_and_faces_at_the_border_do_no_harm() -> None:
    black = FaceView(np.zeros((40, 40, 3), np.uint8), points(np.eye(2, 3)))
    fused = fuse([black, black, black], [1.0] * 3)
    assert fused.pixels.max() <= 1
    views, _ = track(4)
    edge = [
        FaceView(np.ascontiguousarray(view.pixels[8:, :26]), tuple((x, y - 8) for x, y in view.landmarks))
        for view in views
    ]
    assert fuse(edge, [1.0] * 4).pixels.shape == (128, 104, 3)


@pytest.mark.parametrize("count", range(1, 34))
def test_the_median_of_planes_is_numpys(count: int) -> None:
    planes = np.random.default_rng(count).normal(size=(count, 5, 7)).astype(np.float32)
    np.testing.assert_array_equal(_median(planes), np.median(planes, axis=0))
