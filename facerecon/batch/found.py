"""What a walk through archives gives: files to look at, and what is left out with its reason. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HIDDEN = "hidden"
A_CASE = "a case folder"
THE_CASES = "the folder of this batch's cases"
LINK_OUT = "a link that leads out of the archive"
LINK_INSIDE = "a link to what the archive holds itself"
SPECIAL = "no regular file"
TWICE = "reached before, under another name"
OLD = "not changed since the time given"
NOT_MEDIA = "no media"
NOT_NAMED = "not named as media"
"""Of objects of a store, which are not read to find out."""
A_LINK = "a link"


@dataclass(frozen=True)
class Found:
    """A file to look at: where, its name below the archive that it was found in, and what tells that it changed.

    `named`: the user named the file itself, so it is a source whatever it holds. `capture`: the capture folder that it
    is a segment of; it is whole then, and takes `length_s` of the capture's timeline. `url`: it is an object of a
    store, `path` is but its name, `stated` what the store says of it, and `mark` that of its version ("": nothing).
    """

    path: Path
    archive: Path
    relative: str
    size_bytes: int
    mtime_ns: int
    named: bool = False
    capture: Path | None = None
    length_s: float | None = None
    url: str = ""
    stated: Mapping[str, Any] | None = None
    mark: str = ""

    @property
    def source(self) -> str:
        """The absolute path, or the URL."""
        return self.url or str(self.path)


@dataclass(frozen=True)
class Omitted:
    """What is no source, with the reason; `failed`: it should have been looked into, and could not be."""

    path: Path
    reason: str
    failed: bool = False
    url: str = ""

    @property
    def source(self) -> str:
        """The path as it was reached, or the URL."""
        return self.url or str(self.path)


@dataclass
class Walk:
    """What was reached, in order."""

    found: list[Found] = field(default_factory=list)
    omitted: list[Omitted] = field(default_factory=list)
    captures: list[Path] = field(default_factory=list)
