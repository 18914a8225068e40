"""The rule for GPU tests: skipped with a reason without CUDA; REQUIRE_GPU=1 turns the skip into a failure."""

from __future__ import annotations

import os

import pytest

from facerecon.engines.runtime import Place, choose_device
from facerecon.errors import ResourceError


@pytest.fixture(scope="session")
def gpu() -> Place:
    try:
        return choose_device("cuda:0")
    except ResourceError as error:
        if os.environ.get("REQUIRE_GPU") == "1":
            pytest.fail(f"REQUIRE_GPU=1, but: {error}")
        pytest.skip(f"no GPU: {error}")
