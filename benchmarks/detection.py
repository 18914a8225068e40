"""Face detection: ours in batches against facexlib's own `detect_faces`, same frames, same weights, one run.

    python benchmarks/detection.py [CLIP] [--frames N] [--batch N] [--json]

Goal: at least 3 times faster per frame, with the same faces (every box has a partner with IoU >= 0.99).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from facerecon.engines import catalogue, compat, states
from facerecon.profiles import Sample
from facerecon.records import RGB, Detection, Frame
from facerecon.video import open_source
from facerecon.weights import entry

T = TypeVar("T")
Rows = np.ndarray[Any, Any]
MODEL, SCORE, OVERLAP = "retinaface-mobile0.25", 0.8, 0.4


def read_frames(clip: Path | None, count: int) -> list[RGB]:
    """Decode `count` frames spread over the clip (default: the demo clip)."""
    with tempfile.TemporaryDirectory() as folder:
        if clip is None:
            from facerecon.demo import render_clip

            clip = Path(folder) / "clip.mp4"
            render_clip(clip)
        frames = [item.pixels for item in open_source(clip).frames(Sample()) if isinstance(item, Frame)]
    return list(islice(frames[:: max(1, len(frames) // count)], count))


def open_upstream() -> Callable[[RGB], Rows]:
    """Return facexlib's own detection call, which gives rows of box, score and points."""
    network: Any = compat.network_class("facexlib.detection.retinaface", "RetinaFace")("mobile0.25", device="cpu")
    states.load_into(network, entry(MODEL))
    detect: Callable[[RGB], Rows] = torch.inference_mode()(
        lambda frame: network.detect_faces(frame[:, :, ::-1], SCORE, OVERLAP)
    )
    return detect


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds it took, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(frames: list[RGB], batch: int, rounds: int) -> dict[str, Any]:
    """Time both in turn, best round of each (a shared machine is noisy), and compare their boxes."""
    upstream = open_upstream()
    ours = catalogue.open_detector(MODEL, device="cpu", min_score=SCORE, nms_iou=OVERLAP, batch=batch)
    upstream(frames[0]), ours.detect(frames[:batch])
    theirs_s, ours_s = [], []
    for _ in range(rounds):
        seconds, rows = timed(lambda: [upstream(frame) for frame in frames])
        theirs_s.append(seconds)
        seconds, faces = timed(lambda: ours.detect(frames))
        ours_s.append(seconds)
    pairs = [partners(row, found, frames[0].shape) for row, found in zip(rows, faces, strict=True)]
    overlaps = [value for values, _ in pairs for value in values]
    return {
        "frames": len(frames),
        "size": list(frames[0].shape[1::-1]),
        "batch": batch,
        "facexlib_ms_per_frame": round(1000 * min(theirs_s) / len(frames), 2),
        "ours_ms_per_frame": round(1000 * min(ours_s) / len(frames), 2),
        "ratio": round(min(theirs_s) / min(ours_s), 2),
        "faces": len(overlaps),
        "unmatched": sum(lonely for _, lonely in pairs),
        "smallest_iou": round(min(overlaps, default=1.0), 5),
    }


def partners(rows: Rows, faces: tuple[Detection, ...], shape: tuple[int, ...]) -> tuple[list[float], int]:
    """Return the IoU of each pair, best partner first taken, and how many boxes have no partner above 0.5."""
    limits = np.array([shape[1], shape[0]] * 2) - 1
    left = [np.clip(row[:4] - 0.5, 0, limits) for row in rows]
    found = []
    for face in faces:
        overlaps = [overlap(np.array(face.box), box) for box in left]
        if overlaps and max(overlaps) > 0.5:
            found.append(max(overlaps))
            del left[int(np.argmax(overlaps))]
    return found, len(left) + len(faces) - len(found)


def overlap(a: Rows, b: Rows) -> float:
    """Return intersection over union of two boxes."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    common = float(sides.prod())
    return common / (float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - common)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(read_frames(options.clip, options.frames), options.batch, options.rounds)
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "detection", **result}))
        return
    for name, value in result.items():
        print(f"{name:24} {value}")
    met = result["ratio"] >= 4 and result["smallest_iou"] >= 0.99 and result["unmatched"] == 0
    print(f"{'goal (4x, same faces)':24} {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
