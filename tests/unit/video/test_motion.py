"""The motion gate: what opens it (a small face, a drift, time) and what does not (noise, flicker, a running clock)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facerecon.profiles import Motion
from facerecon.records import Frame, Timestamp
from facerecon.video.motion import BRIGHTEST, DARKEST, LEVEL, MotionGate, cell_means, changed, median

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


class Watched(MotionGate):
    """Says only whether something moved."""

    def moved(self, each: Frame) -> bool:
        return self.look(each).moved


def gate(refresh_s: float = NEVER, **settings: float) -> Watched:
    return Watched(Motion.model_validate({"refresh_s": refresh_s, **settings}))


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
    grey = np.zeros((16, 24), np.uint8)
    grey[:8, 8:12] = 200
    assert (cell_means(grey, 8, (24, 16)) / LEVEL).tolist() == [[0, 100, 0], [0, 0, 0]]


@pytest.mark.parametrize("cell_px", [2, 3, 5, 8, 12, 16, 20, 64])
@pytest.mark.parametrize("size", [(320, 192), (161, 97), (1280, 720)])
def test_cell_means_agree_with_the_definition(cell_px: int, size: tuple[int, int]) -> None:
    grey = np.random.default_rng(2).integers(0, 256, size[::-1], dtype=np.uint8)
    rows, columns = size[1] // cell_px, size[0] // cell_px
    blocks = grey[: rows * cell_px, : columns * cell_px].reshape(rows, cell_px, columns, cell_px)
    off = cell_means(grey, cell_px, size) / LEVEL - blocks.mean(axis=(1, 3))
    # Halving rounds up everywhere, which no difference shows.
    assert 0 <= np.median(off) < 0.75
    assert np.abs(off - np.median(off)).max() < 0.6


def test_a_limited_range_is_measured_in_the_same_levels() -> None:
    coded = np.repeat(np.repeat(np.array([[16, 235], [125, 5]], np.uint8), 8, axis=0), 8, axis=1)
    levels = cell_means(coded, 8, (16, 16), limited=True) / LEVEL
    assert np.round(levels, 1).tolist() == [[0, 255], [126.9, -12.8]]
    for extreme in (0, 255):
        (value,) = cell_means(np.full((8, 8), extreme, np.uint8), 8, (8, 8), limited=True).ravel()
        assert DARKEST <= value <= BRIGHTEST


@pytest.mark.parametrize(
    ("coded", "size"), [((720, 576), (768, 576)), ((704, 288), (704, 528)), ((702, 574), (749, 574))]
)
def test_stretched_pictures_have_the_cells_of_their_square_pixels(
    coded: tuple[int, int], size: tuple[int, int]
) -> None:
    picture = scene(*coded)[..., 0]
    expected = cell_means(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8), 8, size)
    off = (cell_means(picture, 8, size) - expected.astype(int)) / LEVEL
    assert expected.std() > 10 * LEVEL
    assert np.abs(off - np.median(off)).max() < 2


def test_pixels_that_are_not_square_are_measured_in_square_ones() -> None:
    """A strip at the right edge of 24 px of a picture that was stored at half its width."""
    grey = np.zeros((16, 40), np.uint8)
    grey[:, 28:] = 160
    assert (cell_means(grey, 8, (80, 16)) / LEVEL)[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 160, 160, 160]


@given(hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(DARKEST, BRIGHTEST)))
def test_median_is_the_upper_one(cells: npt.NDArray[np.int16]) -> None:
    assert median(cells) == sorted(cells.ravel().tolist())[cells.size // 2]


def test_changed_discounts_a_common_offset() -> None:
    before = np.zeros((4, 4), np.int16)
    after = np.full_like(before, 9 * LEVEL)
    after[1, 1] += 7 * LEVEL
    assert np.argwhere(changed(after, before, 6.0)).tolist() == [[1, 1]]


def test_no_difference_of_cells_is_too_large_to_be_told() -> None:
    before = np.full((9, 9), DARKEST, np.int16)
    after = np.full((9, 9), BRIGHTEST, np.int16)
    before[:4], after[:4] = BRIGHTEST, DARKEST
    assert np.argwhere(changed(after, before, 6.0)).tolist() == [
        [row, column] for row in range(4) for column in range(9)
    ]
