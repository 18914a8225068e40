"""A file of evidence as decoders get it: open, read-only, under its own name. Never opened for writing.

Where decoding is isolated there is no path to open, only a file that is open already.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from facerecon.video.sources import unreadable


def _nothing(count: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Footage:
    """A file: its path, by which messages name it, and, where it is open already, its descriptor.

    `progress` is told how many bytes each reading from a descriptor gave.
    """

    path: Path
    descriptor: int | None = None
    progress: Callable[[int], None] = field(default=_nothing, compare=False)

    def open(self) -> IO[bytes]:
        """Open it from its beginning.

        Raises:
            EvidenceError: it cannot be read.
        """
        try:
            return self.opened()
        except OSError as error:
            raise unreadable(self.path, error) from None

    def opened(self) -> IO[bytes]:
        """Open it from its beginning.

        Raises:
            OSError: it cannot be read.
        """
        if self.descriptor is None:
            return _Answering(self.path.open("rb", buffering=0))
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return _Answering(_Given(os.dup(self.descriptor), str(self.path), self.progress))


class _Answering(io.BufferedReader):
    """A file that answers a seek to where no file is as FFmpeg's own do; it tries such in files that were cut off."""

    def seek(self, target: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(target, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


class _Given(io.FileIO):
    """An open file with the name that it has elsewhere: FFmpeg's choice of a format takes the suffix into account."""

    def __init__(self, descriptor: int, name: str, progress: Callable[[int], None]) -> None:
        super().__init__(descriptor, "rb")
        self.name, self._progress = name, progress

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._progress(count or 0)
        return count

    def readall(self) -> bytes:
        data = super().readall()
        self._progress(len(data))
        return data
