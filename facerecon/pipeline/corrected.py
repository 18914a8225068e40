"""Where a case keeps the fused pictures that a learned model corrected. Reads them, and makes none."""

from __future__ import annotations

from facerecon.case import Case
from facerecon.records import FusedRestoredRecord
from facerecon.stage_run import records_path

FUSED_RESTORED = "fused-restored"
"""The name of their records, and of their account; a run whose profile wants none has neither."""


def fused_restored_of(case: Case) -> tuple[FusedRestoredRecord, ...]:
    """Return those of the latest enhancement; none where there is none, or where it corrected none.

    Raises:
        IntegrityError: the file was changed, or a line is not such a record.
    """
    runs = case.runs("enhance")
    asked_for = bool(runs) and records_path(FUSED_RESTORED, len(runs)) in runs[-1].outputs
    return tuple(case.read(FusedRestoredRecord, FUSED_RESTORED, len(runs))) if asked_for else ()
