"""Where the parts of a face lie, in coordinates that are the same on every face: pure geometry, never looks at pixels.

Face coordinates: origin midway between the eyes, x to the right and y down along the face, in eye distances of the mean
FFHQ face, by the least-squares similarity of the five landmarks. So a window has one size on a face, however many
pixels that is. Weights are 0..1 with soft edges, so that an edge is not itself a feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.faces.alignment import FFHQ_512, similarity_transform
from facerecon.records import Landmarks5

Weights = npt.NDArray[np.float32]
PARTS = ("eyes", "nose", "mouth", "forehead and hair", "cheeks and chin")
EXTENT = (-1.5, -1.25, 1.5, 1.85)
"""The part of the picture that is looked at, (left, top, right, bottom): what recognizers take as a face."""
EDGE = 0.3
"""Width of every soft edge, from 1 to 0."""


@dataclass(frozen=True, eq=False)
class FaceCoordinates:
    """The face coordinates of every pixel of a picture: `x` and `y`, float32 (height, width).

    `landmarks` are the five points in them, float64 (5, 2); `unit_px` is how many pixels one unit is.
    """

    x: Weights
    y: Weights
    landmarks: npt.NDArray[np.float64]
    unit_px: float


def face_coordinates(landmarks: Landmarks5, height_px: int, width_px: int) -> FaceCoordinates:
    """Return the face coordinates of a picture's pixels, from its five landmarks (pixel centres at integers).

    Raises:
        ValueError: the landmarks coincide.
    """
    to_face = similarity_transform(landmarks, _template())
    columns, rows = np.arange(width_px, dtype=np.float64), np.arange(height_px, dtype=np.float64)[:, None]
    x, y = (a * columns + b * rows + c for a, b, c in to_face)
    points = np.asarray(landmarks) @ to_face[:, :2].T + to_face[:, 2]
    unit_px = float(1 / np.hypot(*to_face[:, 0]))
    return FaceCoordinates(x.astype(np.float32), y.astype(np.float32), points, unit_px)


def _template() -> Landmarks5:
    points = np.asarray(FFHQ_512)
    eye_distance = float(np.hypot(*(points[1] - points[0])))
    a, b, c, d, e = ((points - points[:2].mean(axis=0)) / eye_distance).tolist()
    return (tuple(a), tuple(b), tuple(c), tuple(d), tuple(e))


# --- windows ----------------------------------------------------------------------------------------------------------


def sliding_windows(face: FaceCoordinates, columns: int, rows: int, size: float) -> Iterator[Weights]:
    """Yield the weights, float32 (height, width), of square windows on a grid over `EXTENT`, row by row.

    Args:
        face: the picture's face coordinates.
        columns: how many windows side by side.
        rows: how many below each other.
        size: their side between the middles of their soft edges, in eye distances.
    """
    left, top, right, bottom = EXTENT
    across = [(at - size / 2, at + size / 2) for at in _middles(left, right, columns)]
    down = [(at - size / 2, at + size / 2) for at in _middles(top, bottom, rows)]
    for y0, y1 in down:
        for x0, x1 in across:
            yield _box(face, (x0, y0, x1, y1))


def between_windows(face: FaceCoordinates, values: Weights) -> Weights:
    """Return every pixel's value, float32 (height, width), by linear interpolation between the windows' middles.

    Args:
        face: the picture's face coordinates.
        values: one per window of `sliding_windows`, float32 (rows, columns); beyond the outermost they fade to 0.
    """
    (rows, columns), (left, top, right, bottom) = values.shape, EXTENT
    across = (face.x - left) * (columns / (right - left)) - 0.5
    down = (face.y - top) * (rows / (bottom - top)) - 0.5
    found = cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(found, dtype=np.float32)


def _middles(first: float, last: float, count: int) -> list[float]:
    step = (last - first) / count
    return [first + (number + 0.5) * step for number in range(count)]


def _box(face: FaceCoordinates, box: tuple[float, float, float, float]) -> Weights:
    x0, y0, x1, y1 = box
    return _between(face.x, x0, x1) * _between(face.y, y0, y1)


def _between(values: Weights, low: float, high: float) -> Weights:
    """Return 1 inside, 0 outside, raised cosines of width `EDGE` about `low` and `high`."""
    return _above(values, low) * _above(-values, -high)


def _above(values: Weights, limit: float) -> Weights:
    rise = np.clip((values - np.float32(limit)) / np.float32(EDGE) + np.float32(0.5), 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * rise), dtype=np.float32)


# --- parts ------------------------------------------------------------------------------------------------------------


def part_weights(face: FaceCoordinates) -> Mapping[str, Weights]:
    """Return the weights, float32 (height, width), of each of `PARTS`; together they are 1 within `EXTENT`.

    Boxes about this face's own landmarks, in eye distances; what lies in two belongs to the first:

        eyes               from 0.45 left of the left eye to 0.45 right of the right; 0.40 above (brows) to 0.25 below
        nose               from 0.35 left of tip and root to 0.35 right; from the eyes to midway from tip to mouth
        mouth              from 0.25 left of its left corner to 0.25 right; from there to 0.35 below the corners
        forehead and hair  what is left above the box of the eyes
        cheeks and chin    the rest
    """
    boxes = _boxes(face.landmarks)
    extent = _box(face, EXTENT)
    left = extent
    found: dict[str, Weights] = {}
    for name, box in boxes.items():
        found[name] = left * _box(face, box)
        left = left - found[name]
    below = _above(face.y, boxes["eyes"][1])
    return {**found, "forehead and hair": left * (1 - below), "cheeks and chin": left * below}


def _boxes(landmarks: npt.NDArray[np.float64]) -> dict[str, tuple[float, float, float, float]]:
    (left_eye, right_eye, tip, left_corner, right_corner) = landmarks
    eyes_y, mouth_y = (left_eye[1] + right_eye[1]) / 2, (left_corner[1] + right_corner[1]) / 2
    root_x, lip_y = (left_eye[0] + right_eye[0]) / 2, (tip[1] + mouth_y) / 2
    return {
        "eyes": (left_eye[0] - 0.45, eyes_y - 0.40, right_eye[0] + 0.45, eyes_y + 0.25),
        "nose": (min(tip[0], root_x) - 0.35, eyes_y, max(tip[0], root_x) + 0.35, lip_y),
        "mouth": (left_corner[0] - 0.25, lip_y, right_corner[0] + 0.25, mouth_y + 0.35),
    }
