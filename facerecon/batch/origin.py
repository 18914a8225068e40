"""Where a case's source came from: a line of its ledger that names the object whose copy was examined. Nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facerecon.batch.staging import Copy
from facerecon.batch.stores import Stated
from facerecon.case import Case
from facerecon.ledger import COPIED


def note(case: Case, copy: Copy) -> None:
    """Write down what was copied, and what the store said of it. Every copy that is examined has its line."""
    details = {
        "url": copy.address.url,
        "size_bytes": copy.stated.size_bytes,
        "etag": copy.stated.etag or None,
        "modified_utc": copy.stated.modified_utc,
        "modified_ns": copy.stated.modified_ns,
        "local_copy": str(copy.path),
        "remark": "A local copy was examined, and removed afterwards. Size, ETag and time are the store's own words.",
    }
    case.note(COPIED, details, {"source": copy.sha256})


def came_from(case: Case) -> Mapping[str, Any] | None:
    """Return what the latest line says of the object; None: the source was no object of a store."""
    lines = [entry.details for entry in case.ledger.entries if entry.action == COPIED]
    return lines[-1] if lines else None


def source_of(case: Case) -> str:
    """Return the URL or the path that a case was made from."""
    found = came_from(case)
    return case.info.source.path if found is None else str(found.get("url"))


def is_of(case: Case, url: str, stated: Stated) -> bool:
    """Tell whether a case was made from this very version of an object; no, where the store tells no versions."""
    found = came_from(case)
    if found is None or found.get("url") != url or not stated.mark:
        return False
    tag, time = found.get("etag") or "", found.get("modified_ns")
    return bool(stated.same(Stated(_whole(found.get("size_bytes")), str(tag), None if time is None else _whole(time))))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
