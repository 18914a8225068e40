"""A unit of work and its outcome, as plain data, and what an engine and a runner are. Owns no policy and no process.

A runner is named by where it is imported from ("package.module:factory"), so that an engine can open it in another
process, or on another machine. Everything that crosses is JSON data.
"""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from facerecon.errors import EvidenceError, FacereconError, IntegrityError, Interrupted, ResourceError, UsageError

Status = Literal["done", "failed", "interrupted"]
BEGUN = "begun"
"""The stage of the progress that says that a unit was given out."""
_BUG = 1
_OUT_OF_MEMORY = 5
_KINDS: dict[int, type[FacereconError]] = {
    kind.exit_code: kind for kind in (UsageError, EvidenceError, IntegrityError, ResourceError)
}


@dataclass(frozen=True)
class Unit:
    """One source to work on; paths are absolute. `number` is its place in the batch.

    `source` is a path, or the URL of an object of a store: then `stated` is what the store said of it, see `stores`.
    """

    number: int
    source: str
    case: str = ""
    case_id: str = ""
    stated: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a unit: `exit_code` is that of the program for this one source; `facts` are the runner's."""

    number: int
    status: Status
    exit_code: int = 0
    reason: str = ""
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """How far a unit is; `total` None: not known."""

    number: int
    stage: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Note:
    """A line that a worker has to say, of a unit or (-1) of itself."""

    text: str
    number: int = -1


Event = Outcome | Progress | Note
Feed = Callable[[], Sequence[Unit] | None]
"""Returns the units that have come up since it was last asked; None: no more will come."""
Hear = Callable[[Progress | Note], None]


class Runner(Protocol):
    """Works on units, one after the other, and keeps between them what is dear to load."""

    def run(self, unit: Unit) -> Mapping[str, Any]:
        """Do one unit and return its facts.

        Raises:
            FacereconError: it failed; the message is the reason.
            KeyboardInterrupt: it was stopped; what was finished is kept.
        """
        ...


@dataclass(frozen=True)
class Opening:
    """How a runner is opened: `factory` names a callable of (options, hear)."""

    factory: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self, hear: Hear) -> Runner:
        """Open the runner in this process.

        Raises:
            FacereconError: it refuses, for every unit alike: a model or a gallery is missing.
        """
        module, _, name = self.factory.partition(":")
        runner: Runner = getattr(importlib.import_module(module), name)(dict(self.options), hear)
        return runner


class Engine(Protocol):
    """Runs units somewhere. Every unit that was begun gives one outcome, whatever happens to who worked on it."""

    def run(self, units: Sequence[Unit]) -> Iterator[Event]:
        """Yield what happens, from `BEGUN` on, until every unit that was given out has its outcome; in any order.

        After `stop`, nothing more is given out, and what is under way ends as interrupted.

        Raises:
            FacereconError: no runner can be opened, for a reason that holds for every unit.
        """
        ...

    def stop(self) -> None:
        """Stop cleanly; called again, at once. May be called from a signal handler."""
        ...


def attempt(runner: Runner, unit: Unit) -> Outcome:
    """Run one unit and turn whatever ends it into its outcome; never raises."""
    begun = time.monotonic()

    def ended(status: Status, code: int = 0, reason: str = "", trace: str = "", **facts: Any) -> Outcome:
        return Outcome(unit.number, status, code, reason, round(time.monotonic() - begun, 3), facts, trace)

    try:
        return ended("done", **runner.run(unit))
    except (KeyboardInterrupt, Interrupted):
        return ended("interrupted", Interrupted.exit_code, "interrupted; what was finished is kept")
    except FacereconError as error:
        return ended("failed", error.exit_code, str(error))
    except MemoryError:
        return ended("failed", _OUT_OF_MEMORY, "out of memory; use fewer --jobs, or --set detect.batch=1")
    except Exception as error:
        reason = f"this is a bug: {type(error).__name__}: {error}"
        return ended("failed", _BUG, reason, traceback.format_exc(limit=-12))


def refusal(exit_code: int, reason: str) -> FacereconError:
    """Return the error of the exit-code table for a refusal that crossed from another process."""
    return _KINDS.get(exit_code, ResourceError)(reason)
