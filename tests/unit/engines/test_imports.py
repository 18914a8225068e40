"""What a run on a CPU imports, and what it leaves alone: torch's compiler takes longer to import than all the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
import facerecon.commands.main, facerecon.likelihood
import facerecon.pipeline.enhancement, facerecon.pipeline.extraction, facerecon.pipeline.recognition
from facerecon.engines.catalogue import open_detector, open_recognizer
from facerecon.engines.runtime import describe_runtime, make_deterministic
make_deterministic()
open_detector("retinaface-mobile0.25", device="cpu")
open_recognizer("dlib-lq", device="cpu")
versions = describe_runtime()
slow = ("torch._dynamo", "torch._inductor", "sympy", "torchvision", "scipy.stats", "scipy.optimize")
loaded = [name for name in slow if name in sys.modules]
import torch
deterministic = torch.are_deterministic_algorithms_enabled()
import torch._dynamo.utils as compiler
import torchvision
print(json.dumps([loaded, deterministic, hasattr(compiler, "CompileProfiler") or len(dir(compiler)) > 50,
                  versions["torchvision"] == torchvision.__version__]))
"""


@pytest.fixture(scope="module")
def told() -> list[object]:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_nothing_slow_is_loaded_that_is_not_needed(told: list[object]) -> None:
    assert told[0] == []


def test_kernels_are_deterministic_all_the_same(told: list[object]) -> None:
    assert told[1] is True


def test_whoever_wants_the_compiler_afterwards_gets_it(told: list[object]) -> None:
    assert told[2:] == [True, True]
