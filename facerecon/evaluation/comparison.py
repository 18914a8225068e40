"""Probes against galleries: every genuine pair, every cross impostor, and how far the figures can be trusted.

A pair of the same clip is not compared (a picture with its own degraded twin), unless every person has one picture
only; then the comparison says so, since a twin is easier to find than another picture. Intervals come from resampling
*persons*, not pairs: pairs that share a person are not independent (Bolle, Ratha, Pankanti, "Error analysis of pattern
recognition systems: the subsets bootstrap", CVIU 93(1), 2004). The same resamples serve every method that is measured
on the same persons, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facerecon.evaluation.subjects import Clip
from facerecon.evaluation.templates import Template, Vectors
from facerecon.likelihood import Subjects
from facerecon.likelihood.intervals import interval_of
from facerecon.likelihood.ladder import auc_of, cllr_min_of, eer_of, pools_of, roc_of, rungs, true_accepts_of

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]
MAX_IMPOSTORS = 20_000_000
"""Above this many impostor pairs a seeded share of them is drawn, and the document says so."""
RESAMPLES = 200
_BINS = 4000
Measure = Callable[[Vectors, Vectors], Singles]
"""Similarities of one probe vector (D,) to gallery vectors (N, D)."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Similarities with the rows of the templates behind each: probe and gallery, as indices."""

    similarity: Singles
    probe: Indices
    gallery: Indices

    def __len__(self) -> int:
        """Return how many."""
        return len(self.similarity)

    def chosen(self, mask: npt.NDArray[np.bool_]) -> Pairs:
        """Return those where `mask` holds."""
        return Pairs(self.similarity[mask], self.probe[mask], self.gallery[mask])


@dataclass(frozen=True, eq=False)
class Comparison:
    """All comparisons of one method."""

    probes: Sequence[Template]
    galleries: Sequence[Template]
    genuine: Pairs
    impostor: Pairs
    drawn_of: int
    """How many impostor pairs there are; more than `len(impostor)` when a share was drawn."""
    twins: bool = False
    """The genuine pairs are pictures and their own degraded twins."""

    @cached_property
    def people(self) -> list[str]:
        """The persons, sorted."""
        return sorted({each.clip.identity for each in (*self.probes, *self.galleries)})

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.people)}

    @cached_property
    def probe_people(self) -> Indices:
        """The person (its place in `people`) of each probe."""
        return np.array([self._number[each.clip.identity] for each in self.probes], np.int32)

    @cached_property
    def gallery_people(self) -> Indices:
        """The person of each gallery template."""
        return np.array([self._number[each.clip.identity] for each in self.galleries], np.int32)

    @property
    def subjects(self) -> int:
        """How many persons have a genuine pair."""
        return len(np.unique(self.probe_people[self.genuine.probe]))

    def labels(self, genuine: Pairs, impostor: Pairs) -> Subjects:
        """Return who is in each of these genuine and impostor pairs."""
        return Subjects(
            self.probe_people[genuine.probe], self.probe_people[impostor.probe], self.gallery_people[impostor.gallery]
        )

    def measured(self, pairs: Pairs, name: str) -> Floats:
        """Return a measured quantity of each pair: the probe's; of the eye distance the smaller one's."""
        values = np.array([each.measured[name] for each in self.probes])[pairs.probe]
        if name != "inter_eye_px":
            return np.asarray(values)
        others = np.array([each.measured[name] for each in self.galleries])[pairs.gallery]
        return np.asarray(np.minimum(values, others))


def compare(
    probes: Sequence[Template], galleries: Sequence[Template], measure: Measure, *, seed: int = 0
) -> Comparison:
    """Compare every probe with every gallery template but its own clip's.

    Args:
        probes: of one method and model.
        galleries: of the same model.
        measure: the model's similarity.
        seed: of the share of impostor pairs that is drawn when there are more than 20 million.
    """
    owners = np.array([each.clip.identity for each in galleries])
    rows: dict[Clip, list[int]] = {}
    for number, each in enumerate(galleries):
        rows.setdefault(each.clip, []).append(number)
    matrix = np.stack([each.vector for each in galleries])
    lone = len(set(owners)) == len(owners)
    rng, share = np.random.default_rng(seed), MAX_IMPOSTORS / max(1, len(probes) * len(galleries))
    same: list[tuple[Singles, int, Indices]] = []
    other: list[tuple[Singles, int, Indices]] = []
    total = 0
    for row, probe in enumerate(probes):
        similarity = measure(probe.vector, matrix)
        kin = owners == probe.clip.identity
        own = np.flatnonzero(kin).astype(np.int32)
        if not lone:
            own = np.setdiff1d(own, rows.get(probe.clip, [])).astype(np.int32)
        strangers = np.flatnonzero(~kin).astype(np.int32)
        total += len(strangers)
        if share < 1:
            strangers = strangers[rng.random(len(strangers)) < share]
        same.append((similarity[own], row, own))
        other.append((similarity[strangers], row, strangers))
    twins = lone and any(probe.clip in rows for probe in probes)
    return Comparison(probes, galleries, _pairs(same), _pairs(other), total, twins)


def _pairs(rows: Sequence[tuple[Singles, int, Indices]]) -> Pairs:
    return Pairs(
        np.concatenate([similarity for similarity, _, _ in rows]).astype(np.float32),
        np.concatenate([np.full(len(columns), row, np.int32) for _, row, columns in rows]),
        np.concatenate([columns for _, _, columns in rows]),
    )


# --- figures with intervals -------------------------------------------------------------------------------------------


FIGURES = ("tar_at_far_1pct", "tar_at_far_01pct", "eer", "auc", "cllr_min")
Figures = dict[str, float]


def figures_of(genuine: Floats, impostor: Floats) -> Figures:
    """Return the error figures of two histograms over the same increasing similarities (weights may be fractions).

    tar_at_far_*: the share of genuine pairs accepted at the lowest threshold that accepts no more than 1 % or 0.1 % of
    the impostors. The others: see facerecon.likelihood.measures. Not numbers where a side is empty.
    """
    if genuine.sum() <= 0 or impostor.sum() <= 0:
        return dict.fromkeys(FIGURES, float("nan"))
    steps = rungs(np.arange(len(genuine), dtype=np.float64), genuine, impostor)
    curve = roc_of(steps)
    return {
        "tar_at_far_1pct": true_accepts_of(curve, 0.01),
        "tar_at_far_01pct": true_accepts_of(curve, 0.001),
        "eer": eer_of(curve),
        "auc": auc_of(curve),
        "cllr_min": cllr_min_of(pools_of(steps)),
    }


@dataclass(frozen=True, eq=False)
class Resampled:
    """The figures of several methods, and of as many resamples of the persons: the same ones for every method."""

    figures: Mapping[str, Figures]
    resamples: Mapping[str, Mapping[str, Floats]]

    def interval(self, method: str, figure: str) -> tuple[float, float]:
        """Return the 95 % percentile interval of one figure."""
        return interval_of(self.resamples[method][figure])

    def gain(self, method: str, over: str, figure: str) -> tuple[float, tuple[float, float]]:
        """Return the difference of two methods and its paired 95 % interval."""
        difference = self.resamples[method][figure] - self.resamples[over][figure]
        return self.figures[method][figure] - self.figures[over][figure], interval_of(difference)


def resampled(
    methods: Mapping[str, Comparison],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Callable[[], None] = lambda: None,
) -> Resampled:
    """Measure methods and resample the persons.

    Similarities are put into 4,000 bins between the smallest and the largest of all methods.

    Args:
        methods: by name.
        seed: of the resampling.
        resamples: how many.
        progress: hears of every resample of every method.
    """
    people = sorted({name for each in methods.values() for name in each.people})
    counts = drawn_persons(len(people), seed, resamples)
    figures: dict[str, Figures] = {}
    spread: dict[str, dict[str, Floats]] = {}
    for name, comparison in methods.items():
        bins = _Binned(comparison, people)
        figures[name] = figures_of(*bins.histograms(np.ones(len(people))))
        rows = []
        for drawn in counts:
            rows.append(figures_of(*bins.histograms(drawn)))
            progress()
        spread[name] = {figure: np.array([row[figure] for row in rows]) for figure in FIGURES}
    return Resampled(figures, spread)


def error_rates(comparison: Comparison, threshold: float, seed: int, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the false match and false non-match rates at a threshold, with 95 % intervals over persons."""
    counts = drawn_persons(len(comparison.people), seed, resamples)
    document: dict[str, Any] = {"threshold": threshold}
    for name, pairs, wrong in (
        ("fmr", comparison.impostor, comparison.impostor.similarity >= threshold),
        ("fnmr", comparison.genuine, comparison.genuine.similarity < threshold),
    ):
        probe, gallery = comparison.probe_people[pairs.probe], comparison.gallery_people[pairs.gallery]
        rates = [_rate(wrong, pair_weights(drawn, probe, gallery, same=name == "fnmr")) for drawn in counts]
        document[name] = round(float(wrong.mean()), 7) if len(wrong) else None
        document[f"{name}_interval"] = [round(end, 7) for end in interval_of(np.array(rates))] if len(wrong) else None
    return document


def _rate(wrong: npt.NDArray[np.bool_], weights: Floats) -> float:
    total = weights.sum()
    return float(weights[wrong].sum() / total) if total > 0 else float("nan")


def pair_weights(drawn: Floats, probe: Indices, gallery: Indices, *, same: bool) -> Floats:
    """Return how often each pair counts when person k was drawn `drawn[k]` times."""
    return np.asarray(drawn[probe] if same else drawn[probe] * drawn[gallery])


def drawn_persons(people: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Return how often each person is drawn in each resample, (resamples, people)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1 / people), size=resamples).astype(np.float64)


class _Binned:
    """A comparison's pairs as bins and persons, for fast weighted histograms."""

    def __init__(self, comparison: Comparison, people: Sequence[str]) -> None:
        place = {name: index for index, name in enumerate(people)}
        probe = np.array([place[each.clip.identity] for each in comparison.probes])
        gallery = np.array([place[each.clip.identity] for each in comparison.galleries])
        both = [comparison.genuine, comparison.impostor]
        low = min(float(pairs.similarity.min()) for pairs in both)
        high = max(float(pairs.similarity.max()) for pairs in both)
        step = max(high - low, 1e-9) / _BINS
        self._sides = [
            (
                np.clip((pairs.similarity - low) / step, 0, _BINS - 1).astype(np.int16),
                probe[pairs.probe].astype(np.int32),
                gallery[pairs.gallery].astype(np.int32),
            )
            for pairs in both
        ]

    def histograms(self, drawn: Floats) -> tuple[Floats, Floats]:
        """Return the genuine and the impostor histogram when person k counts `drawn[k]` times."""
        (bins, probe, _), (other_bins, other_probe, other_gallery) = self._sides
        genuine = np.bincount(bins, pair_weights(drawn, probe, probe, same=True), _BINS).astype(np.float64)
        weights = pair_weights(drawn, other_probe, other_gallery, same=False)
        impostor = np.bincount(other_bins, weights, _BINS).astype(np.float64)
        return genuine, impostor
