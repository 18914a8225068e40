"""How far `facerecon batch --follow` is behind a stream: from a segment's last packet to its finished case.

    python benchmarks/following.py [--segments 24] [--segment-s 10] [--cameras 1] [--jobs N] [--profile fast] [--json]

A server on the loopback interface plays a synthetic clip of 640x360 at 25 frames per second, at its own speed, over
and over: one person walks in and stands before the camera for most of every ten seconds. `facerecon capture` writes
it into segments, and a batch follows. Both ends of a lag are readings of this machine's clock: what the capture's
ledger states for the last packet, and when the batch has told of the case. Without a gallery; report and PDF included.
Processor seconds are those of captures and batch with all their processes; on a busy machine only they can be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean, median
from typing import Any

import av
import numpy as np

from facerecon.capture import segments
from facerecon.demo import render_clip

WIDTH, HEIGHT, RATE = 640, 360, 25
LOOP_S = 10
COMMAND = [sys.executable, "-m", "facerecon.commands.main"]
X264 = {"crf": "23", "preset": "veryfast", "bf": "0", "g": str(2 * RATE)}
_SPARE_S = 4
"""The first segment begins with the first keyframe, and the last one must come to its end."""


@dataclass(frozen=True)
class Packet:
    """A compressed picture; `number` is its place in the loop."""

    data: bytes
    number: int
    key: bool


@dataclass(frozen=True)
class Case:
    """One segment's: times in s. `case_s` is what the batch states for the case alone; `waiting` counts whole segments
    without a finished case, this one included, when its last packet came.
    """

    camera: int
    number: int
    lag_s: float
    case_s: float
    waiting: int


# --- the camera -------------------------------------------------------------------------------------------------------


def loop(folder: Path) -> tuple[Path, list[Packet]]:
    """Encode ten seconds of the demo's scene as a camera would: every frame with noise of its own."""
    target = folder / "loop.mp4"
    rng = np.random.default_rng(1)
    with av.open(str(target), "w") as sink:
        stream = sink.add_stream("libx264", rate=RATE, options=X264)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, picture in enumerate(held(folder)):
            noisy = np.clip(picture + rng.normal(0, 1.0, picture.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode())
    with av.open(str(target)) as source:
        found = [(bytes(each), each.is_keyframe) for each in source.demux(video=0) if each.size]
    return target, [Packet(data, number, key) for number, (data, key) in enumerate(found)]


def held(folder: Path) -> Iterator[Any]:
    """Yield the demo's pictures at a steady rate: at each moment the latest one."""
    clip = render_clip(folder / "demo.mp4")
    times = [float(pts * clip.time_base) for pts in clip.pts]
    with av.open(str(clip.path)) as source:
        pictures = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    for number in range(LOOP_S * RATE):
        yield pictures[max(index for index, seconds in enumerate(times) if seconds <= number / RATE)]


def play(template: Path, packets: Sequence[Packet], sink: Any) -> None:
    """Send the loop again and again, each packet at its time, until nobody takes it."""
    with av.open(str(template)) as source, av.open(sink, "w", format="mpegts", options={"flush_packets": "1"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        begun, sent = time.monotonic(), 0
        while True:
            for each in packets:
                packet = av.Packet(each.data)
                packet.pts = packet.dts = sent
                packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, RATE), each.key, stream
                time.sleep(max(0.0, begun + sent / RATE - time.monotonic()))
                out.mux_one(packet)
                sent += 1


@contextlib.contextmanager
def camera(template: Path, packets: Sequence[Packet]) -> Iterator[str]:
    """Serve the stream on the loopback interface, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError, av.FFmpegError):
                play(template, packets, self.wfile)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live.ts"
    finally:
        server.shutdown()
        server.server_close()


# --- the run ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def started(arguments: Sequence[str], **kinds: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command of the tool; it never outlives the block."""
    process = subprocess.Popen([*COMMAND, *arguments], text=True, **kinds)
    try:
        with process:
            yield process
    except BaseException:
        process.terminate()
        raise


def follow(folder: Path, arguments: argparse.Namespace) -> list[Case]:
    """Capture and follow, and return every segment's case in the order in which they were finished."""
    duration_s = arguments.segments * arguments.segment_s + _SPARE_S
    evidence = folder / "evidence"
    evidence.mkdir()
    batch = ["batch", str(evidence), "--cases", str(folder / "cases"), "--profile", arguments.profile]
    batch += ["--follow", "--poll", "1s", "--json", "--quiet"]
    batch += ["--jobs", str(arguments.jobs)] if arguments.jobs else []
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(camera(*loop(folder)))
        for number in range(arguments.cameras):
            command = ["capture", address, "--output", str(evidence / f"cam{number + 1}"), "--quiet"]
            command += ["--duration", f"{duration_s}s", "--segment", f"{arguments.segment_s}s"]
            stack.enter_context(started(command, stdout=subprocess.DEVNULL))
        told = stack.enter_context(started(batch, stdout=subprocess.PIPE))
        assert told.stdout is not None
        heard = [(time.time(), json.loads(line)) for line in told.stdout]
    if told.returncode:
        raise SystemExit(f"the batch ended with exit {told.returncode}")
    return cases(evidence, heard, arguments)


def cases(evidence: Path, heard: Sequence[tuple[float, Mapping[str, Any]]], arguments: Any) -> list[Case]:
    """Pair what the captures state with what the batch has told; a rest shorter than half a segment is left out."""
    ended = {Path(told["source"]): (at_s, told["seconds"]) for at_s, told in heard if told["kind"] == "source"}
    stated = [
        (root, number, each, utc_s(each.last_packet_utc))
        for number, root in enumerate(sorted(evidence.iterdir()), 1)
        for each in segments(root)
    ]
    times = [(last_s, ended[root / each.path][0]) for root, _, each, last_s in stated]
    found = [
        (ended[root / each.path][0], Case(number, each.number, ended[root / each.path][0] - last_s,
         ended[root / each.path][1], sum(came <= last_s < done for came, done in times)))
        for root, number, each, last_s in stated
        if each.end_ms - each.begin_ms > 500 * arguments.segment_s
    ]  # fmt: skip
    return [case for _, case in sorted(found, key=lambda pair: pair[0])]


def utc_s(text: str) -> float:
    """Return a reading of the clock as seconds."""
    return datetime.fromisoformat(text).timestamp()


def processor_s() -> float:
    """Return what all ended children of this program have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judged(found: Sequence[Case], segment_s: float) -> dict[str, Any]:
    """Return the figures. `grows`: the last quarter's mean lag is more than half a segment above the second one's."""
    quarter = max(1, len(found) // 4)
    second, last = (fmean(each.lag_s for each in part) for part in (found[quarter : 2 * quarter], found[-quarter:]))
    lags = [each.lag_s for each in found]
    return {
        "segments": len(found),
        "first_s": round(lags[0], 2),
        "median_s": round(median(lags), 2),
        "max_s": round(max(lags), 2),
        "max_after_first_s": round(max(lags[1:]), 2),
        "case_median_s": round(median(each.case_s for each in found), 2),
        "waiting_max": max(each.waiting for each in found),
        "second_quarter_s": round(second, 2),
        "last_quarter_s": round(last, 2),
        "grows": last > second + segment_s / 2,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=int, default=24, help="of each camera; 4 or more")
    parser.add_argument("--segment-s", type=int, default=10)
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--jobs", type=int, help="workers of the batch; by default the batch's own choice")
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.segments < 4:
        parser.error("--segments: 4 or more, of which the quarters are compared")
    before, used = os.getloadavg()[0], processor_s()
    with tempfile.TemporaryDirectory() as scratch:
        found = follow(Path(scratch), arguments)
    share = (processor_s() - used) / (arguments.cameras * arguments.segments * arguments.segment_s)
    figures = judged(found, arguments.segment_s) | {
        "processor_s_per_footage_s": round(share, 3),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
    }
    if arguments.json:
        print(json.dumps({"figures": figures, "cases": [asdict(each) for each in found]}, indent=1))
        return
    for each in found:
        print(f"camera {each.camera} segment {each.number:3}: {each.lag_s:6.2f} s, case {each.case_s:5.2f} s, "
              f"{each.waiting} waiting")  # fmt: skip
    print(figures)


if __name__ == "__main__":
    main()
