"""From packets to pictures: which packet became which picture, which did not, and why. Owns the account of packets.

Decoding runs on one thread on purpose: FFmpeg reports damage that it conceals (invented pixels) only in its log, and
only with one thread does a message belong to the packet being decoded. Never seeks, never guesses a time.
"""

from __future__ import annotations

import logging
import re
import threading
from bisect import insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import av
import av.logging

from facerecon.video.sources import NOT_SAMPLED, Omission

LogLine = tuple[int, str, str]

# The decoder's reorder buffer never holds more packets than this (16 frames of two fields in H.264).
NO_PROTOCOL = {"protocol_whitelist": "none"}
"""Options for FFmpeg: it reads the file that it is given, and opens nothing that is named in it."""
_LONGEST_DELAY = 64
_HARMLESS = re.compile(
    r"\bSEI\b|APP fields|mmco: unref|number of reference frames|co located POCs|deprecated pixel "
    r"|Increasing reorder|max_analyze|EOI missing",
    re.IGNORECASE,
)
_NO_PICTURE = Omission("undecodable", "failed", "the decoder returned no picture and reported no error")
_CONCEALED = re.compile(r"conceal", re.IGNORECASE)


class _Listeners:
    """How many readers listen to FFmpeg's log, which is one per process."""

    lock = threading.Lock()
    count = 0
    level_before: int | None = None


@contextmanager
def listening() -> Iterator[None]:
    """Let `av.logging.Capture` see FFmpeg's log line by line down to INFO, and keep it off the terminal.

    Error concealment is reported at INFO and nowhere else. Nested and parallel use is fine; the level goes back after
    the last one, because a log callback and a codec with threads of its own can lock each other out.
    """
    with _Listeners.lock:
        if _Listeners.count == 0:
            _Listeners.level_before = av.logging.get_level()
            _listen()
        _Listeners.count += 1
    try:
        yield
    finally:
        with _Listeners.lock:
            _Listeners.count -= 1
            if _Listeners.count == 0:
                av.logging.set_level(_Listeners.level_before)


def _listen() -> None:
    logger = logging.getLogger("libav")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.INFO)


def damage_in(log: list[LogLine]) -> str:
    """Return the first message that means wrong pixels ('' when there is none).

    Every error counts as damage unless it is known to leave the picture alone; so does any mention of concealment.
    """
    for level, _, text in log:
        if (level <= av.logging.ERROR and not _HARMLESS.search(text)) or _CONCEALED.search(text):
            return " ".join(text.split())
    return ""


@dataclass
class Ticket:
    """One packet on its way through the decoder. `pts` orders it for presentation (None: decode order does)."""

    seq: int
    epoch: int
    pts: int | None
    keyframe: bool
    shown: bool = True
    settled: bool = False
    lost: bool = False
    omission: Omission | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key: presentation order as far as it is known."""
        return (self.epoch, self.seq if self.pts is None else self.pts, self.seq)

    def precedes(self, other: Ticket, delay: int) -> bool:
        """Say whether this packet's picture had to come out before the other's."""
        if self.epoch != other.epoch:
            return self.epoch < other.epoch
        if self.pts is None or other.pts is None:
            return self.seq < other.seq - delay
        return self.pts < other.pts


@dataclass
class Picture:
    """What became of one packet: a decoded picture (`image`), the reason not to use one (`omission`), or both.

    `dts` is the decoding time, in ticks, that has the same rank as this picture has in presentation order.
    """

    image: Any
    keyframe: bool
    omission: Omission | None
    dts: int | None


class Decoder:
    """Decodes every packet and accounts for each of them, in presentation order, in bounded memory.

    A packet without a picture is reported before the first picture that follows it in presentation order. A picture
    counts as damaged ("corrupt") when its packet or the decoder says so, or when FFmpeg's log shows an error or
    concealment for it; those predicted from it, up to the next key frame, are "reference-damaged". Both are failed and
    not analysed: what concealment paints is not what the camera saw.
    """

    def __init__(self, codec: Any, use_pts: bool) -> None:
        """Take a PyAV codec context with `copy_opaque`; `use_pts=False` orders by the decoder's output alone."""
        self._codec, self._use_pts = codec, use_pts
        self._intra_only = bool(codec.codec.intra_only)
        self._pending: dict[int, Ticket] = {}
        self._dts: deque[int | None] = deque()
        self._settled: deque[int] = deque(maxlen=2 * _LONGEST_DELAY)
        self._seq = self._epoch = 0
        self._last_dts: int | None = None
        self._damage = self._old_damage = ""
        self._leading: int | None = None
        self._interlaced = False

    @property
    def packets(self) -> int:
        """How many packets were taken so far."""
        return self._seq

    def decode(self, packet: Any) -> Iterator[Picture]:
        """Decode one packet; yield what is now settled."""
        ticket = self._take(packet)
        self._pending[ticket.seq] = ticket
        if packet.size:
            for image in self._run(packet, ticket):
                yield from self._settle(image)
        yield from self._lose([each for each in self._pending.values() if each.seq <= self._seq - _LONGEST_DELAY])

    def flush(self) -> Iterator[Picture]:
        """Yield what the decoder still holds, then every packet that never became a picture."""
        for image in self._run(None, None):
            yield from self._settle(image)
        yield from self._lose(list(self._pending.values()))

    def _take(self, packet: Any) -> Ticket:
        if packet.dts is not None:
            self._epoch += self._last_dts is not None and packet.dts < self._last_dts
            self._last_dts = packet.dts
        ticket = Ticket(self._seq, self._epoch, packet.pts if self._use_pts else None, bool(packet.is_keyframe))
        self._seq += 1
        self._dts.append(packet.dts)
        self._inherit_damage(ticket)
        self._judge(ticket, packet)
        return ticket

    def _judge(self, ticket: Ticket, packet: Any) -> None:
        if packet.size == 0:
            # An AVI recorder writes an empty packet for "no new picture"; the decoder would take it for the end.
            ticket.omission = Omission("repeats-previous", "skipped", "empty packet")
        elif packet.is_discard:
            ticket.omission = Omission("outside-edit-list", "skipped", "the container hides this frame from players")
        elif self._codec.name == "vp8":
            ticket.shown = bool(bytes(packet)[0] & 0x10)

    def _inherit_damage(self, ticket: Ticket) -> None:
        if ticket.keyframe or self._intra_only:
            # Frames that are decoded after this key frame but shown before it still lean on the damaged ones.
            self._leading = ticket.pts if self._damage else None
            self._old_damage, self._damage = self._damage, ""
            return
        leads = ticket.pts is not None and self._leading is not None and ticket.pts < self._leading
        if self._damage or leads:
            cause = f"predicted from a damaged picture: {self._damage or self._old_damage}"
            ticket.omission = Omission("reference-damaged", "failed", cause)

    def _spoil(self, ticket: Ticket, reason: str, detail: str) -> None:
        if ticket.omission is None or ticket.omission.reason == "reference-damaged":
            ticket.omission = Omission(reason, "failed", detail)
        self._damage = self._damage or detail

    def _run(self, packet: Any, ticket: Ticket | None) -> list[Any]:
        """Send a packet (None: no more) to the decoder and return the images that come out, in presentation order."""
        suspects = [ticket] if ticket else list(self._pending.values())
        images: list[Any] = []
        if packet is not None:
            packet.opaque = ticket
            self._spoil_if(packet.is_corrupt, suspects, "corrupt", "the container flags this packet as corrupt")
        with av.logging.Capture() as log:
            try:
                images = self._codec.decode(packet)
            except av.error.EOFError:
                pass
            except av.error.FFmpegError as error:
                self._spoil_if(True, suspects, "undecodable", damage_in(log) or str(error.strerror))
        message = damage_in(log)
        self._spoil_if(bool(message), suspects, "corrupt", message)
        return images

    def _spoil_if(self, damaged: bool, suspects: list[Ticket], reason: str, detail: str) -> None:
        for suspect in suspects if damaged else ():
            self._spoil(suspect, reason, detail)

    def _settle(self, image: Any) -> Iterator[Picture]:
        ticket = image.opaque
        if ticket is None or ticket.settled:
            ticket = Ticket(self._seq, self._epoch, image.pts, bool(image.key_frame))
        self._pending.pop(ticket.seq, None)
        if ticket.lost:
            return
        ticket.settled = True
        self._spoil_if(image.is_corrupt, [ticket], "corrupt", "the decoder flags this picture as corrupt")
        delay = _LONGEST_DELAY // 2 if self._codec.has_b_frames else 0
        yield from self._lose([pending for pending in self._pending.values() if pending.precedes(ticket, delay)])
        self._interlaced = bool(image.interlaced_frame)
        self._settled.append(ticket.seq)
        yield Picture(image, bool(image.key_frame), ticket.omission, self._next_dts())

    def _lose(self, tickets: list[Ticket]) -> Iterator[Picture]:
        for ticket in sorted(tickets, key=lambda each: each.order):
            ticket.lost = True
            del self._pending[ticket.seq]
            dts = self._next_dts()
            if ticket.omission is not None or not self._belongs_to_another(ticket):
                yield Picture(None, ticket.keyframe, ticket.omission or _NO_PICTURE, dts)

    def _belongs_to_another(self, ticket: Ticket) -> bool:
        """Say whether the packet is a hidden reference frame or the second field of an interlaced picture."""
        return not ticket.shown or (self._interlaced and ticket.seq - 1 in self._settled)

    def _next_dts(self) -> int | None:
        return self._dts.popleft() if self._dts else None


class KeyframeDecoder(Decoder):
    """Decodes key frames alone, each by itself; every other packet is counted as not sampled, without decoding it.

    Results wait in a short queue, because frames that are shown before a key frame can follow it in the file.
    """

    def __init__(self, codec: Any, use_pts: bool) -> None:
        """Take a PyAV codec context; `use_pts=False` keeps the order of the packets."""
        super().__init__(codec, use_pts)
        codec.skip_frame = "NONKEY"
        self._wait = 0 if self._intra_only else _LONGEST_DELAY // 2
        self._queue: list[tuple[tuple[int, int, int], Picture]] = []

    def decode(self, packet: Any) -> Iterator[Picture]:
        """Decode one packet if it is a key frame; yield what is now settled."""
        ticket = self._take(packet)
        image = self._decode_alone(packet, ticket) if ticket.keyframe and packet.size else None
        if ticket.shown or ticket.omission:
            omission = ticket.omission or (None if image else _NO_PICTURE if ticket.keyframe else NOT_SAMPLED)
            insort(self._queue, (ticket.order, Picture(image, ticket.keyframe, omission, None)), key=itemgetter(0))
        while len(self._queue) > self._wait:
            yield self._timed(self._queue.pop(0)[1])

    def flush(self) -> Iterator[Picture]:
        """Yield what still waits."""
        yield from (self._timed(picture) for _, picture in self._queue)
        self._queue = []

    def _timed(self, picture: Picture) -> Picture:
        return replace(picture, dts=self._next_dts())

    def _decode_alone(self, packet: Any, ticket: Ticket) -> Any:
        images = [*self._run(packet, ticket), *self._run(None, ticket)]
        self._codec.flush_buffers()
        self._spoil_if(
            any(image.is_corrupt for image in images), [ticket], "corrupt", "the decoder flags this picture as corrupt"
        )
        return images[0] if images else None
