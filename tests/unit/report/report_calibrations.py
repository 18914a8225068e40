"""A made-up calibration, and what it says of a comparison."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np

from facerecon.likelihood import Assessed, Bin, Calibration, Range, Subjects, fit_bin, verbal_support
from facerecon.records import (
    Strength,
)


@lru_cache(maxsize=4)
def calibration(name: str = "cctv-2024", variant: Any = "fused") -> Calibration:
    """A calibration of two bins, fitted on seeded numbers."""
    return Calibration(
        name=name,
        model="dlib-resnet",
        weights_sha256="44" * 32,
        treatment="5-point chip, 150 px",
        variant=variant,
        dataset="made-up-faces 2024 (200 persons)",
        protocol="all pairs of one person against all cross pairs",
        degradations=("width 24 px, noise 4, JPEG 60", "width 32 px, noise 4, JPEG 60"),
        created="2024-04-30T12:00:00.000Z",
        tool_version="0.1.0",
        seed=7,
        bins=(_bin("8 to 12 px between the eyes", 8, 12, 0.12), _bin("12 to 24 px between the eyes", 12, 24, 0.09)),
    )


def _bin(name: str, low: float, high: float, spread: float) -> Bin:
    people, cross = 200, 4000
    numbers = np.random.default_rng(round(low))
    one = numbers.integers(0, people, cross)
    other = (one + 1 + numbers.integers(0, people - 1, cross)) % people
    fitted = fit_bin(
        name,
        {"inter_eye_px": Range(low=low, high=high)},
        numbers.normal(0.6, spread, people),
        numbers.normal(0.3, spread, cross),
        Subjects(np.arange(people), one, other),
        failures_to_acquire=(12, 412),
        resamples=20,
        seed=7,
    )
    # The last digits of a fit depend on the machine, and the golden file holds the digest of the document.
    return Bin.model_validate(json.loads(fitted.model_dump_json(), parse_float=lambda text: round(float(text), 6)))


def strength(found: float, inter_eye_px: float, by: Calibration) -> Strength:
    """What a calibration says of one comparison."""
    assessed = by.assess(found, {"inter_eye_px": inter_eye_px})
    assert isinstance(assessed, Assessed)
    return Strength(
        likelihood_ratio=float(f"{10**assessed.log10_lr:.2g}"),
        log10=round(assessed.log10_lr, 4),
        limited=assessed.bounded,
        support=verbal_support(assessed.log10_lr).sentence,
        calibration=by.name,
        calibration_sha256=by.sha256,
        bin=assessed.bin_id,
        pictures=1,
    )
