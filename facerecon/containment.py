"""Files of a folder that came from outside: which names stay inside it, and how they are opened. Never writes.

No link is followed below the folder, not even one that is put there between a check and the opening: every part of a
path is opened relative to the one before it, without following (POSIX.1-2008 openat, O_NOFOLLOW). Pipes, sockets and
devices are refused instead of waited for.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from facerecon.characters import acting, inert
from facerecon.errors import IntegrityError
from facerecon.locks import is_lock

LONGEST_NAME_BYTES = 1024
"""Longest name of a file in a case, folders included; the tool's own have less than 200, and systems allow 4096."""
LONGEST_PART_BYTES = 255
"""Longest name of one file or folder on the common file systems."""
DEEPEST = 16
"""Folders in folders; a case has 3."""
_DRIVE = ":"
HEAD_BYTES = 64
SETTLED_NS = 5_000_000_000
"""A file that was changed longer ago than this (5 s) has another time after the next change, on all file systems: the
coarsest, FAT, counts in steps of 2 s."""


def require_inside(name: str) -> str:
    r"""Return a name that means one file below its folder, on every system, or refuse it.

    Refused: absolute names, "." and ".." and empty parts, backslashes, drive letters, characters that act instead of
    being shown, text that is not Unicode, and lengths that no file system takes.

    Raises:
        ValueError: it is none; the message says why.
    """
    character = acting(name)
    if character is not None:
        raise ValueError(f"holds the character {character}")
    if "\\" in name or _DRIVE in name:
        raise ValueError("holds a backslash or a colon")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("leads out of the folder, or is not in its plain form")
    if len(parts) > DEEPEST or len(name.encode()) > LONGEST_NAME_BYTES:
        raise ValueError(f"is longer than {LONGEST_NAME_BYTES} bytes or deeper than {DEEPEST} folders")
    if any(len(part.encode()) > LONGEST_PART_BYTES for part in parts):
        raise ValueError(f"has a part of more than {LONGEST_PART_BYTES} bytes")
    return name


def read_inside(root: Path, name: str, most_bytes: int) -> bytes:
    """Return the content of a regular file below a folder.

    Raises:
        IntegrityError: it is missing, no regular file, reached through a link, larger than `most_bytes`, or its name
            leads elsewhere.
    """
    with open_inside(root, name) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most_bytes:
            raise IntegrityError(
                f"{_shown(root, name)} has {size} bytes; the limit for such a file is {most_bytes}, so nothing was read"
            )
        # Never more than what was allowed, even if the file grows meanwhile.
        return _read(stream, most_bytes, root, name)


def read_named(path: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file that somebody named. Raises as `open_named`, also for a larger file."""
    with open_named(path) as stream:
        data = stream.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"it has more than {most_bytes} bytes")
    return data


def open_named(path: Path) -> BufferedReader:
    """Open a regular file that somebody named; links to it are followed, pipes are refused instead of waited for.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("it is not a regular file")
    return os.fdopen(handle, "rb")


@dataclass(frozen=True)
class Digested:
    """A file as it was hashed.

    Attributes:
        sha256: of its bytes; "" where it had another size than it should have, and was not read.
        head: its first `HEAD_BYTES` bytes, of those that were hashed.
        stamp: device, inode, size, times of the last change (ns) by which the file system tells any later change; None
            where it could not: the file was changed so shortly before that a change after it may have the same time.
    """

    sha256: str
    head: bytes = b""
    stamp: tuple[int, ...] | None = None


def digested_inside(root: Path, name: str, size_bytes: int, known: Digested | None = None) -> Digested:
    """Hash a regular file below a folder, or return what is known of it where it has not changed since.

    Args:
        root: the folder.
        name: the file's, relative to it.
        size_bytes: what it should have.
        known: what an earlier call returned. A program that writes to a file changes its stamp, and only who sets the
            machine's clock can set that (POSIX.1-2008, st_ctim).

    Raises:
        IntegrityError: as `read_inside`, but for its size.
    """
    with open_inside(root, name) as stream:
        before, now_ns = _stamp(stream), time.time_ns()
        if known is not None and known.stamp == before:
            return known
        if before[2] != size_bytes:
            return Digested("")
        try:
            head = stream.read(HEAD_BYTES)
            stream.seek(0)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(root, name, error) from None
        settled = max(before[3:]) + SETTLED_NS < now_ns and _stamp(stream) == before
        return Digested(sha256, head, before if settled else None)


def _stamp(stream: BufferedReader) -> tuple[int, ...]:
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def digest_inside(root: Path, name: str) -> str:
    """Return the SHA-256 of a regular file below a folder. Raises as `read_inside`, but for its size."""
    with open_inside(root, name) as stream:
        try:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(root, name, error) from None


def open_inside(root: Path, name: str) -> BufferedReader:
    """Open a regular file below a folder for reading. Raises as `read_inside`."""
    try:
        parts = require_inside(name).split("/")
    except ValueError as error:
        raise IntegrityError(f"{root}: the name '{inert(name[:200])}' {error}") from None
    try:
        handle = _opened(root, parts)
    except OSError as error:
        raise _unreadable(root, name, error) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IntegrityError(f"{_shown(root, name)} is not a regular file")
    return os.fdopen(handle, "rb")


def _opened(root: Path, parts: Sequence[str]) -> int:
    """Return a handle of the file that is reached by opening part after part."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # Without O_NONBLOCK the opening of a pipe would wait for somebody who writes to it.
    for part, kind in [*((each, os.O_DIRECTORY) for each in parts[:-1]), (parts[-1], os.O_NONBLOCK)]:
        parent = handle
        try:
            handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=parent)
        except NotADirectoryError as error:
            # Linux says so of a link to a folder.
            if stat.S_ISLNK(os.lstat(part, dir_fd=parent).st_mode):
                error.errno = errno.ELOOP
            raise
        finally:
            os.close(parent)
    return handle


def entries_below(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield (name, whether it is a regular file) of everything below a folder but folders; links are not followed.

    The folder's own lock file is left out: it comes and goes with who works there.

    Raises:
        IntegrityError: a folder cannot be listed, or lies deeper than `DEEPEST`.
    """
    folders = [("", 0)]
    while folders:
        folder, depth = folders.pop()
        if depth > DEEPEST:
            raise IntegrityError(f"{_shown(root, folder)} lies deeper than {DEEPEST} folders; no case has such folders")
        try:
            with os.scandir(root / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise IntegrityError(f"folder {_shown(root, folder)} cannot be listed: {error.strerror}") from None
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append((name, depth + 1))
            elif folder or not is_lock(entry):
                yield name, entry.is_file(follow_symlinks=False)


def _read(stream: BufferedReader, most_bytes: int, root: Path, name: str) -> bytes:
    try:
        return stream.read(most_bytes)
    except OSError as error:
        raise _unreadable(root, name, error) from None


def _unreadable(root: Path, name: str, error: OSError) -> IntegrityError:
    if error.errno == errno.ELOOP:
        return IntegrityError(f"{_shown(root, name)} is a link, or lies behind one; links in it are not followed")
    return IntegrityError(f"{_shown(root, name)} cannot be read: {error.strerror}")


def _shown(root: Path, name: str) -> str:
    return f"{root}/{inert(name)}" if name else f"{root}"
