"""What it costs to decode in a process of its own: `extract.isolation` process against none, in one run.

    python benchmarks/isolation.py [--turns 3] [--seconds 60]

Each turn takes the same synthetic clips in both ways, one after the other, each time in a new program; the ratio is of
the medians, and start-up is part of them. "read" is opening and decoding alone, "extract" the stage with the profile
`standard`. Processor seconds are those of all processes together; on a busy machine only they can be compared.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from facerecon.demo import render_clip
from facerecon.profiles import Sample
from facerecon.records import Frame
from facerecon.video import open_source

RATE = 25
WAYS = ("none", "process")


def clip(path: Path, size: tuple[int, int], seconds: int) -> Path:
    """Write H.264 footage of the demo's scene, enlarged to a size and repeated to a length."""
    scene = render_clip(path.with_name(f"{path.stem}-scene.mp4")).path
    pictures = [item.pixels for item in open_source(scene).frames(Sample()) if isinstance(item, Frame)][: 2 * RATE]
    scaled = [np.asarray(cv2.resize(each, size)) for each in pictures]
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(seconds * RATE):
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(scaled[number % len(scaled)], format="rgb24")))
        sink.mux(stream.encode(None))
    return path


def read(path: Path, way: str) -> None:
    """Open and decode a clip."""
    source = open_source(path, deinterlace="auto", square_pixels=True, isolation=way)  # type: ignore[arg-type]
    for _ in source.frames(Sample()):
        pass


def spent_s(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; return its wall-clock and processor seconds, with all its processes."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost_s(kind: str, path: Path, way: str) -> tuple[float, float]:
    """Return the wall-clock and the processor seconds of a program that reads or extracts, with all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--read", str(path), way]
        if kind == "extract":
            command = [
                sys.executable,
                "-m",
                "facerecon.commands.main",
                "extract",
                str(path),
                "--case",
                f"{folder}/case",
            ]
            command += ["--set", f"extract.isolation={way}", "-q"]
        return spent_s(command)


def compare(kind: str, path: Path, turns: int) -> None:
    """Print a line for one clip."""
    costs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(turns):
        for way in WAYS:
            costs[way].append(cost_s(kind, path, way))
    for place, name in enumerate(("wall", "processor")):
        none, process = (statistics.median(each[place] for each in costs[way]) for way in WAYS)
        print(f"{path.stem} {kind} {name}: {none:.2f} s, {process:.2f} s = {process / none:.3f}", flush=True)


def main() -> None:
    """Measure and print a line per clip and kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--read", nargs=2, metavar=("CLIP", "WAY"), help="read a clip in one way, and no more")
    options = parser.parse_args()
    if options.read:
        read(Path(options.read[0]), options.read[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        small = clip(Path(folder) / "small.mp4", (640, 360), options.seconds)
        large = clip(Path(folder) / "large.mp4", (1920, 1080), max(1, options.seconds // 6))
        for path in (small, large):
            for kind in ("read", "extract"):
                compare(kind, path, options.turns)


if __name__ == "__main__":
    main()
