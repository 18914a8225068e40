"""The sound of a source, copied packet by packet beside new pictures. Never decodes, re-encodes or shifts it.

What cannot be copied is told, stream by stream, with its reason.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging

from facerecon.records import Record
from facerecon.video.decoding import listening
from facerecon.video.sources import unreadable

_OPEN_OPTIONS = {"protocol_whitelist": "none"}


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
    """Reads the audio packets of a source and gives them to an output container in step with the pictures."""

    def __init__(self, source: Path | None) -> None:
        """Take the source (read-only); None, or a source that is no media file, has no sound.

        Raises:
            EvidenceError: the source cannot be read.
        """
        self._stack = ExitStack()
        self._container = self._opened(source) if source is not None and source.is_file() else None
        self._tracks: dict[int, _Track] = {}
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None
        self._error = ""

    def _opened(self, source: Path) -> Any:
        try:
            self._stack.enter_context(listening())
            with av.logging.Capture():
                return av.open(self._stack.enter_context(source.open("rb")), options=_OPEN_OPTIONS)
        except av.error.FFmpegError:
            self._stack.close()
            return None
        except OSError as error:
            self._stack.close()
            raise unreadable(source, error) from None

    def attach(self, output: Any, delay_s: Fraction) -> None:
        """Add a stream to the output, before its header is written, for each audio stream that it can hold.

        All packets are given `delay_s` later than they were, as the pictures are.
        """
        for stream in self._container.streams.audio if self._container else ():
            track = _Track(stream, delay_s)
            track.refuse(_refusal(stream, output.format.name))
            if not track.note:
                track.output = output.add_stream_from_template(stream)
            self._tracks[stream.index] = track
        wanted = [track.source for track in self._tracks.values() if not track.note]
        if wanted and self._container:
            self._packets = self._container.demux(*wanted)
            self._advance()

    def copy(self, output: Any, until: Fraction | None) -> None:
        """Mux the packets that start before `until`, in seconds; None: all that are left."""
        while self._next is not None and (until is None or _start(self._next) < until):
            self._tracks[self._next.stream.index].mux(output, self._next)
            self._advance()

    def close(self) -> tuple[AudioCopy, ...]:
        """Close the source and return what became of each audio stream."""
        left_out = self._next is not None
        self._stack.close()
        return tuple(track.outcome(self._error, left_out) for track in self._tracks.values())

    def _advance(self) -> None:
        self._next = None
        with av.logging.Capture():
            try:
                for packet in self._packets:
                    if packet.size and self._tracks[packet.stream.index].accepts(packet):
                        self._next = packet
                        return
            except av.error.FFmpegError as error:
                self._error = f"reading stopped with an error: {error.strerror}"


class _Track:
    """One audio stream on its way: its place in the output, and the account of its packets."""

    def __init__(self, source: Any, delay_s: Fraction) -> None:
        self.source, self.output, self.note = source, None, ""
        self._delay_s = delay_s
        self._packets = self._untimely = 0
        self._last: int | None = None
        self._error_s = Fraction(0)

    def refuse(self, reason: str) -> None:
        self.note = reason

    def accepts(self, packet: Any) -> bool:
        dts = packet.dts if packet.dts is not None else packet.pts
        good = dts is not None and (self._last is None or dts >= self._last)
        self._untimely += not good
        self._last = dts if good else self._last
        return good

    def mux(self, output: Any, packet: Any) -> None:
        due_s = _start(packet) + self._delay_s
        ticks = round(self._delay_s / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
        packet.stream = self.output
        output.mux_one(packet)
        self._packets += 1
        # Muxing leaves the packet in the ticks of the output.
        self._error_s = max(self._error_s, abs(_start(packet) - due_s))

    def outcome(self, error: str, left_out: bool) -> AudioCopy:
        notes = [self.note] if self.note else [error, _LATER if left_out else ""]
        if self._untimely:
            notes.append(f"{self._untimely} packets without an increasing time were left out")
        return AudioCopy(
            stream=self.source.index,
            codec=_codec_name(self.source),
            copied=self.output is not None,
            packets=self._packets,
            largest_time_error_s=float(self._error_s),
            note="; ".join(note for note in notes if note),
        )


_LATER = "sound after the last picture was left out"


def _start(packet: Any) -> Fraction:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return Fraction(int(ticks or 0)) * Fraction(packet.time_base)


def _codec_name(stream: Any) -> str:
    return str(stream.codec_context.name) if stream.codec_context is not None else "unknown"


def _refusal(stream: Any, container: str) -> str:
    """Say why a container cannot hold a stream ('' when it can), by writing a header to memory."""
    if stream.codec_context is None:
        return "its codec is not known, so it cannot be copied"
    try:
        with av.logging.Capture(), av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error)
        return f"not copied: {container} cannot hold {_codec_name(stream)} ({reason}); .mov holds most kinds of sound"
    return ""
