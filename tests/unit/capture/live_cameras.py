"""A camera for tests: an RTSP server (RFC 2326) with one H.264 track over RTP (RFC 6184), interleaved in its TCP."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
from pytest_socket import disable_socket, enable_socket

from tests.unit.capture.live_streams import Pause, Stall, piece

_LARGEST_PAYLOAD = 1200
Step = bytes | Pause | Stall


def units(data: bytes) -> list[bytes]:
    """Return the NAL units of a byte stream (H.264, annex B)."""
    return [each.rstrip(b"\x00") for each in re.split(b"\x00\x00\x01", data)[1:] if each.strip(b"\x00")]


def pictures(clip: Path, start: int, stop: int) -> list[tuple[int, bytes]]:
    """Return (time in ticks of 90 kHz, bytes) of the coded pictures [start, stop) of a clip."""
    with av.open(io.BytesIO(piece(clip, start, stop))) as container:
        return [(each.pts, bytes(each)) for each in container.demux(video=0) if each.size]


class Camera(socketserver.ThreadingTCPServer):
    """Plays one script per PLAY, in turn, and then hangs up."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, clip: Path, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.scripts: list[Sequence[list[tuple[int, bytes]] | Pause | Stall]] = []
        self.login, self.played, self.requests = login, 0, list[str]()
        self.over = threading.Event()
        first = units(pictures(clip, 0, 1)[0][1])
        self.sets = [each for each in first if each[0] & 31 in (7, 8)]

    def url(self, credentials: str = "") -> str:
        return f"rtsp://{credentials}127.0.0.1:{self.server_address[1]}/live"

    def description(self) -> bytes:
        sets = ",".join(base64.b64encode(each).decode() for each in self.sets)
        lines = ("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
                 "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000",
                 f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}", "a=control:trackID=1")  # fmt: skip
        return "".join(f"{line}\r\n" for line in lines).encode()


class _Talk(socketserver.StreamRequestHandler):
    server: Camera

    def handle(self) -> None:
        self.sequence = 0
        with contextlib.suppress(OSError):
            while request := self._request():
                if self._answer(*request):
                    return

    def _request(self) -> tuple[str, str, dict[str, str]] | None:
        line = self.rfile.readline().decode().split()
        if len(line) < 2:
            return None
        self.server.requests.append(line[0])
        headers = {}
        while text := self.rfile.readline().decode().strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        return line[0], line[1], headers

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> bool:
        asked = base64.b64encode(self.server.login.encode()).decode()
        if self.server.login and method != "OPTIONS" and headers.get("authorization") != f"Basic {asked}":
            self._say(headers, {"WWW-Authenticate": 'Basic realm="camera"'}, status="401 Unauthorized")
        elif method == "DESCRIBE":
            self._say(
                headers, {"Content-Type": "application/sdp", "Content-Base": f"{url}/"}, self.server.description()
            )
        elif method == "SETUP":
            self._say(headers, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": "1"})
        elif method == "PLAY":
            self._say(headers, {"Session": "1", "Range": "npt=now-"})
            self._play()
            return True
        else:
            self._say(headers, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"})
        return method == "TEARDOWN"

    def _say(self, asked: dict[str, str], headers: dict[str, str], body: bytes = b"", status: str = "200 OK") -> None:
        lines = {"CSeq": asked.get("cseq", "0"), **headers, "Content-Length": str(len(body))}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.wfile.write(f"RTSP/1.0 {status}\r\n{text}\r\n".encode() + body)

    def _play(self) -> None:
        number, self.server.played = self.server.played, self.server.played + 1
        for step in self.server.scripts[number] if number < len(self.server.scripts) else ():
            if isinstance(step, Pause):
                self.server.over.wait(step.seconds)
            elif isinstance(step, Stall):
                self.server.over.wait()
            else:
                for ticks, data in step:
                    self._picture(ticks, units(data))

    def _picture(self, ticks: int, parts: list[bytes]) -> None:
        payloads = [payload for part in parts for payload in _payloads(part)]
        for number, payload in enumerate(payloads, start=1):
            marker = 0x80 if number == len(payloads) else 0
            packet = struct.pack(">BBHII", 0x80, marker | 96, self.sequence & 0xFFFF, ticks & 0xFFFFFFFF, 7) + payload
            self.sequence += 1
            self.wfile.write(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)


def _payloads(unit: bytes) -> Iterator[bytes]:
    if len(unit) <= _LARGEST_PAYLOAD:
        yield unit
        return
    indicator, kind, rest = unit[0] & 0xE0 | 28, unit[0] & 31, unit[1:]
    parts = [rest[at : at + _LARGEST_PAYLOAD] for at in range(0, len(rest), _LARGEST_PAYLOAD)]
    for number, part in enumerate(parts):
        edge = (0x80 if number == 0 else 0) | (0x40 if number == len(parts) - 1 else 0)
        yield bytes([indicator, edge | kind]) + part


@contextlib.contextmanager
def camera(clip: Path, login: str = "") -> Iterator[Camera]:
    """Allow sockets, and be a camera for a while."""
    enable_socket()
    server: Any = Camera(clip, login)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
        disable_socket(allow_unix_socket=True)
