"""The journal of a batch folder: what was begun and how it ended, one line each, and the lock of the folder.

Owns DIR/batch.jsonl, which only grows. What is finished is told by the cases themselves; the journal tells what failed,
what the sources were, and how fast the work went. Every line is on the disk before the work goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facerecon.batch.naming import JOURNAL
from facerecon.errors import ResourceError, UsageError
from facerecon.locks import hold

SCHEMA = 1
_LARGEST_BYTES = 1 << 30


@dataclass(frozen=True)
class Remembered:
    """What the journal knows of a source: its case's name, what the file was, and how the last attempt ended.

    `status`: done, failed, interrupted, or begun (no end was written).
    """

    name: str
    status: str
    size_bytes: int | None
    mtime_ns: int | None
    line: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """What a store said of the object's version; "" for a file, or where it said nothing."""
        return str(self.line.get("mark") or "")

    @property
    def footage_s(self) -> float | None:
        """Seconds of footage, None when that is not known."""
        return _number(self.line.get("footage_s"))


@dataclass
class History:
    """What a journal says; `torn` counts lines that a crash left unfinished."""

    sources: dict[str, Remembered] = field(default_factory=dict)
    torn: int = 0
    measured: int = 0
    footage_s: float = 0.0
    seconds: float = 0.0

    @property
    def seconds_per_footage_second(self) -> float | None:
        """How long one worker took for a second of footage, over all finished sources; None: not measured yet."""
        return self.seconds / self.footage_s if self.footage_s > 0 else None


def read_history(folder: Path) -> History:
    """Read a batch folder's journal; without one the history is empty.

    Raises:
        ResourceError: it cannot be read, or is far too large.
    """
    path, history = folder / JOURNAL, History()
    try:
        if not path.exists():
            return history
        if path.stat().st_size > _LARGEST_BYTES:
            raise ResourceError(f"{path} has more than {_LARGEST_BYTES} bytes; choose another --cases")
        data = path.read_bytes()
    except OSError as error:
        raise ResourceError(f"{path} cannot be read: {error.strerror}") from error
    for line in data.split(b"\n"):
        _enter(history, line)
    return history


def _enter(history: History, line: bytes) -> None:
    if not line.strip():
        return
    try:
        event = json.loads(line)
        kind, source, name = event["event"], str(event.get("source", "")), str(event.get("name", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        history.torn += 1
        return
    if kind not in ("unit.begun", "unit.ended") or not source or not name:
        return
    status = "begun" if kind == "unit.begun" else str(event.get("status"))
    before = history.sources.get(source)
    known = {**(before.line if before else {}), **event}
    size, mtime = known.get("size_bytes"), known.get("mtime_ns")
    history.sources[source] = Remembered(name, status, _whole(size), _whole(mtime), known)
    if status == "done":
        _measure(history, event)


def _measure(history: History, event: Mapping[str, Any]) -> None:
    footage, seconds = _number(event.get("footage_s")), _number(event.get("seconds"))
    # What an earlier attempt did is not in the time of the one that ended it.
    if footage and seconds and event.get("whole") is True:
        history.measured += 1
        history.footage_s += footage
        history.seconds += seconds


def _number(value: Any) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12
    return float(value) if usable else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class Journal:
    """A journal open for writing; made by `opened`."""

    def __init__(self, path: Path) -> None:
        """Use `opened`."""
        self.path = path
        self._stream = path.open("ab")
        if self._stream.tell() and not _ends_whole(path):
            # A crash tore the last line; what follows must not be glued to it.
            self._stream.write(b"\n")

    def write(self, event: str, **content: Any) -> None:
        """Append one line and wait until it is on the disk.

        Raises:
            ResourceError: it cannot be written.
        """
        stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        line = json.dumps({"event": event, "utc": stamp, **content}, allow_nan=False)
        try:
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise ResourceError(f"cannot write {self.path}: {error.strerror}; free some space and run again") from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a batch folder where there is none (mode 0700), and keep every other batch out of it.

    Raises:
        UsageError: another batch works in it.
        ResourceError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = hold(folder)
    except BlockingIOError:
        raise UsageError(f"another batch is working in {folder}; wait for it, or choose another --cases") from None
    except OSError as error:
        raise ResourceError(f"cannot write {folder}: {error.strerror}; choose another --cases") from error
    with held:
        yield


@contextmanager
def opened(folder: Path) -> Iterator[Journal]:
    """Open a folder's journal for writing.

    Raises:
        ResourceError: it cannot be written.
    """
    try:
        journal = Journal(folder / JOURNAL)
    except OSError as error:
        raise ResourceError(f"cannot write {folder / JOURNAL}: {error.strerror}; choose another --cases") from error
    try:
        yield journal
    finally:
        journal.close()
