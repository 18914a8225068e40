"""Asking a detector: enlargement and brightening for the detector's eyes only, and back to the picture's own pixels."""

from __future__ import annotations

import cv2
import numpy as np

from facerecon.filters.tone import gamma
from facerecon.profiles import Detect
from facerecon.records import RGB, Detection, Landmarks5
from facerecon.stages import Detector


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
