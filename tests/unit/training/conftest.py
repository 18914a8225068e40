"""A corpus of one public-domain portrait in many framings, each taken as a person of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from skimage import data

from facerecon.training.configuration import Training, load_training

RANGES = {
    "width": {"low": 14, "high": 40, "scale": "log"},
    "noise": {"low": 1, "high": 6},
    "jpeg": {"low": 40, "high": 90},
}
Configure = Callable[..., Training]


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures with one face each."""
    folder = tmp_path_factory.mktemp("portraits")
    rng = np.random.default_rng(0)
    for number in range(12):
        left, top = 110 + rng.integers(0, 40), rng.integers(0, 20)
        picture = data.astronaut()[top : top + 230, left : left + 230].astype(np.float64)
        gain = rng.uniform(0.6, 1.0, 3)
        picture = picture * gain if number % 2 else picture[:, ::-1] * gain
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"person{number:02d}.png")
    return folder


@pytest.fixture
def configured(portraits: Path, tmp_path: Path) -> Configure:
    """Return a maker of small configurations: keys of sections replace what is there."""

    def make(task: str, **sections: dict[str, Any]) -> Training:
        document: dict[str, Any] = {
            "schema": 1,
            "name": f"small-{task}",
            "task": task,
            "data": {"folders": [str(portraits)], "validation_percent": 30, "workers": 0},
            "degradation": RANGES,
            "optimizer": {"learning_rate": 2e-3, "warmup_steps": 2, "ema": 0.8},
            "run": {
                "steps": 6,
                "batch": 4,
                "log_every": 2,
                "validate_every": 3,
                "checkpoint_every": 2,
                "sheet_examples": 2,
            },
        }
        for section, keys in sections.items():
            document[section] = {**document.get(section, {}), **keys}
        path = tmp_path / f"{task}.yaml"
        path.write_text(yaml.safe_dump(document))
        return load_training(path)

    return make
