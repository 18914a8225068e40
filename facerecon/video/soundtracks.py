"""The sound of a source as plain data: its streams, and their packets as they lie in the file. Decodes no sound.

What is read here can cross from another process, so nothing of FFmpeg's own goes along.
"""

from __future__ import annotations

import base64
import errno
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Annotated, Any

import av
import av.logging
from pydantic import Field, ValidationError

from facerecon.errors import EvidenceError
from facerecon.records import Record
from facerecon.video.decoding import NO_PROTOCOL, listening
from facerecon.video.footage import Footage

LARGEST_PACKET_BYTES = 1 << 24
_LARGEST_HEADER_BYTES = 1 << 20
Tick = Annotated[int, Field(gt=0, lt=1 << 31)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_.]*$", max_length=40)]


class Soundtrack(Record):
    """An audio stream: its number in the file, and what a container states of such sound.

    `decoder` is what FFmpeg would decode it with and `kind` what it is (mp3float, mp3), both "" where that is not
    known; packets are in ticks of `time_base` seconds (numerator, denominator); `sample_rate` in Hz and `bit_rate` are
    0 where they are not known. `extradata` is Base64.
    """

    index: Annotated[int, Field(ge=0, le=1 << 16)]
    time_base: tuple[Tick, Tick]
    decoder: Name = ""
    kind: Name = ""
    sample_rate: Annotated[int, Field(ge=0, le=1 << 24)] = 0
    sample_format: Name = ""
    layout: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.()+@ -]*$", max_length=400)] = ""
    bit_rate: Annotated[int, Field(ge=0)] = 0
    extradata: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=]*$", max_length=_LARGEST_HEADER_BYTES)] = ""


@dataclass(frozen=True)
class SoundPacket:
    """A packet of a stream: times and duration in ticks of `time_base` seconds (numerator, denominator)."""

    index: int
    pts: int | None
    dts: int | None
    duration: int
    time_base: tuple[int, int]
    keyframe: bool
    data: bytes


def read_soundtracks(file: Footage) -> tuple[Soundtrack, ...]:
    """Return the audio streams of a file; none of one that is no media.

    Raises:
        EvidenceError: it cannot be read.
        MemoryError: it takes more memory than there is.
    """
    with listening(), file.open() as opened, av.logging.Capture():
        try:
            with _container(opened) as container:
                return tuple(_soundtrack(stream) for stream in container.streams.audio)
        except av.error.FFmpegError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError from None
            return ()


def read_sound(file: Footage, tracks: Sequence[int]) -> Generator[SoundPacket, None, None]:
    """Yield the packets of these streams, in the order of the file.

    Raises:
        EvidenceError: reading stopped with an error, which the message says.
    """
    with listening(), file.open() as opened:
        try:
            with av.logging.Capture():
                container = _container(opened)
            with container:
                packets = container.demux([container.streams[index] for index in tracks])
                while (packet := _next(packets)) is not None:
                    if packet.size:
                        yield _plain(packet)
        except av.error.FFmpegError as error:
            raise EvidenceError(f"reading stopped with an error: {error.strerror}") from None


def _container(opened: IO[bytes]) -> Any:
    return av.open(opened, "r", options=NO_PROTOCOL, metadata_errors="backslashreplace")


def _next(packets: Iterator[Any]) -> Any:
    with av.logging.Capture():
        return next(packets, None)


def _soundtrack(stream: Any) -> Soundtrack:
    try:
        return _stated(stream)
    except ValidationError:
        # What it states is of no known form; without a kind it is not copied.
        return Soundtrack(index=stream.index, time_base=(1, 1))


def _stated(stream: Any) -> Soundtrack:
    codec = stream.codec_context
    if codec is None:
        return Soundtrack(index=stream.index, time_base=_ratio(stream.time_base))
    return Soundtrack(
        index=stream.index,
        time_base=_ratio(stream.time_base),
        decoder=codec.name,
        kind=codec.codec.canonical_name,
        sample_rate=codec.sample_rate,
        sample_format=codec.format.name if codec.format else "",
        layout=codec.layout.name,
        bit_rate=codec.bit_rate or 0,
        extradata=base64.b64encode(codec.extradata or b"").decode(),
    )


def _plain(packet: Any) -> SoundPacket:
    if packet.size > LARGEST_PACKET_BYTES:
        raise EvidenceError(f"reading stopped at a packet of {packet.size} bytes")
    return SoundPacket(
        packet.stream_index,
        packet.pts,
        packet.dts,
        packet.duration or 0,
        _ratio(packet.time_base),
        packet.is_keyframe,
        bytes(packet),
    )


def _ratio(value: Fraction) -> tuple[int, int]:
    return value.numerator, value.denominator
