"""Enhanced video out: new pictures at the source's exact times, beside its untouched sound. Never touches the source.

Equal pictures and times give equal bytes: nothing here writes a time of day or depends on the number of processors.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import av.logging
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from facerecon.errors import EvidenceError, ResourceError, UsageError
from facerecon.records import RGB, Record, Timestamp
from facerecon.video.colour import matrix_name
from facerecon.video.decoding import listening
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.sound import AudioCopy, SoundCopier

VideoCodec = Literal["h264", "ffv1"]

_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_SUFFIXES: dict[VideoCodec, tuple[str, ...]] = {"h264": tuple(_CONTAINERS), "ffv1": (".mkv",)}
_PIXEL_FORMATS: dict[VideoCodec, str] = {"h264": "yuv420p", "ffv1": "bgr0"}
# A fixed number, because x264's output depends on it.
_THREADS = 4
# The mean of four pixels loses least when `colour.to_rgb` reads the chroma back.
_FLAGS = int(Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT)
_LIMITED = 1
_MATROSKA_TICK = Fraction(1, 1000)
_MATRICES = {"bt709": (1, Colorspace.ITU709), "bt601": (6, Colorspace.ITU601)}
_LARGEST_SCALE = 2**31 - 1


class WrittenVideo(Record):
    """What was written: the coded picture, the account of frames, exactness of the times, and what became of the sound.

    `padding_px` (right, bottom) counts replicated columns and rows. `times` is "exact" when every presentation time in
    the file equals the one that was given, plus `delay_s`; "rounded" in Matroska, which counts milliseconds, with the
    largest error. `delay_s` is 0 unless the source starts before time 0, which players would not show: then pictures
    and sound are all later by that much.
    """

    name: str
    codec: VideoCodec
    container: str
    pixel_format: str
    width_px: int
    height_px: int
    padding_px: tuple[int, int]
    frames: int
    times: Literal["exact", "rounded"]
    largest_time_error_s: float
    delay_s: float
    audio: tuple[AudioCopy, ...]


class VideoWriter:
    """Writes one video, frame by frame; a context manager. The file appears, whole, when the block ends without error.

    Pictures keep the times they are given, tick for tick, so frames that are missing stay missing. H.264 is coded
    without B frames (decoding order is presentation order) at a constant quality, FFV1 without loss. `result` is set
    at the end.
    """

    result: WrittenVideo | None = None

    def __init__(
        self,
        path: Path,
        *,
        source: Path | None,
        source_sha256: str,
        size_px: tuple[int, int],
        codec: VideoCodec = "h264",
        crf: int = 16,
        comment: str = "",
        sound_after_last_frame: bool = True,
        reader: Reader = LOCAL,
    ) -> None:
        """Take what is written and where; nothing is opened yet.

        Args:
            path: the new file; its suffix chooses the container: .mp4, .m4v, .mov or .mkv (FFV1: .mkv).
            source: the file whose audio streams are copied; None: no sound.
            source_sha256: the source's SHA-256, which goes into the metadata.
            size_px: width and height of every picture.
            codec: "h264" (libx264, yuv420p) or "ffv1" (RGB without loss).
            crf: x264's constant quality, 0 to 51; less is better. Ignored by FFV1.
            comment: words that follow the fixed statement in the file's comment.
            sound_after_last_frame: whether sound goes on after the last picture, for use with a limit.
            reader: reads the source's sound.

        Raises:
            UsageError: the suffix does not fit the codec.
        """
        if path.suffix.lower() not in _SUFFIXES[codec]:
            allowed = ", ".join(_SUFFIXES[codec])
            raise UsageError(f"cannot write {codec} video to {path}; use a name that ends with one of {allowed}")
        self._path, self._codec, self._crf = path, codec, crf
        self._temporary = path.with_name(f".tmp-{path.name}")
        self._container_name = _CONTAINERS[path.suffix.lower()]
        self._comment = _statement(source_sha256, comment)
        self._width, self._height = size_px
        self._padding = _padding(codec, size_px)
        self._source, self._all_sound, self._reader = source, sound_after_last_frame, reader
        self._stack = contextlib.ExitStack()
        self._clock: _Clock | None = None
        self._frames = 0
        self._shown_ticks: deque[int] = deque()
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        """Open the source's sound, and a temporary file beside the target.

        Raises:
            EvidenceError: the source cannot be read.
            ResourceError: the folder cannot be written, or the target exists.
        """
        self._sound = SoundCopier(self._source, self._reader)
        try:
            with _writing(self._path):
                if self._path.exists():
                    raise FileExistsError(errno.EEXIST, "it exists already")
                self._file = self._temporary.open("wb")
        except ResourceError:
            self._sound.close()
            raise
        self._stack.enter_context(listening())
        return self

    def write(self, pixels: RGB, timestamp: Timestamp) -> None:
        """Encode one picture, uint8 RGB, shape (height, width, 3), at its time.

        Raises:
            ValueError: another size or time base than before, or a time that does not increase (in Matroska: by less
                than a millisecond).
            ResourceError: the disk is full.
        """
        if pixels.shape != (self._height, self._width, 3) or pixels.dtype != np.uint8:
            raise ValueError(f"a picture of shape {pixels.shape}; the video is {self._width}x{self._height}")
        with _writing(self._path), av.logging.Capture():
            if self._clock is None:
                self._clock = _Clock(timestamp, self._container_name)
                self._open(self._clock)
            pts = self._clock.ticks(timestamp)
            self._sound.copy(self._container, timestamp.seconds)
            frame = self._frame(pixels)
            frame.pts, frame.time_base = pts, self._clock.base
            self._shown_ticks.append(self._clock.step)
            self._mux(self._stream.encode(frame))
        self._frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file and move it into place; after an error remove it.

        Raises:
            EvidenceError: not one frame was written.
            ResourceError: the disk is full.
        """
        with self._stack:
            try:
                if kind is None:
                    self._finish()
            finally:
                self._discard()

    def _open(self, clock: _Clock) -> None:
        options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
        if self._container_name != "matroska":
            scale = str(clock.base.denominator)
            options |= {"video_track_timescale": scale, "movie_timescale": scale, "use_editlist": "1"}
        self._container = av.open(self._file, "w", format=self._container_name, container_options=options)
        self._container.metadata["comment"] = self._comment
        self._stream = self._add_stream(clock)
        self._sound.attach(self._container, clock.delay_s)

    def _add_stream(self, clock: _Clock) -> Any:
        name = "libx264" if self._codec == "h264" else "ffv1"
        stream = self._container.add_stream(name, rate=25, options=self._options())
        stream.width, stream.height = self._coded_size()
        stream.pix_fmt = _PIXEL_FORMATS[self._codec]
        context = stream.codec_context
        context.time_base, context.thread_count, context.max_b_frames = clock.base, _THREADS, 0
        context.flags |= int(av.codec.context.Flags.bitexact)
        if self._codec == "h264":
            context.colorspace, _ = _MATRICES[self._matrix()]
            context.color_range = _LIMITED
        return stream

    def _options(self) -> dict[str, str]:
        if self._codec == "ffv1":
            return {"level": "3", "g": "1", "slices": str(_THREADS), "slicecrc": "1"}
        # mbtree: x264's assembly for it gave other bytes in 1 of 30 runs on equal pictures (measured; none without it).
        # log: x264 talks from threads of its own, and they and PyAV's log could wait for each other.
        # chromaloc: the conversion puts colour samples in the middle of four pixels; players would assume the left.
        return {"crf": str(self._crf), "preset": "medium", "x264-params": "mbtree=0:chromaloc=1:log=-1"}

    def _coded_size(self) -> tuple[int, int]:
        return self._width + self._padding[0], self._height + self._padding[1]

    def _matrix(self) -> str:
        return matrix_name(2, *self._coded_size())[0]

    def _frame(self, pixels: RGB) -> Any:
        right, bottom = self._padding
        padded = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="edge") if right or bottom else pixels
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        if self._codec == "ffv1":
            return frame.reformat(format="bgr0", interpolation=_FLAGS, threads=1)
        tag, matrix = _MATRICES[self._matrix()]
        # One thread: between the slices of several, swscale was seen to write wrong colours.
        coded = frame.reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG, interpolation=_FLAGS, threads=1
        )
        coded.colorspace, coded.color_range = tag, _LIMITED
        return coded

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # The encoder would say 1/25 s; only for the last picture does it matter.
            packet.duration = self._shown_ticks.popleft() or packet.duration
            self._container.mux_one(packet)

    def _finish(self) -> None:
        if self._clock is None:
            raise EvidenceError(f"no frame was written to {self._path}; there is no video to keep")
        with _writing(self._path), av.logging.Capture():
            self._mux(self._stream.encode(None))
            self._sound.copy(self._container, None if self._all_sound else self._clock.last_s)
            self._container.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._temporary, self._path)  # noqa: PTH105
        self.result = self._outcome(self._clock)

    def _outcome(self, clock: _Clock) -> WrittenVideo:
        width, height = self._coded_size()
        return WrittenVideo(
            name=self._path.name,
            codec=self._codec,
            container=self._container_name,
            pixel_format=_PIXEL_FORMATS[self._codec],
            width_px=width,
            height_px=height,
            padding_px=self._padding,
            frames=self._frames,
            times="rounded" if clock.error_s else "exact",
            largest_time_error_s=float(clock.error_s),
            delay_s=float(clock.delay_s),
            audio=self._sound.close(),
        )

    def _discard(self) -> None:
        """Release everything; remove the temporary file unless it was moved into place."""
        with contextlib.suppress(OSError, av.error.FFmpegError), av.logging.Capture():
            if self._container is not None:
                self._container.close()
        with contextlib.suppress(OSError):
            self._file.close()
        self._sound.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


class _Clock:
    """Presentation times of the pictures in ticks of 1/scale seconds, and what the container makes of them."""

    def __init__(self, first: Timestamp, container: str) -> None:
        self._given = first.time_base
        self.base = Fraction(1, first.time_base[1])
        if self.base.denominator > _LARGEST_SCALE:
            raise ValueError(f"a time base of {self.base} s is finer than a video file can hold")
        self._tick = _MATROSKA_TICK if container == "matroska" else self.base
        self.delay_s = max(Fraction(0), -first.seconds)
        self._delay = max(0, -first.pts)
        # Ticks since the picture before: how long the last picture is shown, which no next one tells.
        self.step = 0
        self._last: int | None = None
        self._last_pts = first.pts
        self.error_s = self.last_s = Fraction(0)

    def ticks(self, timestamp: Timestamp) -> int:
        if timestamp.time_base != self._given:
            raise ValueError(f"time base {timestamp.time_base} after {self._given}")
        due_s = timestamp.seconds + self.delay_s
        stored = round(due_s / self._tick)
        if self._last is not None and stored <= self._last:
            raise ValueError(f"time {timestamp.seconds} s is not later than the picture before it")
        self.step = (timestamp.pts - self._last_pts) * self._given[0]
        self._last, self._last_pts, self.last_s = stored, timestamp.pts, timestamp.seconds
        self.error_s = max(self.error_s, abs(stored * self._tick - due_s))
        return (timestamp.pts + self._delay) * self._given[0]


def _statement(source_sha256: str, comment: str) -> str:
    fixed = "Enhanced pictures, not the original recording. Compare with the original before use."
    return f"{fixed} Source SHA-256: {source_sha256}.{' ' + comment if comment else ''}"


def _padding(codec: VideoCodec, size_px: tuple[int, int]) -> tuple[int, int]:
    return (size_px[0] % 2, size_px[1] % 2) if codec == "h264" else (0, 0)


@contextlib.contextmanager
def _writing(path: Path) -> Any:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = "free some space and run again" if full else "choose another place"
        raise ResourceError(f"cannot write {path}: {error.strerror or error}; {way_out}") from error
