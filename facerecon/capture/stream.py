"""The connection to a stream: every option that FFmpeg gets, one thread that reads, and why it ended. Never writes.

This is the only module of the tool that opens a socket to where a stream is. FFmpeg may use the protocols of the
address's own scheme and nothing else, and only formats that carry pictures themselves: no playlist, so nothing that is
received can lead to another address or to a file. Its log is never shown, since it may hold the address.

Reading has a thread of its own: FFmpeg waits where Ctrl-C does not reach, and a slow disk must not lose packets.
"""

from __future__ import annotations

import contextlib
import errno
import queue
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import av

from facerecon import __version__
from facerecon.capture.address import Address
from facerecon.capture.beginning import Arrived, Beginning
from facerecon.capture.clock import Clock, Moment
from facerecon.capture.records import Reason, StreamFacts
from facerecon.errors import UsageError
from facerecon.hashing import sha256_bytes
from facerecon.interruption import undivided
from facerecon.leaving import left_waiting

Transport = Literal["tcp", "udp"]
FORMATS = "rtsp,mpegts,mpjpeg,flv,matroska,webm,mov,mp4,mpeg,ogg,nut"
"""Demultiplexers that may read what comes. No playlists (hls, dash, concat), and none that reads other files."""
_PROTOCOLS: dict[tuple[str, Transport], str] = {
    ("http", "tcp"): "http,tcp",
    ("https", "tcp"): "https,tls,tcp",
    ("rtsp", "tcp"): "rtsp,tcp",
    ("rtsp", "udp"): "rtsp,tcp,rtp,udp",
    ("rtsps", "tcp"): "rtsps,tls,tcp",
    ("rtsps", "udp"): "rtsps,tls,tcp,srtp,rtp,udp",
}
_PROBE_BYTES, _PROBE_US = 5_000_000, 5_000_000
_QUEUED_PACKETS = 2048
_BROKEN_IN_A_ROW = 16
_TICK_S, _FAREWELL_S = 0.2, 2.0
_ARRIVAL_BASE = Fraction(1, 1_000_000)
_CLOCKLESS = frozenset({"mpjpeg"})
# Errors that another try cannot mend: what is there is not what was asked for, or we may not have it.
_LASTING = (
    av.error.HTTPBadRequestError,
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
    av.error.InvalidDataError,
    av.error.ProtocolNotFoundError,
    av.error.DemuxerNotFoundError,
    av.error.PermissionError,
)


@dataclass(frozen=True)
class Opening:
    """How a stream is opened.

    Attributes:
        timeout_s: how long to wait for an answer, and for the next packet.
        transport: what RTSP brings the packets by.
        verify_tls: whether a certificate must be valid.
        ca_file: certificates that are trusted; None for the system's.
    """

    timeout_s: float = 10.0
    transport: Transport = "tcp"
    verify_tls: bool = True
    ca_file: Path | None = None

    def options(self, address: Address) -> dict[str, str]:
        """Return every option for FFmpeg.

        Raises:
            UsageError: certificates are to be checked, and this machine has none to check them by.
        """
        wait_us = str(round(self.timeout_s * 1_000_000))
        options = {
            "protocol_whitelist": _PROTOCOLS[address.scheme, self.transport if "rtsp" in address.scheme else "tcp"],
            "format_whitelist": FORMATS,
            "probesize": str(_PROBE_BYTES),
            "analyzeduration": str(_PROBE_US),
            "user_agent": f"facerecon/{__version__}",
            "rw_timeout": wait_us,
        }
        options |= self._rtsp(wait_us) if "rtsp" in address.scheme else _http()
        return options | (self._tls() if address.scheme.endswith("s") else {})

    def _rtsp(self, wait_us: str) -> dict[str, str]:
        return {
            "rtsp_transport": self.transport,
            "timeout": wait_us,
            "allowed_media_types": "video+audio",
            "initial_pause": "0",
        }

    def _tls(self) -> dict[str, str]:
        if not self.verify_tls:
            return {"tls_verify": "0"}
        paths = ssl.get_default_verify_paths()
        trusted = self.ca_file or paths.cafile or paths.openssl_cafile
        if not Path(trusted).is_file():
            what = f"--ca-file {self.ca_file} is no file" if self.ca_file else "this machine trusts no certificates"
            raise UsageError(f"{what}; name a file of certificates (PEM) with --ca-file")
        return {"tls_verify": "1", "ca_file": str(trusted)}


def _http() -> dict[str, str]:
    # A lost connection is ours to record, a redirection would lead to an address that nobody typed.
    never = ("reconnect", "reconnect_at_eof", "reconnect_streamed", "reconnect_on_network_error")
    return dict.fromkeys((*never, "multiple_requests", "seekable", "icy", "max_redirects"), "0") | {"http_proxy": ""}


@dataclass(frozen=True)
class Connected:
    """A connection stands; `sources` are FFmpeg's streams that are kept, the video first."""

    facts: tuple[StreamFacts, ...]
    sources: tuple[Any, ...]
    format: str
    times: Literal["stream", "arrival"]


@dataclass(frozen=True)
class Lost:
    """The connection ended. `lasting`: another try would end the same."""

    reason: Reason
    detail: str
    moment: Moment
    lasting: bool = False


Event = Connected | Arrived | Lost


class Reader:
    """One connection, read by a thread; `next` hands over what came, in order. `Lost` is always the last."""

    def __init__(self, address: Address, opening: Opening, clock: Clock) -> None:
        """Prepare; entering the block connects."""
        self._address, self._clock = address, clock
        self._options, self._timeout_s = opening.options(address), opening.timeout_s
        self._events: queue.Queue[Event] = queue.Queue(_QUEUED_PACKETS)
        self._stop = threading.Event()
        self._container: Any = None
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)

    def __enter__(self) -> Self:
        """Begin to connect."""
        try:
            with undivided():
                # Ctrl-C while it starts would leave it running, and nobody to stop it.
                self._thread.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection. A thread that still waits for the sender closes it by itself within the timeout."""
        self._leave()

    def _leave(self) -> None:
        self._stop.set()
        if self._thread.ident is None:
            return
        self._thread.join(_FAREWELL_S)
        if self._thread.is_alive():
            left_waiting(self._thread)
        else:
            self._close()

    def next(self, timeout_s: float) -> Event | None:
        """Return the next event, None when none comes in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            last = self._opened() or self._received()
        except Exception as error:  # a thread has nobody to tell, and the text could hold the address
            last = self._lost("connection-lost", f"the reader failed ({type(error).__name__})")
        self._put(last)
        # Otherwise whoever takes the packets still needs the streams, and closes it.
        if self._stop.is_set():
            self._close()

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()

    def _put(self, event: Event) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=_TICK_S)
                return

    def _lost(self, reason: Reason, detail: str, lasting: bool = False) -> Lost:
        return Lost(reason, detail, self._clock.now(), lasting)

    def _opened(self) -> Lost | None:
        known = "rtsp" if "rtsp" in self._address.scheme else None
        wait = (self._timeout_s, self._timeout_s)
        try:
            self._container = av.open(self._address.url, format=known, options=self._options, timeout=wait)
        except (av.error.ExitError, av.error.TimeoutError):
            return self._lost("stall", f"no answer within {self._timeout_s:g} s")
        except av.error.FFmpegError as error:
            trust = "; or its certificate is not trusted (--ca-file)" if self._address.scheme.endswith("s") else ""
            return self._lost("connection-lost", f"{_said(error)}{trust}", isinstance(error, _LASTING))
        except OSError as error:
            return self._lost("connection-lost", error.strerror or "cannot be opened")
        except ValueError:
            return self._lost("connection-lost", "cannot be opened", lasting=True)
        connected = _connected(self._container)
        if connected is None:
            return self._lost("connection-lost", "there is no video in it", lasting=True)
        self._put(connected)
        return None

    def _received(self) -> Lost:
        beginning = Beginning(self._container.streams.video[0].index)
        lost = self._demuxed(beginning)
        self._hand_on(beginning.rest())
        return lost

    def _hand_on(self, packets: list[Arrived]) -> None:
        for each in packets:
            self._put(each)

    def _demuxed(self, beginning: Beginning) -> Lost:
        broken = 0
        clockless = self._container.format.name in _CLOCKLESS
        while True:
            try:
                for packet in self._container.demux(_kept(self._container)):
                    broken = 0
                    if self._stop.is_set():
                        return self._lost("stream-ended", "")
                    if packet.size:
                        arrived = Arrived(packet, _stamped(packet, self._clock.now(), clockless))
                        self._hand_on(beginning.taken(arrived))
                return self._lost("stream-ended", "the sender ended it")
            except (av.error.ExitError, av.error.TimeoutError):
                return self._lost("stall", f"no packet within {self._timeout_s:g} s")
            except av.error.InvalidDataError as error:
                broken += 1
                if broken > _BROKEN_IN_A_ROW:
                    return self._lost("connection-lost", _said(error))
            except av.error.FFmpegError as error:
                return self._lost("connection-lost", _said(error))


def _said(error: Any) -> str:
    """Return what FFmpeg says of an error, without the address that stands beside it."""
    if error.errno == errno.EIO:
        # FFmpeg says so of every HTTP connection that ends before an end was announced.
        return "the connection was closed"
    return str(error.strerror or type(error).__name__)


def _stamped(packet: Any, moment: Moment, clockless: bool) -> Moment:
    if clockless:
        packet.time_base = _ARRIVAL_BASE
        packet.pts = packet.dts = moment.utc_ns // 1000
    return moment


def _kept(container: Any) -> list[Any]:
    """Return the first video and the first sound."""
    return [*container.streams.video[:1], *container.streams.audio[:1]]


def _connected(container: Any) -> Connected | None:
    if not container.streams.video or container.streams.video[0].codec_context is None:
        return None
    sources = tuple(each for each in _kept(container) if each.codec_context is not None)
    times: Literal["stream", "arrival"] = "arrival" if container.format.name in _CLOCKLESS else "stream"
    return Connected(tuple(map(facts_of, sources)), sources, container.format.name, times)


def facts_of(stream: Any) -> StreamFacts:
    """Return what the sender says of one of FFmpeg's streams."""
    codec, base = stream.codec_context, stream.time_base
    extradata = codec.extradata
    said: Mapping[str, Any] = (
        {"width_px": codec.width, "height_px": codec.height, "pixel_format": codec.pix_fmt or ""}
        if stream.type == "video"
        else {"sample_rate_hz": codec.sample_rate or 0, "channels": codec.channels or 0}
    )
    return StreamFacts(
        index=stream.index,
        kind=stream.type,
        codec=codec.name,
        time_base=(base.numerator, base.denominator),
        extradata_sha256=sha256_bytes(bytes(extradata)) if extradata else None,
        **said,
    )


def versions() -> Iterator[tuple[str, str]]:
    """Yield name and version of the libraries that take part."""
    yield "pyav", av.__version__
    for name, version in sorted(av.library_versions.items()):
        yield name, ".".join(map(str, version))
