"""What the index says of captures: their gaps, their end, and when a segment's pictures came. Only reads ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from facerecon.capture import Segment, gaps, running, segments
from facerecon.capture.following import LEDGER, ended_in
from facerecon.errors import FacereconError
from facerecon.ledger import Ledger
from facerecon.report.archive import CaptureEntry, MissingTime


@dataclass(frozen=True)
class Arrival:
    """When the first picture of a segment came, by the capturing machine's clock, and its own time in seconds."""

    utc: datetime
    origin_s: float

    def at(self, seconds: float) -> str:
        """Return the clock's time of a moment of the footage's own time, to the second."""
        moment = self.utc + timedelta(seconds=seconds - self.origin_s)
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def arrivals(captures: Iterable[Path]) -> dict[Path, Arrival]:
    """Return the arrivals of all segments whose own times are known; a capture that cannot be read has none."""
    found: dict[Path, Arrival] = {}
    for root in captures:
        try:
            stated = segments(root)
        except (FacereconError, OSError):
            continue
        found |= {root / each.path: arrival for each in stated if (arrival := _arrival(each)) is not None}
    return found


def _arrival(segment: Segment) -> Arrival | None:
    first = next((each.first for each in segment.tracks if each.kind == "video" and each.first is not None), None)
    # Of a recovered one nobody knows when its first picture came to better than the file's name says.
    if first is None or segment.times == "unknown":
        return None
    return Arrival(datetime.fromisoformat(segment.first_packet_utc), float(first.seconds))


def entry(root: Path) -> CaptureEntry:
    """Return what the index says of a capture."""
    try:
        held = running(root)
        ending = ended_in(Ledger.read(root / LEDGER))
        state = "running" if held else ending or "unknown"
        return CaptureEntry(
            str(root),
            state,
            tuple(
                MissingTime(each.begin_utc, each.end_utc, (each.end_ms - each.begin_ms) / 1000, each.reason)
                for each in gaps(root)
            ),
        )
    except (FacereconError, OSError) as error:
        return CaptureEntry(str(root), problem=str(error))
