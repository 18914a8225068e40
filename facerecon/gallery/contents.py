"""What the files of a persistent gallery hold, as bytes and as records. Owns their verification; writes nothing."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from facerecon import __version__
from facerecon.containment import read_inside
from facerecon.errors import IntegrityError, UsageError
from facerecon.gallery.suspects import SUSPECTS
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import Ledger
from facerecon.records import GalleryEntry, GalleryInfo, RecognizerRecord, Record, RefusedPicture

SCHEMA = 1
INFO, ENTRIES, REFUSED = "gallery.json", "entries.jsonl", "refused.jsonl"
VECTORS, LEDGER = "vectors.npy", "ledger.jsonl"
LARGEST_BYTES = 1 << 32
"""No file of a gallery is larger (4 GiB): vectors of 512 numbers for two million pictures."""
LARGEST_INFO_BYTES = 1 << 20
"""No gallery.json is larger: it lists five files."""
_NO_DIGEST = "0" * 64
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything in a gallery but the crops. `vectors` is float32 (entries, dimensions), read-only."""

    info: GalleryInfo
    entries: tuple[GalleryEntry, ...]
    refused: tuple[RefusedPicture, ...]
    vectors: npt.NDArray[np.float32]
    suspects: bytes | None
    ledger: Ledger

    @classmethod
    def empty(cls, recognizer: RecognizerRecord, created_utc: str) -> Contents:
        """Return a gallery without entries."""
        info = GalleryInfo(
            schema_version=SCHEMA,
            created_utc=created_utc,
            tool_version=__version__,
            recognizer=recognizer,
            entries=0,
            dimensions=0,
            ledger_head=_NO_DIGEST,
            files={},
            digest=_NO_DIGEST,
        )
        ledger = Ledger()
        ledger.append("gallery.created", {"tool_version": __version__, "recognizer": recognizer.model_dump()})
        return cls(info, (), (), np.zeros((0, 0), np.float32), None, ledger)

    def changed(self, *, recognizer: RecognizerRecord | None = None, **changes: Any) -> Contents:
        """Return the contents with these parts changed and a ledger of its own, to be `sealed`."""
        info = self.info.model_copy(update={"recognizer": recognizer}) if recognizer else self.info
        return replace(self, info=info, ledger=Ledger(self.ledger.entries), **changes)

    def parts(self) -> dict[str, bytes]:
        """Return the bytes of every file but ledger.jsonl and gallery.json; equal contents give equal bytes."""
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(self.vectors, dtype=np.float32), allow_pickle=False)
        files = {ENTRIES: _lines(self.entries), REFUSED: _lines(self.refused), VECTORS: stream.getvalue()}
        return files if self.suspects is None else {**files, SUSPECTS: self.suspects}

    def outputs(self) -> dict[str, str]:
        """Return the digests of `parts`."""
        return {name: sha256_bytes(data) for name, data in self.parts().items()}


def sealed(contents: Contents) -> tuple[Contents, dict[str, bytes]]:
    """Return the contents with gallery.json made over them, and the bytes of all files."""
    files = {**contents.parts(), LEDGER: contents.ledger.to_bytes()}
    info = contents.info.model_copy(
        update={
            "tool_version": __version__,
            "entries": len(contents.entries),
            "dimensions": int(contents.vectors.shape[1]),
            "ledger_head": contents.ledger.head,
            "files": {name: sha256_bytes(data) for name, data in sorted(files.items())},
        }
    )
    info = info.model_copy(update={"digest": _digest(info)})
    vectors = contents.vectors.view()
    vectors.setflags(write=False)
    text = json.dumps(info.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return replace(contents, info=info, vectors=vectors), {**files, INFO: text.encode()}


def load(folder: Path) -> Contents:
    """Read and verify a gallery's files; the bytes that are hashed are those that are parsed.

    Raises:
        UsageError: another version of the tool made it.
        IntegrityError: a file is missing, was changed, or does not fit the others.
    """
    info = _info(folder / INFO)
    files = {name: _verified(folder / name, digest) for name, digest in info.files.items()}
    if not {ENTRIES, REFUSED, VECTORS, LEDGER} <= set(files):
        raise IntegrityError(f"{folder / INFO} does not list all files of a gallery")
    contents = Contents(
        info,
        tuple(_records(GalleryEntry, files[ENTRIES], folder / ENTRIES)),
        tuple(_records(RefusedPicture, files[REFUSED], folder / REFUSED)),
        _vectors(files[VECTORS], folder / VECTORS),
        files.get(SUSPECTS),
        Ledger.parse(files[LEDGER], folder / LEDGER),
    )
    if contents.vectors.shape != (info.entries, info.dimensions) or len(contents.entries) != info.entries:
        raise IntegrityError(
            f"gallery {folder} is damaged: {len(contents.entries)} entries and vectors of shape "
            f"{contents.vectors.shape}, {info.entries} entries with {info.dimensions} dimensions recorded"
        )
    if contents.ledger.head != info.ledger_head:
        raise IntegrityError(f"gallery {folder} is damaged: its ledger does not end where {INFO} says")
    return contents


def _info(path: Path) -> GalleryInfo:
    broken = IntegrityError(f"{path} is not the description of a gallery, or was changed")
    try:
        document: Any = json.loads(read_inside(path.parent, path.name, LARGEST_INFO_BYTES))
        schema = document.get("schema_version") if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        raise broken from None
    if isinstance(schema, int) and schema != SCHEMA:
        by = document.get("tool_version")
        raise UsageError(
            f"gallery {path.parent} was made by another version of facerecon ({by}, schema {schema}; this is "
            f"{__version__}, schema {SCHEMA}); enrol it again from its pictures"
        )
    try:
        info = GalleryInfo.model_validate(document)
    except ValidationError:
        raise broken from None
    if _digest(info) != info.digest or not all(Path(name).name == name for name in info.files):
        raise broken
    return info


def _digest(info: GalleryInfo) -> str:
    return sha256_bytes(canonical_json(info.model_dump(mode="json", exclude={"digest"})))


def _verified(path: Path, digest: str) -> bytes:
    data = read_inside(path.parent, path.name, LARGEST_BYTES)
    if sha256_bytes(data) != digest:
        raise IntegrityError(f"{path} was changed: its digest is not the one in {INFO}")
    return data


def _lines(records: Sequence[Record]) -> bytes:
    return b"".join(canonical_json(record.model_dump(mode="json")) + b"\n" for record in records)


def _records(kind: type[R], data: bytes, path: Path) -> list[R]:
    try:
        return [kind.model_validate_json(line) for line in data.splitlines()]
    except ValidationError:
        raise IntegrityError(f"{path}: a line is not a {kind.__name__}") from None


def _vectors(data: bytes, path: Path) -> npt.NDArray[np.float32]:
    try:
        _require_room(data)
        # Not np.load, which would open a zip as well.
        vectors = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise IntegrityError(f"{path} does not hold vectors") from None
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not np.isfinite(vectors).all():
        raise IntegrityError(f"{path} does not hold finite float32 vectors")
    vectors.setflags(write=False)
    return np.asarray(vectors)


def _require_room(data: bytes) -> None:
    """Make sure that an array's header promises no more than follows it; numpy makes room for what it promises.

    Raises:
        ValueError: it does, or is of another version than this tool writes.
    """
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another version")
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    if math.prod(shape) * kind.itemsize != len(data) - stream.tell():
        raise ValueError("more or fewer numbers than promised")
