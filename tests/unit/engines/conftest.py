"""Fixtures of the engine tests: a conversion cache shared by the session, a public portrait, and its face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from facerecon.records import RGB, FaceView, Landmarks5

# RetinaFace (mobile0.25) on the picture; the tests of the detector check it.
ASTRONAUT: Landmarks5 = ((204.3, 100.3), (246.9, 102.9), (223.1, 128.7), (202.0, 137.6), (243.7, 140.1))


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Compute in one thread: where cores are shared, threads that wait for each other cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(autouse=True)
def _own_cache(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(weights_folder))


@pytest.fixture(scope="session")
def portrait() -> RGB:
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture
def face(portrait: RGB) -> FaceView:
    return FaceView(portrait, ASTRONAUT)


@pytest.fixture(scope="session")
def cpu() -> torch.device:
    return torch.device("cpu")
