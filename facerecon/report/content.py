"""What a report is made of. Owns the content of a report; knows neither HTML nor PDF, and reads no file itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from facerecon.ledger import LedgerEntry
from facerecon.likelihood import Calibration
from facerecon.records import (
    Candidate,
    CaseInfo,
    ChipRecord,
    DetectionRecord,
    EmbeddingRecord,
    ExplanationRecord,
    FrameRecord,
    FusedRecord,
    FusedRestoredRecord,
    GalleryRecord,
    Measurement,
    RenderedRecord,
    RestoredRecord,
    ReviewRecord,
    Skipped,
    TrackRecord,
)
from facerecon.review import ReviewState


@dataclass(frozen=True)
class Reviewed:
    """A review of an earlier report of the case. `utc` is the ledger's; `superseded`: what it was about has changed."""

    record: ReviewRecord
    utc: str
    superseded: bool
    signed: bool


@dataclass(frozen=True)
class Attachment:
    """A file that the PDF carries: `name` in it, and what it is to the report (ISO 19005-3:2012, 6.8)."""

    name: str
    data: bytes
    mime_type: str
    relationship: Literal["source", "data", "alternative", "supplement"]
    description: str


@dataclass(frozen=True, eq=False)
class CaseReport:
    """Everything a report shows. `picture(path)` returns the verified PNG bytes of a file of the case.

    `embeddings` is what a fused track's frames and weights are told from; without it they are said not to be known.
    `calibrations` are the documents that the latest comparison used: no likelihood ratio is shown without its own.
    `reviews` are those that were there before this report, and `review_state` is what they come to.
    `attachments` are embedded in the PDF, and listed by every renderer; none where no PDF is made.
    """

    info: CaseInfo
    probe: Mapping[str, Any]
    profile_yaml: str
    frames: tuple[FrameRecord, ...]
    detections: tuple[DetectionRecord, ...]
    tracks: tuple[TrackRecord, ...]
    chips: tuple[ChipRecord, ...]
    restored: tuple[RestoredRecord, ...]
    candidates: tuple[Candidate, ...]
    gallery: tuple[GalleryRecord, ...]
    skipped: tuple[Skipped, ...]
    measurements: tuple[Measurement, ...]
    ledger: tuple[LedgerEntry, ...]
    ledger_head: str
    picture: Callable[[str], bytes]
    embeddings: tuple[EmbeddingRecord, ...] = ()
    fused: tuple[FusedRecord, ...] = ()
    fused_restored: tuple[FusedRestoredRecord, ...] = ()
    rendered: tuple[RenderedRecord, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    explanations: tuple[ExplanationRecord, ...] = ()
    reviews: tuple[Reviewed, ...] = ()
    review_state: ReviewState = "UNREVIEWED"
    attachments: tuple[Attachment, ...] = ()
