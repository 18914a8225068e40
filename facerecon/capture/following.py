"""A capture folder from outside, while it grows or afterwards: its segments, its end, its verification. Never writes.

For whoever follows a capture: take `segments(folder)`, work on the new ones, and stop when `finished(folder)`. A
segment is in the list only when it is whole, flushed to the disk, and its digest stands in the ledger.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from facerecon.capture.records import CaptureInfo, Ending, Gap, Segment
from facerecon.durable import TEMPORARY
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.locks import is_held
from facerecon.manifest import CaseProblemsError, Manifest, extra_file, read_bytes
from facerecon.manifest import verified as manifest_verified

DESCRIPTION, LEDGER, MANIFEST = "capture.json", "ledger.jsonl", "manifest.json"
ENDED = "capture.ended"
_TRIES, _PAUSE_S = 4, 0.25


class CaptureProblemsError(CaseProblemsError):
    """A capture does not verify; `problems` lists everything that was found."""

    what = "capture"


@dataclass(frozen=True)
class Verified:
    """A capture folder that verifies. `running`: a process is still writing to it."""

    manifest: Manifest
    ledger: Ledger
    running: bool


def is_capture(root: Path) -> bool:
    """Say whether a folder is a capture's."""
    try:
        return (root / DESCRIPTION).is_file() and not (root / "case.json").exists()
    except OSError:
        return False


def segments(root: Path) -> list[Segment]:
    """Return the finished segments of a capture folder, in their order.

    Raises:
        UsageError: it is no capture folder.
        IntegrityError: its ledger does not verify.
    """
    return list(segments_in(_ledger(root)))


def gaps(root: Path) -> list[Gap]:
    """Return the gaps that a capture folder states, in their order. Raises as `segments`."""
    return list(gaps_in(_ledger(root)))


def finished(root: Path) -> bool:
    """Say whether a capture has come to its end, whatever that was. Raises as `segments`.

    It is false after a process was killed, for nobody could write it down: see `running`. A capture that ended before
    its duration can be started again, and is then not finished any more.
    """
    return ended_in(_ledger(root)) is not None


def running(root: Path) -> bool:
    """Say whether a process holds the folder at this moment."""
    return is_held(root)


def verified(root: Path) -> Verified:
    """Verify a capture folder: description, ledger, manifest, and every byte of every segment.

    While a process writes to it, the segment that it is writing is no part of it yet.

    Raises:
        CaptureProblemsError: something does not verify; all problems are listed.
    """
    if not (root / MANIFEST).exists():
        raise CaptureProblemsError(root, [f"missing file {MANIFEST}"])
    for left in range(_TRIES, 0, -1):
        writing = running(root)
        try:
            manifest, ledger = manifest_verified(root)
            break
        except CaseProblemsError as error:
            problems = [each for each in error.problems if not (writing and each in _growing(root))]
            if not problems:
                manifest, ledger = Manifest.parse(read_bytes(root / MANIFEST)), Ledger.read(root / LEDGER)
                break
            if not writing or left == 1:
                raise CaptureProblemsError(root, problems) from None
            # A segment, its line and the seal over both go to the disk one after the other.
            time.sleep(_PAUSE_S)
    try:
        info_in(root, ledger)
        segments_in(ledger), gaps_in(ledger)
    except IntegrityError as error:
        raise CaptureProblemsError(root, [str(error)]) from None
    return Verified(manifest, ledger, writing)


def _growing(root: Path) -> set[str]:
    unfinished = [*root.glob("segments/.unfinished-*"), *root.glob(f"{TEMPORARY}*")]
    return {extra_file(each.relative_to(root).as_posix()) for each in unfinished}


# --- what a ledger states ---------------------------------------------------------------------------------------------


def segments_in(ledger: Ledger) -> tuple[Segment, ...]:
    """Return the segments that a ledger states.

    Raises:
        IntegrityError: a line states none, or another file than it gives the digest of.
    """
    found = []
    for entry in ledger.entries:
        if entry.action == "capture.segment":
            try:
                segment = Segment.model_validate(entry.details)
            except ValidationError:
                raise IntegrityError(f"ledger entry {entry.seq} is not a segment") from None
            if dict(entry.outputs) != {segment.path: segment.sha256}:
                raise IntegrityError(f"ledger entry {entry.seq} states another file than its segment")
            found.append(segment)
    return tuple(found)


def gaps_in(ledger: Ledger) -> tuple[Gap, ...]:
    """Return the gaps that a ledger states.

    Raises:
        IntegrityError: a line states none.
    """
    try:
        return tuple(Gap.model_validate(each.details) for each in ledger.entries if each.action == "capture.gap")
    except ValidationError:
        raise IntegrityError("a ledger entry of a gap is not one") from None


def ended_in(ledger: Ledger) -> Ending | None:
    """Return how the capture ended, None where the last line says nothing of an end."""
    last = ledger.entries[-1] if ledger.entries else None
    if last is None or last.action != ENDED:
        return None
    return cast(Ending, str(last.details.get("ending", "failed")))


def info_in(root: Path, ledger: Ledger) -> CaptureInfo:
    """Return a capture's description, verified against its ledger.

    Raises:
        IntegrityError: it was changed, or is none.
    """
    data = read_bytes(root / DESCRIPTION)
    if ledger.outputs.get(DESCRIPTION) != sha256_bytes(data):
        raise IntegrityError(f"{root / DESCRIPTION} was changed: its digest is not the ledger's")
    try:
        return CaptureInfo.model_validate_json(data)
    except ValidationError:
        raise IntegrityError(f"{root / DESCRIPTION} is not the description of a capture") from None


def _ledger(root: Path) -> Ledger:
    if not is_capture(root):
        raise UsageError(f"{root} is not a capture folder; make one with 'facerecon capture'")
    return Ledger.read(root / LEDGER)
