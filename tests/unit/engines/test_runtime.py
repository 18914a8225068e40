"""Device and precision: what is chosen, and that nothing is chosen silently."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torchvision

from facerecon.engines import by_torch, runtime
from facerecon.errors import ResourceError, UsageError
from facerecon.weights import Entry, entry


def declaring(*cpu: str) -> Entry:
    item = entry("retinaface-mobile0.25")
    return Entry.model_validate(
        item.model_dump() | {"capabilities": {"precisions": {"cpu": cpu, "cuda": ("fp16", "bf16", "fp32")}}}
    )


def test_cpu_is_always_there() -> None:
    assert runtime.choose_device("cpu") == runtime.CPU == runtime.Place("cpu")


def test_auto_takes_the_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_cuda_devices", lambda: 0)
    assert runtime.choose_device("auto").type == "cpu"
    monkeypatch.setattr(runtime, "_cuda_devices", lambda: 2)
    assert torch.device(str(runtime.choose_device("auto"))) == torch.device("cuda:0")
    assert torch.device(str(runtime.choose_device("cuda:1"))) == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_an_absent_device_is_a_resource_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(runtime, "_cuda_devices", lambda: 0)
    with pytest.raises(ResourceError, match="--device cpu"):
        runtime.choose_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "mps", ""])
def test_an_unknown_device_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        runtime.choose_device(name)


@pytest.mark.parametrize(
    ("declared", "has_bf16", "wanted", "expected"),
    [
        (("bf16", "fp32"), True, "auto", "bf16"),
        (("bf16", "fp32"), False, "auto", "fp32"),
        (("fp32",), True, "auto", "fp32"),
        (("bf16", "fp32"), True, "fp32", "fp32"),
        (("bf16", "fp32"), False, "bf16", "bf16"),
    ],
)
def test_precision_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, declared: tuple[str, ...], has_bf16: bool, wanted: str, expected: str
) -> None:
    monkeypatch.setattr(runtime, "cpu_has_bf16", lambda: has_bf16)
    assert runtime.choose_precision(declaring(*declared), torch.device("cpu"), wanted) == expected


@pytest.mark.parametrize(
    ("libraries", "device_file", "expected"),
    [((), False, 0), (("libcuda.so.1",), False, 3), (("nvcuda.dll",), False, 3), ((), True, 3)],
)
def test_torch_is_asked_only_where_there_is_a_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, libraries: tuple[str, ...], device_file: bool, expected: int
) -> None:
    def load(name: str) -> None:
        if name not in libraries:
            raise OSError(name)

    monkeypatch.setattr(runtime.ctypes, "CDLL", load)
    monkeypatch.setattr(runtime, "_AMD_DEVICE", tmp_path if device_file else tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    runtime._driver_present.cache_clear()
    assert runtime._cuda_devices() == expected
    runtime._driver_present.cache_clear()


def test_a_driver_is_of_no_use_to_a_torch_without_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(runtime, "_torch_build", lambda: ("2.14.1+cpu", None))
    runtime._driver_present.cache_clear()
    assert runtime._cuda_devices() == 0
    runtime._driver_present.cache_clear()


@pytest.mark.parametrize(
    ("machine", "flags", "capability", "bf16"),
    [
        ("x86_64", {"avx512f", "avx512vl", "avx512bw", "avx512dq", "fma", "avx2", "avx512_bf16"}, "AVX512", True),
        ("x86_64", {"avx512f", "avx2", "fma"}, "AVX2", False),
        ("AMD64", {"sse2"}, "DEFAULT", False),
        ("aarch64", set[str](), "DEFAULT", False),
    ],
)
def test_instructions_are_named_as_torch_names_them(
    monkeypatch: pytest.MonkeyPatch, machine: str, flags: set[str], capability: str, bf16: bool
) -> None:
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    monkeypatch.setattr(runtime.platform, "machine", lambda: machine)
    monkeypatch.setattr(runtime, "_flags_of_linux", lambda: frozenset(flags))
    monkeypatch.setattr(runtime, "_flags_of_torch", lambda: pytest.fail("torch was asked"))
    assert (runtime._cpu_capability(), runtime.cpu_has_bf16()) == (capability, bf16)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert runtime._cpu_capability() == "AVX2"


def test_where_the_system_does_not_tell_torch_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    monkeypatch.setattr(runtime.platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(runtime, "_flags_of_linux", frozenset)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": False})
    assert (runtime._cpu_capability(), runtime.cpu_has_bf16()) == ("AVX512", True)


def test_an_undeclared_precision_is_refused_not_replaced() -> None:
    with pytest.raises(UsageError, match=r"fp16.*runs in fp32"):
        runtime.choose_precision(declaring("fp32"), torch.device("cpu"), "fp16")


def test_half_precision_on_old_gpus_is_fp16_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert runtime.fast_precisions(torch.device("cuda:0")) == ("fp16", "fp32")
    gfpgan = entry("gfpgan-v1.4")
    assert runtime.choose_precision(gfpgan, torch.device("cuda:0")) == "fp32"


def test_gfpgan_never_runs_in_fp16() -> None:
    precisions = entry("gfpgan-v1.4").capabilities.precisions
    assert "fp16" not in precisions.cpu + precisions.cuda


def test_description_is_json_and_names_versions() -> None:
    described = json.loads(json.dumps(runtime.describe_runtime()))
    assert described["torch"] == torch.__version__
    assert described["torchvision"] == torchvision.__version__
    assert described["cuda"] == torch.version.cuda
    assert described["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert described["devices"][0] == "cpu"
    assert described["fast_precisions"]["cpu"][-1] == "fp32"


def test_deterministic_settings() -> None:
    by_torch.make_deterministic(7)
    first = torch.rand(3)
    by_torch.make_deterministic(7)
    assert torch.equal(first, torch.rand(3))
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("alloc_cpu.cpp:121: DefaultCPUAllocator: not enough memory: you tried ..."), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), True),
        (RuntimeError("sizes do not match"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert runtime.is_out_of_memory(error) is expected
