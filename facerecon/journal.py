"""What a running stage has worked out so far, kept so that a re-run goes on there. Owns the journal of a stage.

One file, CASE/.work/STAGE.journal, beside the evidence: it is there from a stage's start until its results are in the
case, and never longer. Its first line says from what and by what the answers were made; each further line holds one
question, its answer, and a checksum (CRC-32, ISO 3309). A re-run with an equal first line asks the same questions in
the same order; where a line is torn, changed, or answers something else, everything from there on is forgotten. It is
no evidence, and nothing but a re-run of its stage ever reads it. It never follows a link, and never changes a file that
has a second name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from facerecon.containment import open_inside
from facerecon.durable import writing
from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json

FOLDER = ".work"
FLUSH_S = 10.0
"""What a power failure may cost. What was worked out before a killed process is kept to the last answer."""
LARGEST_LINE_BYTES = 1 << 24
"""No line is longer (16 MiB); thousands of faces are a tenth of it."""
_CHECKSUM_DIGITS = 8


def journal_name(stage: str) -> str:
    """Return the name of a stage's journal within its case."""
    return f"{FOLDER}/{stage}.journal"


class Journal:
    """The answers of an unfinished run, then those of this one. It is written as soon as something is added."""

    def __init__(self, root: Path, stage: str, made_by: Mapping[str, Any]) -> None:
        """Open a stage's journal, or begin it; one that was made otherwise is begun anew.

        Args:
            root: the case.
            stage: its stage.
            made_by: everything that decides the answers, as JSON data: source, profile, models, software.

        Raises:
            IntegrityError: it is a link, or has another name.
            ResourceError: it cannot be written.
        """
        self._root, self._stage = root, stage
        self._path = root / journal_name(stage)
        with writing(self._path):
            self._file = _opened(root, stage)
        self._reader: BufferedReader | None = os.fdopen(os.dup(self._file), "rb")
        self._last = self._end = 0
        self._flushed_s = time.monotonic()
        self.found_bytes = os.fstat(self._file).st_size
        self.refusal = ""
        """Why the journal that was found could not be used from its start on; "" for one that could, or for none."""
        self._begin(json.loads(canonical_json(dict(made_by))))

    def _begin(self, made_by: Mapping[str, Any]) -> None:
        header, size = self._line()
        if header == made_by:
            self._end = size
            return
        if self.found_bytes:
            self.refusal = _difference(header, made_by) if isinstance(header, dict) else "it is damaged"
        self.forget()
        self._append(made_by)

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def exhausted(self) -> bool:
        """Whether nothing more is known."""
        return self._reader is None

    def known(self, question: str) -> Any | None:
        """Return the next answer where it is that question's; None, from then on, where it is not."""
        if self._reader is None:
            return None
        line, size = self._line()
        if isinstance(line, list) and len(line) == 2 and line[0] == question:
            self._last, self._end = self._end, self._end + size
            return line[1]
        self.forget()
        return None

    def forget(self) -> None:
        """Forget what was not asked for yet."""
        self._close_reader()
        with writing(self._path):
            os.ftruncate(self._file, self._end)
        os.lseek(self._file, self._end, os.SEEK_SET)

    def reject(self) -> None:
        """Forget the last answer, and what was not asked for yet."""
        self._end = self._last
        self.forget()

    def _line(self) -> tuple[Any | None, int]:
        """Return what the next line holds, None for a damaged one, and its length in bytes."""
        assert self._reader is not None, "everything that is known was read"
        try:
            data = self._reader.readline(LARGEST_LINE_BYTES)
        except OSError:
            return None, 0
        return _parsed(data), len(data)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # --- what is new --------------------------------------------------------------------------------------------------

    def add(self, question: str, answer: Any) -> None:
        """Keep an answer (JSON data; numbers come back as they are). Nothing may be left unread.

        Raises:
            ResourceError: it cannot be written.
        """
        assert self._reader is None, "known answers come first"
        self._append([question, answer])
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            with writing(self._path):
                os.fsync(self._file)
            self._flushed_s = time.monotonic()

    def _append(self, value: Any) -> None:
        data = _written(value)
        rest = memoryview(data)
        with writing(self._path):
            while rest:
                rest = rest[os.write(self._file, rest) :]
        self._end += len(data)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Flush it to the disk; the next run of the stage goes on from it."""
        if self._file >= 0:
            self._close_reader()
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Remove it: what it holds is in the case now."""
        self.close()
        remove_journal(self._root, self._stage)


def remove_journal(root: Path, stage: str) -> None:
    """Remove a stage's journal, and the folder when it is empty.

    Raises:
        OSError: it cannot be removed.
    """
    (root / journal_name(stage)).unlink(missing_ok=True)
    remove_empty(root)


def remove_empty(root: Path) -> None:
    """Remove the folder of the journals where none is in it."""
    with contextlib.suppress(OSError):
        (root / FOLDER).rmdir()


def journal_digest(root: Path, stage: str) -> str:
    """Return the SHA-256 of a stage's journal; "" where it has none.

    Raises:
        IntegrityError: it is a link, or cannot be read.
    """
    if not os.path.lexists(root / journal_name(stage)):
        return ""
    with open_inside(root, journal_name(stage)) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def answers_of(root: Path, stage: str) -> Iterator[Any]:
    """Yield the answers of a stage's journal up to the first line that is damaged; none where it has no journal.

    Raises:
        IntegrityError: it is a link, or cannot be read.
    """
    if not os.path.lexists(root / journal_name(stage)):
        return
    with open_inside(root, journal_name(stage)) as stream:
        if not isinstance(_parsed(stream.readline(LARGEST_LINE_BYTES)), dict):
            return
        while isinstance(line := _parsed(stream.readline(LARGEST_LINE_BYTES)), list) and len(line) == 2:
            yield line[1]


def vouched_for(root: Path, stage: str) -> dict[str, str]:
    """Return the files that a stage's journal says its unfinished run has written whole, with their digests.

    Raises:
        IntegrityError: it is a link, or cannot be read.
    """
    files = [answer.get("files") for answer in answers_of(root, stage) if isinstance(answer, dict)]
    return {str(name): str(digest) for each in files if isinstance(each, dict) for name, digest in each.items()}


# --- files and lines --------------------------------------------------------------------------------------------------


def _opened(root: Path, stage: str) -> int:
    """Open a journal for reading and writing, private, and through no link."""
    (root / FOLDER).mkdir(mode=0o700, exist_ok=True)
    try:
        folder = os.open(root / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise IntegrityError(f"{root / FOLDER} is a link, or no folder; remove it, and run again") from None
    try:
        name = journal_name(stage).rpartition("/")[2]
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        handle = os.open(name, flags, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise IntegrityError(f"{root / journal_name(stage)} is a link; remove it, and run again") from None
    finally:
        os.close(folder)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(handle)
        raise IntegrityError(f"{root / journal_name(stage)} is no file of its own; remove it, and run again")
    return handle


def _written(value: Any) -> bytes:
    # Numbers as Python writes them: the shortest digits that read back as the same number (IEEE 754 double).
    body = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _parsed(line: bytes) -> Any | None:
    """Return what a line holds; None for one that is torn or damaged."""
    checksum, _, body = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or len(checksum) != _CHECKSUM_DIGITS or b"%08x" % zlib.crc32(body) != checksum:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    other = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return f"it was made with another {', '.join(other)}"
