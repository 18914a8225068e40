"""Runs units in worker processes of this machine. Owns the processes: their start, their end, and what they cost.

A worker that dies costs its unit alone: the unit fails with the reason, and another worker takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from facerecon.batch.serving import serve
from facerecon.batch.units import BEGUN, Event, Feed, Note, Opening, Outcome, Progress, Unit, refusal
from facerecon.errors import ResourceError

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Threads that wait do not spin: the cores are shared by several workers."""
_LAST_WORDS_S = 10.0


class ProcessEngine:
    """`jobs` processes, started with the spawn method, each with its own runner.

    Each has as many computing threads as a run alone has. Fewer would be faster where workers share the cores, but the
    matrix products of MKL round differently with another number of threads: a batch must give the digests of a run.
    """

    def __init__(self, opening: Opening, jobs: int, feed: Feed | None = None, poll_s: float = 0.0) -> None:
        """Start nothing yet; `feed` is asked every `poll_s` for more units, while the workers stay as they are."""
        self._opening, self._jobs = opening, jobs
        self._feed, self._poll_s, self._next_look_s = feed, poll_s, 0.0
        self._workers: list[Worker] = []
        self._stopping = False

    def run(self, units: Sequence[Unit]) -> Iterator[Event]:
        """Yield what happens; see `Engine.run`."""
        waiting = deque(units)
        try:
            while self._fed(waiting) or waiting or any(worker.unit for worker in self._workers):
                yield from self._give_out(waiting)
                if not self._workers and self._feed is None:
                    return
                for worker in self._heard():
                    yield from self._events(worker)
        finally:
            self._end()

    def stop(self) -> None:
        """Interrupt the workers; called again, kill them."""
        number = signal.SIGKILL if self._stopping else signal.SIGTERM
        self._stopping = True
        for worker in list(self._workers):
            worker.signal(number)

    def _fed(self, waiting: deque[Unit]) -> bool:
        """Ask for more units when it is time to; say whether more may come."""
        if self._stopping:
            self._feed = None
        if self._feed is not None and time.monotonic() >= self._next_look_s:
            more = self._feed()
            self._next_look_s = time.monotonic() + self._poll_s
            if more is None:
                self._feed = None
            waiting.extend(more or ())
        return self._feed is not None

    # --- giving out ---------------------------------------------------------------------------------------------------

    def _give_out(self, waiting: deque[Unit]) -> Iterator[Event]:
        if self._stopping:
            waiting.clear()
            self._workers = [worker for worker in self._workers if worker.unit or worker.end()]
            return
        while len(self._workers) < min(self._jobs, len(waiting) + sum(1 for each in self._workers if each.unit)):
            self._workers.append(Worker(self._opening))
        for worker in self._workers:
            if worker.ready and worker.unit is None and waiting:
                unit = waiting.popleft()
                worker.take(unit)
                yield Progress(unit.number, BEGUN, 0, None)

    def _heard(self) -> list[Worker]:
        handles = {handle: worker for worker in self._workers for handle in worker.handles}
        left_s = None if self._feed is None else max(0.0, self._next_look_s - time.monotonic())
        found = wait(list(handles), left_s)
        return list(dict.fromkeys(handles[handle] for handle in found))

    # --- listening ----------------------------------------------------------------------------------------------------

    def _events(self, worker: Worker) -> Iterator[Event]:
        while (message := worker.message()) is not None:
            kind, content = message
            if kind == "ready":
                worker.ready = True
            elif kind == "progress":
                yield Progress(**content)
            elif kind == "note":
                yield Note(**content)
            elif kind == "ended":
                worker.unit = None
                yield Outcome(**content)
            elif not self._stopping:
                raise refusal(content["exit_code"], content["reason"])
        if not worker.alive:
            yield from self._buried(worker)

    def _buried(self, worker: Worker) -> Iterator[Event]:
        """Take a dead worker out of the row, and say what that cost."""
        self._workers.remove(worker)
        why = worker.cause()
        worker.end()
        if worker.unit is not None:
            yield _lost(worker.unit, why, stopping=self._stopping)
        elif not worker.ready and not self._stopping:
            if not self._workers:
                raise ResourceError(f"a worker ended before it could begin ({why}); use fewer --jobs")
            self._jobs = len(self._workers)
            yield Note(f"a worker ended before it could begin ({why}); {self._jobs} worker(s) go on")

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []


def _lost(unit: Unit, why: str, *, stopping: bool) -> Outcome:
    if stopping:
        return Outcome(unit.number, "interrupted", 130, f"interrupted ({why}); what was finished is kept")
    return Outcome(unit.number, "failed", 5, f"the worker process ended in the middle of it ({why})")


class Worker:
    """One process, and the unit that it works on."""

    def __init__(self, opening: Opening) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self._pipe: Connection[Any, Any]
        self._pipe, far = context.Pipe()
        self.process: BaseProcess = context.Process(target=serve, args=(far, opening), name="facerecon-batch")
        with _environment():
            self.process.start()
        # The other end is the worker's alone: its death closes it.
        far.close()
        self.unit: Unit | None = None
        self.ready = False
        self._open = True

    @property
    def handles(self) -> list[Any]:
        """What to wait for: a message, and the end of the process."""
        return [self._pipe, self.process.sentinel] if self._open else [self.process.sentinel]

    @property
    def alive(self) -> bool:
        """Whether more can be heard of it."""
        return self._open or self.process.is_alive()

    def take(self, unit: Unit) -> None:
        """Give it a unit; should it be dead already, the unit is lost with it and told so."""
        self.unit = unit
        with contextlib.suppress(OSError):
            self._pipe.send(unit)

    def message(self) -> tuple[str, dict[str, Any]] | None:
        """Return what it said, None when there is nothing to hear now."""
        try:
            if self._open and self._pipe.poll():
                message: tuple[str, dict[str, Any]] = self._pipe.recv()
                return message
            # Whatever else may hold the other end: nobody is there to write.
            self._open = self._open and self.process.exitcode is None
        except (EOFError, OSError):
            self._open = False
            self.process.join(_LAST_WORDS_S)
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it is dead."""
        if self.process.pid is not None and self.process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def cause(self) -> str:
        """Say why it ended."""
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"exit {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"{name}, perhaps for lack of memory" if name == "SIGKILL" else name

    def end(self) -> bool:
        """Let it go: an idle one ends when its pipe closes. Returns False."""
        self._pipe.close()
        self._open = False
        if self.unit is not None:
            self.signal(signal.SIGTERM)
        self.process.join(_LAST_WORDS_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return False


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Give processes that are started in the block what is not set already."""
    added = {name: value for name, value in _PASSIVE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
