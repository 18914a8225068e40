"""The end of a process whose reader still waits for a silent sender: its exit code, and no crash."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from facerecon.capture.address import Address
from facerecon.capture.clock import Clock
from facerecon.capture.stream import Opening, Reader
from tests.synthetic import write_video
from tests.unit.capture.live_streams import Stall, live_server, piece

_PROGRAM = """
import atexit, ctypes, sys
from facerecon.capture.address import Address
from facerecon.capture.clock import Clock
from facerecon.capture.stream import Connected, Opening, Reader
from facerecon.leaving import leave

libc = ctypes.CDLL(None)
# Holds the process between the end of the interpreter and its own: there a thread finds no interpreter any more.
libc.__cxa_atexit(libc.sleep, ctypes.c_void_p(2), None)
with Reader(Address.parse(sys.argv[1]), Opening(timeout_s=float(sys.argv[2])), Clock()) as reader:
    assert isinstance(reader.next(20), Connected)
    while reader.next(0.5) is not None:
        pass
atexit.register(print, "taken down")
print("over", flush=False)
if sys.argv[3] == "leave":
    leave(3)
sys.exit(3)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "__cxa_atexit"), reason="the C library has no __cxa_atexit")
@pytest.mark.parametrize(
    ("timeout_s", "ending", "said"), [(600, "leave", "over\n"), (6, "exit", "over\ntaken down\n"), (1, "leave", None)]
)
def test_a_reader_that_still_waits_does_not_crash_the_end(
    tmp_path: Path, timeout_s: int, ending: str, said: str | None
) -> None:
    """As the program ends it does not wait; as a library it waits for the reader; with no reader left it just ends."""
    clip = write_video(tmp_path / "clip.mp4", frames=30, gop=10, rate=25)
    with live_server() as live:
        live.scripts = [[piece(clip, 0, 30), Stall()]]
        command = [sys.executable, "-c", _PROGRAM, live.url(), str(timeout_s), ending]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout == (said or "over\ntaken down\n")


@pytest.mark.usefixtures("ctrl_c_as_a_thread_starts")
def test_ctrl_c_while_the_thread_starts_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "_read", lambda reader: reader._stop.wait(60))
    reader = Reader(Address.parse("http://127.0.0.1:9/live"), Opening(), Clock())
    with pytest.raises(KeyboardInterrupt), reader:
        pytest.fail("the block was entered")
    assert not reader._thread.is_alive()
    assert reader._stop.is_set()


def test_a_thread_that_cannot_be_started_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    reader = Reader(Address.parse("http://127.0.0.1:9/live"), Opening(), Clock())
    with pytest.raises(RuntimeError, match="can't start new thread"), reader:
        pytest.fail("the block was entered")
