"""Hours in which nobody comes: what an empty scene costs, which is most of an archive.

    python benchmarks/archive.py [--seconds 60] [--turns 3] [--json]

An empty corridor with a noisy sensor and a clock that runs, H.264, in several sizes. "decode" is FFmpeg alone on one
thread, the floor; "pixels" makes RGB of every frame and looks at that for motion (`Source.watched` of a source that
cannot do better); "gate" is what a video does: it looks at luma, and makes RGB of frames in which something moved.
Medians of the turns, one way after the other. "extract" is the stage with the profile `standard`, start-up included;
"refresh" the same with the whole picture searched every `refresh_s`. Processor seconds are those of all processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from isolation import spent_s
from regions import lines

from facerecon.demo import clean_frame
from facerecon.profiles import Motion, Sample
from facerecon.records import RGB
from facerecon.video import Source, Watched, open_source

ROOT = Path(__file__).resolve().parent.parent
SIZES = ((640, 360), (1920, 1080))
RATE = 25
_NOISE_LEVELS, _NOISES = 3.0, 16


def render(path: Path, size: tuple[int, int], seconds: float) -> Path:
    """Write the clip."""
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "27"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for picture in pictures(size, round(seconds * RATE)):
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        sink.mux(stream.encode(None))
    return path


def pictures(size: tuple[int, int], count: int) -> Iterator[RGB]:
    """Yield an empty scene, frame by frame."""
    scene = cv2.resize(clean_frame(0), size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    rng = np.random.default_rng(5)
    noises = [np.rint(rng.normal(0, _NOISE_LEVELS, scene.shape)).astype(np.int8) for _ in range(_NOISES)]
    zoom = size[1] / 360
    for number in range(count):
        second = number // RATE
        noise = np.roll(noises[rng.integers(_NOISES)], int(rng.integers(size[0])), axis=1)
        picture = np.asarray(np.clip(scene + noise, 0, 255), np.uint8)
        text = f"2026-11-21 03:{second // 60:02d}:{second % 60:02d}"
        place = round(8 * zoom), round(20 * zoom)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, zoom / 2, (255, 255, 255), max(1, round(zoom)))
        yield picture


def decoded(clip: Path) -> int:
    """Decode a clip and throw it away; return the number of frames."""
    with av.open(str(clip)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def watched(clip: Path, read: Callable[..., Iterator[Any]]) -> int:
    """Look at every frame for motion; return in how many something moved."""
    return sum(isinstance(item, Watched) for item in read(open_source(clip), Sample(), Motion()))


def seconds_of(what: Callable[[], object], turns: int) -> list[float]:
    """Time something."""
    taken = []
    for _ in range(turns):
        begun = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begun)
    return taken


def extracted(clip: Path, *changes: str) -> dict[str, float]:
    """Run `extract`; return its seconds, and the share of the analysed frames' pixels that the detector saw."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder, "case")
        command = [sys.executable, str(ROOT / "cli.py"), "extract", str(clip), "--case", str(case), "-q"]
        wall_s, processor_s = spent_s([*command, *(f"--set={each}" for each in changes)])
        ledger = list(lines(case / "ledger.jsonl"))
    (details,) = (each["details"] for each in ledger if each["action"] == "extract.finished")
    return {"wall_s": wall_s, "processor_s": processor_s, "searched_percent": details["search"]["searched_percent"]}


def measure(size: tuple[int, int], seconds: float, turns: int) -> dict[str, Any]:
    """Measure one size."""
    with tempfile.TemporaryDirectory() as folder:
        clip = render(Path(folder, "empty.mp4"), size, seconds)
        ways: dict[str, Callable[[], int]] = {
            "decode": lambda: decoded(clip),
            "pixels": lambda: watched(clip, Source.watched),
            "gate": lambda: watched(clip, lambda source, *settings: source.watched(*settings)),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(turns):
            for name, way in ways.items():
                taken[name] += seconds_of(way, 1)
        read = {name: statistics.median(each) for name, each in taken.items()}
        stages = {
            "extract": [extracted(clip) for _ in range(turns)],
            "refresh": [extracted(clip, "extract.motion.whole_every_s=0") for _ in range(turns)],
        }
    frames = round(seconds * RATE)
    return {
        "size": list(size),
        "frames": frames,
        "ms_per_frame": {name: round(1000 * each / frames, 2) for name, each in read.items()},
        "gate_ratio": round(read["pixels"] / read["gate"], 2),
        "stages": {
            name: {key: round(statistics.median(each[key] for each in runs), 2) for key in runs[0]}
            for name, runs in stages.items()
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [measure(size, options.seconds, options.turns) for size in SIZES]
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "archive", "seconds": options.seconds, "sizes": found}))
        return
    for each in found:
        ms = each["ms_per_frame"]
        print(f"{each['size'][0]}x{each['size'][1]}, {each['frames']} frames; ms per frame: ", end="")
        print(f"decode {ms['decode']}, pixels {ms['pixels']}, gate {ms['gate']}; ratio {each['gate_ratio']}")
        for name, stage in each["stages"].items():
            speed = options.seconds / stage["wall_s"]
            print(f"    {name}: {stage['wall_s']} s ({speed:.0f} times real time), processor {stage['processor_s']} s")


if __name__ == "__main__":
    main()
