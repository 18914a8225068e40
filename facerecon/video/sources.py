"""What a source of frames is, which frames are looked at, and the account of the others. Never decodes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from facerecon.characters import is_text
from facerecon.errors import EvidenceError, IntegrityError
from facerecon.hashing import sha256_file
from facerecon.profiles import Motion, Sample
from facerecon.records import RGB, Frame, Skipped, SourceRecord, Timestamp, frame_id
from facerecon.video.motion import Look, MotionGate

Outcome = Literal["skipped", "failed"]
Clock = Literal["stream", "order"]


class Source(ABC):
    """Evidence that was opened for reading: what it is, and its frames in presentation order.

    `record` says what the file is, `probe` is everything the container states about itself (plain JSON data), and
    `frame_count_from_header` is good for a progress bar only (None when the header does not say). `preparation` names,
    in order, what is done to every frame before anything else sees it; empty: frames are as decoded.
    """

    record: SourceRecord
    probe: dict[str, Any]
    frame_count_from_header: int | None
    preparation: tuple[str, ...] = ()

    @abstractmethod
    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled frames and, in `Skipped` runs, every other frame, in presentation order.

        `Frame.index` counts all frames of the source from 0, those that could not be decoded included, so
        requested = written + failed + skipped = last index + 1.

        Raises:
            EvidenceError: the source vanished, or not one of its frames can be decoded (after all were accounted for).
        """

    def watched(self, sample: Sample, motion: Motion) -> Iterator[Watched | Unmoving | Skipped]:
        """Yield the sampled frames in which something moved, with what the motion gate saw; see `frames`.

        Of the others only their times are told: their pixels need never be made. Whether there is to be a gate at all
        (`motion.enabled`) is the caller's matter.
        """
        gate = MotionGate(motion)
        for item in self.frames(sample):
            if isinstance(item, Skipped):
                yield item
            elif (look := gate.look(item)).moved:
                yield Watched(item, look)
            else:
                yield Unmoving(item.index, item.timestamp)

    @abstractmethod
    def _digest(self) -> str:
        """Return the digest of the source as it is now.

        Raises:
            EvidenceError: the source can no longer be read.
        """

    def verify_unchanged(self) -> None:
        """Hash the source again and compare with the digest taken when it was opened (R01).

        Raises:
            IntegrityError: the source changed.
            EvidenceError: the source can no longer be read.
        """
        now = self._digest()
        if now != self.record.sha256:
            raise IntegrityError(
                f"source {self.record.path} changed while it was read: sha256 before {self.record.sha256}, now {now}"
            )


@dataclass(frozen=True, eq=False)
class Watched:
    """A frame in which something moved, and what the motion gate saw of it."""

    frame: Frame
    look: Look


@dataclass(frozen=True)
class Unmoving:
    """A frame in which nothing moved: its number and its time."""

    index: int
    timestamp: Timestamp

    @property
    def id(self) -> str:
        """The frame's name in the case: f000123."""
        return frame_id(self.index)


@dataclass(frozen=True)
class Omission:
    """Why a frame was not analysed. Consecutive frames of equal `reason` and `outcome` become one `Skipped`."""

    reason: str
    outcome: Outcome = "failed"
    detail: str = ""


NOT_SAMPLED = Omission("not-sampled", "skipped")


class Omissions:
    """Numbers the frames and merges consecutive omissions of equal reason into runs; holds one run at a time."""

    def __init__(self) -> None:
        """Start at frame 0."""
        self.index = 0
        self._first = 0
        self._run: Omission | None = None

    def omit(self, omission: Omission, count: int = 1) -> Iterator[Skipped]:
        """Account for the next `count` frames; yield the run before them if this starts another one."""
        same = self._run is not None and (self._run.reason, self._run.outcome) == (omission.reason, omission.outcome)
        if not same:
            yield from self.close()
            self._first, self._run = self.index, omission
        self.index += count

    def take(self) -> int:
        """Return the next frame's index; the run must be closed."""
        self.index += 1
        return self.index - 1

    def close(self) -> Iterator[Skipped]:
        """Yield the run that is open, if any."""
        run, self._run = self._run, None
        if run is not None:
            yield skipped_frames(self._first, self.index - self._first, run)


@dataclass(frozen=True, eq=False)
class Taken:
    """The next frame, which is looked at; `look`: what the motion gate saw of it, if there is one."""

    timestamp: Timestamp
    pixels: RGB
    keyframe: bool
    look: Look | None = None


@dataclass(frozen=True)
class Unmoved:
    """The next frame, in which the motion gate saw nothing move."""

    timestamp: Timestamp


@dataclass(frozen=True)
class Left:
    """The next `count` frames, which are not looked at; `alone`: told by themselves, not in a run with others."""

    omission: Omission
    count: int = 1
    alone: bool = False


Step = Taken | Unmoved | Left
Steps = Generator[Step, None, None]


def accounted(steps: Steps) -> Iterator[Frame | Skipped]:
    """Number the frames that a decoder without a motion gate tells, and merge those left out into runs.

    Raises:
        EvidenceError: the decoder does; what came before it is yielded.
    """
    with closing(_numbered(steps)) as items:
        for item in items:
            if isinstance(item, Unmoving | Watched):
                raise RuntimeError("a motion gate where none was asked for")
            yield item


def watched(steps: Steps) -> Iterator[Watched | Unmoving | Skipped]:
    """Number the frames that a decoder with a motion gate tells; see `accounted`."""
    with closing(_numbered(steps)) as items:
        for item in items:
            if isinstance(item, Frame):
                raise RuntimeError("no motion gate where one was asked for")
            yield item


def _numbered(steps: Steps) -> Generator[Frame | Watched | Unmoving | Skipped, None, None]:
    omissions = Omissions()
    with closing(steps):
        try:
            for step in steps:
                yield from _counted(omissions, step)
        except EvidenceError:
            yield from omissions.close()
            raise
    yield from omissions.close()


def _counted(omissions: Omissions, step: Step) -> Iterator[Frame | Watched | Unmoving | Skipped]:
    if isinstance(step, Unmoved):
        yield from omissions.close()
        yield Unmoving(omissions.take(), step.timestamp)
        return
    if isinstance(step, Taken):
        yield from omissions.close()
        frame = Frame(omissions.take(), step.timestamp, step.pixels, step.keyframe)
        yield frame if step.look is None else Watched(frame, step.look)
        return
    yield from omissions.omit(step.omission, step.count)
    if step.alone:
        yield from omissions.close()


def skipped_frames(first: int, count: int, omission: Omission) -> Skipped:
    """Return the record of `count` omitted frames from index `first` on: subject f000123 or f000123-f000130."""
    subject = frame_id(first) if count == 1 else f"{frame_id(first)}-{frame_id(first + count - 1)}"
    return Skipped(
        stage="extract",
        kind="frame",
        subject=subject,
        reason=omission.reason,
        outcome=omission.outcome,
        detail=omission.detail,
        count=count,
    )


class Sampler:
    """Decides, frame by frame in presentation order, which ones are looked at.

    `every: N` takes the indices that N divides. `fps: X` takes the first good frame at or after each due time t0 + k/X
    of the stream's own clock, t0 being the first good frame, so it is right on variable-frame-rate video; where X
    exceeds the frame rate it takes every frame. Pictures without a time (clock "order") are all taken by `fps`.
    """

    def __init__(self, sample: Sample, clock: Clock) -> None:
        """Take the settings and the kind of clock."""
        self._sample, self._clock = sample, clock
        self._rate = Fraction(str(sample.value)) if sample.value is not None else Fraction(1)
        self._start: Fraction | None = None
        self._due = Fraction(0)

    def wants(self, index: int, timestamp: Timestamp, keyframe: bool) -> bool:
        """Say whether this frame is looked at; call once per good frame, in presentation order."""
        if self._sample.mode == "keyframes":
            return keyframe
        if self._sample.mode == "every":
            return index % int(self._rate) == 0
        return self._sample.mode == "all" or self._clock == "order" or self._is_due(timestamp.seconds)

    def _is_due(self, now: Fraction) -> bool:
        if self._start is None:
            self._start = self._due = now
        if now < self._due:
            return False
        self._due = self._start + Fraction(math.floor((now - self._start) * self._rate) + 1) / self._rate
        return True


def source_name(path: Path) -> str:
    """Return the name of a file or folder, also for '.' and 'folder/'."""
    return path.name or path.resolve().name


def require_text(path: Path, source: Path) -> None:
    """Make sure that a path can be stated in records, which are text.

    Args:
        path: the source, or a file of the folder that it is.
        source: the source.

    Raises:
        EvidenceError: it holds bytes that are not UTF-8.
    """
    if is_text(str(path)):
        return
    named = f"source {source}" if path == source else f"source {source}: the name of {path.name}"
    raise EvidenceError(
        f"{named} holds bytes that are not UTF-8, so no record can state it; rename it, or link to it from a folder "
        "and under a name that are (ln -s)"
    )


def file_digest(path: Path) -> str:
    """Return a file's SHA-256.

    Raises:
        EvidenceError: the file is missing or cannot be read.
    """
    try:
        return sha256_file(path)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> EvidenceError:
    """Return the error that says why a source cannot be read."""
    if isinstance(error, FileNotFoundError):
        return EvidenceError(f"source {path} does not exist; check the path")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return EvidenceError(f"source {path} cannot be read: {reason}; check the path and its permissions")
