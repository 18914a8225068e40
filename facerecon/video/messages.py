"""What a decoder's process tells: a few kinds of short messages, and pixels. Owns the form; trusts no byte of it.

Whoever breaks a decoder can send anything. What passes here is a picture of a bounded size at a later time, with grey
levels of its cells if they were asked for, a later time at which nothing moved, a known reason with a bounded text,
plain JSON data, or one line: it can be wrong, and nothing else.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facerecon.characters import is_text
from facerecon.pictures import MAX_PIXELS
from facerecon.profiles import Motion
from facerecon.records import LARGEST_INTEGER, RGB, Timestamp
from facerecon.video.motion import BRIGHTEST, DARKEST, Look, cell_side, grid, late
from facerecon.video.soundtracks import LARGEST_PACKET_BYTES, SoundPacket
from facerecon.video.sources import Left, Omission, Outcome, Step, Taken, Unmoved

Array = npt.NDArray[Any]
ALIVE, RESULT, LEFT, TAKEN, FAILED, BROKEN, END, SOUND, UNMOVED = range(1, 10)
"""Still at work; an answer; frames left out; a frame; evidence that cannot be read; a fault of the program; the end; a
packet of sound; a frame in which nothing moved."""

HEADER = struct.Struct("<BI")
"""Kind and length of what follows; after that, of a frame, its pixels and what the motion gate saw."""
_TIME = struct.Struct("<qII")
_FRAME = struct.Struct("<qIIIIBB")
_NO_LOOK, _NO_CLOCK, _CLOCK = range(3)
_SOUND = struct.Struct("<IqqqIIB")
_UNKNOWN = -(1 << 63)
_LARGEST_TICKS = 1 << 60
_LARGEST = {
    ALIVE: 0,
    RESULT: 1 << 24,
    LEFT: 1 << 16,
    TAKEN: _FRAME.size,
    FAILED: 1 << 16,
    BROKEN: 1 << 16,
    END: 0,
    SOUND: _SOUND.size + LARGEST_PACKET_BYTES,
    UNMOVED: _TIME.size,
}
_LONGEST_TEXT = 8192
_DEEPEST = 32
_SKIPPED = ("not-sampled", "repeats-previous", "outside-edit-list")
_FAILURES = (
    "undecodable",
    "corrupt",
    "reference-damaged",
    "truncated",
    "timestamp-missing",
    "timestamp-not-increasing",
    "too-large",
)
_OUTCOMES: dict[str, Outcome] = {**dict.fromkeys(_SKIPPED, "skipped"), **dict.fromkeys(_FAILURES, "failed")}


class MalformedError(Exception):
    """A message that no decoder of ours sends."""


# --- sending ----------------------------------------------------------------------------------------------------------


def document(kind: int, value: Any) -> bytes:
    """Return a message that holds JSON data."""
    body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return HEADER.pack(kind, len(body)) + body


def bare(kind: int) -> bytes:
    """Return a message that holds nothing."""
    return HEADER.pack(kind, 0)


def text(kind: int, line: str) -> bytes:
    """Return a message that holds one line, shortened to what is allowed."""
    return document(kind, line.encode(errors="replace").decode()[:_LONGEST_TEXT])


def step(told: Step) -> tuple[bytes, list[Array]]:
    """Return a message that tells what became of frames, and the arrays to send after it."""
    if isinstance(told, Left):
        return document(LEFT, [told.omission.reason, told.omission.detail, told.count]), []
    time = told.timestamp
    if isinstance(told, Unmoved):
        return HEADER.pack(UNMOVED, _TIME.size) + _TIME.pack(time.pts, *time.time_base), []
    height, width = told.pixels.shape[:2]
    arrays: list[Array] = [np.ascontiguousarray(told.pixels)]
    seen = _NO_LOOK
    if told.look is not None:
        seen = _NO_CLOCK if told.look.clock is None else _CLOCK
        arrays += [told.look.cells, *(() if told.look.clock is None else (told.look.clock,))]
    body = _FRAME.pack(time.pts, *time.time_base, width, height, told.keyframe, seen)
    return HEADER.pack(TAKEN, _FRAME.size) + body, arrays


def packet(told: SoundPacket) -> bytes:
    """Return a message that holds a packet of sound."""
    pts, dts = (_UNKNOWN if ticks is None else ticks for ticks in (told.pts, told.dts))
    body = _SOUND.pack(told.index, pts, dts, told.duration, *told.time_base, told.keyframe) + told.data
    return HEADER.pack(SOUND, len(body)) + body


# --- receiving --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    """A message as it came: its kind, one of those that are known, and its body, not longer than that kind's may be."""

    kind: int
    body: bytes


def receive(read: Callable[[int], bytes]) -> Message:
    """Receive a message; `read` returns exactly as many bytes as it is asked for.

    Raises:
        MalformedError: an unknown kind, or too long for its kind.
    """
    kind, length = HEADER.unpack(read(HEADER.size))
    if length > _LARGEST.get(kind, -1):
        raise MalformedError(f"a message of kind {kind} and {length} bytes")
    return Message(kind, read(length) if length else b"")


def plain(body: bytes) -> Any:
    """Return the JSON data of a message.

    Raises:
        MalformedError: not JSON, nested too deeply, not text, or a number that no record can hold.
    """
    try:
        value = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedError("a message that is no JSON") from None
    _require_plain(value, _DEEPEST)
    return value


def line(body: bytes) -> str:
    """Return the line that a message holds.

    Raises:
        MalformedError: it is none.
    """
    value = plain(body)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or len(value.splitlines()) != 1:
        raise MalformedError("a message that is no line")
    return value


def left(body: bytes) -> Left:
    """Return which frames were left out, and why.

    Raises:
        MalformedError: a reason that is not known, or no count.
    """
    value = plain(body)
    if not isinstance(value, list) or [type(each) for each in value] != [str, str, int]:
        raise MalformedError("an omission of another form")
    reason, detail, count = value
    if reason not in _OUTCOMES or len(detail) > _LONGEST_TEXT or count < 1:
        raise MalformedError("an omission that cannot be")
    return Left(Omission(reason, _OUTCOMES[reason], detail), count)


@dataclass(frozen=True)
class Head:
    """A frame's time and size in pixels; `clock`: cells of a clock are told after those of the picture."""

    timestamp: Timestamp
    width: int
    height: int
    keyframe: bool
    clock: bool

    def taken(self, read_into: Callable[[memoryview], None], motion: Motion | None) -> Taken:
        """Return the frame; `read_into` fills a view with what follows the message.

        Raises:
            MalformedError: cells that no picture has.
        """
        pixels: RGB = np.empty((self.height, self.width, 3), np.uint8)
        read_into(pixels.data.cast("B"))
        look = None if motion is None else self._look(read_into, grid((self.width, self.height), cell_side(motion)))
        return Taken(self.timestamp, pixels, self.keyframe, look)

    def _look(self, read_into: Callable[[memoryview], None], shape: tuple[int, int]) -> Look:
        cells = np.empty(shape, np.int16)
        read_into(cells.data.cast("B"))
        if cells.min() < DARKEST or cells.max() > BRIGHTEST:
            raise MalformedError("grey levels that no picture has")
        if not self.clock:
            return Look(True, cells, None)
        marks = np.empty(shape, np.uint8)
        read_into(marks.data.cast("B"))
        return Look(True, cells, marks != 0)


def head(body: bytes, before: Timestamp | None, *, gated: bool) -> Head:
    """Return what is said of a frame.

    Args:
        body: of the message.
        before: the time of the frame before it.
        gated: a motion gate looks at every frame.

    Raises:
        MalformedError: a size beyond `MAX_PIXELS`, a time that is none or not later than the one before, or a look of
            a gate that is none.
    """
    if len(body) != _FRAME.size:
        raise MalformedError("a frame of another form")
    pts, numerator, denominator, width, height, keyframe, seen = _FRAME.unpack(body)
    if not (0 < width * height <= MAX_PIXELS) or keyframe > 1 or seen > _CLOCK:
        raise MalformedError(f"a frame of {width}x{height} pixels")
    if gated != (seen != _NO_LOOK):
        raise MalformedError("a look of a motion gate, or none, where it is the other way round")
    timestamp = _later(pts, (numerator, denominator), before)
    return Head(timestamp, width, height, bool(keyframe), seen == _CLOCK)


def unmoved(body: bytes, before: Timestamp | None, shown: Timestamp | None, motion: Motion) -> Unmoved:
    """Return the time of a frame in which nothing moved.

    Args:
        body: of the message.
        before: the time of the frame before it.
        shown: the time of the last frame that had pixels.
        motion: the gate's settings.

    Raises:
        MalformedError: a time that is none or not later than the one before, or at which a gate lets a frame through
            whether something moved or not.
    """
    if len(body) != _TIME.size:
        raise MalformedError("a time of another form")
    pts, *time_base = _TIME.unpack(body)
    timestamp = _later(pts, (time_base[0], time_base[1]), before)
    if shown is None or late(timestamp.seconds, shown.seconds, motion.refresh_s):
        raise MalformedError("nothing moved for longer than a gate is shut")
    return Unmoved(timestamp)


def _later(pts: int, time_base: tuple[int, int], before: Timestamp | None) -> Timestamp:
    if not all(time_base):
        raise MalformedError(f"ticks of {time_base[0]}/{time_base[1]} s")
    timestamp = Timestamp(pts=max(-LARGEST_INTEGER, pts), time_base=time_base)
    if before is not None and (timestamp.time_base != before.time_base or timestamp.pts <= before.pts):
        raise MalformedError("a frame that is not later than the one before it")
    return timestamp


def sound(body: bytes, tracks: Collection[int]) -> SoundPacket:
    """Return the packet that a message holds.

    Args:
        body: of the message.
        tracks: the streams that were asked for.

    Raises:
        MalformedError: of another stream, empty, or at a time that cannot be.
    """
    if len(body) <= _SOUND.size:
        raise MalformedError("a packet of another form")
    index, pts, dts, duration, numerator, denominator, keyframe = _SOUND.unpack_from(body)
    known = [ticks for ticks in (pts, dts) if ticks != _UNKNOWN]
    timely = all(abs(ticks) <= _LARGEST_TICKS for ticks in known) and 0 <= duration <= _LARGEST_TICKS
    if index not in tracks or not timely or keyframe > 1 or not min(numerator, denominator) > 0:
        raise MalformedError(f"a packet of stream {index} at {pts} and {dts} in ticks of {numerator}/{denominator} s")
    if max(numerator, denominator) >= 1 << 31:
        raise MalformedError(f"ticks of {numerator}/{denominator} s")
    pts, dts = (None if ticks == _UNKNOWN else ticks for ticks in (pts, dts))
    return SoundPacket(index, pts, dts, duration, (numerator, denominator), bool(keyframe), body[_SOUND.size :])


def _no_number(constant: str) -> Any:
    raise ValueError(constant)


def _require_plain(value: Any, depth: int) -> None:
    if depth == 0:
        raise MalformedError("a message that is nested too deeply")
    if isinstance(value, str):
        if not is_text(value):
            raise MalformedError("a message that is no text")
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise MalformedError("a number beyond 64 bits")
    elif isinstance(value, (list, dict)):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            _require_plain(each, depth - 1)
