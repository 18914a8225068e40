"""What a GPU gives, beside what it could: detection, face restoration, enlargement, and a clip to its report.

    python benchmarks/gpu.py [--device cuda] [--parts detection,faces,tiles,pipeline] [--seconds 20] [--json]

Times are of whole calls, transfers both ways and what the processor does included; medians of some rounds after a
warm-up.

- detection: RetinaFace on frames of 1920x1080, in passes of 8, against one after the other.
- faces: GFP-GAN on 16 squares of 512x512 px in one pass, in the precision that "auto" picks, against upstream's way:
  one after the other, in fp32. Goal: 5 times.
- tiles: Real-ESRGAN x4plus on a frame of 1920x1080 in its tiles. Ceiling: what its convolutions alone take, each shape
  timed by itself in this run, in the same precision and layout. Goal: 60 % of their rate.
- pipeline: `facerecon run` of `standard` on a wall of nine cameras, 1920x1080, start included. Goal: 10 times real
  time.

The floors of each network: its operations (two per multiply-add of every convolution and matrix product, counted as
they run) over the rate of a large matrix product in that precision, and its bytes (weights, what goes in, what comes
out) over that of a copy. GFP-GAN's weights are random numbers: it takes as long. With `--device cpu` all of it runs
small, which shows that it works and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from people import render_wall

from facerecon.engines import catalogue, esrgan, gfpgan, runtime, tiling
from facerecon.engines.by_torch import DTYPES, make_deterministic
from facerecon.engines.retinaface_network import Loaded
from facerecon.engines.variants import Variants
from facerecon.errors import FacereconError
from facerecon.records import RGB, FaceView
from facerecon.weights import Precision, entry

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("detection", "faces", "tiles", "pipeline")
DETECTOR, FACES, TILES = "retinaface-mobile0.25", "gfpgan-v1.4", "realesrgan-x4plus"
"""The models, by their names in the registry."""


@dataclass(frozen=True)
class Scale:
    """How much is computed: on a GPU what fills it, on a CPU what can be waited for."""

    frame: tuple[int, int]
    faces: int
    enlarged: tuple[int, int]
    matrix: int
    copied: int
    rounds: int


FULL = Scale((1920, 1080), 16, (1920, 1080), 8192, 1 << 30, 10)
SMALL = Scale((640, 360), 2, (96, 64), 1024, 1 << 26, 2)


class Bench:
    """One device: times on it, and its two ceilings."""

    def __init__(self, device: runtime.Place) -> None:
        """Take the device."""
        self.place, self.device = device, torch.device(str(device))
        self.scale = SMALL if device.type == "cpu" else FULL

    def seconds(self, work: Callable[[], object], rounds: int = 0) -> float:
        """Return the median time of some rounds of work, after two that do not count."""
        taken = []
        for number in range((rounds or self.scale.rounds) + 2):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            if number >= 2:
                taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    def wait(self) -> None:
        """Wait for what the device still does."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def operations_per_s(self, precision: Precision) -> float:
        """Return the rate of a large matrix product of random numbers."""
        side = self.scale.matrix
        a, b = (torch.randn(side, side, device=self.device).to(DTYPES[precision]) for _ in range(2))
        return 2 * side**3 / self.seconds(lambda: a @ b)

    def bytes_per_s(self) -> float:
        """Return the rate of a copy in the device's memory, bytes read and written."""
        a, b = (torch.ones(self.scale.copied, dtype=torch.uint8, device=self.device) for _ in range(2))
        return 2 * self.scale.copied / self.seconds(lambda: a.copy_(b))


Shape = tuple[Any, ...]
"""Sizes of picture and weights, and the other arguments of a convolution."""


class Convolutions(TorchDispatchMode):
    """Counts the convolutions that run, by shape, and the operations of all that multiplies."""

    def __init__(self) -> None:
        """Start at nothing."""
        super().__init__()
        self.shapes: Counter[Shape] = Counter()
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count a call, and make it."""
        with self:
            # Without gradients what comes here may consist of others.
            parts = func.decompose(*args, **(kwargs or {}))
        if parts is not NotImplemented:
            return parts
        output, name = func(*args, **(kwargs or {})), func.overloadpacket
        if name is torch.ops.aten.convolution:
            picture, weight, _, *others = args
            self.shapes[(tuple(picture.shape), tuple(weight.shape), *map(_plain, others))] += 1
            transposed = others[3]
            self.operations += 2 * (picture if transposed else output).numel() * math.prod(weight.shape[1:])
        elif name in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm):
            self.operations += 2 * output.numel() * args[-1].shape[-2]
        return output


def _plain(argument: Any) -> Any:
    return tuple(argument) if isinstance(argument, list | tuple) else argument


def convolution_s(bench: Bench, shapes: Mapping[Shape, int], precision: Precision) -> float:
    """Return how long convolutions take that do nothing else, each shape timed by itself, channels last."""
    total = 0.0
    for (picture, weight, *others), count in shapes.items():
        x, w = (
            torch.rand(size, device=bench.device).to(DTYPES[precision], memory_format=torch.channels_last)
            for size in (picture, weight)
        )

        def once(x: torch.Tensor = x, w: torch.Tensor = w, others: Sequence[Any] = tuple(others)) -> object:
            return torch.ops.aten.convolution(x, w, None, *others)

        with torch.inference_mode():
            total += count * bench.seconds(once)
    return total


def counted(work: Callable[[], object]) -> Convolutions:
    """Run something once, and count.

    Raises:
        RuntimeError: nothing was counted.
    """
    # Only what runs in this thread is.
    with mock.patch.object(tiling, "ahead", lambda items, _: items), Convolutions() as made:
        work()
    if not made.operations:
        raise RuntimeError("no convolution was seen")
    return made


def floors(bench: Bench, operations: float, moved: float, precision: Precision) -> dict[str, float]:
    """Return the two floors of a call, ms."""
    return {
        "gflop": round(operations / 1e9, 1),
        "operations_floor_ms": round(1e3 * operations / bench.operations_per_s(precision), 3),
        "bytes_floor_ms": round(1e3 * moved / bench.bytes_per_s(), 3),
    }


def bytes_of(network: torch.nn.Module, precision: Precision) -> int:
    """Return the size of a network's weights."""
    return sum(each.numel() for each in network.parameters()) * torch.finfo(DTYPES[precision]).bits // 8


# --- parts ------------------------------------------------------------------------------------------------------------


def detection(bench: Bench) -> dict[str, Any]:
    """Measure the detector."""
    width, height = bench.scale.frame
    rng = np.random.default_rng(0)
    frames: list[RGB] = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(8)]
    loaded = Loaded(entry(DETECTOR), bench.place, 0.99)
    together = bench.seconds(lambda: loaded.run([frames]))
    alone = bench.seconds(lambda: [loaded.run([[frame]]) for frame in frames])
    stack = torch.zeros(8, 3, height, width, device=bench.device)
    with torch.no_grad():
        made = counted(lambda: loaded.network(stack))
    moved = bytes_of(loaded.network, "fp32") + stack.numel()
    return {
        "frames_per_s": round(8 / together, 1),
        "ratio": round(alone / together, 2),
        **floors(bench, made.operations, moved, "fp32"),
        "ms": round(1e3 * together, 2),
    }


def faces(bench: Bench) -> dict[str, Any]:
    """Measure GFP-GAN: ours in one pass, and upstream's way."""
    torch.manual_seed(0)
    network = gfpgan.empty_network().eval()
    precision = runtime.choose_precision(entry(FACES), bench.place)
    squares = np.random.default_rng(0).random((bench.scale.faces, 3, 512, 512), np.float32)
    plain = Variants(network, bench.place, gfpgan.call_gfpgan, converted=False, channels_last=False)
    alone = bench.seconds(lambda: [plain(square[None], "fp32") for square in squares])
    together = bench.seconds(lambda: plain(squares, precision))
    with torch.no_grad():
        made = counted(lambda: gfpgan.call_gfpgan(network, torch.from_numpy(squares).to(bench.device)))
    moved = bytes_of(network, precision) + 2 * squares.nbytes
    return {
        "faces": bench.scale.faces,
        "precision": precision,
        "ratio": round(alone / together, 2),
        "goal": 5,
        "one_by_one_ms": round(1e3 * alone, 1),
        **floors(bench, made.operations, moved, precision),
        "ms": round(1e3 * together, 1),
    }


def tiles(bench: Bench) -> dict[str, Any]:
    """Measure Real-ESRGAN on a frame, against its convolutions alone."""
    item = entry(TILES)
    restorer = catalogue.open_restorer(TILES, device=str(bench.place))
    precision: Precision = restorer.stamp.precision  # type: ignore[assignment]
    width, height = bench.scale.enlarged
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    view = FaceView(pixels, ((0, 0), (1, 0), (0, 1), (1, 1), (2, 2)))
    made = counted(lambda: restorer.restore([view]))
    taken = bench.seconds(lambda: restorer.restore([view]), 3)
    alone = convolution_s(bench, made.shapes, precision)
    moved = bytes_of(esrgan.empty_network(item), precision) + 17 * pixels.nbytes
    return {
        "picture": f"{width}x{height}",
        "precision": precision,
        "of_convolutions_percent": round(100 * alone / taken, 1),
        "goal": 60,
        "convolutions_alone_ms": round(1e3 * alone, 1),
        "convolutions_tflops": round(made.operations / alone / 1e12, 2),
        **floors(bench, made.operations, moved, precision),
        "ms": round(1e3 * taken, 1),
    }


def pipeline(bench: Bench, seconds: float) -> dict[str, Any]:
    """Measure a run, from the clip to the report."""
    with tempfile.TemporaryDirectory() as folder:
        clip, case = Path(folder, "nine cameras.mp4"), Path(folder, "case")
        render_wall(clip, 3, seconds)
        command = [sys.executable, str(ROOT / "cli.py"), "run", str(clip), "--case", str(case), "--quiet"]
        start = time.perf_counter()
        subprocess.run([*command, "--device", str(bench.place)], check=True, stdout=subprocess.DEVNULL)
        taken = time.perf_counter() - start
    return {"footage_s": seconds, "wall_s": round(taken, 1), "times_real_time": round(seconds / taken, 2), "goal": 10}


def measured(bench: Bench, parts: Sequence[str], seconds: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure the parts that are wanted, in order."""
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "detection": lambda: detection(bench),
        "faces": lambda: faces(bench),
        "tiles": lambda: tiles(bench),
        "pipeline": lambda: pipeline(bench, seconds),
    }
    for name in parts:
        yield name, work[name]()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of them, with commas between")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the clip")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    make_deterministic()
    try:
        bench = Bench(runtime.choose_device(options.device))
    except FacereconError as error:
        parser.error(str(error))
    found: dict[str, dict[str, Any]] = {}
    for name, figures in measured(bench, parts, options.seconds):
        found[name] = figures
        if not options.json:
            print(name)
            for key, value in figures.items():
                print(f"  {key:24} {value}", flush=True)
    if options.json:
        devices = runtime.describe_runtime()["devices"]
        print(json.dumps({"schema": 1, "benchmark": "gpu", "devices": devices, **found}))


if __name__ == "__main__":
    main()
