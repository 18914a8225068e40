"""What was compared: vectors, gallery pictures, candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from facerecon.records.arrays import Metric
from facerecon.records.evidence import Record, Sha256
from facerecon.records.faces import Detection, FaceQuality

Variant = Literal["original", "fused", "fused-image", "restored", "original+restored"]
NOT_STATED = "not stated"
PRIMARY_VARIANTS: tuple[Variant, ...] = ("fused", "original")
WITH_RESTORED: Final[Variant] = "original+restored"
"""The mean of a shot's vector and its restored picture's: secondary, and the only such that may be calibrated."""


class EmbeddingRecord(Record):
    """A face vector. `frames` and `weights` say what a fused one was averaged from (R29).

    Vectors compare only where model, digest of its weights and treatment (all that is done to a face before the model
    sees it) are equal.
    """

    subject: str
    track: str | None
    variant: Variant
    model: str
    weights_sha256: Sha256
    treatment: str
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
    source: str = NOT_STATED
    legal_basis: str = NOT_STATED
    enrolled_utc: str | None = None


class RecognizerRecord(Record):
    """Which vectors a gallery holds: model, digest of its weights, and how faces are treated before it sees them."""

    id: str
    weights_sha256: Sha256
    metric: Metric
    treatment: str


class GalleryEntry(Record):
    """One enrolled picture of a persistent gallery (R28).

    `detection` is in the original picture's pixels; the kept crop's top-left pixel lies at `crop_origin` in it.
    `chosen` says which of its faces was taken. `enrolled_utc` is ISO 8601 in UTC.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    identity: str
    person_id: str | None
    status: str | None
    file: str
    sha256: Sha256
    source: str
    legal_basis: str
    operator: str
    enrolled_utc: str
    chosen: str
    detection: Detection
    quality: FaceQuality
    crop_path: Annotated[str, Field(pattern=r"^pictures/[0-9a-f]{16}\.png$")]
    crop_sha256: Sha256
    crop_origin: tuple[int, int]


class RefusedPicture(Record):
    """A picture that was not enrolled, and why. `duplicate_of` is the id of the entry that holds the same face."""

    identity: str
    file: str
    sha256: Sha256
    reason: str
    duplicate_of: str | None
    refused_utc: str


class GalleryInfo(Record):
    """What a persistent gallery is: its recognizer, and the digest of every file. `digest` covers all other fields."""

    schema_version: Literal[1]
    created_utc: str
    tool_version: str
    recognizer: RecognizerRecord
    entries: Annotated[int, Field(ge=0)]
    dimensions: Annotated[int, Field(ge=0)]
    ledger_head: Sha256
    files: Mapping[str, Sha256]
    digest: Sha256


class Strength(Record):
    """How strong a comparison is, by a named calibration (R23, R24).

    `likelihood_ratio` says how much more probable the similarity is if both sides show one person than if they show
    two: the mean over `pictures` of the person's gallery pictures, each within what its calibration can support;
    `limited` when one was cut to that; `left_out` more lie outside the calibration and have no ratio. `support` is the
    ENFSI verbal equivalent. `calibration` and `bin` name where it comes from, `calibration_sha256` the document, which
    the case keeps.
    """

    likelihood_ratio: Annotated[float, Field(gt=0)]
    log10: float
    limited: bool
    support: str
    calibration: str
    calibration_sha256: Sha256
    bin: str
    pictures: Annotated[int, Field(ge=1)]
    left_out: Annotated[int, Field(ge=0)] = 0


class Candidate(Record):
    """One line of a ranked candidate list (R22). Never a statement of identity.

    `strength` is None where none can be given, and then `no_strength` says why.
    """

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
    strength: Strength | None = None
    no_strength: str = ""
    probe_quality: float
    gallery_quality: float


class ExplanationRecord(Record):
    """What carries the similarity of a track's best shot and a candidate's picture, found by covering parts (R22).

    `similarity` is that of these two pictures alone; `rank` is the candidate's in the track's leading list. The maps
    are pictures: how much the similarity falls when a part is covered. `regions` has the share of each part of the
    probe's face, covered as a whole, in the total fall; the shares sum to 1. `impostors`
    says how many different-source comparisons of the calibration were at least as similar (`low` to `high`, of `of`),
    `nearest` the similarities of the nearest of them; None and empty without a calibration that holds.
    """

    track: str
    variant: Variant
    rank: Annotated[int, Field(ge=1)]
    identity: str
    gallery_file: str
    chip: str
    similarity: float
    method: str
    reference: str
    positions: Annotated[int, Field(ge=1)]
    probe_map_path: str
    probe_map_sha256: Sha256
    gallery_map_path: str
    gallery_map_sha256: Sha256
    largest_fall_probe: float
    largest_fall_gallery: float
    regions: Mapping[str, float]
    impostors: Mapping[str, int] | None
    nearest: tuple[float, ...]
