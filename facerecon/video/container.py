"""Video files: demux, decode and time them through FFmpeg (PyAV). The evidence is opened read-only.

What the container says is kept in `Source.probe`; what could not be decoded is reported, never replaced or passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import av
import av.logging

from facerecon.errors import EvidenceError
from facerecon.pictures import MAX_PIXELS
from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped, SourceRecord, Timestamp
from facerecon.video.aspect import Stretch, stretch_for
from facerecon.video.colour import to_rgb
from facerecon.video.decoding import Decoder, KeyframeDecoder, Picture, damage_in, listening
from facerecon.video.interlacing import Deinterlace, Interlacing, deinterlaced, described, detect
from facerecon.video.probing import probe_container, probe_frame
from facerecon.video.sources import (
    NOT_SAMPLED,
    Omission,
    Omissions,
    Sampler,
    Source,
    file_digest,
    source_name,
    unreadable,
)

TimesFrom = Literal["pts", "dts", "order"]

# No protocol at all: a playlist that was slipped in as evidence can open neither another file nor a socket.
_OPEN_OPTIONS = {"protocol_whitelist": "none"}
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
_DEMUX_RETRIES = 16


class VideoSource(Source):
    """A video file, decoded by FFmpeg through PyAV on one thread, packet by packet.

    Times are the stream's own presentation times, tick for tick. Two kinds of file carry none: in H.264 and HEVC in AVI
    the decoding times are used, rank by rank (`probe["times"]` is "dts"), and bare streams count pictures ("order"). A
    frame without a time, or not later than the frame before it, is failed: no time is ever made up.

    Reasons of `Skipped`: not-sampled, repeats-previous, outside-edit-list (skipped); undecodable, corrupt,
    reference-damaged, truncated, timestamp-missing, timestamp-not-increasing (failed).
    """

    def __init__(self, path: Path, *, deinterlace: Deinterlace = "never", square_pixels: bool = False) -> None:
        """Open and probe the file; see `open_source` for the options.

        Raises:
            EvidenceError: not media, no video stream, no decoder, or the picture is too large.
        """
        self._path = path
        with _opened(path) as (container, stream):
            self.probe = probe_container(container, stream)
            packets = _peek(container, stream)
            self._times = _times_from(container, stream, packets)
            first = _first_image(stream, packets)
            self.frame_count_from_header = stream.frames or None
            self._stretch, squared = stretch_for(stream.sample_aspect_ratio) if square_pixels else (None, "")
            if self._stretch:
                _require_size(path, *self._stretch.size_px(stream.codec_context.width, stream.codec_context.height))
        found = None if deinterlace == "never" else _interlacing(path)
        self._deinterlaced = found if found and (found.interlaced or deinterlace == "always") else None
        woven = described(self._deinterlaced) if self._deinterlaced else ""
        self.preparation = tuple(text for text in (woven, squared) if text)
        self.probe["interlacing"] = found and found.model_dump(mode="json")
        self.probe |= {"times": self._times, "first_frame": first and probe_frame(first)}
        self.record = SourceRecord(
            path=str(path),
            name=source_name(path),
            sha256=self._digest(),
            size_bytes=path.stat().st_size,
            kind="video",
            clock="order" if self._times == "order" else "stream",
        )

    def _digest(self) -> str:
        return file_digest(self._path)

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled frames and, in `Skipped` runs, every other frame, in presentation order.

        Raises:
            EvidenceError: the file vanished, or not one of its frames can be decoded (after all were accounted for).
        """
        with _opened(self._path) as (container, stream):
            reading = _Reading(self._times, stream.time_base, stream.codec_context.name, sample, self._stretch)
            yield from self._pictures(reading, container, stream)
        yield from reading.omissions.close()
        if not reading.good and (reading.failed or not reading.omissions.index):
            raise EvidenceError(
                f"source {self._path}: none of its {reading.omissions.index} frames can be decoded; "
                "export it again, or convert it with the recorder's own player"
            )

    def _pictures(self, reading: _Reading, container: Any, stream: Any) -> Iterator[Frame | Skipped]:
        kind = KeyframeDecoder if reading.keyframes_only else Decoder
        decoder = kind(stream.codec_context, self._times == "pts")
        demuxer = _Demuxer(container, stream)
        pictures = _decoded(demuxer, decoder)
        if self._deinterlaced:
            order = self._deinterlaced.field_order
            pictures = deinterlaced(pictures, order, neighbours=not reading.keyframes_only)
        for picture in pictures:
            yield from reading.enter(picture)
        count, detail = demuxer.missing(decoder.packets, reading.last)
        if count:
            yield from reading.omissions.omit(Omission("truncated", "failed", detail), count)


def _decoded(demuxer: _Demuxer, decoder: Decoder) -> Iterator[Picture]:
    for packet in demuxer.packets():
        yield from decoder.decode(packet)
    yield from decoder.flush()


class _Reading:
    """One pass over a video: numbers the pictures, gives them their time, and decides which ones are looked at."""

    def __init__(
        self, times: TimesFrom, time_base: Fraction, codec: str, sample: Sample, stretch: Stretch | None
    ) -> None:
        self.omissions = Omissions()
        self.keyframes_only = sample.mode == "keyframes"
        self.good = self.failed = 0
        self.last: int | None = None
        self._times, self._codec, self._stretch = times, codec, stretch
        self._time_base = (1, 1) if times == "order" else (time_base.numerator, time_base.denominator)
        self._sampler = Sampler(sample, "order" if times == "order" else "stream")

    def enter(self, picture: Picture) -> Iterator[Frame | Skipped]:
        """Account for one picture: yield it as a frame, or add it to the run of omissions."""
        pts = self._ticks(picture)
        omission = picture.omission or self._untimely(pts)
        if omission is not None or pts is None:
            omission = omission or _NO_TIME
            self.failed += omission.outcome == "failed"
            yield from self.omissions.omit(omission)
            return
        self.good, self.last = self.good + 1, pts
        timestamp = Timestamp(pts=pts, time_base=self._time_base)
        if not self._sampler.wants(self.omissions.index, timestamp, picture.keyframe):
            yield from self.omissions.omit(NOT_SAMPLED)
            return
        yield from self.omissions.close()
        pixels = to_rgb(picture.image, self._codec, self._stretch)
        yield Frame(self.omissions.take(), timestamp, pixels, picture.keyframe)

    def _ticks(self, picture: Picture) -> int | None:
        if self._times == "order":
            return self.omissions.index
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
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a file read-only and choose its video stream, ready to decode.

    FFmpeg gets the open file, not the path: no part of a name can act as a protocol, a pattern or an option.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with listening(), file, _container(path, file) as container:
        stream = _video_stream(path, container)
        codec = stream.codec_context
        codec.thread_count = 1
        codec.copy_opaque = True
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        yield container, stream


def _container(path: Path, file: IO[bytes]) -> Any:
    with av.logging.Capture() as log:
        try:
            return av.open(file, options=_OPEN_OPTIONS)
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


def _interlacing(path: Path) -> Interlacing:
    with _opened(path) as (container, stream):
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
