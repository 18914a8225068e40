"""What stands on a node of a cluster for one worker: checks the node, starts the worker's process, relays what it says.

The work itself is done by the same process as on one machine (`facerecon.batch.serving`), so a crash, a signal and an
interruption mean the same here. Knows no cluster library: any that keeps an object on a node can run it.
"""

from __future__ import annotations

import importlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from facerecon.batch.addresses import parse
from facerecon.batch.processes import Worker
from facerecon.batch.stores import store
from facerecon.batch.units import Opening, Unit
from facerecon.errors import FacereconError

Message = tuple[str, dict[str, Any]]
_LONGEST_S = 20.0
_MOST_SHOWN = 3
# A file that was made a moment ago may reach the other clients of a network file system a little later.
_SIGHT_S = 5.0


@dataclass(frozen=True)
class Check:
    """What a node must have in common with the machine that began the batch.

    `describe` names a callable of `options` ("package.module:name") that tells what counts there, as {name: text};
    `expected` is what it told here. `folder` is that of the cases, absolute ("": none), and `mark` the name of a file
    in it with the content `token`.
    """

    describe: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    mark: str = ""
    token: str = ""

    def described(self) -> dict[str, str]:
        """Return what this machine tells."""
        module, _, name = self.describe.partition(":")
        describe: Callable[[Mapping[str, Any]], dict[str, str]] = getattr(importlib.import_module(module), name)
        return describe(self.options)

    def problem(self) -> str:
        """Say why this machine must not work on the batch; "" where nothing speaks against it."""
        if self.mark and not _sees(Path(self.folder) / self.mark, self.token):
            return f"does not see the folder of the cases {self.folder}, or sees another one there"
        try:
            return differences(self.expected, self.described()) if self.describe else ""
        except FacereconError as error:
            return f"cannot begin: {error}"
        except Exception as error:  # another release may lack what is asked for
            return f"does not answer as this release does: {type(error).__name__}: {error}"


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Say in what a machine differs, the first few by name; "" where it does not."""
    names = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    told = [f"{name} {_short(found.get(name))}, not {_short(expected.get(name))}" for name in names[:_MOST_SHOWN]]
    more = [f"{len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else []
    return f"differs from the machine that began the batch: {'; '.join([*told, *more])}" if names else ""


def _short(text: str | None) -> str:
    return "none" if text is None else f"{text[:12]}..." if len(text) == 64 else text


def _sees(mark: Path, token: str) -> bool:
    until = time.monotonic() + _SIGHT_S
    while True:
        try:
            return mark.read_text(encoding="ascii") == token
        except (OSError, ValueError):
            if time.monotonic() >= until:
                return False
            time.sleep(0.2)


class Station:
    """Holds one worker process. One call of `begin`, `work` or `listen` at a time, beside them `stop`."""

    def __init__(self, opening: Opening, check: Check, threads: int) -> None:
        """Start nothing yet.

        Args:
            opening: the runner.
            check: what the node must have in common with the machine that began the batch.
            threads: with how many threads the worker computes; results can depend on it.
        """
        self._opening, self._check, self._threads = opening, check, threads
        self._worker: Worker | None = None

    def begin(self) -> list[Message]:
        """Check the node and start the worker; answer "dismissed" with the reason when it must not work."""
        problem = self._check.problem()
        if problem:
            return [("dismissed", {"reason": f"node {node()} {problem}"})]
        # Before the process starts: the libraries read it once.
        os.environ["OMP_NUM_THREADS"] = str(self._threads)
        self._worker = Worker(self._opening)
        return [("here", {"node": node(), "process": os.getpid(), "worker": self._worker.process.pid})]

    def work(self, unit: Unit, size_bytes: int | None) -> list[Message]:
        """Give the worker a unit and listen.

        Args:
            unit: what to do.
            size_bytes: of the source, as the machine sees it that began the batch; None: it does not see it.
        """
        problem = _unseen(unit, size_bytes)
        if problem:
            return [("unseen", {"reason": f"node {node()} {problem}"})]
        if self._worker is not None:
            self._worker.take(unit)
        return self.listen()

    def listen(self) -> list[Message]:
        """Wait until the worker says something, `_LONGEST_S` at most, and return all of it."""
        worker, messages = self._worker, list[Message]()
        if worker is None:
            return [("dead", {"reason": "it was never started"})]
        wait(worker.handles, _LONGEST_S)
        while (message := worker.message()) is not None:
            messages.append(message)
            if message[0] == "ended":
                worker.unit = None
        if not worker.alive:
            messages.append(("dead", {"reason": worker.cause()}))
        return messages

    def stop(self, *, at_once: bool) -> None:
        """Interrupt the worker, or kill it."""
        from signal import SIGKILL, SIGTERM

        if self._worker is not None:
            self._worker.signal(SIGKILL if at_once else SIGTERM)

    def end(self) -> None:
        """Let the worker go."""
        if self._worker is not None:
            self._worker.end()


def node() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def size_of(unit: Unit) -> int | None:
    """Return the size in bytes of a unit's source as this machine sees it; None: its store does not say.

    Raises:
        OSError: the file is not seen here.
        FacereconError: the object is not.
    """
    if unit.stated is None:
        return Path(unit.source).stat().st_size
    address = parse(unit.source)
    stated = store(address).look(address.path).stated
    return None if stated is None else stated.size_bytes


def _unseen(unit: Unit, size_bytes: int | None) -> str:
    """Say what is wrong with a source that the beginning machine sees; "" where it is seen here, too."""
    if size_bytes is None:
        return ""
    try:
        found = size_of(unit)
    except OSError as error:
        return f"does not see the source {unit.source} ({error.strerror})"
    except FacereconError as error:
        return f"does not see a source: {error}"
    return "" if found == size_bytes else f"sees another source {unit.source}: {found} bytes, not {size_bytes}"
