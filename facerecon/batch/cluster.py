"""Runs units on the nodes of a cluster. Owns who works on what, what a loss costs, and when workers are asked for.

A worker or a node that is lost costs its unit of work: another worker takes it up once more, from where its case ends.
A unit that is lost twice has failed. Nothing is done to a source twice at a time: cases are locked.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from facerecon.batch.cluster_ray import Answer, Cluster, LostError, Needs, Remote
from facerecon.batch.cluster_station import Check, Message, size_of
from facerecon.batch.units import BEGUN, Event, Note, Opening, Outcome, Progress, Unit, refusal
from facerecon.durable import TEMPORARY
from facerecon.errors import FacereconError, ResourceError

_TURN_S = 0.5
"""How long a signal may wait to be acted on."""
_COUNT_AGAIN_S = 10.0
_PATIENCE_S = 30.0
_LAST_WORDS_S = 15.0


class ClusterEngine:
    """Workers that the cluster places, each with its own runner, kept from unit to unit."""

    def __init__(
        self, cluster: Cluster, opening: Opening, jobs: int | None, needs: Needs, check: Check | None = None
    ) -> None:
        """Ask for nothing yet.

        Args:
            cluster: where the workers are.
            opening: the runner.
            jobs: how many workers; those beyond what fits wait for a place, and ask an autoscaler for it. None: as many
                as fit on the nodes that are there, and more when nodes join.
            needs: what each worker takes.
            check: what every node must have in common with this one.
        """
        self._cluster, self._opening, self._jobs, self._needs = cluster, opening, jobs, needs
        self._check = check or Check()
        self._members: list[_Member] = []
        self._stops = self._stops_told = 0
        self._unfit = 0
        self._avoided: set[str] = set()
        self._retried: set[int] = set()
        self._places, self._counted = 1, float("-inf")
        self._placed = time.monotonic()

    def run(self, units: Sequence[Unit]) -> Iterator[Event]:
        """Yield what happens; see `Engine.run`."""
        waiting = deque(units)
        self._placed = time.monotonic()
        try:
            with marked(self._check) if waiting else contextlib.nullcontext(self._check) as self._check:
                while waiting or any(member.unit for member in self._members):
                    yield from self._turn(waiting)
        finally:
            self._end()

    def _turn(self, waiting: deque[Unit]) -> Iterator[Event]:
        yield from self._obey(waiting)
        self._hire(waiting)
        yield from self._give_out(waiting)
        yield from self._patience()
        for member in self._heard():
            yield from self._events(member, waiting)

    def stop(self) -> None:
        """Interrupt the workers; called again, kill them. Only noted here: a signal may come in the midst of a call."""
        self._stops += 1

    # --- stopping -----------------------------------------------------------------------------------------------------

    def _obey(self, waiting: deque[Unit]) -> Iterator[Event]:
        if not self._stops:
            return
        waiting.clear()
        for member in [each for each in self._members if each.unit is None]:
            self._dismiss(member)
        if self._stops_told == 0:
            self._stops_told = 1
            for member in self._members:
                member.remote.stop(at_once=False)
        if self._stops > 1:
            for member in list(self._members):
                yield from self._killed(member)

    def _killed(self, member: _Member) -> Iterator[Event]:
        stopped = member.remote.stop(at_once=True)
        self._cluster.answered([stopped], _TURN_S)
        self._dismiss(member)
        if member.unit is not None:
            yield _stopped(member.unit, "killed")

    # --- who works ----------------------------------------------------------------------------------------------------

    def _hire(self, waiting: deque[Unit]) -> None:
        if self._stops:
            return
        busy = sum(1 for member in self._members if member.unit)
        wanted = min(self._most(), len(waiting) + busy)
        for _ in range(wanted - len(self._members)):
            self._members.append(_Member(self._cluster.station(self._opening, self._check, self._needs, self._avoided)))
        if waiting and not self._members:
            raise ResourceError("no worker is left: each ended before it could begin, for reasons said above")

    def _most(self) -> int:
        """Return how many workers there may be; where nothing fits, one is asked for all the same."""
        if self._jobs is not None:
            return max(0, self._jobs - self._unfit)
        now = time.monotonic()
        if now - self._counted >= _COUNT_AGAIN_S:
            self._counted, self._places = now, max(1, self._cluster.places(self._needs, self._avoided))
        return max(0, self._places - self._unfit)

    def _give_out(self, waiting: deque[Unit]) -> Iterator[Event]:
        for member in [each for each in self._members if each.ready and each.unit is None]:
            if not waiting:
                # Others may want its place, or an autoscaler give its node back.
                self._dismiss(member)
                continue
            unit = waiting.popleft()
            member.take(unit)
            yield Progress(unit.number, BEGUN, 0, None)

    def _patience(self) -> Iterator[Event]:
        """Say once that nothing could be placed yet."""
        if any(member.here for member in self._members) or self._stops:
            self._placed = float("inf")
        elif time.monotonic() - self._placed > _PATIENCE_S:
            self._placed = float("inf")
            yield Note(
                f"no worker could begin yet; each needs {self._needs.text()}, and {self._cluster.places(self._needs)} "
                "fit on the nodes that are there; waiting for a free place or another node (Ctrl-C stops)"
            )

    def _dismiss(self, member: _Member) -> None:
        self._members.remove(member)
        member.remote.kill()

    def _end(self) -> None:
        answers = [member.remote.end() for member in self._members if member.here and member.unit]
        until = time.monotonic() + _LAST_WORDS_S
        while answers and time.monotonic() < until:
            found = self._cluster.answered(answers, until - time.monotonic())
            answers = [each for each in answers if each not in found]
        for member in self._members:
            member.remote.kill()
        self._members = []

    # --- listening ----------------------------------------------------------------------------------------------------

    def _heard(self) -> list[_Member]:
        asked = {member.answer: member for member in self._members if member.answer is not None}
        return [asked[each] for each in self._cluster.answered(list(asked), _TURN_S)] if asked else []

    def _events(self, member: _Member, waiting: deque[Unit]) -> Iterator[Event]:
        answer, member.answer = member.answer, None
        try:
            messages = self._cluster.messages(answer)
        except LostError as error:
            yield from self._lost(member, str(error), waiting)
            return
        for message in messages:
            yield from self._event(member, message, waiting)
        if member in self._members and (member.unit is not None or not member.ready):
            member.answer = member.remote.listen()

    def _event(self, member: _Member, message: Message, waiting: deque[Unit]) -> Iterator[Event]:
        kind, content = message
        if kind == "placed":
            member.here, member.place = True, content["place"]
        elif kind == "ready":
            member.ready = True
        elif kind == "progress":
            yield Progress(**content)
        elif kind == "note":
            yield Note(**content)
        elif kind == "ended":
            member.unit = None
            yield Outcome(**content)
        elif kind == "refused" and not self._stops:
            raise refusal(content["exit_code"], content["reason"])
        elif kind in ("dismissed", "unseen"):
            yield from self._turned_away(member, content["reason"], waiting)
        elif kind == "dead":
            yield from self._lost(member, content["reason"], waiting)

    def _turned_away(self, member: _Member, reason: str, waiting: deque[Unit]) -> Iterator[Event]:
        """Do without a node that must not work: one that ends units at once would be given all of them.

        The unit that its worker was given was not begun.
        """
        unit, member.unit = member.unit, None
        self._dismiss(member)
        self._avoided.add(member.place)
        self._counted = float("-inf")
        if self._stops:
            if unit is not None:
                yield _stopped(unit, "not begun")
            return
        if unit is not None:
            waiting.appendleft(unit)
        if not self._members and self._cluster.places(self._needs, self._avoided) == 0:
            raise ResourceError(f"no worker can begin: {reason}")
        yield Note(f"no work is done there: {reason}")

    def _lost(self, member: _Member, why: str, waiting: deque[Unit]) -> Iterator[Event]:
        """Take a lost worker out of the row; its unit is done once more by another one."""
        if member not in self._members:
            return
        unit = member.unit
        self._members.remove(member)
        member.remote.kill()
        if unit is None:
            yield from self._never_began(why)
        elif self._stops:
            yield _stopped(unit, why)
        elif unit.number in self._retried:
            yield Outcome(unit.number, "failed", 5, f"two workers ended in the middle of it; the second: {why}")
        else:
            self._retried.add(unit.number)
            waiting.append(unit)
            yield Note(f"its worker was lost ({why}); another one takes it up from where it was", unit.number)

    def _never_began(self, why: str) -> Iterator[Event]:
        if self._stops:
            return
        self._unfit += 1
        if not self._members and self._most() == 0:
            raise ResourceError(f"a worker ended before it could begin: {why}")
        yield Note(f"a worker ended before it could begin ({why}); the others go on")


class _Member:
    """A worker, and the unit that it works on. `here`: it was placed (where: `place`); `ready`: its runner is open."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.unit: Unit | None = None
        self.here = self.ready = False
        self.place = ""
        self.answer: Answer | None = remote.begin()

    def take(self, unit: Unit) -> None:
        """Give it a unit, with the size of the source as seen from here."""
        self.unit = unit
        size = None
        with contextlib.suppress(OSError, FacereconError):
            size = size_of(unit)
        self.answer = self.remote.work(unit, size)


def _stopped(unit: Unit, why: str) -> Outcome:
    return Outcome(unit.number, "interrupted", 130, f"interrupted ({why}); what was finished is kept")


@contextlib.contextmanager
def marked(check: Check) -> Iterator[Check]:
    """Lay a mark into the check's folder, if it names one, by which a node can tell that it sees the same folder.

    Raises:
        ResourceError: it cannot be written.
    """
    if not check.folder:
        yield check
        return
    token = secrets.token_hex(16)
    mark = Path(check.folder) / f"{TEMPORARY}cluster-{secrets.token_hex(8)}"
    try:
        mark.write_text(token, encoding="ascii")
    except OSError as error:
        raise ResourceError(f"cannot write {check.folder}: {error.strerror}; choose another --cases") from None
    try:
        yield replace(check, mark=mark.name, token=token)
    finally:
        with contextlib.suppress(OSError):
            mark.unlink()
