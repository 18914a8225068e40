"""The motion gate: what opens it (a small face, a drift, time) and what does not (noise, flicker, a running clock)."""

from __future__ import annotations

import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facerecon.profiles import Motion
from facerecon.records import Frame, Timestamp
from facerecon.video.motion import MotionGate, cell_means, changed

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT, RATE = 320, 192, 25
NEVER = 1e6


def scene(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    coarse = np.random.default_rng(1).integers(40, 200, (12, 20, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def frame(pixels: Pixels, index: int) -> Frame:
    return Frame(index, Timestamp(pts=index, time_base=(1, RATE)), pixels, keyframe=False)


def noisy(pixels: Pixels, sigma: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.asarray(np.clip(np.rint(pixels + noise), 0, 255), dtype=np.uint8)


def gate(refresh_s: float = NEVER, **settings: float) -> MotionGate:
    return MotionGate(Motion.model_validate({"refresh_s": refresh_s, **settings}))


def with_face(pixels: Pixels, x: int, y: int, side: int = 16, contrast: int = 30) -> Pixels:
    """A small face-like patch: darker, with two eyes."""
    face: Pixels = pixels.copy()
    patch = face[y : y + side, x : x + side].astype(np.int16) - contrast
    face[y : y + side, x : x + side] = np.clip(patch, 0, 255)
    face[y + side // 3 : y + side // 3 + 2, x + 3 : x + 6] = 20
    face[y + side // 3 : y + side // 3 + 2, x + side - 6 : x + side - 3] = 20
    return face


def test_first_frame_moves_and_a_still_scene_does_not() -> None:
    watched = gate()
    assert [watched.moved(frame(scene(), index)) for index in range(5)] == [True, False, False, False, False]


def test_disabled_gate_is_always_open() -> None:
    watched = MotionGate(Motion(enabled=False))
    assert all(watched.moved(frame(scene(), index)) for index in range(3))


@pytest.mark.parametrize("sigma", [2.0, 8.0, 20.0])
def test_sensor_noise_does_not_open(sigma: float) -> None:
    watched = gate()
    opened = [watched.moved(frame(noisy(scene(), sigma, index), index)) for index in range(60)]
    assert opened == [True] + [False] * 59


@pytest.mark.parametrize("levels", [-12, 15])
def test_global_flicker_does_not_open(levels: int) -> None:
    watched = gate()
    watched.moved(frame(scene(), 0))
    flicker = np.clip(scene().astype(np.int16) + levels, 0, 255).astype(np.uint8)
    assert not watched.moved(frame(flicker, 1))


@pytest.mark.parametrize("offset", range(0, 9))
@pytest.mark.parametrize("sigma", [0.0, 4.0])
def test_a_face_of_16_px_opens_wherever_it_stands(offset: int, sigma: float) -> None:
    watched = gate()
    assert watched.moved(frame(noisy(scene(), sigma, 1), 0))
    assert not watched.moved(frame(noisy(scene(), sigma, 2), 1))
    assert watched.moved(frame(noisy(with_face(scene(), 80 + offset, 60 + offset), sigma, 3), 2))


def test_a_slow_drift_adds_up() -> None:
    watched = gate()
    opened = []
    for index in range(40):
        pixels = scene()
        pixels[50:90, 50:90] = np.clip(pixels[50:90, 50:90].astype(np.int16) + index, 0, 255)
        opened.append(watched.moved(frame(pixels, index)))
    assert opened[0]
    assert not opened[1]
    assert 3 <= sum(opened) <= 8


def test_refresh_revisits_a_still_scene() -> None:
    watched = gate(refresh_s=2.0)
    opened = [index for index in range(6 * RATE) if watched.moved(frame(scene(), index))]
    assert opened == [0, 50, 100]


def clocked(second: int, pixels: Pixels) -> Pixels:
    drawn: Pixels = pixels.copy()
    text = f"2024-01-01 12:{second // 60:02d}:{second % 60:02d}"
    cv2.putText(drawn, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
    return drawn


@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_a_running_clock_is_learned_and_then_ignored(sigma: float) -> None:
    watched = gate()
    opened = []
    for index in range(0, 30 * RATE, 5):
        pixels = noisy(clocked(index // RATE, scene()), sigma, index)
        if watched.moved(frame(pixels, index)):
            opened.append(index / RATE)
    assert max(opened) < 6


def test_a_face_still_opens_beside_a_known_clock() -> None:
    watched = gate()
    for index in range(0, 12 * RATE, 5):
        watched.moved(frame(clocked(index // RATE, scene()), index))
    assert watched.moved(frame(with_face(clocked(12, scene()), 200, 120), 12 * RATE))


def test_a_new_picture_size_starts_afresh() -> None:
    watched = gate()
    watched.moved(frame(scene(), 0))
    assert watched.moved(frame(scene(160, 96), 1))


@pytest.mark.parametrize("size", [(5, 3), (16, 16), (161, 97)])
def test_any_size_works(size: tuple[int, int]) -> None:
    watched = gate()
    assert watched.moved(frame(scene(*size), 0))
    assert not watched.moved(frame(scene(*size), 1))


def test_cell_means_are_means() -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, 8:12] = 200
    assert cell_means(pixels, 8).tolist() == [[0, 100, 0], [0, 0, 0]]


def test_changed_discounts_a_common_offset() -> None:
    before = np.zeros((4, 4), np.float32)
    after = before + 9
    after[1, 1] += 7
    assert np.argwhere(changed(after, before, 6.0)).tolist() == [[1, 1]]


@pytest.mark.parametrize(("size", "limit_ms"), [((640, 360), 0.5), ((1920, 1080), 3.0)])
def test_speed(size: tuple[int, int], limit_ms: float) -> None:
    frames = [frame(scene(*size), index) for index in range(15)]
    watched = gate()
    watched.moved(frames[0])
    best = min(_timed(watched, each) for each in frames[1:])
    assert best * 1000 < 2 * limit_ms, "twice the target, for a busy machine"


def _timed(watched: MotionGate, each: Frame) -> float:
    start = time.perf_counter()
    watched.moved(each)
    return time.perf_counter() - start
