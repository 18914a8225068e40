"""GPU against CPU: the stated tolerances across devices, precision choice, and repeatability on the GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from facerecon.engines import catalogue
from facerecon.records import FaceView, shift_landmarks

pytestmark = pytest.mark.gpu
LANDMARKS = ((204.3, 100.3), (246.9, 102.9), (223.1, 128.7), (202.0, 137.6), (243.7, 140.1))


@pytest.fixture
def face() -> FaceView:
    return FaceView(np.ascontiguousarray(data.astronaut()[40:200, 150:300]), shift_landmarks(LANDMARKS, -150, -40))


def test_detection_agrees_to_a_twentieth_of_a_pixel(gpu: torch.device) -> None:
    picture = np.ascontiguousarray(data.astronaut())
    (on_cpu,), (on_gpu,) = (catalogue.open_detector(device=name).detect([picture])[0] for name in ("cpu", str(gpu)))
    assert np.allclose(on_cpu.box, on_gpu.box, atol=0.05)
    assert np.allclose(on_cpu.landmarks, on_gpu.landmarks, atol=0.05)


def test_embeddings_agree(gpu: torch.device, face: FaceView) -> None:
    (on_cpu,), (on_gpu,) = (catalogue.open_recognizer(device=name).embed([face]) for name in ("cpu", str(gpu)))
    assert on_cpu.similarity(on_gpu) > 0.999


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_enlargement_agrees(gpu: torch.device, face: FaceView, precision: str) -> None:
    small = FaceView(np.ascontiguousarray(face.pixels[::4, ::4]), face.landmarks)
    reference = catalogue.open_restorer("realesrgan-x4plus", device="cpu", precision="fp32").restore([small])[0].pixels
    (found,) = catalogue.open_restorer("realesrgan-x4plus", device=str(gpu), precision=precision).restore([small])
    assert found.precision == precision
    error = np.mean((found.pixels.astype(float) - reference) ** 2)
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 42


def test_same_input_same_output_on_the_gpu(gpu: torch.device, face: FaceView) -> None:
    restorer = catalogue.open_restorer("realesrgan-x4plus", device=str(gpu))
    first, second = (restorer.restore([face])[0].pixels for _ in range(2))
    assert np.array_equal(first, second)
