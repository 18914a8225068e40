"""Face coordinates, windows and parts: the same on every face, whatever its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from facerecon.faces.alignment import scaled_template
from facerecon.faces.regions import EXTENT, PARTS, between_windows, face_coordinates, part_weights, sliding_windows
from facerecon.records import Landmarks5

SIDE = 192


def turned(landmarks: Landmarks5, degrees: float, scale: float, shift: tuple[float, float]) -> Landmarks5:
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    a, b, c, d, e = (tuple(turn @ np.array(point) + np.array(shift)) for point in landmarks)
    return (a, b, c, d, e)


def inside(x: np.ndarray, y: np.ndarray, margin: float) -> np.ndarray:
    left, top, right, bottom = EXTENT
    return (x > left + margin) & (x < right - margin) & (y > top + margin) & (y < bottom - margin)


def test_landmarks_have_the_same_coordinates_however_the_face_lies() -> None:
    upright = scaled_template(SIDE)
    plain = face_coordinates(upright, SIDE, SIDE)
    lying = face_coordinates(turned(upright, 70, 0.3, (90, 12)), SIDE, SIDE)
    assert lying.landmarks == pytest.approx(plain.landmarks, abs=1e-9)
    assert lying.unit_px == pytest.approx(0.3 * plain.unit_px)


def test_the_eyes_of_the_mean_face_are_one_unit_apart_about_the_origin() -> None:
    points = face_coordinates(scaled_template(SIDE), SIDE, SIDE).landmarks
    assert points[0] == pytest.approx([-0.5, 0], abs=0.01)
    assert points[1] == pytest.approx([0.5, 0], abs=0.01)


def test_pixels_and_landmarks_share_their_coordinates() -> None:
    landmarks = turned(((60, 80), (110, 80), (85, 110), (66, 135), (104, 135)), 12, 1, (10, -15))
    face = face_coordinates(landmarks, SIDE, SIDE)
    for (x, y), (u, v) in zip(landmarks, face.landmarks, strict=True):
        column, row = round(x), round(y)
        assert face.x[row, column] == pytest.approx(u, abs=0.02)
        assert face.y[row, column] == pytest.approx(v, abs=0.02)


def test_coinciding_landmarks_have_no_coordinates() -> None:
    with pytest.raises(ValueError, match="coincide"):
        face_coordinates(((5, 5),) * 5, 10, 10)


def test_windows_cover_the_extent_without_gaps_and_nothing_far_outside() -> None:
    face = face_coordinates(scaled_template(SIDE), SIDE, SIDE)
    total = sum(sliding_windows(face, 7, 7, 0.9))
    assert total[inside(face.x, face.y, 0)].min() >= 1
    assert total[~inside(face.x, face.y, -0.5)].max() == 0


def test_a_window_is_as_large_on_a_small_face() -> None:
    large = face_coordinates(scaled_template(SIDE), SIDE, SIDE)
    small = face_coordinates(scaled_template(SIDE // 4), SIDE // 4, SIDE // 4)
    for one, other in zip(sliding_windows(large, 3, 3, 0.9), sliding_windows(small, 3, 3, 0.9), strict=True):
        assert one.sum() / large.unit_px**2 == pytest.approx(other.sum() / small.unit_px**2, rel=0.02)
        assert one.sum() / large.unit_px**2 == pytest.approx(0.9**2, rel=0.02)


def test_between_windows_each_has_its_value_in_its_middle() -> None:
    face = face_coordinates(scaled_template(SIDE), SIDE, SIDE)
    values = np.random.default_rng(0).uniform(-1, 1, (7, 7)).astype(np.float32)
    spread = between_windows(face, values)
    for window, value in zip(sliding_windows(face, 7, 7, 0.4), values.ravel(), strict=True):
        # The mean face looks straight, so a window's middle is its weights' centre.
        row, column = (round(float((window * axis).sum() / window.sum())) for axis in np.indices(window.shape))
        assert spread[row, column] == pytest.approx(value, abs=0.15)
    assert spread.min() >= values.min()
    assert spread.max() <= values.max()


def test_between_windows_fades_to_nothing_off_the_face() -> None:
    face = face_coordinates(scaled_template(SIDE), SIDE, SIDE)
    spread = between_windows(face, np.ones((7, 7), np.float32))
    assert spread[inside(face.x, face.y, 0.25)].min() == pytest.approx(1)
    assert spread[~inside(face.x, face.y, -0.25)].max() == 0


def test_parts_share_out_the_extent() -> None:
    face = face_coordinates(scaled_template(SIDE), SIDE, SIDE)
    parts = part_weights(face)
    assert tuple(parts) == PARTS
    assert min(weights.min() for weights in parts.values()) >= 0
    total = sum(parts.values())
    assert np.allclose(total[inside(face.x, face.y, 0.15)], 1, atol=1e-5)
    assert total.max() <= 1 + 1e-5


@pytest.mark.parametrize(
    ("where", "part"),
    [(0, "eyes"), (1, "eyes"), (2, "nose"), (3, "mouth"), (4, "mouth")],
)
@pytest.mark.parametrize("lean", [-18.0, 0.0, 18.0])
def test_each_landmark_lies_in_its_part(where: int, part: str, lean: float) -> None:
    # A head turned to a side: the nose tip wanders from the middle.
    a, b, (x, y), d, e = scaled_template(SIDE)
    landmarks = (a, b, (x + lean, y), d, e)
    parts = part_weights(face_coordinates(landmarks, SIDE, SIDE))
    column, row = (round(value) for value in landmarks[where])
    assert parts[part][row, column] > 0.5


def test_forehead_is_above_the_eyes_and_chin_below_the_mouth() -> None:
    landmarks = scaled_template(SIDE)
    parts = part_weights(face_coordinates(landmarks, SIDE, SIDE))
    unit = landmarks[1][0] - landmarks[0][0]
    middle = round((landmarks[0][0] + landmarks[1][0]) / 2)
    assert parts["forehead and hair"][round(landmarks[0][1] - 0.8 * unit), middle] > 0.99
    assert parts["cheeks and chin"][round(landmarks[3][1] + 0.6 * unit), middle] > 0.99
