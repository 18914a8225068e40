"""A live stream for tests: an HTTP server on the loopback interface that plays scripted pieces of a synthetic clip."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
from pytest_socket import disable_socket, enable_socket

GOP = 10
RATE = 25
Packets = list[tuple[int, str, bool]]
"""Of each packet: its presentation time (ticks), the SHA-256 of its bytes, whether it is a keyframe."""


def piece(clip: Path, start: int, stop: int, shift_s: Fraction | int = 0) -> bytes:
    """Return pictures [start, stop) of a clip as MPEG-TS, with the clip's own times moved by `shift_s`, + 1 s."""
    target = io.BytesIO()
    with av.open(str(clip)) as source, av.open(target, "w", format="mpegts", options={"mpegts_copyts": "1"}) as out:
        kept = [*source.streams.video, *source.streams.audio]
        streams = {each.index: out.add_stream_from_template(each, opaque=True) for each in kept}
        begin_s, end_s = Fraction(start, RATE), Fraction(stop, RATE)
        number = 0
        for packet in source.demux(kept):
            if not packet.size:
                continue
            if packet.stream.type == "video":
                number += 1
                wanted = start < number <= stop
            else:
                wanted = begin_s <= packet.pts * packet.time_base < end_s
            if wanted:
                shift = int((shift_s + 1) / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                out.mux_one(packet)
    return target.getvalue()


def packets_of(source: Any, kind: str = "video") -> Packets:
    """Return the packets of the first stream of a kind in a file, or in bytes."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with av.open(opened) as container:
        stream = getattr(container.streams, kind)[0]
        base = Fraction(1, 90000)
        return [
            (int(each.pts * each.time_base / base), hashlib.sha256(bytes(each)).hexdigest(), each.is_keyframe)
            for each in container.demux(stream)
            if each.size
        ]


@dataclass
class Stall:
    """Send nothing more until the server stops."""


@dataclass
class Pause:
    """Send nothing for a while."""

    seconds: float


@dataclass
class Reset:
    """Break the connection off, without a farewell."""


@dataclass
class Answer:
    """Answer with another status."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


Step = bytes | Stall | Pause | Reset | Answer


class Live:
    """Plays one script per connection, in turn; after the last it refuses (503)."""

    def __init__(self, content_type: str = "video/mp2t") -> None:
        self.scripts: list[Sequence[Step]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.played = 0
        self.content_type = content_type
        self.over = threading.Event()
        self._lock = threading.Lock()
        live = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                live.handle(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def url(self, path: str = "/live.ts", credentials: str = "") -> str:
        return f"http://{credentials}127.0.0.1:{self.port}{path}"

    @property
    def exhausted(self) -> bool:
        return self.played >= len(self.scripts)

    def handle(self, handler: Any) -> None:
        with self._lock:
            number = len(self.requests)
            self.requests.append((handler.path, dict(handler.headers)))
        script = self.scripts[number] if number < len(self.scripts) else [Answer(503)]
        with contextlib.suppress(OSError):
            self._play(handler, script)
        handler.close_connection = True
        with self._lock:
            self.played += number < len(self.scripts)

    def _play(self, handler: Any, script: Sequence[Step]) -> None:
        answer = script[0] if script and isinstance(script[0], Answer) else Answer(200)
        handler.send_response(answer.status)
        for name, value in ({"Content-Type": self.content_type} | answer.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        for step in script:
            if isinstance(step, bytes):
                handler.wfile.write(step)
            elif isinstance(step, Pause):
                self.over.wait(step.seconds)
            elif isinstance(step, Stall):
                self.over.wait()
            elif isinstance(step, Reset):
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                handler.connection.close()
                return

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextlib.contextmanager
def live_server(content_type: str = "video/mp2t") -> Iterator[Live]:
    """Allow sockets, and serve on the loopback interface for a while."""
    enable_socket()
    server = Live(content_type)
    try:
        yield server
    finally:
        server.close()
        disable_socket(allow_unix_socket=True)


def waited(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something is so, and say whether it came to it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
