"""The timeline's geometry: when each track appears, in percent of the shown span. Owns positions, draws nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from facerecon.records import FrameRecord, Timestamp
from facerecon.report.content import CaseReport
from facerecon.report.language import tr
from facerecon.report.notation import clock_time, plural

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_STEPS_PICTURES = tuple(m * 10**e for e in range(9) for m in (1, 2, 5))
_MOST_TICKS = 6
_SHORTEST_BAR = 0.6


class Clock:
    """How a source counts: the container's time, or the number of the picture when pictures carry no time."""

    def __init__(self, kind: str, frames: Iterable[FrameRecord]) -> None:
        """Take the source's clock ("stream" or "order") and its frames."""
        self.ordered = kind == "order"
        self._index: Mapping[Fraction, int] = {frame.timestamp.seconds: frame.index for frame in frames}

    def position(self, timestamp: Timestamp) -> float:
        """Return seconds, or the picture's number counted from 1."""
        if not self.ordered:
            return float(timestamp.seconds)
        return float(self._index.get(timestamp.seconds, int(timestamp.seconds)) + 1)

    def text(self, timestamp: Timestamp) -> str:
        """Return the position in words: 0:00:12.345, or picture 12."""
        if self.ordered:
            return tr("picture {number}", number=f"{self.position(timestamp):.0f}")
        return clock_time(timestamp.seconds)

    def span(self, first: Timestamp, last: Timestamp) -> str:
        """Return the length from first to last in words."""
        if self.ordered:
            pictures = round(self.position(last) - self.position(first)) + 1
            return plural("{count} picture", "{count} pictures", pictures)
        return f"{float(last.seconds - first.seconds):.3f} s"

    def between(self, first: Timestamp, last: Timestamp) -> str:
        """Return first and last in words: 0:00:12.345 to 0:00:14.000."""
        return tr("{first} to {last}", first=self.text(first), last=self.text(last))


@dataclass(frozen=True)
class Row:
    """One track: bar from `first` to `last`, `ticks` where it was detected, `shots` where its best shots are.

    `target` is the id of the track's section.
    """

    track: str
    text: str
    first: float
    last: float
    ticks: tuple[float, ...]
    shots: tuple[float, ...]
    target: str = ""


@dataclass(frozen=True)
class Timeline:
    """Rows over one axis; every position is in percent of the axis, 0..100."""

    title: str
    description: str
    axis: tuple[tuple[float, str], ...]
    rows: tuple[Row, ...]


def section_id(track: str) -> str:
    """Return the id of a track's section."""
    return "track-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in track)


def timelines(report: CaseReport, clock: Clock, rows_each: int) -> tuple[Timeline, ...]:
    """Return the timeline in parts of at most `rows_each` tracks, all over the same axis, so that it can be printed."""
    start, end = _extent(report, clock)
    rows = _rows(report, clock, start, end)
    parts = [rows[i : i + rows_each] for i in range(0, len(rows), rows_each)]
    axis = _axis(start, end, clock.ordered)
    return tuple(Timeline(_title(part), _description(part), axis, part) for part in parts)


def _rows(report: CaseReport, clock: Clock, start: float, end: float) -> tuple[Row, ...]:
    seen: dict[str, set[float]] = {track.id: set() for track in report.tracks}
    times = {frame.id: clock.position(frame.timestamp) for frame in report.frames}
    for found in report.detections:
        if found.track in seen and found.frame in times:
            seen[found.track].add(_percent(times[found.frame], start, end))
    chips = {chip.id: chip for chip in report.chips}
    rows = []
    for track in report.tracks:
        first, last = (_percent(clock.position(edge), start, end) for edge in (track.first, track.last))
        first, last = _visible(first, last)
        shots = sorted(
            {_percent(clock.position(chips[shot].timestamp), start, end) for shot in track.best if shot in chips}
        )
        text = clock.between(track.first, track.last)
        rows.append(Row(track.id, text, first, last, tuple(sorted(seen[track.id])), tuple(shots), section_id(track.id)))
    return tuple(rows)


def _visible(first: float, last: float) -> tuple[float, float]:
    if last - first >= _SHORTEST_BAR:
        return first, last
    middle = min(max((first + last) / 2, _SHORTEST_BAR / 2), 100 - _SHORTEST_BAR / 2)
    return round(middle - _SHORTEST_BAR / 2, 1), round(middle + _SHORTEST_BAR / 2, 1)


def _extent(report: CaseReport, clock: Clock) -> tuple[float, float]:
    positions = [clock.position(frame.timestamp) for frame in report.frames]
    positions += [clock.position(edge) for track in report.tracks for edge in (track.first, track.last)]
    start = min([*positions, 1.0 if clock.ordered else 0.0])
    end = max([*positions, start])
    return start, end if end > start else start + 1


def _percent(position: float, start: float, end: float) -> float:
    # One decimal: a thousandth of the axis is finer than a printed hair, and thousands of detections stay small.
    return round(100 * (position - start) / (end - start), 1)


def _axis(start: float, end: float, ordered: bool) -> tuple[tuple[float, str], ...]:
    span = end - start
    steps: tuple[float, ...] = _STEPS_PICTURES if ordered else _STEPS_S
    step = next((step for step in steps if span / step <= _MOST_TICKS - 1), steps[-1] * math.ceil(span / steps[-1] / 5))
    first = math.ceil(start / step - 1e-9)
    last = math.floor(end / step + 1e-9)
    marks = [n * step for n in range(first, last + 1)]
    unique = sorted({round(mark, 3) for mark in ([start, *marks] if ordered else marks)})
    return tuple((_percent(mark, start, end), _axis_label(mark, step, ordered)) for mark in unique)


def _axis_label(mark: float, step: float, ordered: bool) -> str:
    if ordered:
        return f"{mark:.0f}"
    return clock_time(Fraction(mark).limit_denominator(1000), decimals=1 if step < 1 else 0)


def _title(rows: tuple[Row, ...]) -> str:
    if len(rows) == 1:
        return tr("Timeline of {track}", track=rows[0].track)
    return tr("Timeline of {first} to {last}", first=rows[0].track, last=rows[-1].track)


def _description(rows: tuple[Row, ...]) -> str:
    return "; ".join(f"{row.track}: {row.text}" for row in rows)
