"""Walks archives: every file that is reached is a possible source, or is left out with its reason. Opens no file
but the ledgers of capture folders, whose segments are sources. Stores are walked by `facerecon.batch.reaching`.

Links below a walked folder are never followed: what they lead to is part of the archive itself, or of something else.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from facerecon.batch.addresses import Address
from facerecon.batch.found import (
    A_CASE,
    HIDDEN,
    LINK_INSIDE,
    LINK_OUT,
    OLD,
    SPECIAL,
    THE_CASES,
    TWICE,
    Found,
    Omitted,
    Walk,
)
from facerecon.batch.order import natural
from facerecon.batch.reaching import Reacher
from facerecon.capture import is_capture, segments
from facerecon.errors import FacereconError, UsageError

Archive = Path | Address


def walk(
    archives: Sequence[Archive], cases: Path, *, listed: Sequence[Archive] = (), since_s: float | None = None
) -> Walk:
    """Reach every file of the archives, each once, in natural order within an archive and in the order of archives.

    Args:
        archives: files, folders, and patterns (`*`, `?`, `[...]`, `**`), here or in a store.
        cases: the folder of the cases, which is never looked into.
        listed: files and folders from a list; one that is missing is a failure, not a refusal of the whole list.
        since_s: only files that changed at or after this time (seconds since 1970).

    Raises:
        UsageError: an archive does not exist, a pattern fits nothing, or the cases would lie among the sources.
    """
    walker = _Walker(cases, since_s)
    reacher = Reacher(walker.result, cases, since_s, require_apart)
    for archive in archives:
        if isinstance(archive, Address):
            reacher.enter(archive)
            continue
        for path, base in _expanded(archive):
            require_apart(path, base, cases)
            walker.enter(path, base)
    for each in listed:
        if isinstance(each, Address):
            reacher.enter_listed(each)
        else:
            require_apart(each, each.parent, cases)
            walker.enter(each, each.parent)
    return walker.result


def _expanded(archive: Path) -> list[tuple[Path, Path]]:
    """Return (path, folder that names are relative to) of an archive: itself, or what its pattern fits."""
    text = str(archive)
    if os.path.lexists(archive):
        return [(archive, archive if archive.is_dir() else archive.parent)]
    if not glob.has_magic(text):
        raise UsageError(f"{archive} does not exist; give files, folders or quoted patterns")
    base = Path(*_plain_parts(archive))
    fitting = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207 - only it knows absolute patterns
    if not fitting:
        raise UsageError(f"nothing fits the pattern {archive}; give files, folders or quoted patterns")
    return [(path, base) for path in sorted(fitting, key=natural)]


def _plain_parts(pattern: Path) -> Iterator[str]:
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def require_apart(path: Path, base: Path, cases: Path) -> None:
    """Make sure that no case is made beside or around the sources (R01).

    Raises:
        UsageError: it would be.
    """
    inside, target = path.resolve() if path.is_dir() else base.resolve(), cases.resolve()
    if inside == target or (path.is_dir() and inside.is_relative_to(target)):
        raise UsageError(f"the cases would lie among the sources of {path}; choose another --cases")


class _Walker:
    def __init__(self, cases: Path, since_s: float | None) -> None:
        self.result = Walk()
        self._cases, self._since_s = cases.resolve(), since_s
        self._seen: set[Path] = set()

    def enter(self, path: Path, base: Path) -> None:
        """Take what the user named: a link is followed."""
        try:
            status = path.stat()
        except OSError as error:
            self._omit(path, f"cannot be read: {error.strerror}", failed=True)
            return
        if stat.S_ISDIR(status.st_mode):
            self._folder(path, base)
        else:
            self._file(path, base, status, named=True)

    def _omit(self, path: Path, reason: str, *, failed: bool = False) -> None:
        self.result.omitted.append(Omitted(path, reason, failed))

    def _folder(self, folder: Path, base: Path) -> None:
        if folder.resolve() == self._cases:
            self._omit(folder, THE_CASES)
            return
        if is_capture(folder):
            self._capture(folder, base)
            return
        if any((folder / name).is_file() for name in ("case.json", "manifest.json")):
            self._omit(folder, A_CASE)
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: natural(entry.name))
        except OSError as error:
            self._omit(folder, f"cannot be read: {error.strerror}", failed=True)
            return
        for entry in entries:
            self._entry(entry, base)

    def _capture(self, folder: Path, base: Path) -> None:
        """Take what a capture's ledger states, and nothing else of it: that is whole, and its digest is known."""
        self.result.captures.append(folder.absolute())
        try:
            stated = segments(folder)
        except (FacereconError, OSError) as error:
            self._omit(folder, f"cannot be read: {error}", failed=True)
            return
        for each in stated:
            path = folder / each.path
            try:
                length_s = (each.end_ms - each.begin_ms) / 1000
                self._file(path, base, path.lstat(), named=True, capture=folder.absolute(), length_s=length_s)
            except OSError as error:
                self._omit(path, f"cannot be read: {error.strerror}", failed=True)

    def _entry(self, entry: os.DirEntry[str], base: Path) -> None:
        path = Path(entry.path)
        if entry.name.startswith("."):
            self._omit(path, HIDDEN)
        elif entry.is_symlink():
            inside = path.resolve().is_relative_to(base.resolve())
            self._omit(path, LINK_INSIDE if inside else LINK_OUT)
        elif entry.is_dir(follow_symlinks=False):
            self._folder(path, base)
        else:
            try:
                self._file(path, base, entry.stat(follow_symlinks=False), named=False)
            except OSError as error:
                self._omit(path, f"cannot be read: {error.strerror}", failed=True)

    def _file(
        self,
        path: Path,
        base: Path,
        status: os.stat_result,
        *,
        named: bool,
        capture: Path | None = None,
        length_s: float | None = None,
    ) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._omit(path, SPECIAL, failed=named)
        elif path.resolve() in self._seen:
            self._omit(path, TWICE)
        elif self._since_s is not None and status.st_mtime < self._since_s:
            self._omit(path, OLD)
        else:
            self._seen.add(path.resolve())
            relative = path.relative_to(base).as_posix()
            size_bytes, mtime_ns = status.st_size, status.st_mtime_ns
            self.result.found.append(
                Found(path.absolute(), base.absolute(), relative, size_bytes, mtime_ns, named, capture, length_s)
            )
