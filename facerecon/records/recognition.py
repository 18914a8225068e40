"""What was compared: vectors, gallery pictures, candidates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facerecon.records.evidence import Record, Sha256
from facerecon.records.faces import Detection, FaceQuality

Variant = Literal["original", "fused", "restored"]
PRIMARY_VARIANTS: tuple[Variant, ...] = ("fused", "original")


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
