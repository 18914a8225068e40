"""Which case folder a source gets: its own relative path; never that of another source. Makes no folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from facerecon.batch.found import Found
from facerecon.hashing import sha256_bytes

INDEX = "archive"
"""The folder of the index, beside the cases."""
JOURNAL = "batch.jsonl"
_RESERVED = frozenset({INDEX, JOURNAL})


class Names:
    """Gives names away; what a journal knows keeps its name, whatever else is added to the archive."""

    def __init__(self, known: Mapping[str, str], foreign: Iterable[str] = ()) -> None:
        """Begin with source -> name of earlier batches, and with names that other sources hold."""
        self._known = dict(known)
        self._taken: set[str] = set()
        self._above: set[str] = set()
        for name in (*known.values(), *foreign):
            self._take(name)

    def of(self, found: Found) -> str:
        """Return a source's name: relative to its archive, with a mark of the archive where that is taken."""
        source = found.source
        if source not in self._known:
            self._known[source] = next(name for name in _wanted(found) if self._free(name))
            self._take(self._known[source])
        return self._known[source]

    def _free(self, name: str) -> bool:
        """Tell whether a case of this name is no other's, lies in no other and around no other."""
        above = {str(parent) for parent in PurePosixPath(name).parents}
        reserved = PurePosixPath(name).parts[0] in _RESERVED
        return not (reserved or name in self._taken or name in self._above or above & self._taken)

    def _take(self, name: str) -> None:
        self._taken.add(name)
        self._above.update(str(parent) for parent in PurePosixPath(name).parents)


def _wanted(found: Found) -> Iterable[str]:
    yield found.relative
    digest = sha256_bytes(str(found.archive).encode("utf-8", "surrogateescape"))
    for length in (8, 16, 64):
        yield f"{found.archive.name or 'root'}~{digest[:length]}/{found.relative}"
    whole = sha256_bytes(found.source.encode("utf-8", "surrogateescape"))
    yield f"source~{whole}/{PurePosixPath(found.relative).name}"
