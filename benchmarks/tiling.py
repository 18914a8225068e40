"""Tiles of Real-ESRGAN x4plus: does their size show in the result, and does a 4K still fit into memory?

    python benchmarks/tiling.py agreement [--precision fp32] [--picture astronaut|coffee] [--json]
    python benchmarks/tiling.py memory [--precision fp32] [--tile 256] [--json]

agreement: 448x64 px of a public picture, tiles of 128 px against tiles of 256 px, and batches of 1 against 8 on eight
crops of it. Baseline: the larger tile, the batch of one.

memory: peak resident memory of a whole process that enlarges 3840x2160 to 15360x8640. The network would take an hour
on two cores, so it computes one full tile, which gives what a tile needs; then memory of that size stays allocated
while nearest-neighbour enlargement stands in for it over the whole picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from facerecon.engines import catalogue
from facerecon.engines.enlarging import CPU_PASS_PX, Enlarger
from facerecon.engines.tiling import Floats
from facerecon.records import RGB
from facerecon.stages import Restoration
from facerecon.weights import Precision

MODEL, WIDTH, HEIGHT, MIB = "realesrgan-x4plus", 3840, 2160, 1024


def opened(precision: str, tile_px: int, batch: int = 1) -> Enlarger:
    """Return the restorer on the CPU."""
    restorer = catalogue.open_restorer(MODEL, device="cpu", precision=precision, tile_px=tile_px, batch=batch)
    assert isinstance(restorer, Enlarger)
    return restorer


def enlarged(restorer: Enlarger, pictures: list[RGB]) -> list[RGB]:
    """Return the pictures' pixels; a failure ends the benchmark."""
    found = []
    for outcome in restorer.enlarge(pictures):
        if not isinstance(outcome, Restoration):
            raise SystemExit(outcome.reason)
        found.append(outcome.pixels)
    return found


def compared(a: RGB, b: RGB) -> dict[str, float]:
    """Return PSNR in dB, and the largest difference in levels."""
    difference = a.astype(float) - b
    psnr_db = 10 * np.log10(255**2 / max(1e-9, float(np.mean(difference**2))))
    return {"psnr_db": round(float(psnr_db), 1), "largest_levels": int(np.abs(difference).max())}


def agreement(precision: str, name: str) -> dict[str, Any]:
    """Compare tile sizes and batch sizes."""
    from skimage import data

    picture = np.ascontiguousarray(getattr(data, name)()[90:154, 32:480])
    small, large = (enlarged(opened(precision, side), [picture])[0] for side in (128, 256))
    chips = [np.ascontiguousarray(picture[:32, x : x + 24]) for x in range(20, 420, 50)]
    alone, together = (enlarged(opened(precision, 256, batch), chips) for batch in (1, 8))
    return {
        "picture": name,
        "precision": precision,
        "tile_128_against_256": compared(small, large),
        "batch_8_against_1": compared(np.concatenate(together), np.concatenate(alone)),
    }


def memory(precision: str, tile_px: int) -> dict[str, Any]:
    """Measure the peak of a 4K still."""
    restorer = opened(precision, tile_px)
    side = round(CPU_PASS_PX**0.5)
    tile = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    before_mib = status_mib("VmRSS")
    enlarged(restorer, [tile])
    tile_mib = status_mib("VmHWM") - before_mib
    ballast = torch.zeros(int(max(0, before_mib + tile_mib - status_mib("VmRSS")) * MIB), MIB, dtype=torch.uint8)
    ballast += 1

    def stand_in(tiles: Floats, _: Precision) -> Floats:
        return tiles.repeat(restorer.scale, axis=2).repeat(restorer.scale, axis=3)

    restorer._network = stand_in
    frame = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    (result,) = enlarged(restorer, [frame])
    assert np.array_equal(result[::4, ::4], frame)
    return {
        "precision": precision,
        "tile_px": tile_px,
        "size": f"{WIDTH}x{HEIGHT} to {result.shape[1]}x{result.shape[0]}",
        "process_with_network_mib": round(before_mib),
        "one_tile_mib": round(tile_mib),
        "peak_mib": round(status_mib("VmHWM")),
    }


def status_mib(field: str) -> float:
    """Return a figure that Linux keeps of this process, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / MIB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("agreement", "memory"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--picture", default="astronaut", choices=("astronaut", "coffee"))
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.what == "memory":
        result = memory(options.precision, options.tile)
    else:
        result = agreement(options.precision, options.picture)
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "tiling", **result}))
        return
    for name, value in result.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
