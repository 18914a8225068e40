"""ArcFace and FaceNet on the GPU against the CPU, with seeded random networks in the official layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from facerecon.engines import catalogue
from facerecon.engines.embedding_networks import DESIGNS
from facerecon.engines.runtime import Place
from facerecon.records import FaceView
from facerecon.weights import entry
from tests.unit.engines.conftest import ASTRONAUT, registry_of, seeded

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("weights_id", ["arcface-ir-se50", "facenet-vggface2"])
def test_vectors_agree_and_repeat(weights_id: str, gpu: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    design = DESIGNS[entry(weights_id).architecture]
    known = registry_of(seeded(tmp_path, weights_id, design.empty_network, lambda state: state))
    face = FaceView(np.ascontiguousarray(data.astronaut()), ASTRONAUT)
    (on_cpu,), (on_gpu,), (again,) = (
        catalogue.open_recognizer(weights_id, device=name, registry=known).embed([face])
        for name in ("cpu", str(gpu), str(gpu))
    )
    assert on_cpu.similarity(on_gpu) > 0.999
    assert np.array_equal(on_gpu.vector, again.vector)
