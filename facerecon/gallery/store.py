"""The persistent gallery: records, vectors and face crops in one folder. Owns its form and its rules of keeping.

    G/ gallery.json    schema, recognizer, and the digest of every file below
       entries.jsonl   one GalleryEntry per enrolled picture
       vectors.npy     float32 (entries, dimensions), rows in the order of entries.jsonl
       refused.jsonl   what was not enrolled, and why
       pictures/*.png  exact crops of the original pixels, one per entry
       suspects.json   as it was given
       ledger.jsonl    hash-chained: every change, with digests and counts, never a name

Never compares faces, and never keeps a name that was removed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facerecon import __version__
from facerecon.containment import read_inside
from facerecon.errors import IntegrityError, UsageError
from facerecon.gallery.contents import INFO, Contents, load, sealed
from facerecon.gallery.crops import KeptCrop
from facerecon.gallery.folder import clear, commit, decided, interrupted, locked, make, sweep, write_file
from facerecon.gallery.reading import Decode
from facerecon.gallery.retention import utc_text
from facerecon.gallery.suspects import SUSPECTS, merged, people, without
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger, LedgerEntry
from facerecon.locks import is_empty
from facerecon.pictures import LARGEST_BYTES, decode_picture
from facerecon.records import (
    GalleryEntry,
    RecognizerRecord,
    RefusedPicture,
    Vector,
)

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Addition:
    """An entry to be added, with its vector, float32 (dimensions,)."""

    entry: GalleryEntry
    vector: Vector


@dataclass(frozen=True)
class Removal:
    """What was, or would be, taken out. `mentions`: ids of remaining entries whose text still holds a removed name."""

    entries: tuple[GalleryEntry, ...]
    refused: tuple[RefusedPicture, ...]
    mentions: tuple[str, ...]


class Store:
    """A persistent gallery as read; it changes only inside `edit_store` and `create_store`."""

    def __init__(self, folder: Path, contents: Contents, now: Callable[[], datetime]) -> None:
        """Use `read_store`, `edit_store` or `create_store`."""
        self.folder, self._contents, self._now = folder, contents, now

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[GalleryEntry, ...]:
        """The enrolled pictures, in the order of the vectors."""
        return self._contents.entries

    @property
    def refused(self) -> tuple[RefusedPicture, ...]:
        """The pictures that were not enrolled."""
        return self._contents.refused

    @property
    def vectors(self) -> Matrix:
        """The vectors, float32 (entries, dimensions), read-only."""
        return self._contents.vectors

    @property
    def recognizer(self) -> RecognizerRecord:
        """Which model made the vectors."""
        return self._contents.info.recognizer

    @property
    def digest(self) -> str:
        """The digest over everything but the crops, whose digests it covers."""
        return self._contents.info.digest

    @property
    def created_utc(self) -> str:
        """When the gallery was made."""
        return self._contents.info.created_utc

    @property
    def ledger(self) -> Ledger:
        """Every change, oldest first."""
        return self._contents.ledger

    @cached_property
    def known(self) -> dict[str, list[GalleryEntry]]:
        """The entries by the digest of their file."""
        found: dict[str, list[GalleryEntry]] = {}
        for entry in self.entries:
            found.setdefault(entry.sha256, []).append(entry)
        return found

    def crop(self, entry: GalleryEntry, decode: Decode = decode_picture) -> KeptCrop:
        """Return an entry's kept pixels.

        Args:
            entry: the entry.
            decode: makes pixels of the file's bytes, which are hashed before.

        Raises:
            IntegrityError: the file is missing or was changed.
            EvidenceError: it is no picture.
        """
        path = self.folder / entry.crop_path
        data = read_inside(self.folder, entry.crop_path, LARGEST_BYTES)
        if sha256_bytes(data) != entry.crop_sha256:
            raise IntegrityError(f"{path} was changed: its digest is not the one that was recorded")
        return KeptCrop(decode(data, entry.crop_path), entry.crop_origin)

    def require(self, recognizer: RecognizerRecord) -> None:
        """Make sure that a recognizer's vectors may be compared with the gallery's.

        Raises:
            UsageError: the gallery was enrolled with another model, other weights or another treatment of faces.
        """
        if self.recognizer != recognizer:
            raise UsageError(
                f"gallery {self.folder} was enrolled with {_named(self.recognizer)}, and the profile compares with "
                f"{_named(recognizer)}; use that profile, or 'facerecon gallery refresh {self.folder} --profile ...'"
            )

    # --- changing -----------------------------------------------------------------------------------------------------

    def keep_picture(self, relative: str, png: bytes) -> str:
        """Write a crop, which counts once an entry that names it is added, and return its SHA-256."""
        return write_file(self.folder / relative, png)

    def add(
        self,
        additions: Sequence[Addition],
        refused: Sequence[RefusedPicture],
        suspects: Sequence[bytes],
        details: Mapping[str, Any],
    ) -> LedgerEntry:
        """Add entries, and what was refused beside them.

        Args:
            additions: the new entries; their crops are kept already.
            refused: what was not enrolled.
            suspects: contents of suspects.json files to take over; persons who are known get what it says of them.
            details: what the ledger's line says; no names.
        """
        held = self._contents.suspects
        for given in suspects:
            held = merged(held, given)
        entries = (*self.entries, *(addition.entry for addition in additions))
        # A file that is enrolled under the same name leaves nothing to be told, and a later reason replaces an earlier.
        enrolled = {(each.sha256, each.identity) for each in entries}
        told = {(each.sha256, each.identity): each for each in (*self.refused, *refused)}
        rows = [addition.vector[np.newaxis] for addition in additions]
        vectors = np.concatenate([self.vectors, *rows] if len(self.entries) else rows or [self.vectors])
        return self._save(
            "gallery.enrolled",
            {**details, "sha256": [addition.entry.sha256 for addition in additions]},
            entries=_described(entries, held),
            vectors=vectors,
            refused=tuple(each for key, each in told.items() if key not in enrolled),
            suspects=held,
        )

    def remove(self, identity: str | None = None, sha256: str | None = None) -> Removal:
        """Take out a person, or a picture by the start of its digest (8 hex digits or more).

        Raises:
            UsageError: nothing of that name or digest is there, or the digest's start is not unique.
        """
        wanted = self._is_person(identity) if identity is not None else self._is_picture(sha256 or "")
        removal = self._found(wanted)
        if not removal.entries and not removal.refused and identity not in self._suspects_names():
            raise UsageError(f"no {identity or sha256} in gallery {self.folder}; see 'facerecon gallery list'")
        self._drop("gallery.removed", removal, frozenset() if identity is None else frozenset({identity}))
        return removal

    def purge(self, before: datetime, *, dry_run: bool = False) -> Removal:
        """Take out what was enrolled or refused before a moment, and persons of whom nothing is left then."""
        limit = utc_text(before)
        removal = self._found(lambda each: _when(each) < limit)
        if not dry_run and (removal.entries or removal.refused):
            self._drop("gallery.purged", removal, frozenset(), {"before_utc": limit})
        return removal

    def replace_vectors(self, recognizer: RecognizerRecord, vectors: Matrix) -> LedgerEntry:
        """Put another recognizer's vectors, float32 (entries, dimensions), in place of all that are there."""
        if len(vectors) != len(self.entries):
            raise ValueError(f"{len(vectors)} vectors for {len(self.entries)} entries")
        details = {"from": self.recognizer.model_dump(mode="json"), "to": recognizer.model_dump(mode="json")}
        return self._save("gallery.refreshed", details, vectors=vectors, recognizer=recognizer)

    def _is_person(self, identity: str) -> Callable[[GalleryEntry | RefusedPicture], bool]:
        return lambda each: each.identity == identity

    def _is_picture(self, start: str) -> Callable[[GalleryEntry | RefusedPicture], bool]:
        if not re.fullmatch(r"[0-9a-f]{8,64}", start):
            raise UsageError(f"'{start}' is not a SHA-256, nor the first 8 or more hex digits of one")
        known = {each.sha256 for each in self.entries} | {each.sha256 for each in self.refused}
        digests = {each for each in known if each.startswith(start)}
        if len(digests) > 1:
            raise UsageError(f"{len(digests)} digests in gallery {self.folder} start with {start}; give more digits")
        return lambda each: each.sha256 in digests

    def _suspects_names(self) -> frozenset[str]:
        held = self._contents.suspects
        return frozenset(people(held)) if held is not None else frozenset()

    def _found(self, wanted: Callable[[GalleryEntry | RefusedPicture], bool]) -> Removal:
        entries = tuple(each for each in self.entries if wanted(each))
        refused = tuple(each for each in self.refused if wanted(each))
        rest = [each for each in self.entries if not wanted(each)]
        gone = _identities(entries, refused) - _identities(rest, [each for each in self.refused if not wanted(each)])
        if not gone:
            return Removal(entries, refused, ())
        # No letter before or after: the name, and not a part of a longer one.
        names = re.compile("|".join(rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])" for name in sorted(gone)))
        refused = tuple(each for each in self.refused if wanted(each) or names.search(_text(each)))
        return Removal(entries, refused, tuple(each.id for each in rest if names.search(_text(each))))

    def _drop(
        self, action: str, removal: Removal, names: frozenset[str], details: Mapping[str, Any] | None = None
    ) -> LedgerEntry:
        gone = {each.id for each in removal.entries}
        keep = [row for row, each in enumerate(self.entries) if each.id not in gone]
        entries = tuple(self.entries[row] for row in keep)
        refused = tuple(each for each in self.refused if each not in removal.refused)
        left = _identities(entries, refused)
        emptied = _identities(removal.entries, removal.refused) - left
        held = self._contents.suspects
        return self._save(
            action,
            {**(details or {}), "refused": len(removal.refused), "sha256": [each.sha256 for each in removal.entries]},
            entries=entries,
            vectors=self.vectors[keep],
            refused=refused,
            suspects=None if held is None else without(held, names | emptied),
            removed=[each.crop_path for each in removal.entries],
        )

    def _save(
        self,
        action: str,
        details: Mapping[str, Any],
        *,
        removed: Sequence[str] = (),
        recognizer: RecognizerRecord | None = None,
        **changes: Any,
    ) -> LedgerEntry:
        contents = self._contents.changed(recognizer=recognizer, **changes)
        facts = {"tool_version": __version__, "entries": len(contents.entries), **details}
        line = contents.ledger.append(action, facts, {"gallery": self.digest}, contents.outputs())
        contents, files = sealed(contents)
        commit(self.folder, files, [*removed, *({SUSPECTS} - set(files))])
        self._contents = contents
        self.__dict__.pop("known", None)
        return line


# --- opening ----------------------------------------------------------------------------------------------------------


def is_store(folder: Path) -> bool:
    """Tell a persistent gallery from a plain folder of pictures."""
    return decided(folder, INFO)


def read_store(folder: Path, now: Callable[[], datetime] = datetime.now) -> Store:
    """Read a persistent gallery; every file but the crops is verified.

    Raises:
        UsageError: not a persistent gallery, of another version, or being changed by another process.
        IntegrityError: it is damaged.
    """
    _require_store(folder)
    with locked(folder, write=False):
        return Store(folder, load(folder), now)


@contextlib.contextmanager
def edit_store(folder: Path, now: Callable[[], datetime]) -> Iterator[Store]:
    """Hold a persistent gallery for changes; nobody else can read or change it meanwhile. Raises as `read_store`."""
    _require_store(folder)
    with locked(folder, write=True):
        store = Store(folder, load(folder), now)
        sweep(folder, frozenset(entry.crop_path for entry in store.entries))
        try:
            yield store
        finally:
            sweep(folder, frozenset(entry.crop_path for entry in store.entries))


@contextlib.contextmanager
def create_store(folder: Path, recognizer: RecognizerRecord, now: Callable[[], datetime]) -> Iterator[Store]:
    """Make an empty persistent gallery and hold it for changes; it goes again when nothing was enrolled into it.

    Raises:
        UsageError: the folder exists and is not empty.
    """
    clear(folder)
    if folder.exists() and (not folder.is_dir() or not is_empty(folder)):
        raise UsageError(f"{folder} exists and is not a gallery of this tool; choose another --gallery")
    make(folder)
    with _goes_when_empty(folder), locked(folder, write=True):
        if is_store(folder):
            raise UsageError(f"another process made gallery {folder} meanwhile; run again to add to it")
        contents, files = sealed(Contents.empty(recognizer, utc_text(now())))
        commit(folder, files)
        store = Store(folder, contents, now)
        try:
            yield store
        finally:
            if store.entries:
                sweep(folder, frozenset(entry.crop_path for entry in store.entries))
            else:
                _unmake(folder, list(files))


def _unmake(folder: Path, files: Sequence[str]) -> None:
    if interrupted(folder):
        return
    sweep(folder, frozenset())
    commit(folder, {}, files)
    with contextlib.suppress(OSError):
        (folder / "pictures").rmdir()


@contextlib.contextmanager
def _goes_when_empty(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _require_store(folder: Path) -> None:
    if not is_store(folder):
        raise UsageError(f"{folder} is not a persistent gallery; make one with 'facerecon gallery enroll'")


# --- small things -----------------------------------------------------------------------------------------------------


def _described(entries: Sequence[GalleryEntry], suspects: bytes | None) -> tuple[GalleryEntry, ...]:
    known = people(suspects) if suspects is not None else {}
    return tuple(
        entry.model_copy(update={"person_id": person.person_id, "status": person.status})
        if (person := known.get(entry.identity))
        else entry
        for entry in entries
    )


def _identities(entries: Sequence[GalleryEntry], refused: Sequence[RefusedPicture]) -> frozenset[str]:
    return frozenset(each.identity for each in entries) | frozenset(each.identity for each in refused)


def _when(each: GalleryEntry | RefusedPicture) -> str:
    return each.enrolled_utc if isinstance(each, GalleryEntry) else each.refused_utc


def _text(each: GalleryEntry | RefusedPicture) -> str:
    if isinstance(each, RefusedPicture):
        return "\n".join((each.file, each.reason))
    return "\n".join((each.file, each.source, each.legal_basis, each.operator))


def _named(recognizer: RecognizerRecord) -> str:
    return f"{recognizer.id} (weights {recognizer.weights_sha256[:12]}..., {recognizer.treatment})"
