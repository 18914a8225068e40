"""How a container is made to hold packets of sound, and whether it can: tried where it costs nothing.

A muxer that refuses a packet spoils the whole file, pictures and all, and sometimes says so only later. So each stream
is rehearsed, alone, into nowhere, and only what went well there is written. Reads no source.
"""

from __future__ import annotations

import base64
import io
from fractions import Fraction
from typing import Any

import av
import av.logging

from facerecon.video.soundtracks import SoundPacket, Soundtrack

_ENCODERS = {"mp3": "libmp3lame", "opus": "libopus"}
# These containers describe a stream at their end, too late to leave it out; the trial asks them to do it at once.
_DESCRIBED_LATE = ("mp4", "mov")
_AT_ONCE = {"movflags": "empty_moov"}
_KNOWN_BY_PACKETS = ("ac3", "eac3", "truehd")
_LENIENT = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}


def carrying(output: Any, track: Soundtrack) -> Any:
    """Add a stream for a track's packets to an output container, before its header is written, and return it.

    Raises:
        ValueError: the container cannot hold them.
    """
    with av.open(io.BytesIO(), "w", format=output.format.name) as scratch:
        # Nothing is encoded: an encoder that is never opened is where PyAV takes a stream's kind of sound from.
        template = scratch.add_stream(_ENCODERS.get(track.kind, track.kind), rate=48000)
        if template.type != "audio":
            raise ValueError(f"{track.kind} is no sound")
        stream = output.add_stream_from_template(template)
    codec = stream.codec_context
    codec.sample_rate, codec.layout, codec.bit_rate = track.sample_rate, track.layout, track.bit_rate
    if track.sample_format:
        codec.format = track.sample_format
    codec.extradata = base64.b64decode(track.extradata) or None
    # The ticks of the packets: the output may keep them, or count in its own.
    stream.time_base = Fraction(*track.time_base)
    return stream


def packet_for(stream: Any, packet: SoundPacket, delay_ticks: int) -> Any:
    """Return a packet for a stream of an output, later than it was by so many of its own ticks."""
    given = av.Packet(packet.data)
    given.pts = None if packet.pts is None else packet.pts + delay_ticks
    given.dts = None if packet.dts is None else packet.dts + delay_ticks
    given.duration, given.time_base = packet.duration, Fraction(*packet.time_base)
    given.is_keyframe, given.stream = packet.keyframe, stream
    return given


def refusal(track: Soundtrack, container: str) -> str:
    """Say why a container cannot hold a track ('' when it can), by writing a header to memory."""
    if not track.kind:
        return "its codec is not known, so it cannot be copied"
    options = _AT_ONCE if container in _DESCRIBED_LATE and track.kind not in _KNOWN_BY_PACKETS else {}
    try:
        with av.logging.Capture(), av.open(io.BytesIO(), "w", format=container, container_options=options) as trial:
            carrying(trial, track)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        return f"not copied: {container} cannot hold {track.decoder} ({_why(error)}); .mov holds most kinds of sound"
    return ""


class Rehearsal:
    """A container like the output that holds one track only and keeps nothing."""

    def __init__(self, track: Soundtrack, container: str) -> None:
        """Open it; `refusal` must have found nothing."""
        self._output = av.open(_Nowhere(), "w", format=container, container_options=_LENIENT)
        self._stream = carrying(self._output, track)
        self._open = True

    def write(self, packet: SoundPacket, delay_ticks: int) -> str:
        """Write a packet; say why it, or the one before it, is refused ('' when both are good)."""
        try:
            with av.logging.Capture():
                self._output.mux_one(packet_for(self._stream, packet, delay_ticks))
        except (av.error.FFmpegError, ValueError) as error:
            return _why(error)
        return ""

    def close(self) -> str:
        """End it; say why the last packet is refused ('' when it is good)."""
        if not self._open:
            return ""
        self._open = False
        try:
            with av.logging.Capture():
                self._output.close()
        except (av.error.FFmpegError, ValueError) as error:
            return _why(error)
        return ""


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


class _Nowhere(io.RawIOBase):
    """A file that takes everything and keeps nothing."""

    def __init__(self) -> None:
        self._place = self._size = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        count = memoryview(data).nbytes
        self._place += count
        self._size = max(self._size, self._place)
        return count

    def seek(self, target: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = target + (0, self._place, self._size)[whence]
        return self._place

    def tell(self) -> int:
        return self._place
