"""What `facerecon batch --follow` adds: looking again at folders that grow, and an index that is kept up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from facerecon.batch.following import Follower, Walked
from facerecon.batch.planning import Item, Plan, Planned
from facerecon.batch.processes import ProcessEngine
from facerecon.batch.since import length_s
from facerecon.batch.units import Engine, Feed, Opening
from facerecon.errors import UsageError

Follow = Annotated[bool, typer.Option("--follow", help="Go on while the folders grow: captures, and files that come.")]
FollowFor = Annotated[
    str | None,
    typer.Option("--follow-for", help="Look for more for so long: 90m, 2h, 1d.", show_default="until all captures end"),
]
Poll = Annotated[str, typer.Option("--poll", help="Look so often: 2s, 1m.")]
MinFreeGb = Annotated[
    float, typer.Option("--min-free-gb", help="Stop cleanly when so little space is free for cases; 0: never.", min=0)
]

FED: Mapping[str, Callable[[Opening, int, Feed, float], Engine]] = {"processes": ProcessEngine}
"""Engines that take units that come up later, and keep their workers meanwhile."""
_INDEX_EVERY_S = 2.0
_INDEX_SHARE = 10.0
"""After an index that took a second, the next one is made no sooner than ten seconds later."""


@dataclass
class Following:
    """How one call follows; `length_s` None: without an end of its own."""

    engine: str
    length_s: float | None
    poll_s: float
    _index_at: float = 0.0
    _behind: bool = field(default=False)

    def follower(self, plan: Plan, walked: Walked, planned: Planned) -> Follower:
        """Return what looks for more, from now on."""
        stop_at = None if self.length_s is None else time.monotonic() + self.length_s
        return Follower(plan, walked, planned, stop_at)

    def made(self, opening: Opening, jobs: int, feed: Callable[[], Sequence[Any] | None]) -> Engine:
        """Return the engine."""
        return FED[self.engine](opening, jobs, feed, self.poll_s)

    def ended(self, item: Item) -> None:
        """Note that the index lacks a source."""
        self._behind = self._behind or item.state != "pending"

    def refresh(self, write: Callable[[], object]) -> None:
        """Write the index anew when it lacks something, and it is time to."""
        if not self._behind or time.monotonic() < self._index_at:
            return
        begun = time.monotonic()
        write()
        spent = time.monotonic() - begun
        self._index_at = time.monotonic() + max(_INDEX_EVERY_S, _INDEX_SHARE * spent)
        self._behind = False


def following(
    follow: bool, follow_for: str | None, poll: str, engine: str, *, dry_run: bool, urls: bool = False
) -> Following | None:
    """Return how to follow; None: not asked for.

    Raises:
        UsageError: the options do not go together.
    """
    if not follow:
        if follow_for is not None:
            raise UsageError("--follow-for is about following; give --follow, too")
        return None
    if engine not in FED:
        raise UsageError(f"--follow does not work with --engine {engine}; leave the engine away")
    if urls:
        raise UsageError("--follow looks at folders of this machine; give no URLs with it, or mount them")
    if dry_run:
        raise UsageError("--dry-run tells of what is there, and --follow waits for more; give one of them")
    return Following(
        engine, None if follow_for is None else length_s("--follow-for", follow_for), length_s("--poll", poll)
    )
