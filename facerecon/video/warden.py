"""The process that starts decoders, one process for each task, and sees that each of them ends. Decodes nothing.

It has loaded what decoders need, so that a decoder costs a fork; it has one thread, so that a fork is safe; it ends
when the program that started it does, and every decoder with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import PIL
from PIL import Image

from facerecon.errors import EvidenceError
from facerecon.pictures import decode_picture
from facerecon.profiles import Motion, Sample
from facerecon.records import Timestamp
from facerecon.video import messages
from facerecon.video.confinement import Limits, confine, die_with
from facerecon.video.container import HowRead, examine, video_steps
from facerecon.video.footage import Footage
from facerecon.video.headers import read_header
from facerecon.video.interlacing import Deinterlace
from facerecon.video.pages import animation_steps, load_page, picture_facts, picture_kind
from facerecon.video.soundtracks import read_sound, read_soundtracks
from facerecon.video.sources import Left, Omission, Step, Taken

LONGEST_REQUEST = 1 << 16
ENDING = struct.Struct("<iqd")
"""How a decoder ended: wait status, its largest resident size in KiB, the processor time that it used in s."""
OUT_OF_MEMORY = 71
"""Exit status of a decoder that was refused memory."""
_SAID_EVERY_S = 0.2
_READING = 8
_READING_BEYOND = 1 << 26
"""A decoder that has read its file this many times over, and so much more, is not getting anywhere by reading."""


# --- the warden -------------------------------------------------------------------------------------------------------


def main(descriptor: int) -> None:
    """Start decoders as the program at the other end of a socket asks, until it closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _load()
    # What is not looked at again is not copied by each fork.
    gc.disable()
    gc.freeze()
    with socket.socket(fileno=descriptor) as control:
        control.send(b"ready")
        _Warden(control).serve()


def _load() -> None:
    """Load whatever a decoder may come to need: it can open no file, not even a module's."""
    Image.init()
    for package in (av, PIL):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)


@dataclass(frozen=True)
class _Charge:
    """A decoder that runs."""

    pid: int
    handle: int
    leash: socket.socket


class _Warden:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._running: set[int] = set()

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    if not self._accept():
                        # Whatever still runs ends with this process.
                        return
                # Both may be told at once, that a decoder ended and that it is to end.
                elif key.data.pid in self._running:
                    self._attend(key.data, ended=key.fileobj == key.data.handle)

    def _accept(self) -> bool:
        request, files, _, _ = socket.recv_fds(self._control, LONGEST_REQUEST, 3)
        if len(files) != 3:
            return False
        evidence, out, leash = files
        warden, pid = os.getpid(), os.fork()
        if pid == 0:
            _work(warden, request, evidence, out)
        os.close(evidence)
        os.close(out)
        charge = _Charge(pid, os.pidfd_open(pid), socket.socket(fileno=leash))
        self._running.add(pid)
        self._selector.register(charge.handle, selectors.EVENT_READ, charge)
        self._selector.register(charge.leash, selectors.EVENT_READ, charge)
        return True

    def _attend(self, charge: _Charge, ended: bool) -> None:
        if ended:
            self._bury(charge)
            return
        # Whoever holds the other end let go of it.
        self._selector.unregister(charge.leash)
        os.kill(charge.pid, signal.SIGKILL)

    def _bury(self, charge: _Charge) -> None:
        _, status, usage = os.wait4(charge.pid, 0)
        self._running.discard(charge.pid)
        for each in (charge.handle, charge.leash):
            if each in self._selector.get_map():
                self._selector.unregister(each)
        os.close(charge.handle)
        with charge.leash as leash:
            try:
                leash.send(ENDING.pack(status, usage.ru_maxrss, usage.ru_utime + usage.ru_stime))
            except OSError:
                # Nobody waits for it any more.
                return


# --- a decoder --------------------------------------------------------------------------------------------------------


def _work(warden: int, request: bytes, evidence: int, out: int) -> None:
    """Do one task, and end this process."""
    code = 70
    try:
        die_with(warden)
        # A decoder lives for as long as a recording: what it drops in cycles must be freed, too.
        gc.enable()
        evidence, out = _only(evidence, out)
        task = json.loads(request)
        confine(Limits(**task["limits"]))
        _tell(task, evidence, _Outgoing(out))
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    except BrokenPipeError:
        code = 0
    finally:
        os._exit(code)


def _only(evidence: int, out: int) -> tuple[int, int]:
    """Keep two files, and close every other one: not one end of another decoder's pipe may stay open here."""
    evidence, out = (os.dup2(os.dup(each), place) for each, place in ((evidence, 100), (out, 101)))
    os.dup2(evidence, 3)
    os.dup2(out, 4)
    os.closerange(5, 1 << 16)
    return 3, 4


class _Outgoing:
    def __init__(self, out: int) -> None:
        self._out = out

    def send(self, message: bytes, *arrays: messages.Array) -> None:
        self._write(memoryview(message))
        for each in arrays:
            self._write(each.data.cast("B"))

    def step(self, told: Step) -> None:
        message, arrays = messages.step(told)
        self.send(message, *arrays)

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._out, view) :]


class _Progress:
    """Says that a decoder is at work whenever it has read on, unless it reads the same again and again."""

    def __init__(self, out: _Outgoing, size_bytes: int) -> None:
        self._out, self._left = out, _READING * size_bytes + _READING_BEYOND
        self._told_s = time.monotonic()

    def __call__(self, count: int) -> None:
        self._left -= count
        now_s = time.monotonic()
        if count and self._left > 0 and now_s > self._told_s + _SAID_EVERY_S:
            self._told_s = now_s
            self._out.send(messages.bare(messages.ALIVE))


def _tell(task: dict[str, Any], evidence: int, out: _Outgoing) -> None:
    file = Footage(Path(task["path"]), evidence, _Progress(out, os.fstat(evidence).st_size))
    try:
        _TASKS[task["name"]](file, out, **task["arguments"])
        out.send(messages.bare(messages.END))
    except EvidenceError as error:
        out.send(messages.text(messages.FAILED, str(error)))
    except (MemoryError, BrokenPipeError):
        raise
    except Exception as error:
        out.send(messages.text(messages.BROKEN, f"{type(error).__name__}: {' '.join(str(error).split())}"))


def _header(file: Footage, out: _Outgoing) -> None:
    out.send(messages.document(messages.RESULT, read_header(file).model_dump(mode="json")))


def _kind(file: Footage, out: _Outgoing) -> None:
    out.send(messages.document(messages.RESULT, picture_kind(file)))


def _facts(file: Footage, out: _Outgoing) -> None:
    out.send(messages.document(messages.RESULT, picture_facts(file)))


def _page(file: Footage, out: _Outgoing, page: int) -> None:
    picture = load_page(file, page)
    if isinstance(picture, Omission):
        out.step(Left(picture))
    else:
        out.step(Taken(Timestamp(pts=0, time_base=(1, 1)), picture, keyframe=True))


def _picture(file: Footage, out: _Outgoing, name: str) -> None:
    with file.open() as opened:
        pixels = decode_picture(opened.read(), name)
    out.step(Taken(Timestamp(pts=0, time_base=(1, 1)), pixels, keyframe=True))


def _animation(file: Footage, out: _Outgoing, sample: dict[str, Any]) -> None:
    for told in animation_steps(file, Sample.model_validate(sample)):
        out.step(told)


def _soundtracks(file: Footage, out: _Outgoing) -> None:
    out.send(messages.document(messages.RESULT, [each.model_dump(mode="json") for each in read_soundtracks(file)]))


def _sound(file: Footage, out: _Outgoing, tracks: list[int]) -> None:
    for packet in read_sound(file, tracks):
        out.send(messages.packet(packet))


def _examine(file: Footage, out: _Outgoing, deinterlace: Deinterlace, square_pixels: bool) -> None:
    found = examine(file, deinterlace, square_pixels)
    out.send(messages.document(messages.RESULT, found.model_dump(mode="json")))


def _video(
    file: Footage, out: _Outgoing, how: dict[str, Any], sample: dict[str, Any], motion: dict[str, Any] | None
) -> None:
    gated = Motion.model_validate(motion) if motion is not None else None
    for told in video_steps(file, HowRead.model_validate(how), Sample.model_validate(sample), gated):
        out.step(told)


_TASKS: dict[str, Callable[..., None]] = {
    "header": _header,
    "kind": _kind,
    "facts": _facts,
    "page": _page,
    "picture": _picture,
    "animation": _animation,
    "soundtracks": _soundtracks,
    "sound": _sound,
    "examine": _examine,
    "video": _video,
}
