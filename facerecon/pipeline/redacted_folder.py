"""Where a redacted copy is made: a private folder beside the copy-to-be, locked as long as somebody works in it.

Owns the folder's name, its lock, and the removal of what a killed redaction left; never what is in a copy.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from facerecon.durable import TEMPORARY
from facerecon.errors import FacereconError, ResourceError, UsageError
from facerecon.locks import LOCK, PATIENCE_S, Held, hold

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
    lock: Held | None = None
    try:
        clear(out.parent)
        lock = _made(out.parent)
        yield lock.folder / _COPY
        if out.exists() or out.is_symlink():
            raise UsageError(f"{out} was made by somebody else meanwhile; give another name")
        os.rename(lock.folder / _COPY, out)  # noqa: PTH104
    except OSError as error:
        raise ResourceError(f"cannot write {out}: {error.strerror or error}; choose another place") from None
    finally:
        if lock is not None:
            lock.remove_folder()


def clear(place: Path) -> list[Path]:
    """Remove the folders of redactions that were killed, and return them.

    Only what a redaction can have left: a folder of this user's with a name of its kind, closed to others, that holds a
    copy or nothing, and whose lock nobody holds. A lock ends with its process, so no one works in it.
    """
    return [folder for folder in sorted(place.glob(f"{PREFIX}*")) if _removed(folder)]


def _removed(folder: Path) -> bool:
    if not _NAME.fullmatch(folder.name) or not _left_behind(folder):
        return False
    lock = _taken(folder, patience_s=0)
    if lock is None:
        return False
    if not lock.is_of(folder) or not _left_behind(folder):
        lock.release()
        return False
    lock.remove_folder()
    return not folder.exists()


def _left_behind(folder: Path) -> bool:
    try:
        found = folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
        return private and found.st_uid == os.getuid() and {each.name for each in folder.iterdir()} <= {_COPY, LOCK}
    except OSError:
        return False


def _made(place: Path) -> Held:
    """Return the lock of a new folder; another process that tidies up may be faster in between, so it tries again."""
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(dir=place, prefix=PREFIX))
        lock = _taken(folder)
        if lock is not None and lock.is_of(folder):
            return lock
        if lock is not None:
            lock.release()
        shutil.rmtree(folder, ignore_errors=True)
    raise OSError(f"no folder in {place} can be locked")


def _taken(folder: Path, patience_s: float = PATIENCE_S) -> Held | None:
    """Return a folder's lock; None: somebody else holds it, it is no folder, it is gone, or it cannot be locked."""
    try:
        return hold(folder, follow=False, patience_s=patience_s)
    except (OSError, FacereconError):
        return None
