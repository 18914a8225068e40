"""Works through a plan: gives its units to an engine, writes the journal, and tells what became of each. No policy of
its own but when to stop: at a signal, when the disk gets full, or at the first failure when that was asked for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from facerecon.batch.journal import Journal
from facerecon.batch.planning import Item, Plan
from facerecon.batch.reserve import Reserve
from facerecon.batch.units import BEGUN, Engine, Note, Outcome, Progress, Unit
from facerecon.interruption import handled

_READING = "extract"
_KEPT = ("counts", "ledger_head", "whole")


class Work:
    """One pass over the pending items of a plan."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        engine: Engine,
        *,
        halt_on_error: bool = False,
        reserve: Reserve | None = None,
    ) -> None:
        """Begin nothing yet."""
        self._plan, self._journal, self._engine = plan, journal, engine
        self._halt_on_error, self._reserve = halt_on_error, reserve
        self._items: list[Item] = []
        self.interrupted = self.halted = self.short_of_space = False
        self.progress = ArchiveProgress(plan)

    def ended(self, moved: Callable[[], None], noted: Callable[[str], None]) -> Iterator[Item]:
        """Yield every item whose attempt ended; interrupted ones are pending again.

        Args:
            moved: called when the progress changed.
            noted: called with a line that a worker has to say.

        Raises:
            FacereconError: no worker can be opened.
            ResourceError: the journal cannot be written.
        """
        items, units = self._items, self.units(self._plan.of("pending"))
        with handled(self._interrupt), contextlib.closing(self._engine.run(units)) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, Outcome):
                    yield self._ended(items[event.number], event)
                elif isinstance(event, Note):
                    noted(f"{items[event.number].name}: {event.text}" if event.number >= 0 else event.text)
                else:
                    self._moved(items[event.number], event)
                    moved()
                self._require_space()

    def units(self, items: Sequence[Item]) -> list[Unit]:
        """Return the units of items that were added to the plan."""
        begin = len(self._items)
        self._items += items
        return [
            Unit(number, item.source, str(item.case.absolute()), item.name, item.found.stated)
            for number, item in enumerate(items, start=begin)
        ]

    def _require_space(self) -> None:
        if self._reserve is not None and not self.short_of_space and self._reserve.reached():
            self.short_of_space = True
            self._engine.stop()

    def _interrupt(self, *_: object) -> None:
        self.interrupted = True
        self._engine.stop()

    def _moved(self, item: Item, event: Progress) -> None:
        if event.stage == BEGUN:
            self._journal.write("unit.begun", **_source(item))
        elif event.stage == _READING and event.total:
            self.progress.reads(item, event.done / event.total)

    def _ended(self, item: Item, outcome: Outcome) -> Item:
        item.earlier, item.seconds = False, outcome.seconds
        item.reason, item.exit_code = outcome.reason, outcome.exit_code
        item.state = "pending" if outcome.status == "interrupted" else outcome.status
        item.facts = outcome.facts
        if item.footage_s is None:
            # Of an object of a store, which nobody could look into before.
            item.footage_s = outcome.facts.get("footage_s")
        self._journal.write(
            "unit.ended",
            **_source(item),
            status=outcome.status,
            exit_code=outcome.exit_code,
            reason=outcome.reason,
            seconds=outcome.seconds,
            **{key: outcome.facts.get(key) for key in _KEPT},
            **({"trace": outcome.trace} if outcome.trace else {}),
        )
        self.progress.ends(item)
        if outcome.status == "failed" and self._halt_on_error and not self.halted:
            self.halted = True
            self._engine.stop()
        return item


def _source(item: Item) -> dict[str, Any]:
    return {
        "source": item.source,
        "name": item.name,
        "size_bytes": item.found.size_bytes,
        "mtime_ns": item.found.mtime_ns,
        "footage_s": item.footage_s,
        **({"mark": item.found.mark} if item.found.url else {}),
    }


class ArchiveProgress:
    """How far a whole archive is: files, hours of footage, failures, and how long the rest takes at this pace."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock; what earlier calls finished counts as done, but not for the pace."""
        self._plan, self._clock = plan, clock
        self._begun = clock()
        self._before_s = sum(item.footage_s or 0.0 for item in plan.items if item.state != "pending")
        self._ended_s = 0.0
        self._reading: dict[str, float] = {}

    def reads(self, item: Item, share: float) -> None:
        """Note how much of an item's footage was read, 0..1."""
        self._reading[item.source] = (item.footage_s or 0.0) * min(1.0, share)

    def ends(self, item: Item) -> None:
        """Note that an item's attempt ended."""
        read = self._reading.pop(item.source, 0.0)
        self._ended_s += (item.footage_s or 0.0) if item.state != "pending" else read

    @property
    def footage_s(self) -> tuple[float, float]:
        """Seconds of footage (done, of all); files whose header does not say count nothing."""
        return self._before_s + self._gained_s, self._total_s

    @property
    def _total_s(self) -> float:
        # A plan that follows a folder grows.
        return sum(item.footage_s or 0.0 for item in self._plan.items)

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest takes at the pace of this call; None while there is none, or nothing is known."""
        rest = self._total_s - self._before_s - self._gained_s
        if self._gained_s <= 0 or rest <= 0:
            return None
        return (self._clock() - self._begun) * rest / self._gained_s

    @property
    def _gained_s(self) -> float:
        return self._ended_s + sum(self._reading.values())

    def text(self) -> str:
        """Return one line for people."""
        totals, (done, of) = self._plan.totals, self.footage_s
        ended, every = totals["done"] + totals["failed"], totals["requested"] - totals["left_out"]
        parts = [f"{ended} of {every} files", f"{hours(done)} of {hours(of)} h"]
        if totals["failed"]:
            parts.append(f"{totals['failed']} failed")
        if totals["pending"] and self.left_s is not None:
            parts.append(f"about {span(self.left_s)} left")
        return ", ".join(parts)


def hours(seconds: float) -> str:
    """Return seconds as hours, with the decimals that matter."""
    return f"{seconds / 3600:.1f}" if seconds >= 36_000 else f"{seconds / 3600:.2f}"


def span(seconds: float) -> str:
    """Return a length of time in the unit that fits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def line(item: Item) -> Mapping[str, Any]:
    """Return what scripts are told of a source; every key is always there."""
    counts = item.facts.get("counts")
    return {
        "kind": "source",
        "source": item.source,
        "name": item.name,
        "case": str(item.case),
        "status": item.state,
        "earlier": item.earlier and item.state != "pending",
        "exit_code": item.exit_code,
        "reason": item.reason,
        "size_bytes": item.found.size_bytes,
        "footage_s": item.footage_s,
        "seconds": item.seconds,
        "counts": dict(counts) if isinstance(counts, Mapping) else None,
        "ledger_head": item.facts.get("ledger_head"),
    }
