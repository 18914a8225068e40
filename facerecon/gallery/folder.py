"""The files of a persistent gallery: private, locked, and changed all at once or not at all. Knows not what they hold.

Several files change together by a redo log: the new contents are written beside the old ones; then one file says that
they count, and that is the moment of change; then they are moved into place. Whoever is killed before that moment
leaves the old gallery, and after it whoever opens the gallery next finishes the moves (Gray and Reuter, "Transaction
Processing", 1993).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facerecon.containment import read_inside
from facerecon.durable import TEMPORARY, write_whole
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes, sha256_file
from facerecon.locks import Held, hold, is_empty, is_lock

_JOURNAL, _STAGED = ".commit.json", ".new-"
_LARGEST_JOURNAL_BYTES = 1 << 28
"""Room for the names of some two million pictures."""
_FILE = re.compile(r"[a-z]+\.(json|jsonl|npy)|pictures/[0-9a-f]{16}\.png")


@contextlib.contextmanager
def locked(folder: Path, *, write: bool) -> Iterator[None]:
    """Hold a gallery against writers, or, to write, against everybody; a change that was cut short is finished first.

    Raises:
        UsageError: another process holds it.
        IntegrityError: an interrupted change cannot be finished, or its pictures lie behind a link.
        ResourceError: the folder cannot be read or written.
    """
    if (folder / "pictures").is_symlink():
        # Tidying deletes pictures that no entry names, wherever the link leads.
        raise IntegrityError(f"gallery {folder}: pictures is a link, which this tool never makes; nothing was touched")
    held = _held(folder, write=write)
    try:
        if interrupted(folder) and not write:
            held.release()
            held = _held(folder, write=True)
        if interrupted(folder):
            _finish(folder)
        yield
    finally:
        held.release()


def _held(folder: Path, *, write: bool) -> Held:
    with writing(folder):
        try:
            return hold(folder, shared=not write)
        except BlockingIOError:
            raise UsageError(f"another process is working on gallery {folder}; wait for it to finish") from None


def make(folder: Path) -> None:
    """Make a gallery's folders, mode 0700.

    Raises:
        ResourceError: they cannot be made.
    """
    with writing(folder):
        for each in (folder, folder / "pictures"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            each.chmod(0o700)


def write_file(path: Path, data: bytes) -> str:
    """Write a file whole, mode 0600 (temporary file, flush, move), and return its SHA-256.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    with writing(path):
        write_whole(path, data)
    return sha256_bytes(data)


def commit(folder: Path, files: Mapping[str, bytes], removed: Sequence[str] = ()) -> None:
    """Change several files of a locked gallery at once: these contents, and without the removed ones.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    staged = {name: write_file(folder / f"{_STAGED}{name}", data) for name, data in files.items()}
    write_file(folder / _JOURNAL, canonical_json({"files": staged, "removed": sorted(removed)}))
    _finish(folder)


def _finish(folder: Path) -> None:
    files, removed = _journal(folder)
    with writing(folder):
        for name, digest in files.items():
            staged = folder / f"{_STAGED}{name}"
            if staged.exists():
                os.replace(staged, folder / name)  # noqa: PTH105
            elif not (folder / name).exists() or sha256_file(folder / name) != digest:
                raise IntegrityError(f"gallery {folder}: an interrupted change cannot be finished, {name} is not there")
        for name in removed:
            (folder / name).unlink(missing_ok=True)
        _flush(folder)
        (folder / _JOURNAL).unlink()


def _journal(folder: Path) -> tuple[dict[str, str], list[str]]:
    broken = IntegrityError(f"{folder / _JOURNAL} is not what an interrupted change leaves")
    try:
        journal: Any = json.loads(read_inside(folder, _JOURNAL, _LARGEST_JOURNAL_BYTES))
        files, removed = dict(journal["files"]), list(journal["removed"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise broken from None
    if not all(isinstance(name, str) and _FILE.fullmatch(name) for name in [*files, *removed]):
        raise broken
    return files, removed


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def interrupted(folder: Path) -> bool:
    """Tell whether a change was decided and is not finished."""
    return (folder / _JOURNAL).exists()


def clear(folder: Path) -> None:
    """Delete what killed first enrolments left in a folder that holds nothing else.

    Raises:
        UsageError: another process holds it.
        ResourceError: something cannot be deleted.
    """
    if not folder.is_dir() or is_empty(folder) or not (interrupted(folder) or _is_left(folder)):
        return
    with locked(folder, write=True), writing(folder):
        for path in folder.iterdir() if _is_left(folder) else ():
            if path.is_dir():
                path.rmdir()
            elif not is_lock(path):
                path.unlink()


def _is_left(folder: Path) -> bool:
    return all(is_lock(path) or _is_leftover(path) for path in folder.iterdir())


def _is_leftover(path: Path) -> bool:
    if path.is_dir():
        return path.name == "pictures" and not any(path.iterdir())
    return path.name.startswith((_STAGED, TEMPORARY))


def decided(folder: Path, name: str) -> bool:
    """Tell whether a file is there, or will be once an interrupted change is finished."""
    if interrupted(folder):
        files, removed = _journal(folder)
        if name in (*files, *removed):
            return name in files
    return (folder / name).is_file()


def sweep(folder: Path, pictures: frozenset[str]) -> None:
    """Delete what a killed or failed change left in a gallery locked for writing: temporary files, crops of no entry.

    After a change that was decided and cut short nothing is deleted: whoever opens the gallery next finishes it.

    Args:
        folder: the gallery.
        pictures: the paths, relative to it, that entries name.

    Raises:
        ResourceError: something cannot be deleted.
    """
    if interrupted(folder):
        return
    with writing(folder):
        for pattern in (f"{_STAGED}*", f"{TEMPORARY}*", f"pictures/{TEMPORARY}*"):
            for stray in folder.glob(pattern):
                stray.unlink()
        for picture in (folder / "pictures").glob("*.png"):
            if picture.relative_to(folder).as_posix() not in pictures:
                picture.unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line.

    Raises:
        ResourceError: something was refused.
    """
    try:
        yield
    except OSError as error:
        way_out = "free some space and run again" if error.errno == errno.ENOSPC else "choose another --gallery"
        raise ResourceError(f"cannot open or write {path}: {error.strerror or error}; {way_out}") from error
