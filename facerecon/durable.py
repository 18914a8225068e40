"""Files that are there whole or not at all. Owns temporary file, flush, move, and refusals; never which file."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from facerecon.errors import ResourceError, UsageError
from facerecon.locks import Held, hold

TEMPORARY = ".tmp-"
"""What the names of unfinished files begin with; whoever finds one after a crash may remove it."""
PRIVATE = 0o600


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses inside the block into one line that names the file or folder and the way out.

    Raises:
        ResourceError: it was refused.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = "free some space and run again" if full else "choose another --case"
        raise ResourceError(f"cannot write {path}: {error.strerror or error}; {way_out}") from error


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write to a temporary file beside `path`, flush it to the disk, and move it there.

    Args:
        path: where it will be; its folder is made when it is missing. What is there is replaced.
        data: the content.
        mode: the file's permissions.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if mode != PRIVATE:
            os.chmod(temporary, mode)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def locked(root: Path) -> Held:
    """Keep other processes from writing to a case until the lock is released, or the process ends.

    Raises:
        UsageError: another process holds it.
        ResourceError: the folder cannot be opened or locked.
    """
    with writing(root):
        try:
            return hold(root)
        except BlockingIOError:
            raise UsageError(
                f"another process is working on case {root}; wait for it, or choose another --case"
            ) from None
