"""One segment on the disk: written under an unfinished name, flushed, moved, read-only. Owns files, never decides cuts.

The container is NUT (FFmpeg's own, specified openly). Packets go in byte for byte as they were received, with their
presentation times tick for tick, whatever the codec: Matroska would round times to milliseconds and rewrite H.264 and
HEVC from a camera, MPEG-TS knows neither Motion JPEG nor G.711. It is written front to back without an index that must
come last, so what a killed process or a full disk leaves can be read up to its last packet, and its headers carry
checksums. `ffmpeg -i SEGMENT.nut -c copy SEGMENT.mkv` makes a copy for other players.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from io import BufferedReader
from pathlib import Path
from typing import Any

import av

from facerecon.capture.records import CONTAINER, Track
from facerecon.containment import open_inside
from facerecon.errors import EvidenceError, IntegrityError
from facerecon.manifest import FileEntry
from facerecon.records import Timestamp

FOLDER = "segments"
UNFINISHED = ".unfinished-"
"""What the name of a segment begins with while it is written. No stage of a case removes such a file."""
NAME = re.compile(r"([0-9]{6,9})-([0-9]{8}T[0-9]{6}Z)\.nut")
READ_ONLY = 0o400
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# Packets of two streams wait for each other no longer than 0.1 s (in µs), so that little is lost when killed.
_OPTIONS = {"flush_packets": "1", "avoid_negative_ts": "disabled", "max_interleave_delta": "100000"}
_READ_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": CONTAINER}


class Refused(Exception):
    """The container takes no packet with such a time."""


class Tally:
    """Counts the packets of one stream in one segment."""

    def __init__(self, source: Any) -> None:
        """Start at nothing, for one of FFmpeg's streams."""
        self._index, self._kind, self._codec = source.index, source.type, source.codec_context.name
        self._base = source.time_base
        self._packets = self._bytes = self._keyframes = self._corrupt = self.refused = self.estimated = 0
        self._first: int | None = None
        self._last: int | None = None

    def add(self, packet: Any) -> None:
        """Count a packet that was kept."""
        self._packets += 1
        self._bytes += packet.size
        self._keyframes += packet.is_keyframe
        self._corrupt += packet.is_corrupt
        if packet.pts is not None:
            self._base = packet.time_base
            self._first = packet.pts if self._first is None else min(self._first, packet.pts)
            self._last = packet.pts if self._last is None else max(self._last, packet.pts)

    def track(self) -> Track:
        """Return the record."""
        return Track(
            index=self._index,
            kind=self._kind,
            codec=self._codec,
            packets=self._packets,
            bytes=self._bytes,
            keyframes=self._keyframes,
            corrupt=self._corrupt,
            refused=self.refused,
            estimated=self.estimated,
            first=self._time(self._first),
            last=self._time(self._last),
        )

    def _time(self, ticks: int | None) -> Timestamp | None:
        if ticks is None:
            return None
        return Timestamp(pts=ticks, time_base=(self._base.numerator, self._base.denominator))


class _Sink:
    """The file as FFmpeg sees it: forwards only, so the digest is that of the bytes as they were written."""

    def __init__(self, path: Path) -> None:
        self.file = os.fdopen(os.open(path, _NEW, 0o600), "wb", buffering=0)
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            done = self.file.write(rest) or 0
            self.digest.update(rest[:done])
            self.size_bytes += done
            rest = rest[done:]
        return len(data)


class SegmentFile:
    """A segment that is being written."""

    def __init__(self, root: Path, name: str, sources: Sequence[Any], base: Fraction | None = None) -> None:
        """Make the file in a capture folder.

        Args:
            root: the capture folder.
            name: the finished file's, without folder.
            sources: FFmpeg's streams whose packets will come.
            base: the unit of their times (s), where it is not each stream's own.

        Raises:
            EvidenceError: the container does not take the video's codec.
            OSError: it cannot be written.
        """
        self._folder, self._name = root / FOLDER, name
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._path = self._folder / f"{UNFINISHED}{name}"
        self._sink = _Sink(self._path)
        self._container = av.open(self._sink, "w", format=CONTAINER, options=_OPTIONS)
        self.tallies = {each.index: Tally(each) for each in sources}
        self._streams = self._added(sources, base)

    def _added(self, sources: Sequence[Any], base: Fraction | None) -> dict[int, Any]:
        added = {}
        try:
            for each in sources:
                # A sound that the container does not know is left out, packet by packet in the account.
                with contextlib.nullcontext() if each.type == "video" else contextlib.suppress(ValueError):
                    added[each.index] = self._container.add_stream_from_template(each, opaque=True)
                    added[each.index].time_base = base or each.time_base
            self._container.start_encoding()
        except OSError:
            self._remove()
            raise
        except (ValueError, av.error.FFmpegError):
            self._remove()
            codec = sources[0].codec_context.name
            raise EvidenceError(
                f"video of codec {codec} cannot be kept as it is; no other container is tried"
            ) from None
        return added

    def write(self, packet: Any, *, estimated: bool = False) -> None:
        """Take a packet as it was received; `estimated` says that its time was not.

        Raises:
            Refused: its time is none, negative, or not after the one before in its stream.
            OSError: the disk does not take it.
        """
        index = packet.stream.index
        if packet.pts is None or packet.pts < 0 or index not in self._streams:
            self.tallies[index].refused += 1
            raise Refused
        pts, dts, base, stream = packet.pts, packet.dts, packet.time_base, packet.stream
        packet.stream = self._streams[index]
        try:
            self._container.mux_one(packet)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            self.tallies[index].refused += 1
            raise Refused from None
        finally:
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, base, pts, dts
        self.tallies[index].add(packet)
        self.tallies[index].estimated += estimated

    def finish(self) -> FileEntry:
        """Write the end, flush to the disk, and give the file its name; only now it is there for others.

        Raises:
            OSError: the disk does not take it; the unfinished file stays.
        """
        self._container.close()
        os.fsync(self._sink.file.fileno())
        os.fchmod(self._sink.file.fileno(), READ_ONLY)
        self._sink.file.close()
        place(self._path, self._folder / self._name)
        return FileEntry(sha256=self._sink.digest.hexdigest(), size_bytes=self._sink.size_bytes)

    def _remove(self) -> None:
        """Remove a file in which there is no packet yet."""
        self.abandon()
        self._path.unlink()

    def abandon(self) -> None:
        """Let go of the file as it is, where the disk takes no more; the next start of the capture adopts it."""
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._container.close()
        with contextlib.suppress(OSError):
            self._sink.file.close()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is in it so far."""
        return tuple(each.track() for each in self.tallies.values())


def place(unfinished: Path, finished: Path) -> None:
    """Move a file to its final name, and make the move itself durable.

    Raises:
        IntegrityError: something is there already.
        OSError: it cannot be moved.
    """
    if finished.exists() or finished.is_symlink():
        raise IntegrityError(f"{finished} exists already; nothing was overwritten")
    unfinished.rename(finished)
    handle = os.open(finished.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Forward:
    """A file that is only read forwards: where its end is torn, FFmpeg looks for it at places that are not there."""

    def __init__(self, file: BufferedReader) -> None:
        self.read = file.read


def tracks_in(root: Path, name: str) -> tuple[Track, ...]:
    """Return what can be read of a segment that a killed process left, up to its last whole packet; () for nothing."""
    tallies: dict[int, Tally] = {}
    try:
        with open_inside(root, name) as file, av.open(_Forward(file), "r", options=_READ_OPTIONS) as container:
            tallies = {each.index: Tally(each) for each in container.streams if each.codec_context is not None}
            for packet in container.demux():
                if packet.size and packet.stream.index in tallies:
                    tallies[packet.stream.index].add(packet)
    except av.error.FFmpegError:
        pass
    tracks = tuple(each.track() for each in tallies.values())
    return tracks if any(track.kind == "video" and track.packets for track in tracks) else ()
