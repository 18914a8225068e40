"""Sets one document with Typst in a process that ends with it. Owns that process and its folder; knows no report.

Typst keeps what its last documents were set from for as long as its process lives, tens of MiB for each: a worker that
writes reports for days would carry that along. The process holds one end of a pipe. When whoever started it is gone,
for whatever reason, it removes the folder that it works in, and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from facerecon.children import bare_environment
from facerecon.errors import ResourceError

_CODE = "import sys; from facerecon.report.typesetting import main; main(sys.argv[1])"
_WAY_OUT = "run the same command again, or use --no-pdf to do without"


class TypesettingError(Exception):
    """Typst refused the document; the message is Typst's own."""


class Typesetter:
    """A folder for a template and all that it reads, and the process that will set it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        """Take both over, as `typesetter` makes them."""
        self.folder = folder
        self._process = process

    def begin(self, template: str, standards: Sequence[str], date: datetime) -> None:
        """Let the process set the document; may be called once.

        Args:
            template: name of a file in the folder.
            standards: as Typst names them.
            date: the document's, in whole seconds of UTC.
        """
        request = {"template": template, "standards": list(standards), "date": date.isoformat()}
        assert self._process.stdin is not None
        # It may be dead already, which the answer shows.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")

    def finished(self) -> bytes:
        """Wait for the document that was begun, and return it as PDF; may be called once.

        Raises:
            TypesettingError: Typst refused it.
            ResourceError: the process died, or Typst cannot be used.
        """
        told, data = self._told()
        if "refused" in told:
            raise TypesettingError(told["refused"])
        if "broken" in told:
            raise ResourceError(f"the PDF cannot be set ({told['broken']}); use --no-pdf to do without")
        if told.get("pdf_bytes") != len(data):
            ending = _ending(self._process.wait())
            raise ResourceError(f"the process that sets the PDF ended in the middle of it ({ending}); {_WAY_OUT}")
        return data

    def _told(self) -> tuple[dict[str, Any], bytes]:
        source = self._process.stdout
        assert source is not None
        head = source.readline()
        # Not closed before the end: an open pipe is what keeps the process going.
        return json.loads(head) if head.endswith(b"\n") else {}, source.read()


@contextlib.contextmanager
def typesetter() -> Iterator[Typesetter]:
    """Start a process and make a folder for it; at the end of the block neither is there any more.

    Raises:
        ResourceError: no process can be started.
    """
    with tempfile.TemporaryDirectory(prefix="facerecon-report-") as name, _started(name) as process:
        yield Typesetter(Path(name), process)


@contextlib.contextmanager
def _started(folder: str) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-c", _CODE, folder],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is for the program that waits, which may have to finish what it writes.
            start_new_session=True,
            cwd="/",
            env=bare_environment(),
        )
    except OSError as error:
        raise ResourceError(f"no process can be started to set the PDF ({error.strerror}); {_WAY_OUT}") from None
    try:
        yield process
    finally:
        process.kill()
        # Waits, and closes both pipes.
        with process:
            pass


def _ending(status: int) -> str:
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return f"exit {status}"
    return f"{name}, perhaps for lack of memory" if name in ("SIGKILL", "SIGABRT") else name


# --- the process ------------------------------------------------------------------------------------------------------


def main(folder: str) -> NoReturn:
    """Set the document in a folder as stdin asks in one line, and tell stdout; end with whoever asks."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    request = sys.stdin.buffer.readline()
    if not request.endswith(b"\n"):
        _abandon(folder)
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    told, data = _set(Path(folder), json.loads(request))
    try:
        sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + data)
        sys.stdout.buffer.flush()
    except OSError:
        _abandon(folder)
    # A thread waits for a pipe that is still open, and nothing is left to do.
    os._exit(0)


def _set(folder: Path, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        import typst
    except ImportError as error:
        return {"broken": _line(error)}, b""
    try:
        data = typst.compile(
            folder / request["template"],
            root=folder,
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=request["standards"],
            timestamp=datetime.fromisoformat(request["date"]),
        )
    except typst.TypstError as error:
        return {"refused": str(error)}, b""
    except BaseException as error:
        # A panic in Typst is no Exception.
        return {"broken": _line(error)}, b""
    return {"pdf_bytes": len(data)}, data


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _watch(folder: str) -> None:
    """Wait until nobody holds the other end of stdin, and end the process."""
    while os.read(0, 1):
        continue
    _abandon(folder)


def _abandon(folder: str) -> NoReturn:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
