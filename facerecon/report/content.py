"""What a report is made of. Owns the content of a report; knows neither HTML nor PDF, and reads no file itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
    GalleryRecord,
    Measurement,
    RenderedRecord,
    RestoredRecord,
    Skipped,
    TrackRecord,
)


@dataclass(frozen=True, eq=False)
class CaseReport:
    """Everything a report shows. `picture(path)` returns the verified PNG bytes of a file of the case.

    `embeddings` is what a fused track's frames and weights are told from; without it they are said not to be known.
    `calibrations` are the documents that the latest comparison used: no likelihood ratio is shown without its own.
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
    rendered: tuple[RenderedRecord, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    explanations: tuple[ExplanationRecord, ...] = ()
