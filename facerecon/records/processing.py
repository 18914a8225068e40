"""What was done: models, steps, enhanced pictures, figures against a truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from facerecon.records.evidence import Counts, Record, Sha256


class ModelStamp(Record):
    """Which model ran and how: everything a second examiner needs to get the same one (R09).

    `provider` "brought" is a file that the user named, with its digest, in the profile.
    """

    id: str
    role: str
    architecture: str
    provider: Literal["packaged", "trained", "official", "brought"]
    source: str
    source_sha256: Sha256
    weights_sha256: Sha256
    licence: str
    training_data: str
    reference: str
    device: str
    precision: str


class StepRecord(Record):
    """One processing step on one picture (R10): what it did, after which paper, with which parameters.

    `applied` is False when the step left the picture as it was; `note` says why. `path` is the picture after the step.
    """

    name: str
    description: str
    reference: str
    parameters: Mapping[str, Any]
    learned: bool
    input_sha256: Sha256
    output_sha256: Sha256
    applied: bool = True
    note: str = ""
    path: str | None = None


class RestoredRecord(Record):
    """An enhanced picture of a best shot. `content` is its size without the label strip under it.

    `invention_path`: map of the detail that the original is too coarse to hold. `uncertainty_path`, of a model that
    tells how far it may be off: map of the error it expects, and `expected_error_levels` its mean over the face.
    """

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
    weights_sha256: Sha256 | None = None
    precision: str | None
    learned: bool
    tile_plan: str
    downscale_psnr_db: float | None
    beyond_rms_levels: float | None = None
    invention_path: str | None = None
    expected_error_levels: float | None = None
    uncertainty_path: str | None = None
    identity_drift: float | None = None
    warnings: tuple[str, ...] = ()


class FusedFrame(Record):
    """One frame of a fused picture: its share, its correlation with the reference, why it was left out."""

    chip: str
    weight: Annotated[float, Field(ge=0, le=1)]
    correlation: float
    rejected: str = ""


class FusedRecord(Record):
    """A track's fused picture (R29). `content` is its size without the label strip; the reference's times `scale`.

    `count_path` shows the effective number of frames behind each pixel; `mean_count` is its mean. `deviation_path`
    shows by how many grey levels these frames differ there, up to `deviation_scale_levels`, and
    `median_deviation_levels` is the median. Earlier versions made no map of it.
    """

    id: str
    track: str
    reference: str
    reference_path: str
    path: str
    file_sha256: Sha256
    content: tuple[int, int]
    scale: Annotated[int, Field(ge=1)]
    frames: tuple[FusedFrame, ...]
    steps: tuple[StepRecord, ...]
    count_path: str
    count_sha256: Sha256
    mean_count: float
    median_deviation_levels: float
    deviation_path: str | None = None
    deviation_sha256: Sha256 | None = None
    deviation_scale_levels: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _a_map_is_told_whole(self) -> Self:
        """Refuse a map that nobody can check or read: without its digest, or without what its colours stand for."""
        told = (self.deviation_path, self.deviation_sha256, self.deviation_scale_levels)
        if len({each is None for each in told}) > 1:
            raise ValueError("deviation_path, deviation_sha256 and deviation_scale_levels go together")
        return self


class FusedRestoredRecord(Record):
    """A fused picture as a learned model corrected it, in its own size. `content` is that size, without the strip.

    It comes from the fused picture `fused_path` of the frames that `fused` names, and shows the shot `reference`
    enlarged by `scale`. `change_path`: map of what the model changed, and `change_rms_levels` the root mean square of
    that. `downscale_psnr_db`: both pictures reduced to the recorded grid, compared. `uncertainty_path` and
    `expected_error_levels` are as in `RestoredRecord`. `identity_drift` is from the fused picture's face vector.
    """

    id: str
    track: str
    fused: str
    fused_path: str
    reference: str
    reference_path: str
    path: str
    file_sha256: Sha256
    content: tuple[int, int]
    scale: Annotated[int, Field(ge=1)]
    steps: Annotated[tuple[StepRecord, ...], Field(min_length=1)]
    model: str
    weights_sha256: Sha256
    precision: str
    learned: Literal[True] = True
    tile_plan: str
    downscale_psnr_db: float
    change_rms_levels: Annotated[float, Field(ge=0)]
    change_path: str
    expected_error_levels: float | None = None
    uncertainty_path: str | None = None
    identity_drift: float | None = None
    warnings: tuple[str, ...] = ()


class RenderedRecord(Record):
    """Whole frames or a video that were written. `files` is path -> SHA-256; `video` what the writer says of it."""

    kind: Literal["frame", "video"]
    place: str
    files: Mapping[str, Sha256]
    frames: Counts
    faces: Counts
    upscaler: str
    scale: Annotated[int, Field(ge=1)]
    face_model: str | None
    learned: bool
    steps: tuple[str, ...]
    video: Mapping[str, Any] | None


class Measurement(Record):
    """A figure taken against a known truth (the demo, evaluation runs)."""

    subject: str
    variant: str
    metric: str
    value: float
    unit: str
    reference: str
