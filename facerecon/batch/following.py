"""Follows folders that grow: what is new and whole becomes items of the plan. Never writes, never reads footage itself.

A capture's segment is whole when its ledger states it. A plain file is taken when its size and modification time were
the same at two looks, so that one that is being copied is not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facerecon.batch.found import Found, Walk
from facerecon.batch.planning import Item, Plan, Planned
from facerecon.capture import finished, running
from facerecon.errors import FacereconError

_DEAD_AFTER_LOOKS = 3
"""At so many looks in a row nobody held a capture folder whose end is not written: it was killed."""
_UNREADABLE_AFTER_LOOKS = 3
Walked = Callable[[], Walk]


@dataclass
class Follower:
    """Looks again and again, and adds to a plan. `stop_at`: the reading of `clock` at which looking ends."""

    plan: Plan
    walked: Walked
    planned: Planned
    stop_at: float | None = None
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _taken: set[Path] = field(default_factory=set)
    _omitted: set[tuple[Path, str]] = field(default_factory=set)
    _refused: dict[Path, int] = field(default_factory=dict)
    _alone: dict[Path, int] = field(default_factory=dict)

    def look(self) -> list[Item] | None:
        """Return the items that have come up, in order; None: there will be no more, and nothing is half-copied."""
        if self.stop_at is not None and self.clock() >= self.stop_at:
            return None
        # First: a segment that appears before a capture ends is then in the walk that follows.
        walk_before = list(self.plan.captures)
        over = bool(walk_before) and not sum(not self._over(each) for each in walk_before)
        walk = self.walked()
        whole = [each for each in walk.found if each.path not in self._taken and self._whole(each)]
        waiting = any(each.path not in self._taken for each in walk.found if each not in whole)
        self._leave_out(walk)
        self.plan.captures[:] = walk.captures
        if over and not whole and not waiting and walk.captures == walk_before and self._only_captures():
            return None
        return self._add(whole)

    def _whole(self, found: Found) -> bool:
        state = found.size_bytes, found.mtime_ns
        before = self._seen.get(found.path)
        self._seen[found.path] = state
        return found.capture is not None or before == state

    def _add(self, whole: Sequence[Found]) -> list[Item]:
        self._taken.update(each.path for each in whole)
        if not whole:
            return []
        more = self.planned(Walk(list(whole)))
        self.plan.items += more.items
        self.plan.left_out += more.left_out
        return more.items

    def _leave_out(self, walk: Walk) -> None:
        """Count what is left out once; what cannot be looked into is asked again before it is a failure."""
        for each in walk.omitted:
            key = each.path, each.reason
            looks = self._refused[each.path] = self._refused.get(each.path, 0) + 1
            if key in self._omitted or (each.failed and looks < _UNREADABLE_AFTER_LOOKS):
                continue
            self._omitted.add(key)
            (self.plan.unread if each.failed else self.plan.left_out).append(each)
        now = {each.path for each in walk.omitted}
        self._refused = {path: looks for path, looks in self._refused.items() if path in now}
        readable = {each.path for each in walk.found} | {each.parent.parent for each in self._taken}
        self.plan.unread[:] = [each for each in self.plan.unread if each.path in now or each.path not in readable]

    def _over(self, capture: Path) -> bool:
        """Say whether a capture has ended, or was killed."""
        try:
            # In this order: one that ends between the two is finished.
            held = running(capture)
            ended = finished(capture)
        except (FacereconError, OSError):
            return self._refused.get(capture, 0) >= _UNREADABLE_AFTER_LOOKS
        self._alone[capture] = 0 if held or ended else self._alone.get(capture, 0) + 1
        return (ended and not held) or self._alone[capture] >= _DEAD_AFTER_LOOKS

    def _only_captures(self) -> bool:
        """Say whether nothing but captures holds footage: nobody can tell when a plain folder is complete."""
        return all(item.found.capture is not None for item in self.plan.items)
