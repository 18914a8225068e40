"""From a study to a calibration: bins of eye distance and of degradation. Fits nothing itself.

A bin holds the pairs whose worse side has an eye distance in the bin, and whose probe has lost about as much: each
range of eye distances is cut into three of equal numbers by the probes' fine detail (facerecon.faces.quality), which
compression and blur take away. The other measured quantities bound a bin: between the 1st and the 99th percentile of
its probes, so that a picture darker, blurrier or more turned than almost all that were measured gets no likelihood
ratio. (When a calibration is used, a turned gallery picture counts like a turned probe.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from facerecon import __version__
from facerecon.errors import UsageError
from facerecon.evaluation.comparison import Comparison, Pairs
from facerecon.evaluation.recognition import Study
from facerecon.likelihood import Bin, Calibration, Range, fit_bin
from facerecon.records import PRIMARY_VARIANTS, WITH_RESTORED, ModelStamp

DEFAULT_EDGES_PX = (6.0, 9.0, 12.5, 18.0, 30.0, 60.0)
CALIBRATED: tuple[str, ...] = (*PRIMARY_VARIANTS, WITH_RESTORED)
DETAIL = "fine_detail"
DETAIL_PARTS = 3
MIN_GENUINE = 300
MIN_SUBJECTS = 50
BOUNDED = ("sharpness", "brightness", "yaw_deg", "pitch_deg")
_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class Making:
    """What the calibration says of itself."""

    name: str
    variant: str
    dataset: str
    protocol: str
    degradations: tuple[str, ...]
    stamp: ModelStamp
    treatment: str
    seed: int
    edges_px: tuple[float, ...] = DEFAULT_EDGES_PX
    progress: Callable[[str], None] = field(default=lambda _: None, compare=False)


def calibrated(comparison: Comparison, found: Study, making: Making) -> tuple[Calibration, list[str]]:
    """Return the calibration, and for every bin that could not be made the reason.

    Raises:
        UsageError: the variant cannot be calibrated, pairs are pictures and their own twins, or no bin has enough.
    """
    require_calibratable(making.variant)
    if comparison.twins:
        raise UsageError(
            "every person has one picture only, so that same-source pairs are a picture and its own degraded twin; a "
            "calibration of those would overstate: it needs persons with two pictures or more"
        )
    bins: list[Bin] = []
    problems: list[str] = []
    for low, high in zip(making.edges_px, making.edges_px[1:], strict=False):
        sized = _Pair(
            _between(comparison, comparison.genuine, "inter_eye_px", low, high),
            _between(comparison, comparison.impostor, "inter_eye_px", low, high),
        )
        name = f"{low:g} to {high:g} px between the eyes"
        if problem := sized.too_few(comparison):
            problems.append(f"{name}: {problem}")
            continue
        eyes = Range(low=low, high=high)
        for number, (first, last) in enumerate(_detail_ranges(comparison, sized), start=1):
            part = _Pair(
                _between(comparison, sized.genuine, DETAIL, first, last),
                _between(comparison, sized.impostor, DETAIL, first, last),
            )
            full = f"{low:g} to {high:g} px, detail {first:g} to {last:g}"
            if problem := part.too_few(comparison):
                problems.append(f"{full}: {problem}")
                continue
            making.progress(f"bin {len(bins) + 1} ({name}, {number} of {DETAIL_PARTS})")
            ranges = {"inter_eye_px": eyes, DETAIL: Range(low=first, high=last), **_others(comparison, part, making)}
            bins.append(_fitted(full, ranges, comparison, part, found, making))
    if not bins:
        raise UsageError(f"no bin has enough pairs to be calibrated: {'; '.join(problems)}")
    return _document(making, bins), problems


def require_calibratable(variant: str) -> None:
    """Make sure that a variant may get likelihood ratios.

    Raises:
        UsageError: it may not.
    """
    if variant not in CALIBRATED:
        raise UsageError(f"variant {variant} never gets a likelihood ratio; calibrate {' or '.join(CALIBRATED)}")


@dataclass(frozen=True, eq=False)
class _Pair:
    """The same-source and the different-source pairs of a bin."""

    genuine: Pairs
    impostor: Pairs

    def too_few(self, comparison: Comparison) -> str:
        """Return why they are too few, or nothing."""
        people = len(np.unique(comparison.probe_people[self.genuine.probe]))
        if len(self.genuine) >= MIN_GENUINE and people >= MIN_SUBJECTS and len(self.impostor) >= MIN_GENUINE:
            return ""
        return (
            f"{len(self.genuine)} same-source pairs of {people} persons and {len(self.impostor)} different-source "
            f"pairs; {MIN_GENUINE} of {MIN_SUBJECTS} persons and {MIN_GENUINE} needed"
        )

    @property
    def probes(self) -> npt.NDArray[np.int32]:
        """The probes in it, each once."""
        return np.union1d(self.genuine.probe, self.impostor.probe)


def _between(comparison: Comparison, pairs: Pairs, name: str, low: float, high: float) -> Pairs:
    values = comparison.measured(pairs, name)
    return pairs.chosen((values >= low) & (values < high))


def _detail_ranges(comparison: Comparison, pair: _Pair) -> list[tuple[float, float]]:
    """Cut the probes' fine detail into three ranges of equal numbers, without the outermost hundredths."""
    values = [comparison.probes[index].measured[DETAIL] for index in pair.probes]
    low, *middle, high = np.percentile(values, [1, 100 / 3, 200 / 3, 99])
    edges = sorted({_floor(low, 1000), *(_floor(edge, 1000) for edge in middle), _floor(high, 1000) + 0.001})
    return list(pairwise(round(edge, 3) for edge in edges))


def _fitted(
    name: str, ranges: dict[str, Range], comparison: Comparison, pair: _Pair, found: Study, making: Making
) -> Bin:
    return fit_bin(
        name,
        ranges,
        pair.genuine.similarity,
        pair.impostor.similarity,
        comparison.labels(pair.genuine, pair.impostor),
        failures_to_acquire=(len(found.not_acquired), found.acquisitions),
        seed=making.seed,
    )


def _others(comparison: Comparison, pair: _Pair, making: Making) -> dict[str, Range]:
    """Return the ranges of what else was measured."""
    ranges: dict[str, Range] = {}
    for name in BOUNDED:
        values = np.array([comparison.probes[index].measured[name] for index in pair.probes])
        first, last = np.percentile(values, _PERCENTILES)
        turned = name in ("yaw_deg", "pitch_deg")
        # The upper end of a range does not belong to it.
        ranges[name] = Range(low=0.0 if turned else _floor(first, 100), high=round(_floor(last, 100) + 0.01, 2))
    if making.variant == "fused":
        ranges["frames"] = Range(low=2.0, high=None)
    return ranges


def _floor(value: float, steps: int) -> float:
    return math.floor(value * steps) / steps


def _document(making: Making, bins: Sequence[Bin]) -> Calibration:
    return Calibration.model_validate(
        {
            "name": making.name,
            "model": making.stamp.id,
            "weights_sha256": making.stamp.weights_sha256,
            "treatment": making.treatment,
            "variant": making.variant,
            "dataset": making.dataset,
            "protocol": making.protocol,
            "degradations": making.degradations,
            "created": date.today().isoformat(),
            "tool_version": __version__,
            "seed": making.seed,
            "bins": tuple(bins),
        }
    )
