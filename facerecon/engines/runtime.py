"""The machine the networks run on: device, precision, and a description of both for the record.

Never picks a precision that a model does not declare. Imports torch only where there may be a GPU, and on x86 outside
Linux to ask for the processor's instructions: that takes longer, and more memory, than all that a run needs besides.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any, Protocol

from facerecon.engines.cores import core_count
from facerecon.errors import ResourceError, UsageError
from facerecon.weights import Capabilities, Precision

# What a driver of NVIDIA's brings, and the device of AMD's: without one of them torch finds no GPU.
_DRIVERS, _AMD_DEVICE = ("libcuda.so.1", "nvcuda.dll"), "/dev/kfd"
_X86 = ("x86_64", "amd64", "i386", "i686")
_INSTRUCTIONS = {
    "AVX512": {"avx512f", "avx512vl", "avx512bw", "avx512dq", "fma"},
    "AVX2": {"avx2", "fma"},
    "DEFAULT": set[str](),
}
# Windows and Linux allocators, then CUDA's libraries, which raise a plain RuntimeError.
_OUT_OF_MEMORY = (
    "CUDA error: out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


class Device(Protocol):
    """Where a network runs; `torch.device` is one. Its text is "cpu" or "cuda:N"."""

    @property
    def type(self) -> str:
        """Its kind: "cpu" or "cuda"."""
        ...


@dataclass(frozen=True)
class Place:
    """A `Device` that is no torch object; `index` counts CUDA devices, None on a CPU."""

    type: str
    index: int | None = None

    def __str__(self) -> str:
        """Return its name, as torch writes it."""
        return self.type if self.index is None else f"{self.type}:{self.index}"


CPU = Place("cpu")


def choose_device(name: str = "auto") -> Place:
    """Return the device for "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: the name is none of these.
        ResourceError: there is no such device.
    """
    if name == "auto":
        return Place("cuda", 0) if _cuda_devices() else CPU
    if name == "cpu":
        return CPU
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdecimal() or name == "cuda"):
        raise UsageError(f"unknown device '{name}'; use auto, cpu, cuda or cuda:N")
    index = int(number or 0)
    if index >= _cuda_devices():
        raise ResourceError(f"no device {name} here, {_cuda_devices()} CUDA device(s) found; use --device cpu, or auto")
    return Place("cuda", index)


def _cuda_devices() -> int:
    if not _driver_present():
        return 0
    import torch

    with warnings.catch_warnings():
        # A CUDA build of torch warns on a machine whose driver finds no GPU; that is a normal machine here.
        warnings.simplefilter("ignore", UserWarning)
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


@lru_cache(maxsize=1)
def _driver_present() -> bool:
    """Say whether torch may find a GPU here: there is a driver, and torch was built for it."""
    for name in _DRIVERS:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            if _torch_build()[1] is not None:
                return True
    return Path(_AMD_DEVICE).exists()


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


def choose_precision(item: Declared, device: Device, wanted: str = "auto") -> Precision:
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


def fast_precisions(device: Device) -> tuple[Precision, ...]:
    """Return the precisions that the hardware computes natively (bf16 on a CPU only with AVX512-BF16 or AMX)."""
    if device.type == "cpu":
        return ("bf16", "fp32") if cpu_has_bf16() else ("fp32",)
    import torch

    return ("fp16", "bf16", "fp32") if torch.cuda.get_device_capability(str(device)) >= (8, 0) else ("fp16", "fp32")


def cpu_has_bf16() -> bool:
    """Say whether the CPU multiplies bfloat16 itself."""
    flags = _cpu_flags()
    return bool(flags & {"avx512_bf16", "amx_bf16"})


def _cpu_flags() -> frozenset[str]:
    """Return what an x86 processor says that it can do; outside Linux torch is asked, and tells of bf16 alone."""
    if platform.machine().lower() not in _X86:
        return frozenset()
    return _flags_of_linux() or _flags_of_torch()


def _flags_of_linux() -> frozenset[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:  # noqa: PTH123 - a kernel file
            line = next((text for text in stream if text.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(line.split())


def _flags_of_torch() -> frozenset[str]:
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", dict)
    return frozenset(str(name) for name, present in capabilities().items() if present is True)


def describe_runtime() -> dict[str, Any]:
    """Return what the record needs to know of the machine (R09): versions, processor, devices, fast precisions."""
    import cv2

    torch_version, cuda = _torch_build()
    return {
        "python": platform.python_version(),
        "torch": torch_version,
        "torchvision": _build_of("torchvision"),
        "opencv": str(cv2.__version__),
        "onnxruntime": version("onnxruntime"),
        "cpu": platform.processor() or platform.machine(),
        "cpu_capability": _cpu_capability(),
        "cpu_bf16": cpu_has_bf16(),
        "cpu_threads": core_count(),
        "cuda": cuda,
        "cuda_driver": _driver(),
        "devices": ["cpu", *(_describe_cuda(index) for index in range(_cuda_devices()))],
        "fast_precisions": {str(device): list(fast_precisions(device)) for device in _all_devices()},
    }


def _torch_build() -> tuple[str, str | None]:
    """Return torch's version with its build ("2.14.1+cu132"), and the CUDA it was built for; torch is not imported."""
    told = re.search(r"""^cuda\b[^=]*= ["'](.+)["']$""", _version_file("torch"), re.MULTILINE)
    return _build_of("torch"), told[1] if told else None


def _build_of(package: str) -> str:
    """Return a package's version with its build: only its own file names that, what pip wrote down has the number."""
    told = re.search(r"""^__version__ = ["'](.+)["']$""", _version_file(package), re.MULTILINE)
    return told[1] if told else version(package)


def _version_file(package: str) -> str:
    try:
        return Path(str(distribution(package).locate_file(f"{package}/version.py"))).read_text(encoding="utf-8")
    except OSError:
        return ""


def _cpu_capability() -> str:
    """Return the widest vector instructions that the networks' kernels choose among, as torch names them."""
    forced = os.environ.get("ATEN_CPU_CAPABILITY", "").upper()
    if forced in _INSTRUCTIONS:
        return forced
    flags = _flags_of_linux()
    if not flags and platform.machine().lower() in _X86:
        import torch

        return str(torch.backends.cpu.get_cpu_capability())
    return next((name for name, needed in _INSTRUCTIONS.items() if needed <= flags), "DEFAULT")


def _all_devices() -> list[Place]:
    return [CPU, *(Place("cuda", index) for index in range(_cuda_devices()))]


def _describe_cuda(index: int) -> str:
    import torch

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
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)


def release_cached_memory() -> None:
    """Give back what torch keeps of the GPU's memory for later, so that a smaller attempt finds it in one piece."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
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
