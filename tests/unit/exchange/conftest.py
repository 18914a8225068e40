"""One case with something of everything, and what was exported of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from exchange_case import Graph, exported, whole


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("exchange") / "case")


@pytest.fixture(scope="package")
def out(root: Path) -> Path:
    path = root.parent / "out.jsonld"
    exported(root, path, all_detections=True)
    return path


@pytest.fixture(scope="package")
def graph(out: Path) -> Graph:
    return Graph(out)
