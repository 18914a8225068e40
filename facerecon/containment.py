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
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path

from facerecon.characters import acting, inert
from facerecon.errors import IntegrityError

LONGEST_NAME_BYTES = 1024
"""Longest name of a file in a case, folders included; the tool's own have less than 200, and systems allow 4096."""
LONGEST_PART_BYTES = 255
"""Longest name of one file or folder on the common file systems."""
DEEPEST = 16
"""Folders in folders; a case has 3."""
_DRIVE = ":"


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


def digest_inside(root: Path, name: str, size_bytes: int | None = None) -> str:
    """Return the SHA-256 of a regular file below a folder, read in pieces. Raises as `read_inside`, but for its size.

    Args:
        root: the folder.
        name: the file's, relative to it.
        size_bytes: what it should have; the empty text is returned, and nothing is read, when it has another size.
    """
    with open_inside(root, name) as stream:
        if size_bytes is not None and os.fstat(stream.fileno()).st_size != size_bytes:
            return ""
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
            else:
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
