"""Where a face in one picture lies in another, to a fraction of a pixel. Estimates it, and judges the estimate."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.faces.alignment import Affine, similarity_transform
from facerecon.records import RGB, FaceView, Landmarks5

Plane = npt.NDArray[np.float32]
_ITERATIONS, _EPSILON = 60, 1e-5
_MARGIN = 0.75
"""The template reaches this many eye-mouth distances beyond the landmarks: brow to chin."""
_MAX_SHIFT = 0.35
"""A refinement that moves a landmark by more of the eye-mouth distance than this has run away."""


@dataclass(frozen=True, eq=False)
class Registration:
    """How a picture fits the reference: `to_picture` maps reference pixels to the picture's (2x3, centres at integers).

    `correlation` is the enhanced correlation coefficient over the face, -1..1. `problem` says why it cannot be used.
    """

    to_picture: Affine
    correlation: float
    problem: str = ""


def register(reference: FaceView, picture: FaceView, min_correlation: float) -> Registration:
    """Register a picture of a face to a reference picture of the same face.

    Landmarks give the first estimate (Umeyama 1991), the enhanced correlation coefficient refines it to an affine map
    (Evangelidis, Psarakis, IEEE TPAMI 30(10), 2008). Brightness and contrast may differ.

    Raises:
        ValueError: the reference's landmarks coincide.
    """
    start = similarity_transform(reference.landmarks, picture.landmarks)
    x0, y0, x1, y1 = _face_window(reference)
    template, target = luminance(reference.pixels)[y0:y1, x0:x1], luminance(picture.pixels)
    found = _refined(template, target, _moved(start, x0, y0))
    if found is None:
        return Registration(start, 0.0, "the registration did not converge")
    correlation, local = found
    matrix = _moved(local, -x0, -y0)
    shift = _largest_shift(start, matrix, reference.landmarks) / _face_size(reference.landmarks)
    return Registration(matrix, correlation, _problem(correlation, min_correlation, shift))


def onto(reference: FaceView, picture: FaceView, fit: Registration) -> RGB:
    """Return a registered picture on the reference's pixel grid (Lanczos; its border pixels repeated beyond it)."""
    height, width = reference.pixels.shape[:2]
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        picture.pixels, fit.to_picture, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def luminance(pixels: RGB) -> Plane:
    """Return BT.601 luminance, float32, 0..255."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY), np.float32)


def _problem(correlation: float, min_correlation: float, shift: float) -> str:
    if correlation < min_correlation:
        return f"correlation {correlation:.2f} with the reference, {min_correlation:g} needed"
    if shift > _MAX_SHIFT:
        return "the refinement moved away from the landmarks"
    return ""


def _refined(template: Plane, target: Plane, start: Affine) -> tuple[float, Affine] | None:
    """Refine in two steps, Euclidean motion first: an affine map from a poor start runs away on small faces."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _EPSILON)
    matrix, correlation = start.astype(np.float32), 0.0
    seen = np.ones(target.shape, np.uint8)
    try:
        for motion in (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE):
            correlation, found = cv2.findTransformECC(template, target, matrix, motion, criteria, seen, 3)
            matrix = np.asarray(found, np.float32)
    except cv2.error:
        return None
    return float(correlation), matrix.astype(np.float64)


def _moved(matrix: Affine, dx: float, dy: float) -> Affine:
    """Return the map for a reference whose origin was moved to (dx, dy)."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (dx, dy)
    return moved


def _face_window(view: FaceView) -> tuple[int, int, int, int]:
    points, size = np.asarray(view.landmarks), _face_size(view.landmarks)
    height, width = view.pixels.shape[:2]
    low, high = points.min(axis=0) - _MARGIN * size, points.max(axis=0) + _MARGIN * size
    x0, y0 = (max(0, int(np.floor(value))) for value in low)
    x1, y1 = min(width, int(np.ceil(high[0])) + 1), min(height, int(np.ceil(high[1])) + 1)
    return x0, y0, x1, y1


def _face_size(landmarks: Landmarks5) -> float:
    """Return the distance between the eyes' and the mouth's middle, in pixels."""
    points = np.asarray(landmarks)
    return float(max(1.0, np.hypot(*(points[3:].mean(axis=0) - points[:2].mean(axis=0)))))


def _largest_shift(a: Affine, b: Affine, landmarks: Landmarks5) -> float:
    points = np.column_stack((np.asarray(landmarks), np.ones(5)))
    return float(np.hypot(*(points @ (a - b).T).T).max())
