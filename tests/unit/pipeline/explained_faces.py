"""Faces, and recognizers that look at one part of them only: what the tests of explanations start from."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facerecon.faces.alignment import scaled_template
from facerecon.faces.regions import face_coordinates
from facerecon.records import (
    Embedding,
    FaceView,
    Metric,
)
from tests.fakes import FakeRecognizer

MOUTH = (-0.45, 0.9, 0.45, 1.2)


class PatchRecognizer(FakeRecognizer):
    """The mean colour of a box in face coordinates is the identity; nothing else of the picture is looked at."""

    def __init__(self, box: tuple[float, float, float, float] = MOUTH, metric: Metric = "euclidean") -> None:
        super().__init__()
        self.box, self.metric, self.embedded = box, metric, 0

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        self.embedded += len(faces)
        return [Embedding("dlib-resnet", self.vector(face), self.metric) for face in faces]

    def vector(self, face: FaceView) -> np.ndarray:
        at = face_coordinates(face.landmarks, *face.pixels.shape[:2])
        x0, y0, x1, y1 = self.box
        chosen = (at.x >= x0) & (at.x <= x1) & (at.y >= y0) & (at.y <= y1)
        return (face.pixels[chosen].mean(axis=0) / 255).astype(np.float32)


class ConstantRecognizer(PatchRecognizer):
    def vector(self, face: FaceView) -> np.ndarray:
        return np.array([0.2, 0.4, 0.6], np.float32)


def face(size: int = 128, seed: int = 0, tint: int = 0) -> FaceView:
    """A face of coloured features on skin, with some grain."""
    landmarks = scaled_template(size)
    unit = landmarks[1][0] - landmarks[0][0]
    canvas = np.full((size, size, 3), (205, 160 - tint, 130), np.uint8)
    for x, y in landmarks[:2]:
        cv2.circle(canvas, (round(x), round(y)), max(1, round(0.2 * unit)), (30, 40, 90 + tint), -1)
    x0, x1 = landmarks[3][0], landmarks[4][0]
    y = landmarks[3][1]
    cv2.rectangle(
        canvas, (round(x0), round(y - 0.12 * unit)), (round(x1), round(y + 0.12 * unit)), (150, 20 + tint, 40), -1
    )
    grain = np.random.default_rng(seed).normal(0, 4, canvas.shape)
    return FaceView(np.clip(canvas + grain, 0, 255).astype(np.uint8), landmarks)
