"""Scores and bins that the tests of this folder share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerecon.likelihood import Bin, Calibration, Range, Subjects, fit_bin

Array = npt.NDArray[np.float64]


def normal_scores(distance: float, genuine: int, impostor: int, seed: int = 0) -> tuple[Array, Array]:
    """Two normal distributions of variance 1, so the log LR of a score s is distance x s - distance^2 / 2."""
    random = np.random.default_rng(seed)
    return random.normal(distance, 1.0, genuine), random.normal(0.0, 1.0, impostor)


def people(persons: int, distance: float = 2.5, spread: float = 0.3, seed: int = 0) -> tuple[Array, Array, Subjects]:
    """Three genuine comparisons per person and all cross comparisons; a person moves all of his or her scores."""
    random = np.random.default_rng(seed)
    effect = random.normal(0.0, spread, persons)
    owner = np.repeat(np.arange(persons), 3)
    first, second = np.triu_indices(persons, 1)
    genuine = random.normal(distance, 1.0, owner.size) + effect[owner]
    impostor = random.normal(0.0, 1.0, first.size) + effect[first] + effect[second]
    return genuine, impostor, Subjects(owner, first, second)


def small_bin(bin_id: str = "24 px", low: float = 6.0, high: float | None = 60.0, seed: int = 0) -> Bin:
    genuine, impostor, subjects = people(40, seed=seed)
    ranges = {"inter_eye_px": Range(low=low, high=high)}
    return fit_bin(bin_id, ranges, genuine, impostor, subjects, failures_to_acquire=(2, 120), resamples=20, seed=seed)


def calibration(*bins: Bin) -> Calibration:
    return Calibration(
        name="street-1",
        model="dlib-resnet",
        weights_sha256="a" * 64,
        treatment="dlib chips, flip averaging",
        variant="original",
        dataset="made for tests",
        protocol="all genuine against all cross impostors",
        degradations=("width=24",),
        created="2026-01-02",
        tool_version="0.1.0",
        seed=0,
        bins=bins or (small_bin(),),
    )
