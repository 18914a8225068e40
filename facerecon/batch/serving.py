"""What runs in a worker process: opens its runner, takes units, answers with outcomes. Owns the worker's signals.

Ctrl-C reaches every process of a terminal; here only the parent decides, by SIGTERM. A worker whose parent is gone
interrupts itself, so that nothing goes on unseen.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from facerecon.batch.units import Note, Opening, Progress, Unit, attempt
from facerecon.errors import FacereconError
from facerecon.interruption import held
from facerecon.memory import one_heap


def serve(pipe: Connection[Any, Any], opening: Opening) -> None:
    """Work until there is no more to do, the parent says stop, or the parent is gone."""
    one_heap()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        _serve(pipe, opening)
    except (KeyboardInterrupt, EOFError, OSError):
        # Stopped while idle, or nobody listens any more.
        return


def _serve(pipe: Connection[Any, Any], opening: Opening) -> None:
    def hear(event: Progress | Note) -> None:
        _tell(pipe, "progress" if isinstance(event, Progress) else "note", asdict(event))

    try:
        runner = opening.open(hear)
    except FacereconError as error:
        _tell(pipe, "refused", {"exit_code": error.exit_code, "reason": str(error)})
        return
    _tell(pipe, "ready", {})
    while True:
        unit = pipe.recv()
        assert isinstance(unit, Unit)
        outcome = attempt(runner, unit)
        _tell(pipe, "ended", outcome.plain())
        if outcome.status == "interrupted":
            return


def _tell(pipe: Connection[Any, Any], kind: str, content: dict[str, Any]) -> None:
    """Send one message whole: a signal in the middle of it would leave the other side with half of one."""
    with held() as arrived:
        pipe.send((kind, content))
    if arrived:
        signal.raise_signal(arrived[0])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once: what is being put away is not interrupted again.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
