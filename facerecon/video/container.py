"""Video files: demux, decode and time them through FFmpeg (PyAV). The evidence is opened read-only.

What the container says is kept in the probe; what could not be decoded is reported, never replaced or passed over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import av
import av.logging
from pydantic import Field

from facerecon.ahead import ahead
from facerecon.errors import EvidenceError
from facerecon.pictures import MAX_PIXELS
from facerecon.profiles import Motion, Sample
from facerecon.records import Record, Timestamp
from facerecon.video.aspect import Stretch, stretch_for
from facerecon.video.colour import LARGE_PX
from facerecon.video.decoding import NO_PROTOCOL, Decoder, KeyframeDecoder, Picture, damage_in, listening
from facerecon.video.footage import Footage
from facerecon.video.gating import Gating
from facerecon.video.interlacing import Deinterlace, Interlacing, deinterlaced, described, detect
from facerecon.video.probing import probe_container, probe_frame
from facerecon.video.sources import NOT_SAMPLED, Left, Omission, Sampler, Step, Steps

TimesFrom = Literal["pts", "dts", "order"]

# No protocol at all: a playlist that was slipped in as evidence can open neither another file nor a socket.
# Bare streams hold no times; FFmpeg would make them up from an assumed 25 frames per second.
_CLOCKLESS_FORMATS = frozenset(
    {
        "h264",
        "hevc",
        "vvc",
        "evc",
        "mjpeg",
        "mjpeg_2000",
        "m4v",
        "mpegvideo",
        "h261",
        "h263",
        "vc1",
        "cavsvideo",
        "avs2",
        "avs3",
        "dirac",
        "dnxhd",
        "rawvideo",
        "obu",
        "ingenient",
    }
)
# AVI stores no presentation times, and FFmpeg's guess for these codecs is out of order where there are B frames.
_DTS_IN_AVI = frozenset({"h264", "hevc"})
_PEEK_PACKETS = 32
_DECODED_AHEAD = 2
_DEMUX_RETRIES = 16


class HowRead(Record):
    """How a video's frames are read: where times come from, the fields to part (None: none), the pixels' proportions.

    `sample_aspect_ratio`: what the header states (numerator, denominator), where pixels are to be made square.
    """

    times: TimesFrom
    interlacing: Interlacing | None = None
    sample_aspect_ratio: tuple[int, Annotated[int, Field(gt=0)]] | None = None

    @property
    def stretch(self) -> Stretch | None:
        """What makes the pixels square; None: nothing has to."""
        return stretch_for(self._ratio)[0]

    @property
    def preparation(self) -> tuple[str, ...]:
        """What is done to every frame, in words and in order."""
        woven = described(self.interlacing) if self.interlacing else ""
        return tuple(text for text in (woven, stretch_for(self._ratio)[1]) if text)

    @property
    def _ratio(self) -> Fraction | None:
        return Fraction(*self.sample_aspect_ratio) if self.sample_aspect_ratio else None


class Examined(Record):
    """What was found out about a video before its frames are read; `probe` is plain JSON data."""

    probe: dict[str, Any]
    how: HowRead
    frame_count_from_header: Annotated[int, Field(ge=0)] | None
    frames_expected: Annotated[int, Field(ge=0)] | None
    """By count or duration of the header, for the case that nothing else can tell."""


def examine(file: Footage, deinterlace: Deinterlace, square_pixels: bool) -> Examined:
    """Probe a video; see `open_source` for the options.

    Raises:
        EvidenceError: not media, no video stream, no decoder, or the picture is too large.
    """
    with _opened(file) as (container, stream):
        probe = probe_container(container, stream)
        packets = _peek(container, stream)
        times = _times_from(container, stream, packets)
        first = _first_image(stream, packets)
        count = stream.frames if stream.frames > 0 else None
        expected = count or _frames_by_duration(container, stream)
        ratio = stream.sample_aspect_ratio if square_pixels else None
        how = HowRead(times=times, sample_aspect_ratio=(ratio.numerator, ratio.denominator) if ratio else None)
        if how.stretch:
            _require_size(file.path, *how.stretch.size_px(stream.codec_context.width, stream.codec_context.height))
    found = None if deinterlace == "never" else _interlacing(file)
    if found and (found.interlaced or deinterlace == "always"):
        how = how.model_copy(update={"interlacing": found})
    probe["interlacing"] = found and found.model_dump(mode="json")
    probe |= {"times": times, "first_frame": first and probe_frame(first)}
    return Examined(probe=probe, how=how, frame_count_from_header=count, frames_expected=expected)


def video_steps(file: Footage, how: HowRead, sample: Sample, motion: Motion | None) -> Steps:
    """Decode a video: tell of each frame, in presentation order, what became of it.

    With `motion`, of frames in which nothing moved only that.

    Raises:
        EvidenceError: the file vanished, or not one of its frames can be decoded (after all were told).
    """
    with _opened(file) as (container, stream):
        reading = _Reading(how, stream.time_base, stream.codec_context.name, sample, motion)
        yield from _pictures(reading, container, stream, how)
    if not reading.good and (reading.failed or not reading.index):
        raise EvidenceError(
            f"source {file.path}: none of its {reading.index} frames can be decoded; "
            "export it again, or convert it with the recorder's own player"
        )


def _pictures(reading: _Reading, container: Any, stream: Any, how: HowRead) -> Iterator[Step]:
    kind = KeyframeDecoder if reading.keyframes_only else Decoder
    decoder = kind(stream.codec_context, how.times == "pts")
    demuxer = _Demuxer(container, stream)
    pictures = _decoded(demuxer, decoder)
    if how.interlacing:
        pictures = deinterlaced(pictures, how.interlacing.field_order, neighbours=not reading.keyframes_only)
    if stream.codec_context.width * stream.codec_context.height >= LARGE_PX:
        # Worth a thread: to look at a picture and to convert it takes as long as to decode the next one.
        pictures = ahead(pictures, _DECODED_AHEAD)
    with closing(pictures):
        for picture in pictures:
            yield reading.enter(picture)
    count, detail = demuxer.missing(decoder.packets, reading.last)
    if count:
        yield reading.leave(Omission("truncated", "failed", detail), count)


def _decoded(demuxer: _Demuxer, decoder: Decoder) -> Generator[Picture, None, None]:
    for packet in demuxer.packets():
        yield from decoder.decode(packet)
    yield from decoder.flush()


class _Reading:
    """One pass over a video: counts the pictures, gives them their time, and decides which ones are looked at."""

    def __init__(self, how: HowRead, time_base: Fraction, codec: str, sample: Sample, motion: Motion | None) -> None:
        self.index = self.good = self.failed = 0
        self.keyframes_only = sample.mode == "keyframes"
        self.last: int | None = None
        self._times, self._gating = how.times, Gating(codec, how.stretch, motion)
        self._time_base = (1, 1) if self._times == "order" else (time_base.numerator, time_base.denominator)
        self._sampler = Sampler(sample, "order" if self._times == "order" else "stream")

    def enter(self, picture: Picture) -> Step:
        """Account for one picture: it is taken, or left for a reason."""
        pts = self._ticks(picture)
        omission = picture.omission or self._untimely(pts)
        if omission is not None or pts is None:
            return self.leave(omission or _NO_TIME)
        timestamp = Timestamp(pts=pts, time_base=self._time_base)
        self.good, self.last = self.good + 1, pts
        if not self._sampler.wants(self.index, timestamp, picture.keyframe):
            return self.leave(NOT_SAMPLED)
        self.index += 1
        return self._gating.step(picture.image, timestamp, picture.keyframe)

    def leave(self, omission: Omission, count: int = 1) -> Left:
        """Account for pictures that are left."""
        self.index += count
        if omission.outcome == "failed" and omission.reason != "truncated":
            self.failed += count
        return Left(omission, count)

    def _ticks(self, picture: Picture) -> int | None:
        if self._times == "order":
            return self.index
        if self._times == "dts":
            return picture.dts
        return None if picture.image is None else picture.image.pts

    def _untimely(self, pts: int | None) -> Omission | None:
        if pts is None:
            return _NO_TIME
        if self.last is not None and pts <= self.last:
            return Omission("timestamp-not-increasing", "failed", f"pts {pts} follows pts {self.last}")
        return None


class _Demuxer:
    """Reads the packets of one stream; goes on after an error as far as the container lets it."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream = container, stream
        self._frames_from_header = int(stream.frames)
        # MP4: the sample table without what an edit list leaves out; fragments add to it while they are read. AVI: the
        # index lists the pictures, the header counts also the times at which the recorder stored none.
        self._indexed = "mp4" in container.format.name or (container.format.name == "avi" and self._entries() > 0)
        self._error = ""

    def packets(self) -> Iterator[Any]:
        """Yield every packet that can be read."""
        demuxer, errors = self._container.demux(self._stream), 0
        while errors <= _DEMUX_RETRIES:
            with av.logging.Capture() as log:
                try:
                    packet = next(demuxer, None)
                except av.error.FFmpegError as error:
                    demuxer, errors = self._container.demux(self._stream), errors + 1
                    self._error = damage_in(log) or str(error.strerror)
                    continue
            self._error = damage_in(log) or (self._error if packet is None or _is_flush(packet) else "")
            if packet is None:
                return
            if not _is_flush(packet):
                yield packet

    def missing(self, packets: int, last: int | None) -> tuple[int, str]:
        """Return how many frames of the stream were not in the file any more, and how that is known."""
        announced = self._entries() if self._indexed else self._frames_from_header
        if announced > packets:
            gap = "; times after a gap in the middle are early by it" if self._container.format.name == "avi" else ""
            return announced - packets, f"the header announces {announced} frames, the file holds {packets}{gap}"
        if not self._error or announced:
            return 0, ""
        return self._estimated(last), f"{self._error}; the count is estimated from the duration in the header"

    def _entries(self) -> int:
        return sum(1 for _ in self._stream.index_entries)

    def _estimated(self, last: int | None) -> int:
        duration, rate = self._container.duration, self._stream.average_rate
        if duration is None or not rate or last is None:
            return 1
        start = Fraction(self._container.start_time or 0, av.time_base)
        rest = start + Fraction(duration, av.time_base) - last * self._stream.time_base
        return int(max(1, round(rest * rate) - 1))


_NO_TIME = Omission("timestamp-missing", "failed", "the container gives this frame no time")


def _is_flush(packet: Any) -> bool:
    return packet.size == 0 and packet.dts is None and packet.pts is None


@contextmanager
def _opened(file: Footage) -> Iterator[tuple[Any, Any]]:
    """Open a file read-only and choose its video stream, ready to decode.

    FFmpeg gets the open file, not the path: no part of a name can act as a protocol, a pattern or an option.
    """
    with listening(), file.open() as opened, _container(file.path, opened) as container:
        stream = _video_stream(file.path, container)
        codec = stream.codec_context
        codec.thread_count = 1
        codec.copy_opaque = True
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        yield container, stream


def _container(path: Path, file: IO[bytes]) -> Any:
    with av.logging.Capture() as log:
        try:
            return av.open(file, options=NO_PROTOCOL, metadata_errors="backslashreplace")
        except av.error.FFmpegError as error:
            reason = damage_in(log) or error.strerror
    raise EvidenceError(
        f"source {path} is not media that FFmpeg knows ({reason}); if it is a recorder's own format, "
        "export it as MP4, AVI or MKV"
    )


def _video_stream(path: Path, container: Any) -> Any:
    streams = [stream for stream in container.streams.video if "attached_pic" not in str(stream.disposition.name)]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no stream at all"
        raise EvidenceError(f"source {path} has no video stream ({kinds}); give the file that holds the pictures")
    stream = streams[0]
    codec = stream.codec_context
    if codec is None:
        raise EvidenceError(f"source {path}: FFmpeg cannot decode its video; convert it with the recorder's player")
    if container.format.name.endswith("_pipe") and not codec.width * codec.height:
        raise EvidenceError(f"source {path} is not media that can be read (the picture is broken); export it again")
    _require_size(path, codec.width, codec.height)
    return stream


def _require_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise EvidenceError(
            f"source {path} has pictures of {width}x{height} pixels, more than the limit "
            f"of {MAX_PIXELS} pixels; check the file, or reduce it first"
        )


def _frames_by_duration(container: Any, stream: Any) -> int | None:
    rate = stream.average_rate
    if not rate or not container.duration or min(rate, container.duration) < 0:
        return None
    return int(Fraction(container.duration, av.time_base) * rate)


def _interlacing(file: Footage) -> Interlacing:
    with _opened(file) as (container, stream):
        return detect(container, stream)


def _peek(container: Any, stream: Any) -> list[Any]:
    """Return the first packets of a freshly opened stream; an unreadable beginning gives none."""
    with av.logging.Capture():
        try:
            packets = list(islice(container.demux(stream), _PEEK_PACKETS))
        except av.error.FFmpegError:
            return []
    return [packet for packet in packets if packet.size]


def _times_from(container: Any, stream: Any, packets: list[Any]) -> TimesFrom:
    """Decide by the format and the first packets where a frame's time comes from."""
    if container.format.name in _CLOCKLESS_FORMATS or container.format.name.endswith("_pipe"):
        return "order"
    ranked = container.format.name == "avi" and stream.codec_context.name in _DTS_IN_AVI
    if ranked or not any(packet.pts is not None for packet in packets):
        return "dts" if any(packet.dts is not None for packet in packets) else "order"
    return "pts"


def _first_image(stream: Any, packets: list[Any]) -> Any:
    """Decode the first picture for the probe; None when the first packets give none."""
    with av.logging.Capture():
        for packet in (*packets, None):
            try:
                for image in stream.codec_context.decode(packet):
                    return image
            except av.error.FFmpegError:
                continue
    return None
