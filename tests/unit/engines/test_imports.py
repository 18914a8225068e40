"""What a run on a CPU imports, and what it leaves alone: torch takes longer, and more memory, than all the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
import facerecon.commands.main, facerecon.likelihood
import facerecon.pipeline.enhancement, facerecon.pipeline.extraction, facerecon.pipeline.recognition
from facerecon.engines.catalogue import open_corrector, open_detector, open_recognizer, open_restorer, open_upscaler
from facerecon.engines.runtime import describe_runtime
open_detector("retinaface-mobile0.25", device="cpu")
open_recognizer("dlib-lq", device="cpu")
open_restorer("restorer-unet", device="cpu")
open_corrector("restorer-fused", device="cpu")
describe_runtime()
slow = ("torch", "torchvision", "sympy", "scipy")
loaded = [name for name in slow if name in sys.modules]
open_upscaler("realesrgan-x4plus", device="cpu")
compilers = [name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules]
import torch
deterministic = torch.are_deterministic_algorithms_enabled()
import torch._dynamo.utils as compiler
print(json.dumps([loaded, compilers, deterministic, hasattr(compiler, "CompileProfiler") or len(dir(compiler)) > 50]))
"""


@pytest.fixture(scope="module")
def told() -> list[object]:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_usual_run_needs_no_torch(told: list[object]) -> None:
    assert told[0] == []


def test_a_model_that_needs_it_does_without_the_compiler(told: list[object]) -> None:
    assert told[1] == []


def test_its_kernels_are_deterministic(told: list[object]) -> None:
    assert told[2] is True


def test_whoever_wants_the_compiler_afterwards_gets_it(told: list[object]) -> None:
    assert told[3] is True
