"""Asking a detector: enlargement and brightening for the detector's eyes only, and back to the picture's own pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facerecon.filters.tone import gamma
from facerecon.profiles import Detect
from facerecon.records import RGB, Box, Detection, Landmarks5
from facerecon.stages import Detector
from facerecon.video import Window

_END_PX = 2.0
"""A face that comes so near to a window's end may go on behind it."""


def detect_faces(detector: Detector, pictures: list[RGB], settings: Detect) -> list[tuple[Detection, ...]]:
    """Detect faces in same-sized pictures, with the profile's enlargement and brightening for the detector's eyes only.

    Returns:
        Each picture's faces in its own pixels, coordinates rounded to 1/100 px; faces outside the picture are clipped.
    """
    if not pictures:
        return []
    found = detector.detect([_prepared(picture, settings) for picture in pictures])
    height, width = pictures[0].shape[:2]
    return [_mapped(faces, settings.upscale, width, height) for faces in found]


def _prepared(picture: RGB, settings: Detect) -> RGB:
    brightened = gamma(picture, settings.brighten_gamma) if settings.brighten_gamma != 1 else picture
    if settings.upscale == 1:
        return brightened
    return np.asarray(
        cv2.resize(brightened, None, fx=settings.upscale, fy=settings.upscale, interpolation=cv2.INTER_CUBIC),
        dtype=np.uint8,
    )


def _mapped(faces: tuple[Detection, ...], scale: int, width: int, height: int) -> tuple[Detection, ...]:
    def back(value: float) -> float:
        return round((value + 0.5) / scale - 0.5, 2)

    mapped = []
    for face in faces:
        x0, y0, x1, y1 = (back(value) for value in face.box)
        box = (max(x0, 0.0), max(y0, 0.0), min(x1, width - 1.0), min(y1, height - 1.0))
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            continue
        a, b, c, d, e = ((back(x), back(y)) for x, y in face.landmarks)
        landmarks: Landmarks5 = (a, b, c, d, e)
        mapped.append(Detection(box=box, score=round(face.score, 4), landmarks=landmarks))
    return tuple(mapped)


def detect_in_windows(
    detector: Detector, pictures: Sequence[RGB], windows: Sequence[Sequence[Window]], settings: Detect
) -> list[tuple[Detection, ...] | None]:
    """Detect faces in same-sized pictures, in each picture's own windows only.

    Returns:
        Each picture's faces in its own pixels, best score first; None where a face reaches a window's end within the
        picture, so that it may be cut off: the whole picture must be searched.
    """
    sizes: dict[tuple[int, int], list[tuple[int, Window]]] = {}
    for number, each in enumerate(windows):
        for x0, y0, x1, y1 in each:
            sizes.setdefault((x1 - x0, y1 - y0), []).append((number, (x0, y0, x1, y1)))
    found: list[list[Detection]] = [[] for _ in pictures]
    cut: set[int] = set()
    for places in sizes.values():
        crops = [pictures[number][y0:y1, x0:x1] for number, (x0, y0, x1, y1) in places]
        for (number, window), faces in zip(places, detect_faces(detector, crops, settings), strict=True):
            moved = [_moved(face, window) for face in faces]
            found[number] += moved
            if any(_cut_off(face.box, window, pictures[number]) for face in moved):
                cut.add(number)
    return [
        None if number in cut else tuple(sorted(faces, key=lambda face: -face.score))
        for number, faces in enumerate(found)
    ]


def _moved(face: Detection, window: Window) -> Detection:
    """Return a window's face in the picture's pixels, to 1/100 px."""
    dx, dy = window[:2]
    x0, y0, x1, y1 = face.box
    a, b, c, d, e = ((round(x + dx, 2), round(y + dy, 2)) for x, y in face.landmarks)
    landmarks: Landmarks5 = (a, b, c, d, e)
    box = (round(x0 + dx, 2), round(y0 + dy, 2), round(x1 + dx, 2), round(y1 + dy, 2))
    return Detection(box=box, score=face.score, landmarks=landmarks)


def _cut_off(box: Box, window: Window, picture: RGB) -> bool:
    """Say whether a face ends where a window does, and not the picture."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = window
    left, top = x0 > 0 and box[0] < x0 + _END_PX, y0 > 0 and box[1] < y0 + _END_PX
    right, bottom = x1 < width and box[2] > x1 - 1 - _END_PX, y1 < height and box[3] > y1 - 1 - _END_PX
    return left or top or right or bottom
