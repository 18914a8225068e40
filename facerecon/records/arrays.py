"""What flows in memory: pictures and vectors, read-only. RGB, uint8, shape (height, width, 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from facerecon.records.evidence import Timestamp
from facerecon.records.faces import Detection, FaceQuality, Landmarks5, frontal_inter_eye_px
from facerecon.records.processing import ModelStamp, StepRecord

RGB = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]
Metric = Literal["euclidean", "cosine"]


def _readonly_rgb(pixels: RGB, what: str) -> RGB:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"{what} must be uint8 RGB of shape (height, width, 3), not {pixels.dtype} {pixels.shape}")
    view: RGB = pixels.view()
    view.setflags(write=False)
    return view


def frame_id(index: int) -> str:
    """Return a frame's name in the case: f000123."""
    return f"f{index:06d}"


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame: RGB pixels (rotation metadata applied) and its exact time. `index` counts from 0."""

    index: int
    timestamp: Timestamp
    pixels: RGB
    keyframe: bool

    def __post_init__(self) -> None:
        """Validate the pixels and make them read-only."""
        object.__setattr__(self, "pixels", _readonly_rgb(self.pixels, f"frame {self.index}"))

    @property
    def id(self) -> str:
        """The frame's name in the case: f000123."""
        return frame_id(self.index)


@dataclass(frozen=True, eq=False)
class FaceView:
    """A picture with one face and its five landmarks in that picture's pixels: what engines take.

    `enlarged` says how many times the recorded pixels were enlarged: 1 where they are the recorded ones.
    """

    pixels: RGB
    landmarks: Landmarks5
    enlarged: float = 1.0

    @property
    def recorded_inter_eye_px(self) -> float:
        """Distance between the eyes as seen from the front, in recorded pixels."""
        return frontal_inter_eye_px(self.landmarks) / self.enlarged

    def __post_init__(self) -> None:
        """Validate the pixels and make them read-only."""
        object.__setattr__(self, "pixels", _readonly_rgb(self.pixels, "face view"))


@dataclass(frozen=True, eq=False)
class FaceChip:
    """An exact crop of a frame around one face (original pixels) and what is known of it.

    `scene_light` is the colour of the whole frame's light; until that is told, `scene` is the whole frame, reduced.
    """

    track: str
    frame_id: str
    timestamp: Timestamp
    origin: tuple[int, int]
    pixels: RGB
    detection: Detection
    quality: FaceQuality
    scene_light: tuple[float, float, float] | None = None
    scene: RGB | None = None

    def __post_init__(self) -> None:
        """Validate the pixels and make them read-only."""
        object.__setattr__(self, "pixels", _readonly_rgb(self.pixels, f"chip {self.id}"))

    @property
    def id(self) -> str:
        """The chip's name in the case: t0001/f000123."""
        return f"{self.track}/{self.frame_id}"

    @property
    def view(self) -> FaceView:
        """The crop with the landmarks in crop pixels."""
        x, y = self.origin
        return FaceView(self.pixels, shift_landmarks(self.detection.landmarks, -x, -y))


@dataclass(frozen=True, eq=False)
class RestoredFace:
    """An enhanced picture; it cannot exist without the chip it was made from."""

    chip: FaceChip
    pixels: RGB
    scale: int
    steps: tuple[StepRecord, ...]
    model: ModelStamp | None

    def __post_init__(self) -> None:
        """Validate the pixels and their size against the chip."""
        object.__setattr__(self, "pixels", _readonly_rgb(self.pixels, f"restored {self.chip.id}"))
        expected = tuple(side * self.scale for side in self.chip.pixels.shape[:2])
        if self.pixels.shape[:2] != expected:
            raise ValueError(f"restored {self.chip.id} is {self.pixels.shape[:2]}, expected {expected}")


@dataclass(frozen=True, eq=False)
class Embedding:
    """A face vector of one model (float32, read-only). Vectors of different models refuse comparison.

    `metric` is how the model's vectors compare: "euclidean" or "cosine".
    """

    model: str
    vector: Vector
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        """Validate the vector and make it read-only."""
        if self.vector.ndim != 1 or not np.isfinite(self.vector).all():
            raise ValueError(f"embedding of {self.model} must be one finite vector, not shape {self.vector.shape}")
        if self.metric == "cosine" and not self.vector.any():
            raise ValueError(f"embedding of {self.model} is zero; it has no direction")
        view = self.vector.astype(np.float32)
        view.setflags(write=False)
        object.__setattr__(self, "vector", view)

    def similarity(self, other: Embedding) -> float:
        """Return 1 - Euclidean distance (1 for equal vectors, 0.4 at dlib's published operating point), or the cosine.

        Raises:
            ValueError: the vectors come from different models.
        """
        if (self.model, self.metric) != (other.model, other.metric):
            raise ValueError(f"embeddings of {self.model} and {other.model} cannot be compared")
        a, b = self.vector.astype(np.float64), other.vector.astype(np.float64)
        if self.metric == "cosine":
            return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
        return 1.0 - float(np.linalg.norm(a - b))


def weighted_mean(vectors: Sequence[Embedding], weights: Sequence[float]) -> Embedding:
    """Return the mean of vectors of one model, each counting by its weight.

    Raises:
        ValueError: they are of different models, or not one weight each.
    """
    if len({(each.model, each.metric) for each in vectors}) != 1 or len(weights) != len(vectors):
        raise ValueError("a mean needs vectors of one model, and one weight each")
    shares = np.array(weights)
    stack = np.stack([each.vector for each in vectors]).astype(np.float64)
    mean = (shares[:, None] * stack).sum(axis=0) / shares.sum()
    return Embedding(vectors[0].model, mean.astype(np.float32), vectors[0].metric)


def unit_length(vector: Vector) -> Vector:
    """Return the vector, float32 (dimensions,), scaled to length 1.

    Raises:
        ValueError: it is zero.
    """
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not length:
        raise ValueError("a zero vector has no direction")
    return np.asarray(vector / length, dtype=np.float32)


def shift_landmarks(landmarks: Landmarks5, dx: float, dy: float, scale: float = 1.0) -> Landmarks5:
    """Move landmarks by (dx, dy) pixels, then scale them about pixel (0, 0)'s corner (centres at integers)."""
    a, b, c, d, e = (((x + dx + 0.5) * scale - 0.5, (y + dy + 0.5) * scale - 0.5) for x, y in landmarks)
    return (a, b, c, d, e)
