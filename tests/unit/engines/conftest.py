"""Fixtures of the engine tests: a conversion cache shared by the session, a public portrait, and its face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from facerecon.engines import chips
from facerecon.hashing import sha256_file
from facerecon.records import RGB, FaceView, Landmarks5, shift_landmarks
from facerecon.weights import Entry, Registry, entry

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


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where trained files lie: the folder that ships with the tool."""
    monkeypatch.setattr("facerecon.weights.files.data_folder", lambda name: tmp_path)
    return tmp_path


@pytest.fixture
def crop(portrait: RGB) -> FaceView:
    """The astronaut's face, about 24 px wide."""
    small = np.ascontiguousarray(portrait[40:200, 150:300])
    reduced = chips.resample(small, np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]]), 37, 40)
    return FaceView(reduced, shift_landmarks(ASTRONAUT, -150, -40, 0.25))


@pytest.fixture(scope="session")
def cpu() -> torch.device:
    return torch.device("cpu")


def seeded(
    folder: Path, weights_id: str, network: Callable[[], nn.Module], wrap: Callable[[dict[str, Any]], object]
) -> Entry:
    """Write a random state dict in the official file's layout; return the registry entry with that file's digest."""
    torch.manual_seed(0)
    item = entry(weights_id)
    torch.save(wrap(dict(network().state_dict())), folder / item.file)
    return item.model_copy(update={"sha256": sha256_file(folder / item.file)})


def registry_of(*items: Entry) -> Registry:
    return Registry(schema=1, weights=items)


def psnr(a: RGB, b: RGB) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def levels_apart(a: RGB, b: RGB) -> int:
    return int(np.abs(a.astype(int) - b).max())
