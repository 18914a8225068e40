"""A case as the export reads it: verified files, ledger runs, and the identifier of everything. Never writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from facerecon.errors import IntegrityError
from facerecon.exchange.graph import Names
from facerecon.hashing import canonical_json
from facerecon.ledger import Ledger, LedgerEntry
from facerecon.manifest import Manifest, Seen
from facerecon.records import CaseInfo, ChipRecord, FrameRecord, Record

R = TypeVar("R", bound=Record)
_ENDINGS = ("finished", "failed", "interrupted")
REVIEW = re.compile(r"records/review-\d+\.json")
SIGNATURE = re.compile(r"signatures/\d{4}-(?:operator|reviewer)\.json")
STAMP = re.compile(r"signatures/\d{4}-timestamp-\d{2}\.tsr")


class CaseFolder(Protocol):
    """What an open case gives: see `facerecon.case.Case`."""

    @property
    def root(self) -> Path:
        """The folder."""

    @property
    def seen(self) -> Seen:
        """Its files as they were hashed; see `facerecon.manifest.verified`."""

    @property
    def info(self) -> CaseInfo:
        """Who, why, what."""

    def read(self, kind: type[R], name: str, run: int = 1) -> list[R]:
        """Return the records of one file, verified."""

    def bytes_of(self, relative: str) -> bytes:
        """Return a file's bytes, verified."""


@dataclass(frozen=True)
class Run:
    """What the ledger says of one run of a stage, or of one deed that is no stage (`stage` is None).

    `ended` is None where a run was killed and its end is unknown. `number` counts the finished runs of the stage, this
    one included; `extraction` is the finished run of `extract` that it built on, 0 for none.
    """

    stage: str | None
    number: int
    extraction: int
    began: LedgerEntry
    ended: LedgerEntry | None

    @property
    def name(self) -> str:
        """The stage, or what was done: case.created."""
        return self.stage or self.began.action

    @property
    def ending(self) -> str:
        """How a stage's run ended: finished, failed, interrupted, or unknown."""
        return "unknown" if self.ended is None else self.ended.action.rpartition(".")[2]

    @property
    def details(self) -> Mapping[str, Any]:
        """All that was noted of it; what was noted last counts."""
        return {**self.began.details, **(self.ended.details if self.ended else {})}

    @property
    def inputs(self) -> Mapping[str, str]:
        """Name -> SHA-256 of what it was given."""
        return {**self.began.inputs, **(self.ended.inputs if self.ended else {})}

    @property
    def outputs(self) -> Mapping[str, str]:
        """Path -> SHA-256 of what it left in the case."""
        return {**self.began.outputs, **(self.ended.outputs if self.ended else {})}


class Contents:
    """One case: its folder, its verified manifest, and names for all that it holds."""

    def __init__(self, case: CaseFolder, manifest: Manifest, ledger: Sequence[LedgerEntry]) -> None:
        """Take a case whose manifest, files and ledger were verified.

        Raises:
            IntegrityError: the ledger is empty, so nothing tells this case from others.
        """
        if not ledger:
            raise IntegrityError(f"case {case.root}: its ledger is empty, so there is nothing to export")
        self.case, self.manifest, self.ledger = case, manifest, tuple(ledger)
        self.info = case.info
        self.names = Names(ledger[0].hash)
        self.source_id = self.names.of("source", self.info.source.sha256)
        self.runs = tuple(_runs(self.ledger))
        self._chips: dict[int, dict[str, ChipRecord]] = {}

    def file_id(self, path: str) -> str:
        """Return the identifier of a file of the case.

        Raises:
            IntegrityError: a record names a file that the manifest does not know.
        """
        if path not in self.manifest.files:
            raise IntegrityError(f"case {self.case.root}: a record names {path}, which the manifest does not know")
        return self.names.of("file", path, self.manifest.files[path].sha256)

    def outside_id(self, name: str, sha256: str) -> str:
        """Return the identifier of a file that was used and is not in the case."""
        return self.names.of("outside", name, sha256)

    def input_id(self, name: str, sha256: str) -> str:
        """Return the identifier of what the ledger names as an input: the source, a file of the case, or another."""
        if self.is_source(name, sha256):
            return self.source_id
        return self.file_id(name) if self.holds(name, sha256) else self.outside_id(name, sha256)

    def is_source(self, name: str, sha256: str) -> bool:
        """Tell whether the ledger means the source."""
        return (name, sha256) == ("source", self.info.source.sha256)

    def holds(self, path: str, sha256: str) -> bool:
        """Tell whether the case holds this file with this digest."""
        return path in self.manifest.files and self.manifest.files[path].sha256 == sha256

    def as_ledger(self) -> Ledger:
        """Return the ledger, verified."""
        return Ledger(self.ledger)

    def bringing(self, path: str) -> Run | None:
        """Return the run that brought a file into the case; None where the ledger states none."""
        return next((run for run in self.runs if path in run.outputs), None)

    def attestation_id(self, path: str) -> str | None:
        """Return the identifier of the review, signature or timestamp that a file holds; None of any other file."""
        if REVIEW.fullmatch(path):
            return self.names.of("review", path)
        return self.names.of("attestation", path) if SIGNATURE.fullmatch(path) or STAMP.fullmatch(path) else None

    def finished(self, stage: str) -> tuple[Run, ...]:
        """Return the finished runs of a stage, oldest first."""
        return tuple(run for run in self.runs if run.stage == stage and run.ending == "finished")

    def records(self, kind: type[R], name: str, run: Run) -> list[R]:
        """Return the records that a finished run wrote under this name; none where it wrote no such file."""
        path = f"records/{name}{'' if run.number == 1 else f'-{run.number}'}.jsonl"
        return self.case.read(kind, name, run.number) if path in run.outputs else []

    def document(self, path: str) -> Mapping[str, Any]:
        """Return a JSON object of the case.

        Raises:
            IntegrityError: it is not one, is nested too deeply, or holds what no text or number can be made of.
        """
        try:
            found = json.loads(self.case.bytes_of(path))
            canonical_json(found)
        except (ValueError, RecursionError):
            raise IntegrityError(f"{self.case.root / path} is not a JSON document") from None
        if not isinstance(found, dict):
            raise IntegrityError(f"{self.case.root / path} is not a JSON object")
        return found

    def times(self, extraction: int) -> Mapping[str, FrameRecord]:
        """Return the frames that a run of `extract` looked at, by name; none for run 0."""
        runs = [run for run in self.finished("extract") if run.number == extraction]
        return {record.id: record for run in runs for record in self.records(FrameRecord, "frames", run)}

    def chips(self, extraction: int) -> Mapping[str, ChipRecord]:
        """Return the best shots of a run of `extract`, by id; none for run 0."""
        if extraction not in self._chips:
            runs = [run for run in self.finished("extract") if run.number == extraction]
            records = self.records(ChipRecord, "chips", runs[0]) if runs else []
            self._chips[extraction] = {record.id: record for record in records}
        return self._chips[extraction]


def _runs(ledger: Sequence[LedgerEntry]) -> Iterator[Run]:
    """Pair the beginnings of stages with their ends; every line of the ledger is in one run, in order of beginnings."""
    pending: dict[str, int] = {}
    ends: dict[int, LedgerEntry] = {}
    paired: set[int] = set()
    for entry in ledger:
        stage, _, what = entry.action.rpartition(".")
        if what == "started":
            pending[stage] = entry.seq
        elif what in _ENDINGS and stage in pending:
            ends[pending.pop(stage)] = entry
            paired.add(entry.seq)
    yield from _numbered([entry for entry in ledger if entry.seq not in paired], ends)


def _numbered(begun: Sequence[LedgerEntry], ends: Mapping[int, LedgerEntry]) -> Iterator[Run]:
    done: dict[str, int] = {}
    for entry in begun:
        stage, _, what = entry.action.rpartition(".")
        if what != "started":
            yield Run(None, 0, done.get("extract", 0), entry, None)
            continue
        ended = ends.get(entry.seq)
        number, extraction = done.get(stage, 0) + 1, done.get("extract", 0)
        if ended is not None and ended.action.endswith(".finished"):
            done[stage] = number
        yield Run(stage, number, extraction, entry, ended)
