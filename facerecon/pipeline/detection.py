"""Asking a detector: parts, sizes and brightening for its eyes only, and back to the picture's own pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facerecon.faces.boxes import iou
from facerecon.filters.tone import gamma
from facerecon.profiles import Detect
from facerecon.records import RGB, Box, Detection, Landmarks5
from facerecon.stages import Detector
from facerecon.video import Window

_END_PX = 2.0
"""A face that comes so near to a window's end, in pixels as the detector sees them, may go on behind it."""


@dataclass(frozen=True, eq=False)
class Part:
    """What of a picture a detector is to see: a window of it (None: all), `reduction` times smaller."""

    picture: RGB
    window: Window | None = None
    reduction: int = 1

    @property
    def seen_px(self) -> int:
        """How many pixels the detector sees, but for its profile's enlargement."""
        return math.prod(self._shown_size)

    @property
    def shown(self) -> RGB:
        """The pixels: as they are, or each the mean of those it stands for."""
        if self.reduction == 1:
            return self._crop
        return np.asarray(cv2.resize(self._crop, self._shown_size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    @property
    def _shown_size(self) -> tuple[int, int]:
        height, width = self._crop.shape[:2]
        return math.ceil(width / self.reduction), math.ceil(height / self.reduction)

    @property
    def _crop(self) -> RGB:
        if self.window is None:
            return self.picture
        x0, y0, x1, y1 = self.window
        return self.picture[y0:y1, x0:x1]

    def back(self, face: Detection, shown: RGB) -> Detection | None:
        """Return a face that was found in what was shown in the picture's pixels; None if it lies outside of it."""
        height, width = self._crop.shape[:2]
        scale = np.array([shown.shape[1] / width, shown.shape[0] / height])
        origin = np.array(self.window[:2] if self.window else (0, 0))
        points = np.array([face.box[:2], face.box[2:], *face.landmarks])
        points = np.round((points + 0.5) / scale - 0.5, 2)
        points[:2] = np.clip(points[:2], 0, (width - 1, height - 1))
        if (points[1] - points[0] < 1).any():
            return None
        (x0, y0), (x1, y1), a, b, c, d, e = (tuple(each) for each in np.round(points + origin, 2).tolist())
        landmarks: Landmarks5 = (a, b, c, d, e)
        return Detection(box=(x0, y0, x1, y1), score=round(face.score, 4), landmarks=landmarks)

    def cuts(self, box: Box) -> bool:
        """Say whether a face ends where the window does, and not the picture."""
        if self.window is None:
            return False
        height, width = self.picture.shape[:2]
        (x0, y0, x1, y1), end = self.window, _END_PX * self.reduction
        left, top = x0 > 0 and box[0] < x0 + end, y0 > 0 and box[1] < y0 + end
        right, bottom = x1 < width and box[2] > x1 - 1 - end, y1 < height and box[3] > y1 - 1 - end
        return left or top or right or bottom

    def visible(self, box: Box) -> Box:
        """Return the part of a box that lies in the window; without area where there is none."""
        if self.window is None:
            return box
        x0, y0, x1, y1 = self.window
        left, top = min(max(box[0], x0), x1 - 1), min(max(box[1], y0), y1 - 1)
        return left, top, max(left, min(box[2], x1 - 1)), max(top, min(box[3], y1 - 1))

    def holds(self, box: Box) -> bool:
        """Say whether the window shows all of a box."""
        return self.visible(box) == box

    def shows_part(self, box: Box, whole: Box, nms_iou: float) -> bool:
        """Say whether a box that was found in the window is what it shows of another, of which it holds a part only."""
        return not self.holds(whole) and iou(box, self.visible(whole)) >= nms_iou


def detect_faces(detector: Detector, pictures: list[RGB], settings: Detect) -> list[tuple[Detection, ...]]:
    """Detect faces in pictures, with the profile's enlargement and brightening for the detector's eyes only.

    Returns:
        Each picture's faces in its own pixels, coordinates rounded to 1/100 px; faces outside the picture are clipped.
    """
    return detect_in_parts(detector, [Part(picture) for picture in pictures], settings)


def detect_in_parts(detector: Detector, parts: Sequence[Part], settings: Detect) -> list[tuple[Detection, ...]]:
    """Detect faces in parts of pictures, with the profile's enlargement and brightening for the detector's eyes only.

    Returns:
        Each part's faces in its whole picture's pixels, coordinates rounded to 1/100 px, best score first.
    """
    if not parts:
        return []
    shown = [_prepared(part.shown, settings) for part in parts]
    found = detector.detect(shown)
    return [
        tuple(face for each in faces if (face := part.back(each, pixels)) is not None)
        for part, pixels, faces in zip(parts, shown, found, strict=True)
    ]


def _prepared(picture: RGB, settings: Detect) -> RGB:
    brightened = gamma(picture, settings.brighten_gamma) if settings.brighten_gamma != 1 else picture
    if settings.upscale == 1:
        return brightened
    return np.asarray(
        cv2.resize(brightened, None, fx=settings.upscale, fy=settings.upscale, interpolation=cv2.INTER_CUBIC),
        dtype=np.uint8,
    )
