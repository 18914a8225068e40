"""One run of a stage: its records, pictures, ledger details and journal. Owns what its files are called.

It writes nothing but through the case, and keeps no file of its own outside the journal.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerecon.durable import writing
from facerecon.errors import ResourceError
from facerecon.hashing import canonical_json
from facerecon.journal import Journal
from facerecon.ledger import CLOCK_WENT_BACK_S, LedgerEntry
from facerecon.records import Record

if TYPE_CHECKING:
    from facerecon.case import Case

KEPT = "kept"
"""The detail of a line on a killed run that names the stages whose journal vouches for files that stay."""
_OF_THE_RUN = frozenset({"run", "attempt", "journal_sha256", CLOCK_WENT_BACK_S})
"""Details of a stage's first line that do not say how it works."""


@dataclass
class Captured:
    """What a part of a run made: records by the name of their file, as JSON data, and files with their digests."""

    records: list[tuple[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


class StageRun:
    """One run of a stage: collects its records, pictures and ledger details. Made by `Case.stage`."""

    def __init__(self, case: Case, name: str, number: int, attempt: int) -> None:
        """Use `Case.stage`."""
        self.case, self.name, self.number, self._attempt = case, name, number, attempt
        self.details: dict[str, Any] = {}
        self.outputs: dict[str, str] = {}
        self._open: dict[str, Any] = {}
        self._journal: Journal | None = None
        self._captured: Captured | None = None

    @property
    def suffix(self) -> str:
        """What later runs add to the names of pictures: "" for the first, "-2" for the second."""
        return "" if self._attempt == 1 else f"-{self._attempt}"

    @property
    def attempt_account(self) -> dict[str, int]:
        """What the ledger says where pictures are numbered otherwise than records: a run before was left for good."""
        return {} if self._attempt == self.number else {"attempt": self._attempt}

    def write(self, relative: str, data: bytes) -> str:
        """Write a file of this run; see `Case.write`."""
        digest = self.case.write(relative, data)
        self.outputs[relative] = digest
        if self._captured is not None:
            self._captured.files[relative] = digest
        return digest

    def has(self, files: Mapping[str, str]) -> bool:
        """Say whether the case has these files with these digests already; they are this run's from now on."""
        present = self.case.digests()
        if any(present.get(name) != digest for name, digest in files.items()):
            return False
        self.outputs.update(files)
        return True

    @contextlib.contextmanager
    def captured(self) -> Iterator[Captured]:
        """Also collect what the block writes and records."""
        self._captured = Captured()
        try:
            yield self._captured
        finally:
            self._captured = None

    def adopt(self, relative: str, finished: Path) -> str:
        """Take a finished file into the case; see `Case.adopt`."""
        digest = self.case.adopt(relative, finished)
        self.outputs[relative] = digest
        return digest

    def record(self, name: str, *records: Record) -> None:
        """Add records to records/NAME.jsonl; they are kept in a temporary file until the stage ends.

        Raises:
            ResourceError: there is no room for temporary files.
        """
        try:
            if name not in self._open:
                # Not inside the case: an interrupted stage must leave no file that the manifest does not know.
                self._open[name] = tempfile.TemporaryFile()  # noqa: SIM115
            for record in records:
                document = record.model_dump(mode="json")
                self._open[name].write(canonical_json(document) + b"\n")
                if self._captured is not None:
                    self._captured.records.append((name, document))
        except OSError as error:
            raise ResourceError(
                f"cannot write a temporary file: {error.strerror or error}; set TMPDIR to a folder with free space"
            ) from error

    def declare(self, *names: str) -> None:
        """Make sure that records/NAME.jsonl exists at the end, even when empty."""
        for name in names:
            self.record(name)

    def journal(self, made_by: Mapping[str, Any]) -> Journal:
        """Open the stage's journal, which an interrupted run may have begun; see `facerecon.journal.Journal`.

        Raises:
            IntegrityError: it is a link, or has another name.
            ResourceError: it cannot be written.
        """
        self._journal = Journal(self.case.root, self.name, made_by)
        return self._journal

    def seal(self) -> None:
        """Move the collected records into the case."""
        for name, stream in self._open.items():
            stream.seek(0)
            self.write(records_path(name, self.number), stream.read())
        self._let_go()

    def abandon(self) -> None:
        """Let go of the collected records; the journal stays for the next run."""
        self._let_go()
        self.end(sealed=False)

    def end(self, *, sealed: bool) -> None:
        """Close the journal; where all results are in the case for good, remove it."""
        if self._journal is not None and sealed:
            with writing(self.case.root):
                self._journal.remove()
        elif self._journal is not None:
            self._journal.close()

    def _let_go(self) -> None:
        for stream in self._open.values():
            stream.close()
        self._open.clear()


def attempt(entries: Sequence[LedgerEntry], stage: str, details: Mapping[str, Any]) -> int:
    """Return the number that a new run's pictures get: the next one, or that of the unfinished run which it continues.

    An unfinished run's pictures stay in the case. A run that works otherwise makes others, so they get other names.

    Args:
        entries: the case's ledger.
        stage: the stage.
        details: what the new run's first line says of how it works.
    """
    lines = [entry for entry in entries if entry.action.rpartition(".")[0] == stage]
    started = [entry for entry in lines if entry.action.endswith(".started")]
    if not started:
        return 1
    last, used = started[-1], max(_attempt(entry) for entry in started)
    if any(entry.seq > last.seq and entry.action.endswith(".finished") for entry in lines):
        return used + 1
    begun = next(entry.seq for entry in started if _attempt(entry) == _attempt(last))
    left = any(entry.outputs for entry in lines if entry.seq > begun)
    left |= any(stage in entry.details.get(KEPT, ()) for entry in entries if entry.seq > begun)
    return _attempt(last) if not left or _same(last.details, details) else used + 1


def _attempt(entry: LedgerEntry) -> int:
    return int(entry.details.get("attempt", entry.details.get("run", 1)))


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    first, second = ({key: value for key, value in each.items() if key not in _OF_THE_RUN} for each in (a, b))
    return canonical_json(first) == canonical_json(second)


def records_path(name: str, run: int) -> str:
    """Return where the records of that name of a stage's run are, within the case."""
    return f"records/{name}{'' if run == 1 else f'-{run}'}.jsonl"
