"""What torch needs before a network of it runs: determinism, types, and one thread to a picture on a CPU.

Owns every global torch setting. Whoever imports this imports torch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from facerecon.engines.cores import on_own_threads
from facerecon.records import RGB
from facerecon.weights import Precision

A = TypeVar("A")
B = TypeVar("B")

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CUBLAS_WORKSPACE = ":4096:8"


def make_deterministic(seed: int | None = None) -> None:
    """Make equal inputs give equal outputs here: deterministic kernels, no TF32, no autotuning.

    `seed` is for training; no network that is only run draws random numbers.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
    if seed is not None:
        torch.manual_seed(seed)
    # As use_deterministic_algorithms(True), which also imports the compiler: a second at each start.
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor guards against reading uninitialised memory, at a price; no network here does that.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def each_on_a_core(call: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """As `cores.on_own_threads`, for calls that run torch: each on one thread, without gradients."""

    # A thread that has not been asked yet would take over the 1 that is set in the others.
    torch.get_num_threads()

    def alone(item: A) -> B:
        # It holds for the calling thread (OpenMP), and lasts; the main thread keeps all of its own.
        torch.set_num_threads(1)
        with torch.inference_mode():
            return call(item)

    return on_own_threads(alone, items)


def stacked(images: Sequence[RGB], device: torch.device) -> torch.Tensor:
    """Return pictures of one size as a tensor on a device, uint8 (n, height, width, 3).

    To a GPU they go by way of pinned memory, so that this thread need not wait for it.
    """
    stack = _empty((len(images), *images[0].shape), pinned=device.type == "cuda")
    np.stack(images, out=stack.numpy())
    return stack.to(device, non_blocking=True)


def _empty(shape: tuple[int, ...], *, pinned: bool) -> torch.Tensor:
    if pinned:
        # It is limited, and there is another way.
        with contextlib.suppress(RuntimeError):
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
    return torch.empty(shape, dtype=torch.uint8)
