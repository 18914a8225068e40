"""The sound of a source, copied packet by packet beside new pictures. Never decodes, re-encodes or shifts it.

What cannot be copied is told, stream by stream, with its reason. The source itself is read by a `Reader`, in a process
of its own where that is asked for; the packets are written here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from facerecon.errors import EvidenceError
from facerecon.records import LARGEST_INTEGER, Record
from facerecon.video.carrying import Rehearsal, carrying, packet_for, refusal
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.soundtracks import SoundPacket, Soundtrack
from facerecon.video.sources import unreadable

_LATER = "sound after the last picture was left out"
NOT_KNOWN = -1
"""Number of the stream where nobody knows which streams there are."""


class AudioCopy(Record):
    """What became of one audio stream: how many packets were copied, and a note on what was not (or '').

    `largest_time_error_s` is 0 unless the new container counts time in other ticks than the source's.
    """

    stream: int
    codec: str
    copied: bool
    packets: int = 0
    largest_time_error_s: float = 0.0
    note: str = ""


class SoundCopier:
    """Reads the audio packets of a source and gives them to an output container in step with the pictures.

    Whatever ends the reading, or is refused, costs the sound that comes after it, and no picture.
    """

    def __init__(self, source: Path | None, reader: Reader = LOCAL) -> None:
        """Take the source (read-only); None, or a source that is no media file, has no sound.

        Raises:
            EvidenceError: the source cannot be read.
        """
        self._source, self._reader = source, reader
        self._tracks: dict[int, _Track] = {}
        self._packets: Generator[SoundPacket, None, None] | None = None
        self._rehearsed: Iterator[SoundPacket] = iter(())
        self._next: SoundPacket | None = None
        self._error = ""
        self._found = self._examined(source) if source is not None and source.is_file() else ()

    def _examined(self, source: Path) -> tuple[Soundtrack, ...]:
        try:
            source.open("rb").close()
            return self._reader.soundtracks(source)
        except OSError as error:
            raise unreadable(source, error) from None
        except EvidenceError as error:
            self._error = str(error)
            return ()

    def attach(self, output: Any, delay_s: Fraction) -> None:
        """Add a stream to the output, before its header is written, for each audio stream that it can hold.

        All packets are given `delay_s` later than they were, as the pictures are.
        """
        for found in self._found:
            track = self._tracks[found.index] = _Track(found, delay_s)
            track.attach(output)
        wanted = [index for index, track in self._tracks.items() if not track.note]
        if wanted and self._source is not None:
            self._packets = self._reader.sound(self._source, wanted)
            self._rehearsed = self._rehearse(self._packets)
            self._advance()

    def copy(self, output: Any, until: Fraction | None) -> None:
        """Mux the packets that start before `until`, in seconds; None: all that are left."""
        while self._next is not None and (until is None or _start(self._next) < until):
            self._tracks[self._next.index].mux(output, self._next)
            self._advance()

    def close(self) -> tuple[AudioCopy, ...]:
        """Close the source and return what became of each audio stream."""
        left_out = self._next is not None
        if self._packets is not None:
            self._packets.close()
        if self._error and not self._found:
            return (AudioCopy(stream=NOT_KNOWN, codec="unknown", copied=False, note=self._error),)
        return tuple(track.outcome(self._error, left_out) for track in self._tracks.values())

    def _advance(self) -> None:
        self._next = next(self._rehearsed, None)

    def _rehearse(self, packets: Iterator[SoundPacket]) -> Iterator[SoundPacket]:
        """Yield the packets that can be written: each when the next one of its stream has been tried, too."""
        try:
            for packet in packets:
                yield from self._tracks[packet.index].tried(packet)
        except EvidenceError as error:
            self._error = str(error)
        for track in self._tracks.values():
            yield from track.tried_last()


class _Track:
    """One audio stream on its way: its place in the output, and the account of its packets."""

    def __init__(self, source: Soundtrack, delay_s: Fraction) -> None:
        self.source, self.note = source, ""
        self._output: Any = None
        self._rehearsal: Rehearsal | None = None
        self._held: SoundPacket | None = None
        self._refused = ""
        self._delay_s = delay_s
        self._packets = self._untimely = 0
        self._last: int | None = None
        self._error_s = Fraction(0)

    def attach(self, output: Any) -> None:
        self.note = refusal(self.source, output.format.name)
        if not self.note:
            self._output = carrying(output, self.source)
            self._rehearsal = Rehearsal(self.source, output.format.name)

    def tried(self, packet: SoundPacket) -> Iterator[SoundPacket]:
        """Try a packet; yield the one before it, which is known to be good by then."""
        if self._rehearsal is None or not self._is_timely(packet):
            return
        earlier, self._held = self._held, packet
        self._refused = self._rehearsal.write(packet, self._ticks(packet))
        if self._refused:
            self._rehearsal = self._held = None
        elif earlier is not None:
            yield earlier

    def tried_last(self) -> Iterator[SoundPacket]:
        if self._rehearsal is not None and self._held is not None:
            self._refused = self._rehearsal.close()
            if not self._refused:
                yield self._held

    def _is_timely(self, packet: SoundPacket) -> bool:
        dts = packet.dts if packet.dts is not None else packet.pts
        good = dts is not None and (self._last is None or dts >= self._last) and self._can_be_late(packet)
        self._untimely += not good
        self._last = dts if good else self._last
        return good

    def _can_be_late(self, packet: SoundPacket) -> bool:
        return all(abs(ticks + self._ticks(packet)) <= LARGEST_INTEGER for ticks in (packet.pts, packet.dts) if ticks)

    def _ticks(self, packet: SoundPacket) -> int:
        return round(self._delay_s / Fraction(*packet.time_base))

    def mux(self, output: Any, packet: SoundPacket) -> None:
        due_s, ticks = _start(packet) + self._delay_s, self._ticks(packet)
        given = packet_for(self._output, packet, ticks)
        output.mux_one(given)
        self._packets += 1
        # Muxing leaves the packet in the ticks of the output.
        written = given.pts if given.pts is not None else given.dts
        self._error_s = max(self._error_s, abs(int(written or 0) * Fraction(given.time_base) - due_s))

    def outcome(self, error: str, left_out: bool) -> AudioCopy:
        notes = [self.note] if self.note else [error, _LATER if left_out else ""]
        if self._refused:
            notes.append(f"from there on the new file cannot hold it ({self._refused})")
        if self._untimely:
            notes.append(f"{self._untimely} packets without an increasing time were left out")
        return AudioCopy(
            stream=self.source.index,
            codec=self.source.decoder or "unknown",
            copied=self._output is not None,
            packets=self._packets,
            largest_time_error_s=float(self._error_s),
            note="; ".join(note for note in notes if note),
        )


def _start(packet: SoundPacket) -> Fraction:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return (ticks or 0) * Fraction(*packet.time_base)
