"""The least that a clip can take on this machine: what the networks compute, and what moves through memory.

    python benchmarks/floors.py [--people 1,3,8] [--seconds S] [--profile standard,fast] [--json]

Operations: every convolution and matrix product of `facerecon run` is counted as it runs (two per multiply-add, by the
shapes of its output), over the rate of a large fp32 convolution on all cores, measured in the same run. Bytes: each
decoded picture is written as YCbCr, and its luma read by the motion gate (2.5 bytes a pixel); those in which something
moved are read again, written as RGB, and read by the digest (7.5 more), over the rate of a copy in memory. Decoding the
video, compression of what is written, Python and the start of the program are in neither: no floor that is reached, but
what no implementation of these networks can go below.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from people import SIZE, Scene, render
from recognition import best_of
from regions import lines

ROOT = Path(__file__).resolve().parent.parent
BYTES_PER_PX, MOVED_BYTES_PER_PX = 1.5 + 1, 1.5 + 2 * 3
_CHANNELS, _SIDE = 256, 96
_COPIED_BYTES = 1 << 28


def operations_per_s() -> float:
    """Return how many operations a second a large fp32 convolution makes on all cores."""
    import torch

    layer = torch.nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1).to(memory_format=torch.channels_last)
    picture = torch.rand(torch.get_num_threads(), _CHANNELS, _SIDE, _SIDE).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = best_of(lambda: layer(picture), 8)
    return 2 * 9 * _CHANNELS**2 * _SIDE**2 * len(picture) / seconds


def bytes_per_s() -> float:
    """Return how many bytes a second a copy reads and writes, together."""
    source, target = (np.ones(_COPIED_BYTES, np.uint8) for _ in range(2))
    return 2 * _COPIED_BYTES / best_of(lambda: np.copyto(target, source), 8)


def count(arguments: list[str]) -> None:
    """Run facerecon in this process and print, last, how many operations its convolutions and products made."""
    import torch
    from torch.nn.modules.module import register_module_forward_hook

    from facerecon.commands.main import run

    made = [0]

    def add(module: Any, _: Any, output: Any) -> None:
        weight = getattr(module, "weight", None)
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and weight is not None:
            made[0] += 2 * output.numel() * math.prod(weight.shape[1:])

    register_module_forward_hook(add)
    sys.argv = ["facerecon", *arguments]
    try:
        run()
    except SystemExit as ended:
        if ended.code:
            raise
    print(made[0])


def measure(scene: Scene, gallery: Path, profile: str, folder: Path) -> dict[str, Any]:
    """Run a clip twice: once timed, once counted."""
    cases = folder / f"{profile}-timed", folder / f"{profile}-counted"
    given = [[str(scene.clip), "--case", str(case), "--gallery", str(gallery), "--profile", profile] for case in cases]
    begun = time.perf_counter()
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([sys.executable, str(ROOT / "cli.py"), "run", *given[0], "--quiet"], **quiet)  # type: ignore[call-overload]
    wall = time.perf_counter() - begun
    counted = subprocess.run(
        [sys.executable, __file__, "--count", "run", *given[1], "--quiet"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    frames = next(
        entry["details"]["counts"]["frames"]
        for entry in lines(cases[0] / "ledger.jsonl")
        if entry["action"] == "extract.finished"
    )
    decoded = frames["written"] + frames["skipped"]
    operations = int(counted.stdout.split()[-1])
    return {
        "clip": f"{len(scene.portraits)} people",
        "profile": profile,
        "wall_s": round(wall, 2),
        "operations": operations,
        "bytes": int(math.prod(SIZE) * (decoded * BYTES_PER_PX + frames["written"] * MOVED_BYTES_PER_PX)),
    }


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--count"]:
        count(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", default="1,3,8")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--profile", default="standard,fast")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rates = operations_per_s(), bytes_per_s()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for people in (int(each) for each in options.people.split(",")):
            folder = Path(name, str(people))
            scene = render(_made(folder) / "clip.mp4", people, options.seconds)
            for person, pixels in enumerate(scene.portraits):
                cv2.imwrite(str(_made(folder / "gallery" / f"person{person}") / "1.png"), pixels[..., ::-1])
            rows += [measure(scene, folder / "gallery", each, folder) for each in options.profile.split(",")]
    for row in rows:
        row["operations_floor_s"] = round(row["operations"] / rates[0], 2)
        row["bytes_floor_s"] = round(row["bytes"] / rates[1], 2)
    if options.json:
        found = {"operations_per_s": rates[0], "bytes_per_s": rates[1], "clips": rows}
        print(json.dumps({"schema": 1, "benchmark": "floors", **found}))
        return
    print(f"fp32 convolution {rates[0] / 1e9:.0f} GFLOP/s, copy {rates[1] / 1e9:.1f} GB/s, all cores\n")
    print("| clip | profile | wall s | operations, GFLOP | floor s | bytes, GB | floor s |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for row in rows:
        print(
            f"| {row['clip']} | {row['profile']} | {row['wall_s']} | {row['operations'] / 1e9:.0f} | "
            f"{row['operations_floor_s']} | {row['bytes'] / 1e9:.1f} | {row['bytes_floor_s']} |"
        )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
