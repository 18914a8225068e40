"""Where a redacted copy is made: a private folder beside the copy-to-be, locked as long as somebody works in it.

Owns the folder's name, its lock, and the removal of what a killed redaction left; never what is in a copy.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from facerecon.durable import TEMPORARY
from facerecon.errors import ResourceError, UsageError

PREFIX = f"{TEMPORARY}redact-"
_NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
_COPY = "case"
_TRIES = 100


@contextlib.contextmanager
def unfinished(out: Path) -> Iterator[Path]:
    """Give the path of a new case beside `out`, which gets that name when the block ends well; else nothing is left.

    A process that is killed leaves its folder behind, which the next redaction to this place removes (`clear`).

    Raises:
        UsageError: somebody else made `out` meanwhile.
        ResourceError: it cannot be written.
    """
    folder: Path | None = None
    lock = -1
    try:
        clear(out.parent)
        folder, lock = _made(out.parent)
        yield folder / _COPY
        if out.exists() or out.is_symlink():
            raise UsageError(f"{out} was made by somebody else meanwhile; give another name")
        os.rename(folder / _COPY, out)  # noqa: PTH104
    except OSError as error:
        raise ResourceError(f"cannot write {out}: {error.strerror or error}; choose another place") from None
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if lock >= 0:
            os.close(lock)


def clear(place: Path) -> list[Path]:
    """Remove the folders of redactions that were killed, and return them.

    Only what a redaction can have left: a folder of this user's with a name of its kind, closed to others, that holds a
    copy or nothing, and whose lock nobody holds. A lock ends with its process (flock(2)), so no one works in it.
    """
    return [folder for folder in sorted(place.glob(f"{PREFIX}*")) if _removed(folder)]


def _removed(folder: Path) -> bool:
    handle = _taken(folder) if _NAME.fullmatch(folder.name) else -1
    if handle < 0:
        return False
    try:
        if not _left_behind(folder, handle):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(handle)


def _left_behind(folder: Path, handle: int) -> bool:
    held = os.fstat(handle)
    private = held.st_uid == os.getuid() and stat.S_IMODE(held.st_mode) == stat.S_IRWXU
    return private and _same(folder, handle) and set(os.listdir(handle)) <= {_COPY}


def _made(place: Path) -> tuple[Path, int]:
    """Return a new folder and its lock; another process that tidies up may be faster in between, so it tries again."""
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(dir=place, prefix=PREFIX))
        handle = _taken(folder)
        if handle >= 0 and _same(folder, handle):
            return folder, handle
        if handle >= 0:
            os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)
    raise OSError(f"no folder in {place} can be locked")


def _taken(folder: Path) -> int:
    """Return a handle that holds the folder's lock, or -1: somebody else holds it, or it is no folder, or gone."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return -1
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return -1
    return handle


def _same(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(folder.lstat(), os.fstat(handle))
    except OSError:
        return False
