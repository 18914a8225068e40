"""The verbal scale for likelihood ratios. Owns the bands and the sentence; never decides between propositions.

The scale is that of the ENFSI Guideline for Evaluative Reporting in Forensic Science (European Network of Forensic
Science Institutes, 2015). The guideline's bands share their ends and leave 1 to 2 open; here a band holds its lower end
and not its upper (LR 10 is moderate), and from 1 up to 2 there is no support. Below 1 the reciprocal is looked up in
the same bands and supports the proposition of different persons, so the scale is its own mirror image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Direction = Literal["same source", "different sources", "neither"]

_BANDS: tuple[tuple[float, str], ...] = (
    (math.log10(2), "weak"),
    (1.0, "moderate"),
    (2.0, "moderately strong"),
    (3.0, "strong"),
    (4.0, "very strong"),
    (6.0, "extremely strong"),
)
NO_SUPPORT = "no"
STRENGTHS: tuple[str, ...] = (NO_SUPPORT, *(strength for _, strength in _BANDS))


@dataclass(frozen=True)
class VerbalSupport:
    """Which proposition a likelihood ratio supports, how strongly, and the sentence for a report."""

    direction: Direction
    strength: str
    sentence: str


def verbal_support(log10_lr: float) -> VerbalSupport:
    """Return the band of the ENFSI scale that holds a likelihood ratio, given as its logarithm to base 10.

    Raises:
        ValueError: the logarithm is NaN or infinite; no finite data supports an infinite likelihood ratio.

    ENFSI, Guideline for Evaluative Reporting in Forensic Science, 2015.
    """
    if not math.isfinite(log10_lr):
        raise ValueError(f"a likelihood ratio has a finite logarithm, not {log10_lr}")
    strength = NO_SUPPORT
    for lower, name in _BANDS:
        if abs(log10_lr) >= lower:
            strength = name
    direction = _direction(log10_lr, strength)
    return VerbalSupport(direction, strength, _sentence(direction, strength))


def _direction(log10_lr: float, strength: str) -> Direction:
    if strength == NO_SUPPORT:
        return "neither"
    return "same source" if log10_lr > 0 else "different sources"


def _sentence(direction: Direction, strength: str) -> str:
    if direction == "neither":
        return (
            "The comparison supports neither the proposition that both pictures show the same person "
            "nor the proposition that they show different persons."
        )
    propositions = {
        "same source": "both pictures show the same person, rather than different persons",
        "different sources": "the pictures show different persons, rather than the same person",
    }
    return f"The comparison gives {strength} support for the proposition that {propositions[direction]}."
