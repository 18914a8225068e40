"""The machine the networks run on: device, precision, determinism, and a description of it all for the record.

Owns every global torch setting. Never picks a precision that a model does not declare.
"""

from __future__ import annotations

import contextlib
import os
import platform
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Protocol

import torch

from facerecon.engines.compat import torchvision_version
from facerecon.errors import ResourceError, UsageError
from facerecon.weights import Capabilities, Precision

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CUBLAS_WORKSPACE = ":4096:8"
# Windows and Linux allocators, then CUDA's libraries, which raise a plain RuntimeError.
_OUT_OF_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def choose_device(name: str = "auto") -> torch.device:
    """Return the device for "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: the name is none of these.
        ResourceError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda:0" if _cuda_devices() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdecimal() or name == "cuda"):
        raise UsageError(f"unknown device '{name}'; use auto, cpu, cuda or cuda:N")
    index = int(number or 0)
    if index >= _cuda_devices():
        raise ResourceError(f"no device {name} here, {_cuda_devices()} CUDA device(s) found; use --device cpu, or auto")
    return torch.device(f"cuda:{index}")


def _cuda_devices() -> int:
    with warnings.catch_warnings():
        # A CUDA build of torch warns on a machine without a driver; that is a normal machine here.
        warnings.simplefilter("ignore", UserWarning)
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


class Declared(Protocol):
    """A model that says what it can do."""

    @property
    def id(self) -> str:
        """Its name in messages."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...


def choose_precision(item: Declared, device: torch.device, wanted: str = "auto") -> Precision:
    """Return the precision a model runs in: `wanted` if it declares it, or with "auto" its first that is fast here.

    Raises:
        UsageError: the model does not declare `wanted` on this kind of device; nothing is substituted.
    """
    declared = getattr(item.capabilities.precisions, device.type)
    if wanted != "auto":
        if wanted not in declared:
            raise UsageError(
                f"{item.id} is not declared to hold in {wanted} on {device.type}; it runs in {', '.join(declared)}"
            )
        return next(choice for choice in declared if choice == wanted)
    fast = fast_precisions(device)
    return next((choice for choice in declared if choice in fast), "fp32")


def fast_precisions(device: torch.device) -> tuple[Precision, ...]:
    """Return the precisions that the hardware computes natively (bf16 on a CPU only with AVX512-BF16 or AMX)."""
    if device.type == "cpu":
        return ("bf16", "fp32") if cpu_has_bf16() else ("fp32",)
    return ("fp16", "bf16", "fp32") if torch.cuda.get_device_capability(device) >= (8, 0) else ("fp16", "fp32")


def cpu_has_bf16() -> bool:
    """Say whether the CPU multiplies bfloat16 itself."""
    flags = _cpu_flags()
    return bool(flags & {"avx512_bf16", "amx_bf16"})


def _cpu_flags() -> frozenset[str]:
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is None:
        return _flags_of_linux()
    return frozenset(str(name) for name, present in capabilities().items() if present is True)


def _flags_of_linux() -> frozenset[str]:
    """Read the flags from /proc/cpuinfo, for releases of torch that do not tell."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:  # noqa: PTH123 - a kernel file
            line = next((text for text in stream if text.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(line.split())


def make_deterministic(seed: int = 0) -> None:
    """Make equal inputs give equal outputs here: fixed seed, deterministic kernels, no TF32, no autotuning."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
    torch.manual_seed(seed)
    # As use_deterministic_algorithms(True), which also imports the compiler: a second at each start.
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor guards against reading uninitialised memory, at a price; no network here does that.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def describe_runtime() -> dict[str, Any]:
    """Return what the record needs to know of the machine (R09): versions, processor, devices, fast precisions."""
    import cv2

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": torchvision_version(),
        "opencv": str(cv2.__version__),
        "onnxruntime": version("onnxruntime"),
        "cpu": platform.processor() or platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bf16": cpu_has_bf16(),
        "cpu_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "cuda_driver": _driver(),
        "devices": ["cpu", *(_describe_cuda(index) for index in range(_cuda_devices()))],
        "fast_precisions": {str(device): list(fast_precisions(device)) for device in _all_devices()},
    }


def _all_devices() -> list[torch.device]:
    return [torch.device("cpu"), *(torch.device(f"cuda:{index}") for index in range(_cuda_devices()))]


def _describe_cuda(index: int) -> str:
    properties = torch.cuda.get_device_properties(index)
    memory, capability = properties.total_memory // 2**20, f"{properties.major}.{properties.minor}"
    return f"cuda:{index} {properties.name}, {memory} MiB, compute capability {capability}"


def _driver() -> str | None:
    path = "/sys/module/nvidia/version"
    try:
        with open(path, encoding="ascii") as stream:  # noqa: PTH123 - a kernel file
            return stream.read().strip()
    except OSError:
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a network failed for lack of memory, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)


def release_cached_memory() -> None:
    """Give back what torch keeps of the GPU's memory for later, so that a smaller attempt finds it in one piece."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


@contextlib.contextmanager
def memory_guard(what: str) -> Iterator[None]:
    """Turn running out of memory inside the block into a ResourceError that names `what`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise ResourceError(f"out of memory in {what}; use a smaller batch or --device cpu") from error
        raise
