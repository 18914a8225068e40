"""A batch must not grow: memory, open files, threads and child processes over hours of footage, looped and synthetic.

    python benchmarks/soak.py [--hours 10] [--long-hours 2] [--jobs 2] [--keep FOLDER] [--json]

A batch works through the clips, first the short ones, then the long ones, one for each worker. Everything is read from
/proc, of the batch and of all its descendants: a maximum is kept from one finished source to the next, and every two
seconds while nothing but the long ones is left. It fails when the last quarter's mean is more than a tenth and a small
constant above the second quarter's, in any figure. The first quarter is left out: it loads what is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import av
import cv2
import numpy as np

from facerecon.demo import render_clip

WIDTH, HEIGHT, RATE = 320, 180, 5
BLOCK_S = 300
"""Of every five minutes the demo's 84 frames (17 s at 5 per second) show somebody; the rest is still."""
ALLOWED = {"parent_mib": 16.0, "workers_mib": 48.0, "files": 4.0, "threads": 4.0, "processes": 1.0}
"""What the last quarter may be above the second one, beside a tenth."""
X264 = {"crf": "28", "preset": "veryfast", "bf": "0", "g": "50"}
_EVERY_S = 0.25
_STEP_S = 2.0


# --- footage ----------------------------------------------------------------------------------------------------------


def block(folder: Path) -> Path:
    """Encode five minutes: the demo's walk, then its last frame without anybody, with noise that comes and goes."""
    demo = render_clip(folder / "demo.mp4").path
    with av.open(str(demo)) as source:
        walked = [_small(frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]
    rng = np.random.default_rng(1)
    target = folder / "block.mp4"
    with av.open(str(target), "w") as sink:
        stream = sink.add_stream(
            "libx264", rate=RATE, options={"crf": "28", "preset": "veryfast", "bf": "0", "g": "50"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(BLOCK_S * RATE):
            picture = walked[number] if number < len(walked) else walked[0]
            noisy = np.clip(picture + rng.normal(0, 1.0, picture.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode())
    return target


def _small(picture: Any) -> Any:
    return cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def looped(piece: Path, target: Path, times: int) -> Path:
    """Write the packets of a block `times` times in a row; the title makes every file another one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(piece)) as source, av.open(str(target), "w") as sink:
        sink.metadata["title"] = target.stem
        stream = source.streams.video[0]
        copy = sink.add_stream_from_template(stream)
        base = stream.time_base or Fraction(1, RATE)
        length = round(BLOCK_S / base)
        packets = [
            (bytes(each), each.pts or 0, each.dts or 0, each.is_keyframe) for each in source.demux(stream) if each.size
        ]
        for turn in range(times):
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.time_base = pts + turn * length, dts + turn * length, base
                packet.is_keyframe, packet.stream = key, copy
                sink.mux(packet)
    return target


def archive(folder: Path, hours: float, long_hours: float, short_s: int, jobs: int) -> float:
    """Make the clips, in the order in which they are worked off, and return their hours of footage."""
    piece = block(folder)
    long_times = round(long_hours * 3600 / BLOCK_S)
    short_times = short_s // BLOCK_S
    count = max(8, round((hours - jobs * long_hours) * 3600 / short_s))
    for number in range(count):
        looped(piece, folder / "archive" / f"a{number:03d}.mp4", short_times)
    for number in range(jobs if long_times else 0):
        looped(piece, folder / "archive" / f"z{number:03d}.mp4", long_times)
    return (count * short_times + (jobs * long_times)) * BLOCK_S / 3600


# --- what /proc says --------------------------------------------------------------------------------------------------


@dataclass
class Peaks:
    """The largest figures since they were last taken."""

    figures: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def see(self, figures: Mapping[str, float]) -> None:
        """Keep the larger ones."""
        with self.lock:
            for name, value in figures.items():
                self.figures[name] = max(value, self.figures.get(name, 0.0))

    def take(self) -> dict[str, float]:
        """Return them, and begin anew."""
        with self.lock:
            taken, self.figures = self.figures, {}
        return taken


def sampled(root: int) -> dict[str, float]:
    """Return the figures of a process and of all its descendants."""
    every = [root, *descendants(root)]
    each = [found for pid in every if (found := _of(pid)) is not None]
    if not each:
        return {}
    mib, files, threads = zip(*each, strict=True)
    return {
        "parent_mib": mib[0],
        "workers_mib": sum(mib[1:]),
        "files": float(sum(files)),
        "threads": float(sum(threads)),
        "processes": float(len(each)),
    }


def _of(pid: int) -> tuple[float, int, int] | None:
    folder = Path("/proc") / str(pid)
    try:
        lines = (folder / "status").read_text().splitlines()
        files = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    values = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
    if "VmRSS" not in values:
        return None
    return int(values["VmRSS"][0]) / 1024, files, int(values["Threads"][0])


def descendants(root: int) -> Iterator[int]:
    """Yield the processes below a process, whoever of its threads started them."""
    for path in (Path("/proc") / str(root) / "task").glob("*/children"):
        try:
            children = [int(each) for each in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from descendants(child)


# --- the run ----------------------------------------------------------------------------------------------------------


def soak(folder: Path, jobs: int) -> dict[str, Any]:
    """Run the batch over the clips and return {units, within, wall_s, totals}: figures per source, and within one."""
    command = [sys.executable, "-m", "facerecon.commands.main", "batch", str(folder / "archive")]
    command += ["--cases", str(folder / "cases"), "--profile", "fast", "--jobs", str(jobs), "--json", "--quiet"]
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    since, within, long_only, over = Peaks(), Peaks(), threading.Event(), threading.Event()
    rows: list[dict[str, Any]] = []
    steps: list[dict[str, float]] = []

    def watch() -> None:
        last = time.monotonic()
        while not over.wait(_EVERY_S):
            figures = sampled(process.pid)
            since.see(figures)
            within.see(figures)
            if time.monotonic() - last >= _STEP_S:
                last, taken = time.monotonic(), within.take()
                if long_only.is_set() and taken:
                    steps.append(taken)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    totals = _heard(process, since, rows, long_only, folder)
    over.set()
    watcher.join()
    if process.wait():
        raise SystemExit(f"the batch ended with exit {process.returncode}")
    return {"units": rows, "within": steps, "wall_s": round(time.monotonic() - begun, 1), "totals": totals}


def _heard(
    process: subprocess.Popen[str], since: Peaks, rows: list[dict[str, Any]], long_only: threading.Event, folder: Path
) -> Mapping[str, Any]:
    short = len(list((folder / "archive").glob("a*")))
    totals: Mapping[str, Any] = {}
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["kind"] == "summary":
            totals = told["totals"]
            long_only.clear()
        elif Path(told["source"]).name.startswith("a"):
            rows.append(
                {"name": told["name"], "seconds": told["seconds"], "tracks": (told["counts"] or {}).get("tracks")}
            )
            # Two sources can end between two looks.
            since.see(sampled(process.pid))
            rows[-1] |= since.take()
            if len(rows) == short:
                long_only.set()
        else:
            # One long clip alone computes otherwise than two: compare only what is alike.
            long_only.clear()
    return totals


def judged(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return for every figure {second, last, allowed, flat}: the means of two quarters."""
    quarter = len(rows) // 4
    if not quarter:
        return {}
    parts = rows[quarter : 2 * quarter], rows[-quarter:]
    found = {}
    for name, constant in ALLOWED.items():
        second, last = (fmean(each[name] for each in part) for part in parts)
        allowed = 1.1 * second + constant
        found[name] = {
            "second": round(second, 1), "last": round(last, 1), "allowed": round(allowed, 1), "flat": last <= allowed
        }  # fmt: skip
    return found


def _shown(title: str, found: Mapping[str, Mapping[str, Any]], show: Callable[[str], None]) -> None:
    show(title)
    for name, each in found.items():
        word = "flat" if each["flat"] else "GROWS"
        show(f"  {name:12} second quarter {each['second']:9.1f}   last quarter {each['last']:9.1f}   {word}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=10.0, help="footage time in all")
    parser.add_argument("--long-hours", type=float, default=2.0, help="length of each long clip")
    parser.add_argument("--short-s", type=int, default=900, help="length of a short clip, in blocks of 300 s")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="work in this folder, and keep it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        hours = archive(folder, arguments.hours, arguments.long_hours, arguments.short_s, arguments.jobs)
        ran = soak(folder, arguments.jobs)
    found = {"sources": judged(ran["units"]), "within": judged(ran["within"])}
    if arguments.json:
        print(json.dumps({"hours": round(hours, 2), **ran, "judged": found}, indent=1))
    else:
        print(f"{hours:.2f} h of footage in {ran['wall_s'] / 60:.1f} min, {ran['totals']}")
        _shown(f"per source ({len(ran['units'])} sources)", found["sources"], print)
        _shown(f"within the long clips ({len(ran['within'])} samples of {_STEP_S:.0f} s)", found["within"], print)
    if not all(each["flat"] for part in found.values() for each in part.values()):
        raise SystemExit("something grows: see above")


if __name__ == "__main__":
    main()
