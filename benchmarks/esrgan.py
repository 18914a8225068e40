"""Real-ESRGAN x4plus on one 128x128 chip: ours against the plain network (fp32, NCHW), one run.

    python benchmarks/esrgan.py [--rounds N] [--json]

Goal: 4 times faster on a CPU with AMX, at a PSNR of 45 dB or more to the plain output. The network needs 586 GFLOP for
such a chip; what one convolution of its main shape reaches here gives the floor that no reordering of the same work can
beat.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from facerecon.engines import catalogue, esrgan, runtime
from facerecon.engines.by_torch import DTYPES
from facerecon.records import RGB, FaceView
from facerecon.weights import entry

MODEL, SIDE_PX = "realesrgan-x4plus", 128


def portrait_chip() -> FaceView:
    """Return a public portrait's face, 128x128."""
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut()[50:178, 162:290])
    return FaceView(pixels, ((42, 50), (85, 53), (61, 79), (40, 88), (82, 90)))


def open_plain() -> Callable[[RGB], RGB]:
    """Return the network as upstream runs it on a CPU."""
    network = esrgan.build_network(entry(MODEL)).to(memory_format=torch.contiguous_format)

    @torch.inference_mode()
    def run(pixels: RGB) -> RGB:
        batch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].contiguous().float() / 255
        return np.asarray(network(batch)[0].clamp(0, 1).mul(255).round().permute(1, 2, 0), np.uint8)

    return run


def network_gflop() -> float:
    """Return the work of one chip: two operations per weight and output pixel (at 1x, 2x and 4x size)."""
    sizes = {"conv_up1": 4, "conv_up2": 16, "conv_hr": 16, "conv_last": 16}
    modules = esrgan.build_network(entry(MODEL)).named_modules()
    return sum(
        2 * module.weight.numel() * SIDE_PX**2 * sizes.get(name, 1) / 1e9
        for name, module in modules
        if isinstance(module, torch.nn.Conv2d)
    )


def convolution_gflops(dtype: torch.dtype) -> float:
    """Return GFLOP/s of the network's most frequent kind of convolution (128 to 32 channels, 3x3) here and now."""
    x = torch.rand(1, 128, SIDE_PX, SIDE_PX).to(dtype, memory_format=torch.channels_last)
    weight = torch.rand(32, 128, 3, 3).to(dtype, memory_format=torch.channels_last)
    best = min(seconds(lambda: torch.nn.functional.conv2d(x, weight, padding=1)) for _ in range(30))
    return 2 * weight.numel() * SIDE_PX**2 / best / 1e9


def seconds(work: Callable[[], object]) -> float:
    """Return how long it took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def psnr_db(a: RGB, b: RGB) -> float:
    """Return the peak signal-to-noise ratio of two pictures."""
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean((a.astype(float) - b) ** 2)))))


def measure(rounds: int) -> dict[str, Any]:
    """Time both in turn, the best round of each (a shared machine is noisy), and compare their pixels."""
    chip, plain = portrait_chip(), open_plain()
    ours = catalogue.open_restorer(MODEL, device="cpu")
    (restored,), expected = ours.restore([chip]), plain(chip.pixels)
    times = [(seconds(lambda: plain(chip.pixels)), seconds(lambda: ours.restore([chip]))) for _ in range(rounds)]
    plain_s, ours_s = (min(column) for column in zip(*times, strict=True))
    floor_s = network_gflop() / convolution_gflops(DTYPES[ours.stamp.precision])  # type: ignore[index]
    return {
        "cpu": torch.cpu.get_capabilities().get("cpu_name", ""),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "amx_bf16": bool(torch.cpu.get_capabilities().get("amx_bf16")),
        "avx512_bf16": runtime.cpu_has_bf16(),
        "precision": restored.precision,
        "plain_s": round(plain_s, 3),
        "ours_s": round(ours_s, 3),
        "ratio": round(plain_s / ours_s, 2),
        "psnr_db": round(psnr_db(restored.pixels, expected), 1),
        "floor_s": round(floor_s, 3),
        "ratio_at_floor": round(plain_s / floor_s, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.rounds)
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "esrgan", **result}))
        return
    for name, value in result.items():
        print(f"{name:18} {value}")
    print(
        f"{'goal 4x at 45 dB':18} {'met' if result['ratio'] >= 4 and result['psnr_db'] >= 45 else 'missed'}; "
        "direct convolution on this machine allows the ratio at the floor, no more"
    )


if __name__ == "__main__":
    main()
