"""Recognition measured: all genuine pairs against all cross impostors, with intervals and every failure counted.

Reported after ISO/IEC 19795-1: false match and false non-match rates with intervals, failures to enrol and to acquire.
Owns the study of a dataset and its figures; the engines are handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from facerecon.evaluation.comparison import (
    FIGURES,
    Comparison,
    Floats,
    Measure,
    Pairs,
    compare,
    drawn_persons,
    error_rates,
    pair_weights,
    resampled,
)
from facerecon.evaluation.subjects import Clip
from facerecon.evaluation.templates import Engines, Gate, Making, Outcome, Template, outcomes
from facerecon.likelihood import cllr_validation
from facerecon.likelihood.intervals import interval_of
from facerecon.records import Skipped

Mask = npt.NDArray[np.bool_]


@dataclass(eq=False)
class Study:
    """A dataset's templates, and what was left out. `probes` has one list per variant, over all degradations.

    `frames` counts the frames that probes were to be made of, `frames_lost` those without a face, by the reason.
    """

    galleries: list[Template] = field(default_factory=list)
    probes: dict[str, list[Template]] = field(default_factory=dict)
    not_enrolled: list[Skipped] = field(default_factory=list)
    not_acquired: list[Skipped] = field(default_factory=list)
    enrolments: int = 0
    acquisitions: int = 0
    frames: int = 0
    frames_lost: Counter[str] = field(default_factory=Counter)

    def require_pairs(self) -> str:
        """Return why nothing can be compared, or nothing."""
        if not self.galleries:
            return "no gallery picture could be enrolled"
        if not any(self.probes.values()):
            return "no face was found in any degraded picture"
        return ""


def study(
    clips: Sequence[Clip],
    references: Sequence[Clip] | None,
    engines: Engines,
    makings: Sequence[Making],
    gate: Gate,
    seen: Callable[[], None] = lambda: None,
) -> Study:
    """Make all templates of a dataset.

    Args:
        clips: the dataset.
        references: the clips of another dataset that galleries are made of; None: the dataset itself, pristine.
        engines: who finds, embeds and enhances.
        makings: how probes are made; all of one study have the same variants.
        gate: refuses gallery pictures.
        seen: hears of every clip.
    """
    found = Study(probes={variant: [] for variant in makings[0].variants})
    for outcome in outcomes(references or (), engines, (), gate):
        _enrol(found, outcome.gallery)
        seen()
    for outcome in outcomes(clips, engines, makings, gate):
        if references is None:
            _enrol(found, outcome.gallery)
        _acquire(found, outcome)
        seen()
    return found


def _enrol(found: Study, template: Template | Skipped) -> None:
    found.enrolments += 1
    if isinstance(template, Skipped):
        found.not_enrolled.append(template)
    else:
        found.galleries.append(template)


def _acquire(found: Study, outcome: Outcome) -> None:
    for probe, frames in zip(outcome.probes, outcome.frames, strict=True):
        found.acquisitions += 1
        found.frames += frames.requested
        found.frames_lost.update(frames.lost)
        if isinstance(probe, Skipped):
            found.not_acquired.append(probe)
            continue
        for variant, template in probe.items():
            found.probes[variant].append(template)


# --- figures ----------------------------------------------------------------------------------------------------------


def summary(comparison: Comparison, found: Study, threshold: float | None, seed: int) -> dict[str, Any]:
    """Return the document of one variant: pairs, figures with 95 % intervals, failures.

    `cllr` is that of likelihood ratios calibrated on other persons: two halves, each judged by the other's calibration.
    """
    name = "measured"
    spread = resampled({name: comparison}, seed=seed)
    document: dict[str, Any] = {
        "pairs": {"genuine": len(comparison.genuine), "impostor": len(comparison.impostor)},
        "impostor_pairs_drawn_of": comparison.drawn_of,
        "subjects": comparison.subjects,
        "twins": comparison.twins,
        **{figure: _rounded(spread.figures[name][figure]) for figure in FIGURES},
        "cllr": _rounded(unseen_cllr(comparison, seed)),
        "intervals": {figure: _ends(spread.interval(name, figure)) for figure in FIGURES},
        "failures": failures(found),
    }
    if threshold is not None:
        document["at_threshold"] = error_rates(comparison, threshold, seed)
    return document


def failures(found: Study) -> dict[str, Any]:
    """Return failures to enrol and to acquire (of probes, and of their frames): how many of how many, and why."""
    return {
        "to_enrol": _failures(Counter(item.reason for item in found.not_enrolled), found.enrolments),
        "to_acquire": _failures(Counter(item.reason for item in found.not_acquired), found.acquisitions),
        "to_acquire_frames": _failures(found.frames_lost, found.frames),
    }


def _failures(reasons: Mapping[str, int], requested: int) -> dict[str, Any]:
    return {"count": sum(reasons.values()), "requested": requested, "reasons": dict(sorted(reasons.items()))}


def unseen_cllr(comparison: Comparison, seed: int) -> float | None:
    """Return Cllr on persons that the calibration has not seen, without bounds: see `likelihood.cllr_validation`."""
    genuine, impostor = comparison.genuine, comparison.impostor
    return cllr_validation(
        genuine.similarity.astype(np.float64),
        impostor.similarity.astype(np.float64),
        comparison.labels(genuine, impostor),
        seed=seed,
        bounded=False,
    )


def _rounded(value: float | None) -> float | None:
    return round(value, 5) if value is not None and np.isfinite(value) else None


def _ends(interval: tuple[float, float]) -> list[float] | None:
    return [round(end, 5) for end in interval] if np.isfinite(interval).all() else None


def differentials(comparison: Comparison, seed: int) -> dict[str, Any]:
    """Return, per group that the pictures' names tell, how its scores differ from everybody's.

    impostor_shift: the mean similarity of different persons of the group among themselves, less that of all different
    persons; fmr: their false match rate at the threshold that gives 1 % over all (the demographic differential of NIST
    IR 8280, 2019); genuine_shift: likewise for same-source pairs. Intervals resample persons. Empty without labels.
    """
    probe_groups = [set(each.clip.groups) for each in comparison.probes]
    names = sorted(set().union(*probe_groups))
    if not names:
        return {}
    gallery_groups = [set(each.clip.groups) for each in comparison.galleries]
    genuine, impostor = comparison.genuine, comparison.impostor
    threshold = float(np.quantile(impostor.similarity, 0.99))
    counts = drawn_persons(len(comparison.people), seed)
    found: dict[str, Any] = {}
    for name in names:
        probes = np.array([name in groups for groups in probe_groups])
        galleries = np.array([name in groups for groups in gallery_groups])
        inside = probes[impostor.probe] & galleries[impostor.gallery]
        own = probes[genuine.probe]
        found[name] = {
            "pictures": len({each.clip for each, inside in zip(comparison.probes, probes, strict=True) if inside}),
            "impostor_pairs": int(inside.sum()),
            **_shift("impostor", comparison, impostor, inside, counts),
            "fmr": float(np.mean(impostor.similarity[inside] > threshold)) if inside.any() else None,
            "genuine_pairs": int(own.sum()),
            **_shift("genuine", comparison, genuine, own, counts),
        }
    return found


def _shift(name: str, comparison: Comparison, pairs: Pairs, inside: Mask, counts: Floats) -> dict[str, Any]:
    if not inside.any():
        return {f"{name}_shift": None, f"{name}_shift_interval": None}
    value = float(pairs.similarity[inside].mean() - pairs.similarity.mean())
    probe, gallery = comparison.probe_people[pairs.probe], comparison.gallery_people[pairs.gallery]
    weights = (pair_weights(drawn, probe, gallery, same=name == "genuine") for drawn in counts)
    spread = [_weighted_shift(pairs, inside, each) for each in weights]
    return {f"{name}_shift": round(value, 5), f"{name}_shift_interval": _ends(interval_of(np.array(spread)))}


def _weighted_shift(pairs: Pairs, inside: Mask, weights: Floats) -> float:
    if not weights[inside].sum():
        return float("nan")
    group = np.average(pairs.similarity[inside], weights=weights[inside])
    return float(group - np.average(pairs.similarity, weights=weights))


def comparisons(found: Study, measure: Measure, seed: int) -> dict[str, Comparison]:
    """Compare every variant's probes with the galleries."""
    return {
        variant: compare(probes, found.galleries, measure, seed=seed)
        for variant, probes in found.probes.items()
        if probes
    }
