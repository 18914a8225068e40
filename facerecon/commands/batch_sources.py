"""What `facerecon batch` is given as sources: paths, URLs, lists of both; and where objects are copied to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from facerecon.batch.addresses import Address, is_url, typed
from facerecon.batch.found import Walk
from facerecon.batch.walking import Archive, walk
from facerecon.errors import ResourceError, UsageError

Archives = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ARCHIVES]...",
        help="Videos, pictures, folders, quoted patterns like 'cam*/*.mp4', and URLs: s3://, smb://, file://.",
        show_default=False,
    ),
]
StagingOption = Annotated[
    Path | None,
    typer.Option(
        "--staging", help="Where objects of a store are copied to while they are examined.", show_default="--cases"
    ),
]


@dataclass(frozen=True)
class Sources:
    """What was given, as it was typed and listed."""

    archives: tuple[Archive, ...]
    listed: tuple[Archive, ...]
    staging: Path

    @classmethod
    def of(cls, archives: Iterable[str], listed: Iterable[str], cases: Path, staging: Path | None) -> Sources:
        """Tell URLs from paths, and make sure that they can be read.

        Raises:
            UsageError: a URL cannot be read here, or the copies would lie beside a source.
        """
        made = cls(
            tuple(_archive(each) for each in archives), tuple(_archive(each) for each in listed), staging or cases
        )
        if made.schemes:
            from facerecon.batch.stores import require

            for scheme in made.schemes:
                require(scheme)
        elif staging is not None:
            raise UsageError("--staging is about copies of objects of a store; give a URL, or leave it out")
        if made.schemes and staging is not None:
            made._require_apart()
        return made

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of the URLs, in order of the alphabet."""
        return tuple(sorted({each.scheme for each in (*self.archives, *self.listed) if isinstance(each, Address)}))

    def walk(self, cases: Path, since_s: float | None) -> Walk:
        """Reach every source; see `facerecon.batch.walking.walk`."""
        return walk(self.archives, cases, listed=self.listed, since_s=since_s)

    def remote(self, min_free_gb: float) -> Mapping[str, Any] | None:
        """Return what a worker must know to copy objects of a store; None: there are none."""
        if not self.schemes:
            return None
        return {
            "staging": str(self.staging.absolute()),
            "min_free_gb": min_free_gb,
            "schemes": list(self.schemes),
        }

    def clear(self) -> None:
        """Remove the copies that a killed batch left."""
        from facerecon.batch.staging import FOLDER, Staging

        if (self.staging / FOLDER).is_dir():
            Staging(self.staging, 0).clear()

    def _require_apart(self) -> None:
        """Nothing is written beside the sources (R01)."""
        for each in (*self.archives, *self.listed):
            local = each.local if isinstance(each, Address) else each
            if local is not None and local.is_dir() and local.resolve() == self.staging.resolve():
                raise UsageError(f"the copies would lie among the sources of {local}; choose another --staging")


def _archive(text: str) -> Archive:
    return typed(text) if is_url(text) else Path(text)


# --- lists ------------------------------------------------------------------------------------------------------------


def list_of(name: str | None, *, null: bool) -> list[str]:
    """Read the paths and URLs of --files-from; names may hold any byte but the one that ends them.

    Raises:
        UsageError: -0 without a list.
        ResourceError: the list cannot be read.
    """
    if name is None:
        if null:
            raise UsageError("--null is about a list of paths; give --files-from, for example --files-from -")
        return []
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ResourceError(f"the list {name} cannot be read: {error.strerror}") from error
    return [os.fsdecode(each) for each in _pieces(data, b"\0" if null else b"\n")]


def _pieces(data: bytes, end: bytes) -> Iterator[bytes]:
    yield from (piece for piece in data.split(end) if piece)
