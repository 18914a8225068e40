"""What a case is, on one screen: who, what, which stages ran with what, how much came out, and whether it verifies.

Only reads; taken from ledger and manifest, so that it also says what can be said of a case that does not verify.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.ledger import LedgerEntry
from facerecon.manifest import CaseProblemsError, Manifest, read_bytes, verify
from facerecon.pipeline.corrected import FUSED_RESTORED
from facerecon.pipeline.differences import stamps
from facerecon.pipeline.reviews import reviews_of
from facerecon.pipeline.signatures import signatures_of
from facerecon.review import review_state

_VERSIONS = ("facerecon", "python", "onnxruntime", "torch")
_ENDINGS = ("finished", "failed", "interrupted")


def overview(root: Path) -> dict[str, Any]:
    """Return {case, case_id, operator, ..., verifies, problems}; see docs/cases.md for every key.

    Raises:
        UsageError: not a case folder.
        IntegrityError: manifest or ledger do not verify, so that nothing of it can be relied on.
    """
    case = Case.view(root)
    manifest = Manifest.parse(read_bytes(root / "manifest.json"))
    info, problems = case.info, _problems(root)
    reviews, added = _reviews(case)
    problems += [each for each in added if each not in problems]
    return {
        "case": str(root),
        "case_id": info.case_id,
        "operator": info.operator,
        "purpose": info.purpose,
        "created_utc": info.created_utc,
        "tool_version": info.tool_version,
        "source": {**info.source.model_dump(mode="json"), **_probed(case)},
        "profile": {"name": info.profile_name, "sha256": info.profile_sha256},
        "runs": _runs(case),
        "counts": _counts(case),
        **reviews,
        "files": len(manifest.files),
        "size_bytes": sum(entry.size_bytes for entry in manifest.files.values()),
        "ledger": {"head": case.ledger.head, "entries": len(case.ledger.entries)},
        "verifies": not problems,
        "problems": problems,
    }


def _problems(root: Path) -> list[str]:
    try:
        verify(root)
    except CaseProblemsError as error:
        return list(error.problems)
    return []


def _reviews(case: Case) -> tuple[dict[str, Any], list[str]]:
    """Return what people have stated of the case, and why that cannot be relied on."""
    try:
        reviews, signatures = reviews_of(case), signatures_of(case)
    except IntegrityError as error:
        return {"review_state": None, "reviews": [], "signatures": []}, [str(error)]
    return {
        "review_state": review_state([each.record for each in reviews], case.ledger.entries),
        "reviews": [
            {
                "reviewer": each.record.reviewer,
                "conclusion": each.record.conclusion,
                "utc": each.utc,
                "superseded": each.superseded,
                "signed": each.signature is not None,
            }
            for each in reviews
        ],
        "signatures": [
            {
                **each.statement.model_dump(mode="json", include={"role", "signer", "utc", "key_sha256"}),
                "timestamps": len(each.stamps),
            }
            for each in signatures
        ],
    }, []


# --- the source -------------------------------------------------------------------------------------------------------


def _probed(case: Case) -> dict[str, Any]:
    """Return what the container says of itself: format, duration, picture size. None for what it does not say."""
    try:
        probe = json.loads(case.bytes_of("records/probe.json"))
    except (ValueError, RecursionError, IntegrityError):
        probe = {}
    index, micros = _at(probe, "analysed_stream"), _at(probe, "duration_us_from_header")
    streams, stills = _at(probe, "streams"), _at(probe, "pictures")
    stream = _indexed(streams, index)
    first = _indexed(stills, 0)
    return {
        "format": _at(probe, "format_long_name") or _at(first, "format"),
        "codec": _at(stream, "codec"),
        "duration_s": float(Fraction(micros, 1_000_000)) if isinstance(micros, int) else None,
        "pictures": len(stills) if isinstance(stills, list) else None,
        "width_px": _at(stream or first, "width"),
        "height_px": _at(stream or first, "height"),
        "frame_rate_from_header": _at(stream, "frame_rate_from_header", "average"),
    }


def _indexed(items: Any, index: Any) -> Any:
    found = items if isinstance(items, list) else []
    return next((each for each in found if _at(each, "index") == index), None)


def _at(value: Any, *keys: str) -> Any:
    """Return a part of nested data that somebody else may have written; None where it is not there."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


# --- what ran ---------------------------------------------------------------------------------------------------------


def _runs(case: Case) -> list[dict[str, Any]]:
    """Return every run of a stage in order of time, with those that failed, were interrupted, or never ended."""
    found: list[dict[str, Any]] = []
    for entry in case.ledger.entries:
        stage, _, action = entry.action.rpartition(".")
        if action == "started":
            found.append(_begun(stage, entry))
        elif action in _ENDINGS and found and found[-1]["stage"] == stage and found[-1]["outcome"] == "unfinished":
            found[-1] |= {"outcome": action, "finished_utc": entry.utc, "took_s": _took_s(found[-1], entry)}
            found[-1]["reason"] = _at(entry.details, "reason")
    return found


def _begun(stage: str, entry: LedgerEntry) -> dict[str, Any]:
    details = entry.details
    versions = {name: _at(details, "runtime", name) for name in _VERSIONS}
    return {
        "stage": stage,
        "run": _at(details, "run"),
        "outcome": "unfinished",
        "started_utc": entry.utc,
        "finished_utc": None,
        "took_s": None,
        "reason": None,
        "profile": _at(details, "profile"),
        "profile_sha256": _at(details, "profile_sha256"),
        "versions": {name: version for name, version in versions.items() if version is not None},
        "models": [
            {key: each.get(key) for key in ("id", "role", "weights_sha256", "device", "precision")}
            for each in stamps(entry).values()
        ],
    }


def _took_s(begun: Mapping[str, Any], entry: LedgerEntry) -> float | None:
    try:
        took = datetime.fromisoformat(entry.utc) - datetime.fromisoformat(begun["started_utc"])
        return round(took.total_seconds(), 3)
    except (ValueError, TypeError):
        return None


def _counts(case: Case) -> dict[str, Any]:
    """Return the numbers of the latest finished run of each stage; None for a stage that has not run."""
    extract, enhance, recognize = (_details(case, stage) for stage in ("extract", "enhance", "recognize"))
    return {
        "frames": _at(extract, "counts", "frames"),
        "faces": _at(extract, "counts", "faces", "written"),
        "tracks": _at(extract, "tracks"),
        "shots": _at(extract, "counts", "shots", "written"),
        "restored": _at(enhance, "counts", "faces", "written"),
        "fused": _at(enhance, "counts", "fused", "written"),
        "fused_restored": _at(enhance, "counts", FUSED_RESTORED, "written"),
        "candidates": _at(recognize, "counts", "comparisons", "written"),
        "renderings": len(case.runs("render")),
        "reports": len(case.runs("report")),
    }


def _details(case: Case, stage: str) -> Mapping[str, Any]:
    runs = case.runs(stage)
    return runs[-1].details if runs else {}
