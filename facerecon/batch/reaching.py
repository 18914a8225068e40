"""Walks folders of a store: every object that is reached is a possible source, or is left out with its reason.

Reads listings only. The rules are those of `facerecon.batch.walking`; what differs is that an object is not opened to
find out whether it is footage. A listing is somebody else's word: a name in it leads nowhere but where it was listed.
"""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facerecon.batch.addresses import Address
from facerecon.batch.found import A_CASE, A_LINK, HIDDEN, OLD, SPECIAL, THE_CASES, TWICE, Found, Omitted, Walk
from facerecon.batch.order import natural
from facerecon.batch.stores import Entry, MissingError, Stated, Store, store
from facerecon.characters import acting, is_text
from facerecon.errors import EvidenceError, UsageError
from facerecon.hashing import sha256_bytes

_DEEPEST = 64
_LONGEST_BYTES = 1024
_LONGEST_PART_BYTES = 255
_NS = 1_000_000_000
_NOWHERE = "its name has an empty part, or leads out of the folder that lists it; copy it under another name"
RequireApart = Callable[[Path, Path, Path], None]


@dataclass(frozen=True)
class _Place:
    """A folder of a store, and the folder that names in it are relative to."""

    store: Store
    address: Address
    base: Address
    depth: int = 0

    def below(self, name: str) -> _Place:
        """Return a folder in it."""
        # Above a bucket there is nothing: its name begins the path.
        path = f"{self.address.path.rstrip('/')}/{name}" if self.address.path else name
        return _Place(self.store, self.address.at(path), self.base, self.depth + 1)

    def relative(self, name: str) -> str:
        """Return the name of an object in it, relative to the base."""
        return self.below(name).address.path.removeprefix(f"{self.base.path.rstrip('/')}/")


_Named = tuple[Entry, _Place]
"""What the user named, or a pattern fits, and the folder it lies in."""


class Reacher:
    """Adds what stores hold to a walk, each object once, in natural order."""

    def __init__(self, result: Walk, cases: Path, since_s: float | None, require_apart: RequireApart) -> None:
        """Reach nothing yet; see `facerecon.batch.walking.walk`."""
        self._result, self._cases, self._since_s = result, cases, since_s
        self._require_apart = require_apart
        self._seen: set[str] = set()
        self._omitted: set[Omitted] = set()

    def enter(self, address: Address) -> None:
        """Take an object, a folder, or what a pattern fits.

        Raises:
            UsageError: nothing is there, nothing fits, the cases would lie among the sources, or a package is missing.
        """
        try:
            found = self._expanded(store(address), address)
        except MissingError:
            raise UsageError(f"{address.url} does not exist; give URLs of objects and folders, or patterns") from None
        except EvidenceError as error:
            self._omit(address, str(error), failed=True)
            return
        for entry, place in found:
            self._take(entry, place)

    def enter_listed(self, address: Address) -> None:
        """Take an object or a folder from a list; one that is missing is a failure."""
        try:
            opened = store(address)
            self._take(opened.look(address.path), _Place(opened, _above(address), _above(address)))
        except EvidenceError as error:
            self._omit(address, str(error), failed=True)

    def _expanded(self, opened: Store, address: Address) -> list[_Named]:
        """Return what an archive is: itself, or what its pattern fits."""
        try:
            entry = opened.look(address.path)
        except EvidenceError:
            # File servers do not say that a pattern is missing, but that it is no name.
            if not glob.has_magic(address.path):
                raise
        else:
            base = address if entry.kind == "folder" else _above(address)
            return [(entry, _Place(opened, _above(address), base))]
        plain, parts = _split(address)
        refused = len(self._result.omitted)
        # In a bucket an object and a folder can have one name.
        found = self._fitting(_Place(opened, plain, plain), parts)
        fitting = {(entry.path, entry.kind): (entry, place) for entry, place in found}
        if not fitting and len(self._result.omitted) == refused:
            raise UsageError(f"nothing fits the pattern {address.url}; give URLs of objects and folders, or patterns")
        return [fitting[key] for key in sorted(fitting, key=lambda key: (natural(key[0]), key[1]))]

    def _fitting(self, place: _Place, parts: tuple[str, ...]) -> Iterator[_Named]:
        """Yield what lies below a folder and fits the parts of a pattern, by the rules of `glob.glob`."""
        part, rest = parts[0], parts[1:]
        if part == "**":
            # Everything below: the folder itself says that.
            yield from self._fitting(place, rest or ("*",))
        for name, entry in self._listed(place):
            if name.startswith(".") and not part.startswith("."):
                continue
            if part == "**" and rest:
                if entry.kind == "folder":
                    yield from self._fitting(place.below(name), parts)
            elif part != "**" and fnmatch.fnmatchcase(name, part):
                if not rest:
                    yield entry, place
                elif entry.kind == "folder":
                    yield from self._fitting(place.below(name), rest)

    def _take(self, entry: Entry, place: _Place) -> None:
        """Take what the user named, or a pattern fits."""
        name = entry.path.rstrip("/").rpartition("/")[2]
        within = place.below(name)
        local, base = within.address.local, place.base.local
        if local is not None and base is not None:
            self._require_apart(local, base, self._cases)
        if entry.kind == "folder":
            self._folder(within)
        else:
            self._object(place, name, entry, named=True)

    # --- what lies there ----------------------------------------------------------------------------------------------

    def _folder(self, place: _Place) -> None:
        local = place.address.local
        if local is not None and local.resolve() == self._cases.resolve():
            self._omit(place.address, THE_CASES)
            return
        children = self._listed(place)
        if any(name in ("case.json", "manifest.json") and entry.kind == "file" for name, entry in children):
            self._omit(place.address, A_CASE)
            return
        for name, entry in children:
            self._entry(place, name, entry)

    def _listed(self, place: _Place) -> list[tuple[str, Entry]]:
        """Return (name, entry) of what lies in a folder, in natural order; what cannot be listed is a failure.

        So is a name that does not lie directly in the folder that was listed (../x, a/../b, an empty one).
        """
        folder = place.address.path.rstrip("/")
        found = []
        if place.depth > _DEEPEST:
            self._omit(place.address, f"lies deeper than {_DEEPEST} folders", failed=True)
            return []
        try:
            entries = place.store.entries(place.address.path)
        except EvidenceError as error:
            self._omit(place.address, str(error), failed=True)
            return []
        for entry in entries:
            path = entry.path.rstrip("/")
            name = path.removeprefix(f"{folder}/")
            if path == folder and entry.stated is not None and not entry.stated.size_bytes:
                # The mark by which some stores keep an empty folder.
                continue
            if name == path or "/" in name or name in ("", ".", ".."):
                self._omit(place.address.at(entry.path), _NOWHERE, failed=True)
                continue
            found.append((name, entry))
        return sorted(found, key=lambda pair: natural(pair[0]))

    def _entry(self, place: _Place, name: str, entry: Entry) -> None:
        address = place.below(name).address
        if name.startswith("."):
            self._omit(address, HIDDEN)
        elif entry.kind == "link":
            self._omit(address, A_LINK)
        elif entry.kind == "folder":
            self._folder(place.below(name))
        else:
            self._object(place, name, entry, named=False)

    def _object(self, place: _Place, name: str, entry: Entry, *, named: bool) -> None:
        address = place.below(name).address
        if entry.kind != "file":
            self._omit(address, A_LINK if entry.kind == "link" else SPECIAL, failed=named)
        elif address.url in self._seen:
            self._omit(address, TWICE)
        elif not is_text(address.url):
            self._omit(address, "its name holds bytes that are not UTF-8; rename or copy it", failed=True)
        elif entry.stated is None:
            self._omit(address, "the store does not state its size", failed=True)
        elif self._since_s is not None and _older(entry.stated, self._since_s):
            self._omit(address, OLD)
        else:
            self._seen.add(address.url)
            self._result.found.append(_found(address, place, name, entry.stated, named=named))

    def _omit(self, address: Address, reason: str, *, failed: bool = False) -> None:
        omitted = Omitted(Path(address.name), reason, failed, url=address.url)
        # A pattern can list a folder twice.
        if omitted not in self._omitted:
            self._omitted.add(omitted)
            self._result.omitted.append(omitted)


def _found(address: Address, place: _Place, name: str, stated: Stated, *, named: bool) -> Found:
    relative = place.relative(name)
    return Found(
        path=Path(address.name),
        archive=Path(place.base.url),
        relative=relative if _is_usable(relative) else _stand_in(address),
        size_bytes=stated.size_bytes,
        mtime_ns=stated.modified_ns or 0,
        named=named,
        url=address.url,
        stated=stated.plain(),
        mark=stated.mark,
    )


def _older(stated: Stated, since_s: float) -> bool:
    # What has no time may be new.
    return stated.modified_ns is not None and stated.modified_ns < since_s * _NS


def _above(address: Address) -> Address:
    return address.at(address.path.rpartition("/")[0] or ("/" if address.path.startswith("/") else ""))


def _split(address: Address) -> tuple[Address, tuple[str, ...]]:
    """Return the part of a pattern before its first sign, and the parts from there on.

    Raises:
        UsageError: nothing is left before it.
    """
    parts = address.path.split("/")
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    plain = "/".join(parts[:first])
    if not plain and address.scheme != "file":
        raise UsageError(f"the pattern {address.url} does not say which bucket or share; name it")
    return address.at(plain or "/"), tuple(parts[first:])


def _is_usable(relative: str) -> bool:
    """Tell whether an object's name can be that of a case folder."""
    if acting(relative) is not None or len(relative.encode()) > _LONGEST_BYTES:
        return False
    parts = relative.split("/")
    return all(part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_PART_BYTES for part in parts)


def _stand_in(address: Address) -> str:
    suffix = PurePosixPath(address.name).suffix
    plain = suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 8 else ""
    return f"object~{sha256_bytes(address.url.encode())[:32]}{plain}"
