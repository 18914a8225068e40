"""The case's ledger: append-only JSON lines, each bound to the one before it by SHA-256. Owns the chain, nothing else.

A chain shows that no line was edited, removed or put in between. Alone it does not stop somebody from rewriting the
whole file: that is why the head digest is printed at the end of every command and stands in the report. Idea: hash
chaining after Haber and Stornetta, "How to time-stamp a digital document" (1991).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from facerecon.containment import read_inside
from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.records import Record, Sha256

GENESIS = "0" * 64
CLOCK_WENT_BACK_S = "clock_went_back_s"
"""The detail of a line before which the machine's clock was set back."""
COPIED = "source.copied"
"""The action of a line on a source that was copied from a store, and whose copy was examined."""
LARGEST_BYTES = 1 << 28
"""No ledger and no manifest is larger (256 MiB): room for some two million files, and bounded memory to parse it."""


class LedgerEntry(Record):
    """One line: what was done when, from and to which digests. `hash` covers every other field."""

    seq: Annotated[int, Field(ge=0)]
    utc: str
    action: str
    details: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    prev: Sha256
    hash: Sha256

    def computed_hash(self) -> str:
        """Return what `hash` must be."""
        return sha256_bytes(canonical_json(self.model_dump(mode="json", exclude={"hash"})))


class Ledger:
    """The chain of one case, in memory and as bytes; the case folder decides when the bytes are written."""

    def __init__(self, entries: tuple[LedgerEntry, ...] = ()) -> None:
        """Start from verified entries."""
        self._entries = list(entries)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Read and verify a ledger file.

        Raises:
            IntegrityError: the file is missing, a link or too large, a line is not canonical, or the chain is broken
                (the line is named).
        """
        return cls.parse(read_inside(path.parent, path.name, LARGEST_BYTES), path)

    @classmethod
    def parse(cls, data: bytes, path: Path) -> Ledger:
        """Verify ledger bytes; see `read`."""
        if data and not data.endswith(b"\n"):
            raise IntegrityError(f"ledger {path}: the last line is incomplete")
        entries: list[LedgerEntry] = []
        for number, line in enumerate(data.split(b"\n")[:-1], start=1):
            entries.append(_verified(line, number, entries[-1] if entries else None, path))
        return cls(tuple(entries))

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """The lines, oldest first."""
        return tuple(self._entries)

    @property
    def head(self) -> str:
        """The digest of the last line; 64 zeros for an empty ledger."""
        return self._entries[-1].hash if self._entries else GENESIS

    @property
    def outputs(self) -> dict[str, str]:
        """Path -> SHA-256 of every file that the lines state.

        Raises:
            IntegrityError: two lines state different digests for one file, though files are never overwritten.
        """
        stated: dict[str, str] = {}
        for entry in self._entries:
            for name, digest in entry.outputs.items():
                if stated.setdefault(name, digest) != digest:
                    raise IntegrityError(f"ledger entry {entry.seq} states another digest for {name} than one before")
        return stated

    @property
    def unfinished(self) -> frozenset[str]:
        """The stages that were started and have not been finished since."""
        found: set[str] = set()
        for entry in self._entries:
            stage, _, ending = entry.action.rpartition(".")
            if ending == "started":
                found.add(stage)
            elif ending == "finished":
                found.discard(stage)
        return frozenset(found)

    def append(
        self,
        action: str,
        details: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
    ) -> LedgerEntry:
        """Add a line at the end, stamped with the machine's UTC clock, and return it.

        Where the clock stands before the time of the last line, the line says by how many seconds: order and chain
        hold, but times and durations across that line do not.
        """
        now = datetime.now(UTC)
        body = {
            "seq": len(self._entries),
            "utc": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "action": action,
            "details": {**details, **self._clock_account(now)},
            "inputs": dict(inputs or {}),
            "outputs": dict(outputs or {}),
            "prev": self.head,
        }
        entry = LedgerEntry.model_validate({**body, "hash": sha256_bytes(canonical_json(body))})
        self._entries.append(entry)
        return entry

    def _clock_account(self, now: datetime) -> dict[str, float]:
        if not self._entries:
            return {}
        try:
            back_s = (datetime.fromisoformat(self._entries[-1].utc) - now).total_seconds()
        except (TypeError, ValueError):
            return {}
        return {CLOCK_WENT_BACK_S: round(back_s, 3)} if back_s > 0 else {}

    def to_bytes(self) -> bytes:
        """Return the file's content: one canonical JSON line per entry."""
        return b"".join(canonical_json(entry.model_dump(mode="json")) + b"\n" for entry in self._entries)


def _verified(line: bytes, number: int, before: LedgerEntry | None, path: Path) -> LedgerEntry:
    where = f"ledger {path}, line {number}"
    try:
        entry = LedgerEntry.model_validate(json.loads(line))
        # Text that no file can hold (a lone surrogate) shows only when it is written.
        written = canonical_json(entry.model_dump(mode="json"))
    except (ValueError, RecursionError, ValidationError):
        raise IntegrityError(f"{where}: not a ledger entry") from None
    if written != line:
        raise IntegrityError(f"{where}: not in canonical form, so it was edited")
    if entry.hash != entry.computed_hash():
        raise IntegrityError(f"{where}: content does not fit its digest, so it was edited")
    expected = (0, GENESIS) if before is None else (before.seq + 1, before.hash)
    if (entry.seq, entry.prev) != expected:
        raise IntegrityError(f"{where}: does not follow the line before it; a line was removed, added or moved")
    return entry
