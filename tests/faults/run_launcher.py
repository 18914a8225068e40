"""Runs the program with fake engines in forked children, and ends or hinders each at a chosen moment.

    python -m tests.faults.run_launcher < JOBS

One JSON line per job comes in, one answer per job goes out. The parent loads the program once and does nothing else, so
that forking is cheap and safe. A *moment* is a call that changes the file system; the child counts them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facerecon.case import Case
from facerecon.commands import main, workbench
from facerecon.pipeline import enhancement, enrolment, extraction, recognition, reporting
from facerecon.records import RGB, Detection
from facerecon.report import html
from tests.fakes import FakeDetector, FakeRecognizer, FakeRestorer

LOADED = (enhancement, enrolment, extraction, recognition, reporting, html)
"""Imported here once, not in every child."""
MOMENTS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "ftruncate", "chmod")
LASTING = {"full": errno.ENOSPC, "denied": errno.EACCES, "readonly": errno.EROFS, "broken": errno.EIO}
"""What, once it began, meets every such call: a full disk, lost permission, a disk that was mounted anew."""
CHANGING = os.O_CREAT | os.O_TRUNC


class Hindered(FakeDetector):
    """A detector that may do something before its nth answer."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__()
        self._at, self._then = job.get("detect_at"), job.get("then", "")

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        if self.calls == self._at:
            _do(self._then)
        return super().detect(images)


def _do(what: str) -> None:
    if what == "memory":
        raise MemoryError
    if what.startswith("shell "):
        os.system(what.removeprefix("shell "))
    elif what:
        os.kill(os.getpid(), signal.Signals[what])


class Moments:
    """Counts the calls that change the file system below a folder, and acts at the nth one."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.count = 0
        self._at, self._then = job.get("at"), job.get("then", "SIGKILL")
        self._after = bool(job.get("after"))
        self._stage = job.get("stage", "")
        self.stages: dict[str, list[int]] = {"": [0]}

    def install(self) -> None:
        real = Case.note

        def note(case: Case, action: str, *arguments: Any) -> Any:
            stage, _, ending = action.rpartition(".")
            if ending == "finished":
                self.stages[stage].append(self.count)
            entry = real(case, action, *arguments)
            if ending == "started":
                self.stages[stage] = [self.count]
            return entry

        Case.note = note  # type: ignore[method-assign]
        for name in MOMENTS:
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if threading.current_thread() is not threading.main_thread() or not _changes(name, arguments):
                return real(*arguments, **more)
            hit = self._hit(name)
            if hit and not self._after:
                self._act()
            try:
                return real(*arguments, **more)
            finally:
                if hit and self._after:
                    self._act()

        return call

    def _hit(self, name: str) -> bool:
        number, self.count = self.count, self.count + 1
        if self._at is None or self._stage not in self.stages:
            return False
        number -= self.stages[self._stage][0]
        if self._then not in LASTING:
            return number == self._at
        return number >= self._at and not (self._then == "full" and name in ("unlink", "rmdir", "chmod"))

    def _act(self) -> None:
        if self._then in LASTING:
            raise OSError(LASTING[self._then], os.strerror(LASTING[self._then]))
        _do(self._then)


def _changes(name: str, arguments: Sequence[Any]) -> bool:
    if name == "open":
        return bool(arguments[1] & CHANGING)
    return not (name == "write" and arguments[0] <= 2)


def _engines(job: dict[str, Any]) -> None:
    bench: Any = workbench.Workbench
    bench.detector = Hindered(job)
    bench.recognizer = FakeRecognizer()
    bench.restorers = {"restorer-unet": FakeRestorer()}
    bench._runtime = {"software": job.get("software", "fake")}
    bench.require_weights = lambda self, **_: None


def _child(job: dict[str, Any], answers: int) -> int:
    out, err = Path(job["folder"]) / "out", Path(job["folder"]) / "err"
    moments = Moments(job)
    _engines(job)
    write = os.write
    with (
        out.open("w") as stdout,
        err.open("w") as stderr,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        if job.get("clock_s"):
            _set_clock(job["clock_s"])
        moments.install()
        code = main.run(job["arguments"])
    write(answers, json.dumps({"moments": moments.count, "stages": moments.stages}).encode())
    return code


def _set_clock(ahead_s: float) -> None:
    """Make the ledger's clock stand elsewhere than it does."""
    from datetime import datetime, timedelta

    from facerecon import ledger

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=ahead_s)

    ledger.datetime = Clock  # type: ignore[misc]


def _run(job: dict[str, Any]) -> dict[str, Any]:
    readable, writable = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(readable)
        code = 70
        try:
            code = _child(job, writable)
        finally:
            os._exit(code)
    os.close(writable)
    if "kill_after_s" in job:
        time.sleep(job["kill_after_s"])
        os.kill(child, signal.SIGKILL)
    with os.fdopen(readable, "rb") as stream:
        told = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    folder = Path(job["folder"])
    return {
        "code": code,
        "out": (folder / "out").read_text() if (folder / "out").exists() else "",
        "err": (folder / "err").read_text() if (folder / "err").exists() else "",
        "seconds": time.monotonic() - begun,
        **(json.loads(told) if told else {}),
    }


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()
