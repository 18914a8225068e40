"""What the ledger says about each stage. Owns the reading of ledger entries, and is tolerant: what is missing is None.

A report must also be made of a case whose stages failed, were interrupted or have not run, and of older cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from facerecon.ledger import LedgerEntry
from facerecon.records import Counts
from facerecon.report.language import message

STAGES = ("extract", "enhance", "recognize", "report")
State = Literal["finished", "failed", "interrupted", "started", "not run"]
STATES: Mapping[State, str] = {
    "finished": message("finished"),
    "failed": message("failed"),
    "interrupted": message("interrupted"),
    "started": message("started"),
    "not run": message("not run"),
}
"""The states as messages of the report's language."""
_ENDINGS: tuple[State, ...] = ("finished", "failed", "interrupted", "started")


@dataclass(frozen=True)
class Account:
    """Requested, written, failed and skipped items of one kind; `adds_up` says whether nothing vanished."""

    item: str
    requested: int
    written: int
    failed: int
    skipped: int
    adds_up: bool


@dataclass(frozen=True)
class StageHistory:
    """One stage: how its last run ended, when, and the details of its last finished run (empty without one)."""

    name: str
    state: State
    runs: int
    started_utc: str
    ended_utc: str
    reason: str
    details: Mapping[str, Any]

    @property
    def ran(self) -> bool:
        """Whether a run of the stage has finished."""
        return bool(self.runs)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The counts of items, by kind."""
        return tuple(_accounts(mapping(self.details.get("counts"))))

    @property
    def models(self) -> tuple[Mapping[str, Any], ...]:
        """The stamps of the models that ran."""
        return mappings(self.details.get("models"))

    @property
    def steps(self) -> tuple[Mapping[str, Any], ...]:
        """The processing steps, as far as the stage lists them."""
        return mappings(self.details.get("steps"))

    @property
    def durations(self) -> Mapping[str, float]:
        """Seconds by name of what was timed."""
        timed = mapping(self.details.get("durations_s"))
        return {str(name): float(took) for name, took in timed.items() if isinstance(took, (int, float))}

    def account(self, item: str) -> Account | None:
        """Return the account of one kind of item."""
        return next((account for account in self.accounts if account.item == item), None)


def stage_history(ledger: Sequence[LedgerEntry], name: str) -> StageHistory:
    """Read one stage's entries."""
    entries = [entry for entry in ledger if entry.action in {f"{name}.{ending}" for ending in _ENDINGS}]
    finished = [entry for entry in entries if entry.action == f"{name}.finished"]
    started = [entry for entry in entries if entry.action == f"{name}.started"]
    if not entries:
        return StageHistory(name, "not run", 0, "", "", "", {})
    last = entries[-1]
    state = next(ending for ending in _ENDINGS if last.action == f"{name}.{ending}")
    return StageHistory(
        name=name,
        state=state,
        runs=len(finished),
        started_utc=started[-1].utc if started else "",
        ended_utc="" if state == "started" else last.utc,
        reason=str(last.details.get("reason", "")) if state in ("failed", "interrupted") else "",
        details=finished[-1].details if finished else {},
    )


def source_digests(ledger: Sequence[LedgerEntry]) -> tuple[tuple[LedgerEntry, str, str], ...]:
    """Return (entry, when, digest) for every place where the ledger names the source's digest."""
    found = []
    for entry in ledger:
        before = entry.inputs.get("source") or entry.details.get("source_sha256_before")
        after = entry.outputs.get("source") or entry.details.get("source_sha256_after")
        found += [(entry, when, str(digest)) for when, digest in (("before", before), ("after", after)) if digest]
    return tuple(found)


def mapping(anything: Any) -> Mapping[str, Any]:
    """Return it when it is a mapping, else an empty one."""
    return anything if isinstance(anything, Mapping) else {}


def mappings(anything: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the mappings of a list, else none."""
    items = anything if isinstance(anything, (list, tuple)) else ()
    return tuple(item for item in items if isinstance(item, Mapping))


def _accounts(counts: Mapping[str, Any]) -> Iterator[Account]:
    for item, count in counts.items():
        numbers = [mapping(count).get(key) for key in ("requested", "written", "failed", "skipped")]
        if all(isinstance(number, int) for number in numbers):
            requested, written, failed, skipped = (int(number or 0) for number in numbers)
            yield Account(str(item), requested, written, failed, skipped, _adds_up(mapping(count)))


def _adds_up(count: Mapping[str, Any]) -> bool:
    try:
        Counts.model_validate({key: count[key] for key in ("requested", "written", "failed", "skipped")})
    except ValidationError:
        return False
    return True
