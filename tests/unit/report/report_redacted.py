"""Made-up redacted copies: their ledgers say what `case redact` writes, with every reason that it can give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from report_example import full_case
from report_ledger import LEDGER

from facerecon.ledger import LedgerEntry
from facerecon.pipeline import redacted_stages, redacting, redaction
from facerecon.records import Skipped
from facerecon.report.content import CaseReport
from facerecon.report.redaction import REDACTED

REASON = "§ 12 (3)"
UNPLACED = (
    "its time is not on record",
    "640x480 px do not show a frame of 320x240 px",
)
UNFAITHFUL = (
    "a frame of it cannot be decoded",
    "it has no frame",
    "the case does not say how its frames lie in it",
    "some decoder's words",
)
WITHHELD = (
    redacted_stages.OF_TRACK,
    redacted_stages.OVERLAPPED,
    *(f"{redacted_stages.UNPLACED}{why}" for why in UNPLACED),
    *(f"{redacted_stages.UNFAITHFUL}{why}" for why in UNFAITHFUL),
    *redaction._LEFT_OUT.values(),
    redaction._UNKNOWN,
)
"""Every reason for which a file is left out and named."""
DECODER = UNFAITHFUL[-1]
"""The one part of them that no catalogue can hold."""


def redacted_case(*hidden: str) -> CaseReport:
    """The full case as a redacted copy, in which some of the tracks t0001 and t0002 are hidden."""
    case, gone = full_case(), frozenset(hidden)
    skipped = Skipped(
        stage="recognize",
        kind="candidate",
        subject=hidden[0],
        reason=redacting.REASON,
        detail=REASON,
        count=2,
    )
    return replace(
        case,
        tracks=tuple(
            track.model_copy(update={"best": (), "burst": ()}) if track.id in gone else track for track in case.tracks
        ),
        **{
            name: tuple(each for each in getattr(case, name) if each.track not in gone)
            for name in ("detections", "chips", "fused", "candidates", "explanations")
        },
        restored=tuple(_partly(record) for record in case.restored if record.track not in gone),
        embeddings=tuple(each for each in case.embeddings if each.track not in gone),
        measurements=(),
        skipped=(*case.skipped, skipped),
        ledger=(*LEDGER, redacting_entry(*hidden)),
    )


def _partly(record: Any) -> Any:
    return record.model_copy(update={"warnings": (*record.warnings, redacted_stages._WARNING)})


def redacting_entry(*hidden: str) -> LedgerEntry:
    """What the ledger says of the redaction."""
    details = {
        "original": {"case_id": "2024-0417-B", "ledger_head": "ab" * 32, "manifest_digest": "cd" * 32},
        "tracks": sorted(hidden),
        "faces_of_no_track": True,
        "reason": REASON,
        "operator": "L",
        "counts": {"requested": 40, "copied": 20, "redacted": 5, "withheld": 15},
        "withheld": [{"path": f"faces/{n}.png", "sha256": "1" * 64, "reason": why} for n, why in enumerate(WITHHELD)],
        "withheld_unnamed": [{"files": 2, "reason": redacted_stages.GALLERY}],
    }
    return LEDGER[-1].model_copy(update={"action": REDACTED, "details": details})
