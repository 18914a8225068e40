"""Decoders in processes of their own, seen from the program that asks for them: started, watched, ended. Linux only.

One warden (`warden.py`) per program starts them. Whatever happens here, to an iterator, a thread or the whole program,
no decoder goes on: it is tied to an end of a socket, and ends when that is let go.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facerecon.children import bare_environment
from facerecon.errors import ResourceError
from facerecon.video.confinement import Limits, available

_STARTED_WITHIN_S = 120.0
_ENDED_WITHIN_S = 30.0
_PIPE_BYTES = 1 << 20
_NOT_HERE = (
    "extract.isolation: process needs Linux 5.3 or later; set extract.isolation=none, and look at footage of "
    "doubtful origin in a container"
)


@dataclass(frozen=True)
class Ending:
    """How a decoder ended: its wait status (None: not known), largest resident size in KiB, and processor time in s."""

    status: int | None
    peak_kib: int = 0
    processor_s: float = 0.0


class SilentError(Exception):
    """A decoder told nothing for as long as it may take."""


class GoneError(Exception):
    """A decoder ended in the middle of what it told."""


class Decoder:
    """A decoder at one task on one file; a context manager, at whose end the process is gone."""

    def __init__(self, name: str, path: Path, arguments: dict[str, Any], limits: Limits, timeout_s: float) -> None:
        """Start a decoder.

        Raises:
            OSError: the file cannot be opened.
            ResourceError: no process can be started.
        """
        self._timeout_s = timeout_s
        request = json.dumps(
            {"name": name, "path": str(path), "arguments": arguments, "limits": asdict(limits)}
        ).encode()
        self._leash, leash = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pipe, out = os.pipe()
        try:
            with leash, _descriptor(out), _descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as evidence:
                _WARDEN.start(request, evidence, out, leash.fileno())
            _widen(self._pipe)
        except BaseException:
            os.close(self._pipe)
            self._leash.close()
            raise
        self._ending: Ending | None = None

    def __enter__(self) -> Decoder:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.end()

    def read_into(self, view: memoryview) -> None:
        """Fill a view of bytes with what the decoder tells next.

        Raises:
            SilentError: it told nothing in time.
            GoneError: it ended before.
        """
        while view:
            if not _readable(self._pipe, self._timeout_s):
                raise SilentError
            count = os.readv(self._pipe, [view])
            if not count:
                raise GoneError
            view = view[count:]

    def read(self, count: int) -> bytes:
        """Return the next bytes that the decoder tells; see `read_into`."""
        data = bytearray(count)
        self.read_into(memoryview(data))
        return bytes(data)

    def end(self, *, leave: bool = False) -> Ending:
        """End the process, unless it has ended, and return how it did.

        Args:
            leave: wait for it to end by itself, since it is about to.
        """
        if self._ending is None:
            os.close(self._pipe)
            with self._leash as leash:
                self._ending = _ending(leash, leave)
        return self._ending


def _ending(leash: socket.socket, leave: bool) -> Ending:
    from facerecon.video.warden import ENDING

    leash.settimeout(_ENDED_WITHIN_S)
    for let_go in (False, True) if leave else (True,):
        try:
            if let_go:
                leash.shutdown(socket.SHUT_WR)
            data = leash.recv(ENDING.size)
            return Ending(*ENDING.unpack(data)) if len(data) == ENDING.size else Ending(None)
        except TimeoutError:
            continue
        except OSError:
            break
    return Ending(None)


@contextlib.contextmanager
def _descriptor(number: int) -> Any:
    try:
        yield number
    finally:
        os.close(number)


def _widen(pipe: int) -> None:
    import fcntl

    with contextlib.suppress(OSError):
        # Fewer changes between the two processes for each frame; a user may have no right to more.
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _readable(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


class _Warden:
    """The connection to the warden, which is started when it is first needed, and again when it has gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, request: bytes, evidence: int, out: int, leash: int) -> None:
        with self._lock:
            for _ in range(2):
                control = self._control or self._begin()
                try:
                    socket.send_fds(control, [request], [evidence, out, leash])
                except (BrokenPipeError, ConnectionResetError):
                    self._finish()
                    continue
                return
        raise ResourceError("the process that starts decoders ends as soon as it is started; see 'facerecon doctor'")

    def _begin(self) -> socket.socket:
        if not available():
            raise ResourceError(_NOT_HERE)
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from facerecon.video.warden import main; main({theirs.fileno()})"],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env=_environment(),
            )
        self._control = control
        control.settimeout(_STARTED_WITHIN_S)
        if control.recv(16) != b"ready":
            self._finish()
            raise ResourceError("the process that starts decoders cannot be started; see 'facerecon doctor'")
        return control

    def _finish(self) -> None:
        control, process = self._control, self._process
        self._control = self._process = None
        if control is not None:
            control.close()
        if process is not None:
            process.wait()

    def finish(self) -> None:
        """End the warden."""
        with self._lock:
            self._finish()

    def forget(self) -> None:
        """Let go of another process's warden: this one is a copy of that process."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            # It is not this process's child, and never was.
            self._process.returncode = 0
        self._control = self._process = None

    @property
    def pid(self) -> int | None:
        """The warden's process, for tests."""
        return self._process.pid if self._process else None


def _environment() -> dict[str, str]:
    return bare_environment() | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


_WARDEN = _Warden()
atexit.register(_WARDEN.finish)
os.register_at_fork(after_in_child=_WARDEN.forget)
