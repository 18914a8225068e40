"""The calibration document: what a similarity is worth, in which conditions, and how well that was measured.

Owns the records, the lookup and the refusal outside what was calibrated; never fits (see `fitting`) and never
extrapolates: a likelihood ratio is given only where every measured quantity lies in one bin, and then within that bin's
bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.likelihood.quantities import as_measured, as_ranges
from facerecon.records import Record, Sha256

SCHEMA = 1
_FIRST = "inter_eye_px"
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Text = Annotated[str, Field(min_length=1)]


class Range(Record):
    """A range of a measured quantity: `low` belongs to it, `high` does not; None is no upper limit."""

    low: float
    high: float | None

    @model_validator(mode="after")
    def _not_empty(self) -> Range:
        if self.high is not None and self.high <= self.low:
            raise ValueError(f"the range from {self.low:g} to {self.high:g} is empty")
        return self

    def holds(self, value: float) -> bool:
        """Tell whether a value lies in the range; NaN lies in none."""
        return self.low <= value and (self.high is None or value < self.high)

    def meets(self, other: Range) -> bool:
        """Tell whether two ranges share a value."""
        return self.low < _end(other) and other.low < _end(self)


def _end(limits: Range) -> float:
    return math.inf if limits.high is None else limits.high


class Estimate(Record):
    """A measure with its 95 % interval from the subject bootstrap, or None when persons were not known."""

    value: float
    interval: tuple[float, float] | None


class Metrics(Record):
    """How well a bin tells persons apart. cllr and cllr_min in bits, the others fractions 0..1.

    `cllr` is that of the bounded likelihood ratios on the comparisons they were fitted on; `cllr_validation` is the
    mean of fitting on one half of the persons and measuring on the other, both ways, or None when persons were not
    known or few.
    """

    cllr: Estimate
    cllr_min: Estimate
    eer: Estimate
    auc: Estimate
    tar_at_far_1pct: Estimate
    tar_at_far_01pct: Estimate
    cllr_validation: float | None


class Acquisition(Record):
    """How many pictures of the data set could not be compared (no face, below the limits), of how many."""

    failed: Count
    of: Count

    @model_validator(mode="after")
    def _not_more_than_all(self) -> Acquisition:
        if self.failed > self.of:
            raise ValueError(f"{self.failed} of {self.of} pictures cannot have failed")
        return self


class Curves(Record):
    """What the plots draw: Tippett quantiles (101 log10 LRs from 0 to 100 % of each side), DET, and ECE, rounded."""

    tippett_same: tuple[float, ...]
    tippett_different: tuple[float, ...]
    det_false_match: tuple[Rate, ...]
    det_false_non_match: tuple[Rate, ...]
    ece_log10_prior_odds: tuple[float, ...]
    ece_system: tuple[float, ...]
    ece_pav: tuple[float, ...]

    @model_validator(mode="after")
    def _fit_together(self) -> Curves:
        if len(self.det_false_match) != len(self.det_false_non_match):
            raise ValueError("a DET curve needs as many false match as false non-match rates")
        if not len(self.ece_log10_prior_odds) == len(self.ece_system) == len(self.ece_pav):
            raise ValueError("an ECE curve needs a value for each prior odds")
        return self


class ImpostorsAbove(Record):
    """How many impostor comparisons were at least as similar: `low` to `high`, equal when known exactly; of `of`."""

    low: Count
    high: Count
    of: Count


class Impostors(Record):
    """The most similar different persons of the calibration: how similar is similar by chance.

    `nearest` holds up to 50 of the highest similarities, descending. `similarities` (ascending) and `at_least` say at
    about 200 points, evenly spread over the ratios from 1 to 1 in n, how many comparisons reached each; between two
    points only these two counts are known, and no more is said.
    """

    nearest: tuple[float, ...]
    similarities: tuple[float, ...]
    at_least: tuple[Count, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Impostors:
        if not self.similarities or len(self.similarities) != len(self.at_least):
            raise ValueError("each impostor similarity needs its count")
        if list(self.similarities) != sorted(set(self.similarities)) or list(self.at_least) != sorted(
            self.at_least, reverse=True
        ):
            raise ValueError("impostor similarities must ascend and their counts descend")
        return self

    def above(self, similarity: float) -> ImpostorsAbove:
        """Return how many comparisons were at least as similar, as exactly as the document knows."""
        total = self.at_least[0]
        if self.nearest and similarity > self.nearest[-1]:
            exact = sum(near >= similarity for near in self.nearest)
            return ImpostorsAbove(low=exact, high=exact, of=total)
        reached = [count for at, count in zip(self.similarities, self.at_least, strict=True) if at <= similarity]
        missed = [count for at, count in zip(self.similarities, self.at_least, strict=True) if at >= similarity]
        return ImpostorsAbove(low=missed[0] if missed else 0, high=reached[-1] if reached else total, of=total)


class Bin(Record):
    """One set of conditions: where it holds, log10 LR = intercept + slope x similarity, its bounds, and its measures.

    `ranges` names measured quantities (`inter_eye_px`, `sharpness`, `brightness`, `yaw_deg`, `frames`, ...); what it
    does not name is not limited. `genuine` and `impostor` count comparisons, `subjects` the persons they rest on.
    """

    id: Text
    ranges: dict[str, Range]
    slope: Annotated[float, Field(ge=0.0)]
    intercept: float
    log10_lower: Annotated[float, Field(le=0.0)]
    log10_upper: Annotated[float, Field(ge=0.0)]
    genuine: Annotated[int, Field(ge=1)]
    impostor: Annotated[int, Field(ge=1)]
    subjects: Annotated[int, Field(ge=1)]
    failures_to_acquire: Acquisition
    metrics: Metrics
    curves: Curves
    impostors: Impostors

    def log10_lr(self, similarity: float) -> tuple[float, bool]:
        """Return the bounded log10 LR of a similarity, and whether a bound was applied."""
        free = self.intercept + self.slope * similarity
        held = min(max(free, self.log10_lower), self.log10_upper)
        return held, held != free

    def failing(self, measured: Mapping[str, float]) -> list[tuple[str, Range]]:
        """Return the quantities that the bin limits and that were not measured or lie outside, with their ranges."""
        limited = self.ranges.items()
        return [(name, limits) for name, limits in limited if not limits.holds(measured.get(name, math.nan))]

    def holds(self, measured: Mapping[str, float]) -> bool:
        """Tell whether every quantity that the bin limits was measured and lies within."""
        return not self.failing(measured)

    def overlaps(self, other: Bin) -> bool:
        """Tell whether some measurement could lie in both bins."""
        shared = self.ranges.keys() & other.ranges.keys()
        return all(self.ranges[name].meets(other.ranges[name]) for name in shared)


class Assessed(Record):
    """A likelihood ratio: bounded log10 LR, whether a bound was applied, and the bin that gave it."""

    log10_lr: float
    bounded: bool
    bin_id: str


class Refused(Record):
    """No likelihood ratio, and why, in words for a report."""

    reason: str


class Calibration(Record):
    """A named calibration of one recognizer in stated conditions. `sha256` follows from all the rest."""

    schema_version: Literal[1] = 1
    name: Text
    model: Text
    weights_sha256: Sha256
    treatment: Text
    variant: Literal["original", "fused", "original+restored"]
    dataset: Text
    protocol: Text
    degradations: tuple[str, ...]
    created: Text
    tool_version: Text
    seed: int
    bins: Annotated[tuple[Bin, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_bin_each(self) -> Calibration:
        if len({part.id for part in self.bins}) < len(self.bins):
            raise ValueError("two bins have one name")
        for one, other in combinations(self.bins, 2):
            if one.overlaps(other):
                raise ValueError(f"bins {one.id!r} and {other.id!r} overlap: a measurement could lie in both")
        return self

    def content(self) -> dict[str, Any]:
        """Return the document as JSON data, without its digest."""
        return self.model_dump(mode="json")

    @property
    def sha256(self) -> str:
        """The SHA-256 of the canonical document without this field."""
        return sha256_bytes(canonical_json(self.content()))

    def applies_to(self, model: str, weights_sha256: str, treatment: str, variant: str) -> str:
        """Return "" when similarities made in this way are the ones calibrated, otherwise the reason in words."""
        wanted = {
            "the model": (self.model, model),
            "the weights": (self.weights_sha256, weights_sha256),
            "the treatment": (self.treatment, treatment),
            "the variant": (self.variant, variant),
        }
        for what, (ours, theirs) in wanted.items():
            if ours != theirs:
                return f"calibration {self.name} was made with {what} {ours!r}, not {theirs!r}"
        return ""

    def assess(self, similarity: float, measured: Mapping[str, float]) -> Assessed | Refused:
        """Return the likelihood ratio of a similarity under measured conditions, or why there is none.

        `measured` may hold more than the bins limit; the rest is not looked at.
        """
        if not math.isfinite(similarity):
            return Refused(reason="the pictures were not compared: there is no similarity")
        for part in self.bins:
            if part.holds(measured):
                log10_lr, bounded = part.log10_lr(similarity)
                return Assessed(log10_lr=log10_lr, bounded=bounded, bin_id=part.id)
        return Refused(reason=self._refusal(measured))

    def find(self, bin_id: str) -> Bin:
        """Return a bin by its id.

        Raises:
            KeyError: there is none of that id.
        """
        return {part.id: part for part in self.bins}[bin_id]

    def _refusal(self, measured: Mapping[str, float]) -> str:
        """Return why no bin holds: eye distance first, the first quantity that no bin left by the others holds."""
        names = sorted({name for part in self.bins for name in part.ranges}, key=lambda name: (name != _FIRST, name))
        bins, given = list(self.bins), ""
        for name in names:
            holding = [
                part
                for part in bins
                if name not in part.ranges or part.ranges[name].holds(measured.get(name, math.nan))
            ]
            if not holding:
                return self._outside(name, measured, [part.ranges[name] for part in bins], given)
            if len(holding) < len(bins) and name in measured:
                given += f"{' and ' if given else ' with '}{as_measured(name, measured[name])}"
            bins = holding
        raise AssertionError("some bin holds")

    def _outside(self, name: str, measured: Mapping[str, float], limits: list[Range], given: str) -> str:
        """Return in words that a quantity is in none of the limits, or was not measured."""
        ranges = as_ranges(name, [(part.low, part.high) for part in limits])
        holds_for = f"what calibration {self.name} holds for{given}: {ranges}"
        if name not in measured or math.isnan(measured[name]):
            return f"{as_measured(name, None)} was not measured, so it cannot be told whether it is {holds_for}"
        return f"{as_measured(name, measured[name])} lies outside {holds_for}"
