"""Finding the one face of a picture that is meant, in many pictures at once. Owns padding, batches and the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.faces.quality import assess
from facerecon.records import RGB, Detection, FaceQuality, FaceView, Landmarks5, shift_landmarks

Detect = Callable[[list[RGB]], list[tuple[Detection, ...]]]
"""A detector with its settings; the pictures of one call have one size."""
_T = TypeVar("_T")
_CANVAS_PX = 160
_CANVAS_STEP_PX = 32
_NEAR_EYE_DISTANCES = 1.0
CHUNK = 32


@dataclass(frozen=True, eq=False)
class Found:
    """A face in a picture: where, and how good."""

    pixels: RGB
    detection: Detection
    quality: FaceQuality

    @property
    def view(self) -> FaceView:
        """The picture with the face's landmarks."""
        return FaceView(self.pixels, self.detection.landmarks)


def chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield the items in lists of 32."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def locate(pictures: Sequence[RGB], expected: Sequence[Landmarks5 | None], detect: Detect) -> list[Found | None]:
    """Find one face per picture: the one nearest `expected` landmarks (within one eye distance), else the centre.

    Pictures are padded with their border to a common size: a detector sees frames, and batches need one size.
    """
    sizes: dict[tuple[int, int], list[int]] = {}
    for index, picture in enumerate(pictures):
        sizes.setdefault(_canvas(picture), []).append(index)
    found: list[Found | None] = [None] * len(pictures)
    for size, indices in sizes.items():
        for group in chunks(indices):
            offsets = [_offset(pictures[index], size) for index in group]
            canvases = [_padded(pictures[index], size) for index in group]
            for index, offset, faces in zip(group, offsets, detect(canvases), strict=True):
                shifted = [_shifted(face, offset, pictures[index]) for face in faces if face.alignable]
                found[index] = _nearest(pictures[index], [face for face in shifted if face], expected[index])
    return found


def placed(picture: RGB, landmarks: Landmarks5, pristine: Detection) -> Found:
    """Return a face that is known to be at `landmarks`; box and score follow from the pristine detection."""
    height, width = picture.shape[:2]
    factor = Detection(box=(0, 0, 1, 1), score=1, landmarks=landmarks).inter_eye_px / max(pristine.inter_eye_px, 1e-6)
    centre, middle = np.mean(landmarks, axis=0), np.mean(pristine.landmarks, axis=0)
    corners = [(np.array(pristine.box[at : at + 2]) - middle) * factor + centre for at in (0, 2)]
    (x0, y0), (x1, y1) = np.clip(corners, 0, (width - 1, height - 1))
    face = Detection(box=(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)), score=pristine.score, landmarks=landmarks)
    return Found(picture, face, assess(picture, face))


def _nearest(picture: RGB, faces: Sequence[Detection], expected: Landmarks5 | None) -> Found | None:
    height, width = picture.shape[:2]
    target = np.array([(width - 1) / 2, (height - 1) / 2]) if expected is None else np.mean(expected, axis=0)
    if not faces:
        return None
    face = min(faces, key=lambda each: float(np.hypot(*(_centre(each, expected) - target))))
    if expected is not None:
        away = float(np.hypot(*(np.mean(face.landmarks, axis=0) - target)))
        eyes = float(np.hypot(*(np.subtract(expected[1], expected[0]))))
        if away > _NEAR_EYE_DISTANCES * max(eyes, 1.0):
            return None
    return Found(picture, face, assess(picture, face))


def _centre(face: Detection, expected: object) -> npt.NDArray[np.float64]:
    if expected is not None:
        return np.asarray(np.mean(face.landmarks, axis=0))
    x0, y0, x1, y1 = face.box
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2])


def _canvas(picture: RGB) -> tuple[int, int]:
    width, height = (max(_CANVAS_PX, -(-side // _CANVAS_STEP_PX) * _CANVAS_STEP_PX) for side in picture.shape[1::-1])
    return width, height


def _offset(picture: RGB, size: tuple[int, int]) -> tuple[int, int]:
    return (size[0] - picture.shape[1]) // 2, (size[1] - picture.shape[0]) // 2


def _padded(picture: RGB, size: tuple[int, int]) -> RGB:
    left, top = _offset(picture, size)
    right, bottom = size[0] - picture.shape[1] - left, size[1] - picture.shape[0] - top
    return np.asarray(cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8)


def _shifted(face: Detection, offset: tuple[int, int], picture: RGB) -> Detection | None:
    left, top = offset
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = face.box
    box = (max(x0 - left, 0.0), max(y0 - top, 0.0), min(x1 - left, width - 1.0), min(y1 - top, height - 1.0))
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        return None
    return Detection(box=box, score=face.score, landmarks=shift_landmarks(face.landmarks, -left, -top))
