"""Files that are there whole or not at all. Owns the temporary file, the flush and the move; never which file it is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

TEMPORARY = ".tmp-"
"""What the names of unfinished files begin with; whoever finds one after a crash may remove it."""
PRIVATE = 0o600


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
