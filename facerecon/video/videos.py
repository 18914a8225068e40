"""Videos as sources: files that FFmpeg reads, and animated WebP. Owns what is recorded of them; never decodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facerecon.profiles import Motion, Sample
from facerecon.records import Frame, Skipped, SourceRecord
from facerecon.video.interlacing import Deinterlace
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.sources import Source, Unmoving, Watched, accounted, file_digest, source_name, watched
from facerecon.video.stills import file_record, require_readable


class VideoSource(Source):
    """A video file, decoded by FFmpeg through PyAV on one thread, packet by packet.

    Times are the stream's own presentation times, tick for tick. Two kinds of file carry none: in H.264 and HEVC in AVI
    the decoding times are used, rank by rank (`probe["times"]` is "dts"), and bare streams count pictures ("order"). A
    frame without a time, or not later than the frame before it, is failed: no time is ever made up.

    Reasons of `Skipped`: not-sampled, repeats-previous, outside-edit-list (skipped); undecodable, corrupt,
    reference-damaged, truncated, timestamp-missing, timestamp-not-increasing, too-large, decoder-ended (failed).
    """

    def __init__(
        self,
        path: Path,
        *,
        deinterlace: Deinterlace = "never",
        square_pixels: bool = False,
        reader: Reader = LOCAL,
    ) -> None:
        """Open and probe the file; see `open_source` for the options.

        Raises:
            EvidenceError: not media, no video stream, no decoder, or the picture is too large.
        """
        self._path, self._reader = path, reader
        self._found = reader.examine(path, deinterlace, square_pixels)
        self.probe, self.preparation = self._found.probe, self._found.how.preparation
        self.frame_count_from_header = self._found.frame_count_from_header
        self.record = SourceRecord(
            path=str(path),
            name=source_name(path),
            sha256=self._digest(),
            size_bytes=path.stat().st_size,
            kind="video",
            clock="order" if self._found.how.times == "order" else "stream",
        )

    def _digest(self) -> str:
        return file_digest(self._path)

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled frames and, in `Skipped` runs, every other frame, in presentation order.

        Raises:
            EvidenceError: the file vanished, or not one of its frames can be decoded (after all were accounted for).
        """
        return accounted(self._reader.video(self._path, self._found, sample))

    def watched(self, sample: Sample, motion: Motion) -> Iterator[Watched | Unmoving | Skipped]:
        """Yield the sampled frames in which something moved; see `Source.watched` and `frames`."""
        return watched(self._reader.video(self._path, self._found, sample, motion))


class AnimationSource(Source):
    """An animated WebP, which FFmpeg does not decode: a video whose clock counts the milliseconds of its frames."""

    def __init__(self, path: Path, *, reader: Reader = LOCAL) -> None:
        """Open and probe the animation.

        Raises:
            EvidenceError: the file cannot be read.
        """
        self._path, self._reader = path, reader
        facts = require_readable(path, reader)
        self.probe = {"pictures": [{"index": 0, "name": path.name, **facts}], "times": "pts"}
        self.frame_count_from_header = facts["pages"]
        self.record = file_record(path, "video", "stream")

    def _digest(self) -> str:
        return file_digest(self._path)

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled frames and, in `Skipped` runs, every other frame; see `Source.frames`.

        Raises:
            EvidenceError: not one frame can be decoded (after all were accounted for).
        """
        return accounted(self._reader.animation(self._path, sample))
