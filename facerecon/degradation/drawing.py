"""Random degradations for training: which keys, how often, and in what range. Draws specifications, never pixels.

A key that is not named, or not drawn this time, stays neutral. One draw takes `SLOTS` uniform numbers from the
generator at once, whatever comes out, and each key reads the slot at its place in `ORDER`. So the same state of it
gives the same degradation, and neither another range, nor another share, nor a key that a later version appends to
`ORDER` changes what the other keys draw, now or next time.

    ranges = Ranges.model_validate({"width": {"low": 11, "high": 64, "scale": "log"}, "linear": 0.5,
                                    "noise": {"low": 1, "high": 12, "share": 0.8}})
    degradation = draw(ranges, np.random.default_rng(1))

Randomising a pipeline of degradations as training data follows Zhang et al., "Designing a practical degradation model
for deep blind image super-resolution", ICCV 2021.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from facerecon.degradation.specification import Degradation
from facerecon.records import Record

ORDER: Final = (
    *("seed", "width", "blur", "linear", "defocus", "motion", "angle", "gain", "warm", "cold", "poisson", "noise"),
    *("jpeg", "crf", "interlace", "rolling", "bands", "sharpen", "rescale", "mjpeg", "frames"),
)
"""The slot of each key. New keys go to the end: what stands here keeps its place for good."""
SLOTS: Final = 64
"""Uniform numbers that one draw takes from the generator; more than there are keys, so that keys can be added."""
_WHOLE = frozenset({"jpeg", "crf", "mjpeg", "frames"})
_NEEDS: Final = {"bands": "rolling"}
_ANGLE_DEG = 90.0
_SEEDS = 2**32


class Drawn(Record):
    """How one key is drawn: uniformly between two values (or their logarithms), in a share of all degradations.

    `low` and `high` are in the key's own unit and both belong to the range; `share` is a probability.
    """

    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    scale: Literal["linear", "log"] = "linear"
    share: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _is_a_range(self) -> Drawn:
        if self.low > self.high:
            raise ValueError(f"low={self.low:g} is above high={self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low={self.low:g}: a logarithmic scale needs a low above 0")
        return self

    def real(self, share_of_one: float) -> float:
        """Return the value at 0 <= `share_of_one` < 1 of the range, to the ten digits that a text keeps."""
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** share_of_one
        else:
            value = self.low + (self.high - self.low) * share_of_one
        return min(max(float(f"{value:.10g}"), self.low), self.high)

    def whole(self, share_of_one: float) -> int:
        """Return the whole number at 0 <= `share_of_one` < 1 of the range; the last counts like the first."""
        if self.scale == "log":
            value = self.low * ((self.high + 1) / self.low) ** share_of_one
        else:
            value = self.low + (self.high + 1 - self.low) * share_of_one
        return int(min(math.floor(value), self.high))


class Ranges(Record):
    """How each key of `Degradation` is drawn; a key that is left out stays neutral.

    `linear` is the share of degradations with linear=1. `motion` brings its own angle, uniform in -90..90 degrees.
    `cold` is drawn only where `warm` was not, so its share is one of those; `bands` only where `rolling` was. `width`
    must not be above what the pictures have: `degrade` refuses that.
    """

    width: Drawn | None = None
    blur: Drawn | None = None
    linear: Annotated[float, Field(ge=0, le=1)] = 0.0
    defocus: Drawn | None = None
    motion: Drawn | None = None
    gain: Drawn | None = None
    warm: Drawn | None = None
    cold: Drawn | None = None
    poisson: Drawn | None = None
    noise: Drawn | None = None
    jpeg: Drawn | None = None
    crf: Drawn | None = None
    interlace: Drawn | None = None
    rolling: Drawn | None = None
    bands: Drawn | None = None
    sharpen: Drawn | None = None
    rescale: Drawn | None = None
    mjpeg: Drawn | None = None
    frames: Drawn | None = None

    @model_validator(mode="after")
    def _stays_within_the_keys_own_ranges(self) -> Ranges:
        for key, drawn in self.drawn().items():
            for end in ("low", "high"):
                problem = _problem(key, getattr(drawn, end))
                if problem:
                    raise ValueError(f"{key}: {end}={getattr(drawn, end):g}: {problem}")
        return self

    def drawn(self) -> dict[str, Drawn]:
        """Return the ranges that are given, by key."""
        values = ((key, getattr(self, key)) for key in type(self).model_fields)
        return {key: value for key, value in values if isinstance(value, Drawn)}


def draw(ranges: Ranges, rng: np.random.Generator) -> Degradation:
    """Draw one degradation, its seed included; takes `SLOTS` uniform numbers from `rng`, always.

    Args:
        ranges: how each key is drawn.
        rng: its state decides everything.
    """
    slots = dict(zip(ORDER, rng.random(SLOTS).tolist(), strict=False))
    values: dict[str, float] = {"seed": int(slots["seed"] * _SEEDS), "linear": int(slots["linear"] < ranges.linear)}
    for key, drawn in ranges.drawn().items():
        slot = slots[key]
        if slot < drawn.share:
            # Below the share a uniform number is uniform: one slot decides both whether and what.
            values[key] = drawn.whole(slot / drawn.share) if key in _WHOLE else drawn.real(slot / drawn.share)
    return Degradation.model_validate(_agreeing(values, slots["angle"]))


def _agreeing(values: dict[str, float], angle: float) -> dict[str, float]:
    """Return the values without those that exclude each other or have nothing to act on."""
    if "warm" in values:
        values.pop("cold", None)
    if values.get("motion"):
        values["angle"] = float(f"{_ANGLE_DEG * (2 * angle - 1):.10g}")
    return {key: value for key, value in values.items() if key not in _NEEDS or values.get(_NEEDS[key])}


def _problem(key: str, value: float) -> str | None:
    """Return what is wrong with a key's value, or None; a key that needs another gets it."""
    needed = {_NEEDS[key]: 1.0} if key in _NEEDS else {}
    try:
        Degradation.model_validate({key: value, **needed})
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return None
