"""From packets to segments and gaps: where one ends and the next begins. Owns the timeline; never connects.

At every moment of the timeline either a segment runs or a gap is open. A segment begins with a keyframe of the video
and is cut at the next keyframe after its length; between two segments that follow each other nothing is left out. A
lost connection, a stall, or a jump of the stream's times ends the running segment after its last packet and opens a
gap; what comes in a gap before the next keyframe cannot be decoded, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Literal

from facerecon.capture.beginning import Arrived
from facerecon.capture.clock import Moment, Timeline
from facerecon.capture.files import FOLDER, Refused, SegmentFile
from facerecon.capture.folder import CaptureFolder
from facerecon.capture.records import Gap, Reason, Segment, utc_text
from facerecon.capture.stream import Connected

Listener = Callable[[Segment | Gap], None]
LONGEST_JUMP_S = 5
"""By how much more than the time that passed a stream's times may go on from one picture to the next."""
LONGEST_SILENCE_MS = 1000
"""How long before the end of a capture the last packet may have come for the time up to the end to count as captured;
longer than the distance of two pictures, and shorter than any loss that matters."""
_ARRIVAL_BASE = Fraction(1, 1_000_000)


@dataclass
class _Running:
    """The segment that is being written, and what the record will say of it."""

    file: SegmentFile
    name: str
    begin_ms: int
    first: Moment
    last: Moment
    begin_s: Fraction


@dataclass
class _OpenGap:
    reason: Reason
    begin_ms: int
    begin_utc_ns: int
    detail: str = ""
    attempts: int = 0
    last_failure: str = ""
    discarded: int = 0


class Tape:
    """What was received, laid onto the timeline."""

    def __init__(
        self, folder: CaptureFolder, timeline: Timeline, segment_s: float, listener: Listener, since: tuple[Reason, int]
    ) -> None:
        """Begin with a gap, until the first keyframe comes.

        Args:
            folder: where segments and gaps go.
            timeline: of the capture.
            segment_s: after how much of the stream's own time a segment is cut, s.
            listener: is told of every segment and gap that was recorded.
            since: why that gap is, and the nanosecond (UTC) at which it began.
        """
        self._folder, self._timeline, self._segment_s, self._listener = folder, timeline, segment_s, listener
        self._running: _Running | None = None
        self._gap: _OpenGap | None = _OpenGap(since[0], folder.covered_ms, since[1])
        self._sources: tuple[Any, ...] = ()
        self._times: Literal["stream", "arrival"] = "stream"
        self._before: tuple[Fraction, Moment] | None = None

    # --- events -------------------------------------------------------------------------------------------------------

    def connecting(self) -> None:
        """Count an attempt to connect."""
        if self._gap is not None:
            self._gap.attempts += 1

    def connected(self, event: Connected) -> None:
        """Take the streams of a new connection."""
        self._sources, self._times, self._before = event.sources, event.times, None

    def packet(self, event: Arrived) -> None:
        """Put a packet where it belongs.

        Raises:
            EvidenceError: the container does not take the video's codec.
            OSError: the disk does not take it.
        """
        packet, video = event.packet, event.packet.stream.index == self._sources[0].index
        if video and (jump := self._jump(packet, event.moment)):
            self.break_off("discontinuity", jump)
        if video and packet.is_keyframe and packet.pts is not None and packet.pts >= 0 and self._due(packet):
            self._begin(packet, event.moment)
        self._write(event, video)

    def break_off(self, reason: Reason, detail: str) -> None:
        """End the running segment after its last packet and open a gap; one that is open learns the latest failure."""
        if self._running is None:
            assert self._gap is not None
            self._gap.last_failure = detail
            return
        last = self._running.last
        self._finish(self._timeline.at_ms(last))
        self._gap = _OpenGap(reason, self._folder.covered_ms, last.utc_ns, detail)

    def end(self, moment: Moment, end_ms: int) -> None:
        """End the timeline at `end_ms`: every moment of it is now in a segment or a gap that is recorded."""
        running = self._running
        if running is not None:
            silent_ms = end_ms - self._timeline.at_ms(running.last)
            if silent_ms <= LONGEST_SILENCE_MS:
                return self._finish(end_ms)
            self.break_off("stall", "nothing came any more")
        return self._close_gap(max(end_ms, self._folder.covered_ms), moment)

    def abandon(self) -> None:
        """Let go of the running segment as it is, since the disk takes no more."""
        if self._running is not None:
            self._running.file.abandon()
            self._running = None

    @property
    def in_gap(self) -> bool:
        """Whether nothing is being captured at the moment."""
        return self._running is None

    # --- segments and gaps --------------------------------------------------------------------------------------------

    def _jump(self, packet: Any, moment: Moment) -> str:
        """Return by how much the stream's times jump at a packet, "" where they do not."""
        if packet.dts is None:
            return ""
        now_s, before = packet.dts * packet.time_base, self._before
        self._before = (now_s, moment)
        if before is None or self._running is None:
            return ""
        passed_s = Fraction(moment.steady_ns - before[1].steady_ns, 1_000_000_000)
        step_s = now_s - before[0]
        if 0 < step_s <= passed_s + LONGEST_JUMP_S:
            return ""
        return f"the stream's times jump by {float(step_s):+.3f} s"

    def _due(self, packet: Any) -> bool:
        if self._running is None:
            return True
        return bool(packet.pts * packet.time_base - self._running.begin_s >= self._segment_s)

    def _begin(self, packet: Any, moment: Moment) -> None:
        begin_ms = max(self._timeline.at_ms(moment), self._folder.covered_ms)
        if self._running is not None:
            self._finish(begin_ms)
        else:
            self._close_gap(begin_ms, moment)
        stamp = datetime.fromtimestamp(moment.utc_ns // 1_000_000_000, UTC)
        name = f"{self._folder.next_number:06d}-{stamp:%Y%m%dT%H%M%SZ}.nut"
        file = SegmentFile(self._folder.root, name, self._sources, _ARRIVAL_BASE if self._times == "arrival" else None)
        self._running = _Running(file, name, begin_ms, moment, moment, packet.pts * packet.time_base)

    def _write(self, event: Arrived, video: bool) -> None:
        if self._running is None:
            assert self._gap is not None
            self._gap.discarded += 1
            return
        try:
            self._running.file.write(event.packet, estimated=event.estimated)
        except Refused:
            return
        if video:
            self._running.last = event.moment

    def _finish(self, end_ms: int) -> None:
        running = self._running
        assert running is not None
        entry = running.file.finish()
        self._running = None
        self._folder.add_segment(
            Segment(
                number=self._folder.next_number,
                path=f"{FOLDER}/{running.name}",
                sha256=entry.sha256,
                size_bytes=entry.size_bytes,
                begin_ms=running.begin_ms,
                end_ms=max(end_ms, running.begin_ms),
                first_packet_utc=utc_text(running.first.utc_ns),
                last_packet_utc=utc_text(running.last.utc_ns),
                clock_change_ms=_clock_change_ms(running.first, running.last),
                times=self._times,
                tracks=running.file.tracks,
            )
        )
        self._listener(self._folder.segments[-1])

    def _close_gap(self, end_ms: int, moment: Moment) -> None:
        gap, self._gap = self._gap, None
        assert gap is not None
        self._folder.add_gap(
            Gap(
                begin_ms=gap.begin_ms,
                end_ms=end_ms,
                begin_utc=utc_text(gap.begin_utc_ns),
                end_utc=utc_text(moment.utc_ns),
                reason=gap.reason,
                detail=gap.detail,
                attempts=gap.attempts,
                last_failure=gap.last_failure,
                discarded=gap.discarded,
            )
        )
        self._listener(self._folder.gaps[-1])


def _clock_change_ms(first: Moment, last: Moment) -> int:
    wall, steady = last.utc_ns - first.utc_ns, last.steady_ns - first.steady_ns
    return (wall - steady) // 1_000_000
