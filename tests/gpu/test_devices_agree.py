"""GPU against CPU: the stated tolerances across devices, precision choice, and repeatability on the GPU."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from facerecon.engines import catalogue
from facerecon.engines.runtime import Place
from facerecon.records import FaceView, shift_landmarks

pytestmark = pytest.mark.gpu
LANDMARKS = ((204.3, 100.3), (246.9, 102.9), (223.1, 128.7), (202.0, 137.6), (243.7, 140.1))


@pytest.fixture
def face() -> FaceView:
    return FaceView(np.ascontiguousarray(data.astronaut()[40:200, 150:300]), shift_landmarks(LANDMARKS, -150, -40))


def test_detection_agrees_to_a_twentieth_of_a_pixel(gpu: Place) -> None:
    picture = np.ascontiguousarray(data.astronaut())
    (on_cpu,), (on_gpu,) = (catalogue.open_detector(device=name).detect([picture])[0] for name in ("cpu", str(gpu)))
    assert np.allclose(on_cpu.box, on_gpu.box, atol=0.05)
    assert np.allclose(on_cpu.landmarks, on_gpu.landmarks, atol=0.05)


def test_embeddings_agree(gpu: Place, face: FaceView) -> None:
    (on_cpu,), (on_gpu,) = (catalogue.open_recognizer(device=name).embed([face]) for name in ("cpu", str(gpu)))
    assert on_cpu.similarity(on_gpu) > 0.999
