"""The records that flow between stages: frozen, validated on construction. Owns the data, never any processing.

Two kinds. *JSON records* (pydantic models) are what the case folder keeps, one JSON line each; they hold no time of day
and no absolute path of the case, so two runs of one input give identical lines. *Array records* (dataclasses) carry
pixels or vectors in memory; their arrays are made read-only. All pixels are RGB, uint8, shape (height, width, 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

RGB = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Variant = Literal["original", "fused", "restored"]
PRIMARY_VARIANTS: tuple[Variant, ...] = ("fused", "original")


class Record(BaseModel):
    """Base of the JSON records: immutable, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# --- time, frames, omissions ------------------------------------------------------------------------------------------


class Timestamp(Record):
    """A presentation time: `pts` ticks of `time_base` seconds (numerator, denominator). The only time type."""

    pts: int
    time_base: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]

    @property
    def seconds(self) -> Fraction:
        """The exact time in seconds."""
        return self.pts * Fraction(*self.time_base)

    @property
    def iso_offset(self) -> str:
        """The time as an ISO 8601 duration from the start of the stream, rounded to microseconds: PT1M2.5S."""
        micros = round(self.seconds * 1_000_000)
        sign, micros = ("-" if micros < 0 else ""), abs(micros)
        minutes, rest = divmod(micros, 60_000_000)
        hours, minutes = divmod(minutes, 60)
        text = f"{rest // 1_000_000}.{rest % 1_000_000:06d}".rstrip("0").rstrip(".")
        return f"{sign}PT{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}{text}S"


class FrameRecord(Record):
    """One frame that was analysed. `index` counts the source's frames in presentation order from 0."""

    id: str
    index: Annotated[int, Field(ge=0)]
    timestamp: Timestamp
    iso_offset: str
    width_px: Annotated[int, Field(gt=0)]
    height_px: Annotated[int, Field(gt=0)]
    keyframe: bool
    pixels_sha256: Sha256


class Skipped(Record):
    """Something that was not processed, and why. `count` items of one kind, one reason, from `subject` on."""

    stage: str
    kind: Literal["frame", "face", "tile", "track", "image", "candidate"]
    subject: str
    reason: str
    outcome: Literal["skipped", "failed"] = "skipped"
    detail: str = ""
    count: Annotated[int, Field(ge=1)] = 1


class Counts(Record):
    """An account of items: requested = written + failed + skipped, always."""

    requested: Annotated[int, Field(ge=0)]
    written: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _nothing_vanishes(self) -> Counts:
        if self.requested != self.written + self.failed + self.skipped:
            raise ValueError(f"items vanished: {self.requested} requested, {self.written} written, "
                             f"{self.failed} failed, {self.skipped} skipped")
        return self


# --- the source -------------------------------------------------------------------------------------------------------


class SourceRecord(Record):
    """The evidence file (or folder of pictures) as it was found. `clock` is "order" when pictures carry no time."""

    path: str
    name: str
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0)]
    kind: Literal["video", "image", "folder"]
    clock: Literal["stream", "order"]


class CaseInfo(Record):
    """Who, why, what (R30): written once when the case is made."""

    schema_version: Literal[1] = 1
    case_id: str
    operator: str
    purpose: str
    created_utc: str
    tool_version: str
    source: SourceRecord
    profile_name: str
    profile_sha256: Sha256


# --- faces ------------------------------------------------------------------------------------------------------------

Point = tuple[float, float]
Landmarks5 = tuple[Point, Point, Point, Point, Point]
Box = tuple[float, float, float, float]


class Detection(Record):
    """A face that a detector found.

    `box` is (x0, y0, x1, y1) and `landmarks` are (x, y) of image-left eye, image-right eye, nose tip, image-left mouth
    corner, image-right mouth corner; all in frame pixels, pixel centres at integers. `score` is in 0..1.
    """

    box: Box
    score: Annotated[float, Field(ge=0, le=1)]
    landmarks: Landmarks5

    @model_validator(mode="after")
    def _box_has_area(self) -> Detection:
        x0, y0, x1, y1 = self.box
        if x1 <= x0 or y1 <= y0:
            raise ValueError(f"box {self.box} has no area")
        return self

    @property
    def inter_eye_px(self) -> float:
        """Distance between the eye centres in frame pixels."""
        (ax, ay), (bx, by) = self.landmarks[0], self.landmarks[1]
        return float(np.hypot(bx - ax, by - ay))

    @property
    def frontal_inter_eye_px(self) -> float:
        """The distance between the eyes that this face would show from the front: what size limits are about.

        A turned head brings the eyes together, but not eyes and mouth; their distance is 1.043 eye distances in the
        mean FFHQ face.
        """
        eyes, mouth = np.mean(self.landmarks[:2], axis=0), np.mean(self.landmarks[3:], axis=0)
        return max(self.inter_eye_px, float(np.hypot(*(mouth - eyes))) / 1.043)


class FaceQuality(Record):
    """Quality of one face in one frame; `score` in 0..1 combines the rest (see facerecon.faces.quality)."""

    inter_eye_px: Annotated[float, Field(ge=0)]
    sharpness: Annotated[float, Field(ge=0)]
    brightness: Annotated[float, Field(ge=0, le=255)]
    clipped: Annotated[float, Field(ge=0, le=1)]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    detector_score: Annotated[float, Field(ge=0, le=1)]
    score: Annotated[float, Field(ge=0, le=1)]


class DetectionRecord(Record):
    """A detection in the case: which frame, which track (None when it belongs to none, with a `Skipped` beside it)."""

    frame: str
    track: str | None
    detection: Detection
    quality: FaceQuality


class ChipRecord(Record):
    """A best shot: an exact crop of the frame (`path`), never resampled, and how it is aligned.

    `origin` is the frame position of the crop's top-left pixel. `to_aligned` is the 2x3 similarity transform from frame
    pixels to the aligned chip (`aligned_path`, Lanczos, for viewing and for models that want it).
    """

    id: str
    track: str
    frame: str
    timestamp: Timestamp
    origin: tuple[int, int]
    size: tuple[int, int]
    detection: Detection
    quality: FaceQuality
    path: str
    file_sha256: Sha256
    pixels_sha256: Sha256
    to_aligned: tuple[tuple[float, float, float], tuple[float, float, float]]
    aligned_path: str
    aligned_sha256: Sha256


class TrackRecord(Record):
    """One person's unbroken appearance: its detections in time, and the ids of its best shots, best first."""

    id: str
    first: Timestamp
    last: Timestamp
    detections: Annotated[int, Field(ge=1)]
    best: tuple[str, ...]


# --- models and steps -------------------------------------------------------------------------------------------------


class ModelStamp(Record):
    """Which model ran and how: everything a second examiner needs to get the same one (R09)."""

    id: str
    role: str
    architecture: str
    provider: Literal["packaged", "trained", "official"]
    source: str
    source_sha256: Sha256
    weights_sha256: Sha256
    licence: str
    training_data: str
    reference: str
    device: str
    precision: str


class StepRecord(Record):
    """One processing step on one picture (R10): what it did, after which paper, with which parameters."""

    name: str
    description: str
    reference: str
    parameters: Mapping[str, Any]
    learned: bool
    input_sha256: Sha256
    output_sha256: Sha256


class RestoredRecord(Record):
    """An enhanced picture of a best shot. `content` is its size without the label strip under it."""

    id: str
    track: str
    chip: str
    original: str
    path: str
    file_sha256: Sha256
    content: tuple[int, int]
    scale: Annotated[int, Field(ge=1)]
    steps: tuple[StepRecord, ...]
    model: str | None
    precision: str | None
    learned: bool
    tile_plan: str
    downscale_psnr_db: float | None
    warnings: tuple[str, ...] = ()


# --- recognition ------------------------------------------------------------------------------------------------------


class EmbeddingRecord(Record):
    """A face vector. `frames` and `weights` say what a fused one was averaged from (R29)."""

    subject: str
    track: str | None
    variant: Variant
    model: str
    vector: tuple[float, ...]
    frames: tuple[str, ...]
    weights: tuple[float, ...]
    quality: float


class GalleryRecord(Record):
    """One gallery picture: enrolled, or refused with the reason (R28)."""

    identity: str
    person_id: str | None
    status: str | None
    file: str
    sha256: Sha256
    enrolled: bool
    reason: str
    detection: Detection | None
    quality: FaceQuality | None
    crop_path: str | None


class Candidate(Record):
    """One line of a ranked candidate list (R22). Never a statement of identity."""

    track: str
    variant: Variant
    primary: bool
    rank: Annotated[int, Field(ge=1)]
    identity: str
    person_id: str | None
    gallery_file: str
    model: str
    similarity: float
    threshold: float
    above_threshold: bool
    likelihood_ratio: float | None
    calibration: str
    probe_quality: float
    gallery_quality: float


class Measurement(Record):
    """A figure taken against a known truth (the demo, evaluation runs)."""

    subject: str
    variant: str
    metric: str
    value: float
    unit: str
    reference: str


# --- array records ----------------------------------------------------------------------------------------------------


def _readonly_rgb(pixels: RGB, what: str) -> RGB:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"{what} must be uint8 RGB of shape (height, width, 3), not {pixels.dtype} {pixels.shape}")
    view: RGB = pixels.view()
    view.setflags(write=False)
    return view


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
        return f"f{self.index:06d}"


@dataclass(frozen=True, eq=False)
class FaceView:
    """A picture with one face and its five landmarks in that picture's pixels: what engines take."""

    pixels: RGB
    landmarks: Landmarks5

    def __post_init__(self) -> None:
        """Validate the pixels and make them read-only."""
        object.__setattr__(self, "pixels", _readonly_rgb(self.pixels, "face view"))


@dataclass(frozen=True, eq=False)
class FaceChip:
    """An exact crop of a frame around one face (original pixels) and what is known of it."""

    track: str
    frame_id: str
    timestamp: Timestamp
    origin: tuple[int, int]
    pixels: RGB
    detection: Detection
    quality: FaceQuality

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
    """A face vector of one model (float32, read-only). Vectors of different models refuse comparison."""

    model: str
    vector: Vector

    def __post_init__(self) -> None:
        """Validate the vector and make it read-only."""
        if self.vector.ndim != 1 or not np.isfinite(self.vector).all():
            raise ValueError(f"embedding of {self.model} must be one finite vector, not shape {self.vector.shape}")
        view = self.vector.astype(np.float32)
        view.setflags(write=False)
        object.__setattr__(self, "vector", view)

    def similarity(self, other: Embedding) -> float:
        """Return 1 - Euclidean distance: 1 for equal vectors, 0.4 at dlib's published operating point (0.6).

        Raises:
            ValueError: the vectors come from different models.
        """
        if self.model != other.model:
            raise ValueError(f"embeddings of {self.model} and {other.model} cannot be compared")
        return 1.0 - float(np.linalg.norm(self.vector.astype(np.float64) - other.vector.astype(np.float64)))


def shift_landmarks(landmarks: Landmarks5, dx: float, dy: float, scale: float = 1.0) -> Landmarks5:
    """Move landmarks by (dx, dy) pixels, then scale them about pixel (0, 0)'s corner (centres at integers)."""
    a, b, c, d, e = (((x + dx + 0.5) * scale - 0.5, (y + dy + 0.5) * scale - 0.5) for x, y in landmarks)
    return (a, b, c, d, e)
