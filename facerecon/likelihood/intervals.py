"""How far the measures can be trusted. Owns the subject bootstrap and the split into halves; never fits a model.

Comparisons that share a person are not independent, so intervals come from drawing *persons* again, not comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.likelihood.ladder import (
    FloatArray,
    Ladder,
    Roc,
    auc_of,
    cllr_min_of,
    eer_of,
    pools_of,
    roc_of,
    rungs,
)
from facerecon.likelihood.measures import different_cost, same_cost

MIN_SUBJECTS = 10
_LEVELS_PCT = (2.5, 97.5)
_EVEN_RUNGS = 512
_TAIL_RUNGS = 512
_BLOCK = 1 << 16

Mask = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Subjects:
    """Who is in each comparison: the person of each genuine one, both persons of each impostor one.

    Integer labels of one numbering, shapes (genuine,), (impostor,) and (impostor,), in the order of the scores.
    """

    genuine: npt.NDArray[np.integer]
    impostor_first: npt.NDArray[np.integer]
    impostor_second: npt.NDArray[np.integer]

    def __post_init__(self) -> None:
        """Refuse labels that do not fit together."""
        if self.impostor_first.shape != self.impostor_second.shape:
            raise UsageError("each different-source comparison needs two persons")
        if np.any(self.impostor_first == self.impostor_second):
            raise UsageError("a different-source comparison has one person on both sides; check the labels")

    def numbered(self) -> tuple[Subjects, int]:
        """Return the same with persons numbered from 0 without gaps, and how many there are."""
        known = np.unique(np.concatenate([np.unique(part) for part in self._parts()]))
        first, second, third = (np.searchsorted(known, part).astype(np.int32) for part in self._parts())
        return Subjects(first, second, third), int(known.size)

    def chosen(self, mask: Mask) -> Subjects:
        """Return the labels of the genuine and the impostor comparisons that a mask holds."""
        same, other = mask
        return Subjects(self.genuine[same], self.impostor_first[other], self.impostor_second[other])

    def count(self) -> int:
        """Return the number of persons on the side that has fewer: what the data rests on."""
        impostors = np.union1d(np.unique(self.impostor_first), np.unique(self.impostor_second))
        return int(min(np.unique(self.genuine).size, impostors.size))

    def _parts(self) -> tuple[npt.NDArray[np.integer], ...]:
        return self.genuine, self.impostor_first, self.impostor_second


@dataclass(frozen=True, eq=False)
class Compared:
    """Scores and the log10 LRs that a fixed model gave them, shapes (genuine,) and (impostor,)."""

    genuine: FloatArray
    impostor: FloatArray
    genuine_log10_lr: FloatArray
    impostor_log10_lr: FloatArray


def bootstrap_intervals(
    compared: Compared, subjects: Subjects, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Return 95 % percentile intervals of cllr, cllr_min, eer, auc, tar_at_far_1pct and tar_at_far_01pct.

    Each of `resamples` rounds draws as many persons as there are, with replacement. A genuine comparison counts as
    often as its person was drawn, an impostor comparison as often as its first times its second person: Owen, "The
    pigeonhole bootstrap", Annals of Applied Statistics 1, 2007, somewhat too wide rather than too narrow. The model
    stays as fitted, so the interval of cllr is that of measuring it, not of fitting it again. Scores are put on about
    1,500 rungs (finer in the tail of the impostors), and the ROC is interpolated between them. Empty with fewer than 10
    persons.
    """
    numbered, persons = subjects.numbered()
    if persons < MIN_SUBJECTS or resamples < 2:
        return {}
    binned = _Binned.of(compared)
    random = np.random.default_rng(seed)
    draws = (np.bincount(random.integers(0, persons, persons), minlength=persons) for _ in range(resamples))
    rounds = [figures for drawn in draws if (figures := binned.figures(numbered, drawn.astype(np.float64)))]
    if len(rounds) < 2:
        return {}
    return {name: interval_of(np.array([figures[name] for figures in rounds])) for name in rounds[0]}


def interval_of(values: FloatArray) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled values; those that are no numbers do not count."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, _LEVELS_PCT) if len(known) else (float("nan"), float("nan"))
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class _Binned:
    """The rung of each comparison, and the mean cost of the comparisons on each rung."""

    edges: FloatArray
    genuine_rung: npt.NDArray[np.intp]
    impostor_rung: npt.NDArray[np.intp]
    genuine_cost: FloatArray
    impostor_cost: FloatArray

    @classmethod
    def of(cls, compared: Compared) -> _Binned:
        edges = _edges(compared)
        ours, theirs = (np.searchsorted(edges[1:], part, "right") for part in (compared.genuine, compared.impostor))
        return cls(
            edges,
            ours,
            theirs,
            _mean_on_rungs(ours, same_cost(compared.genuine_log10_lr), edges.size),
            _mean_on_rungs(theirs, different_cost(compared.impostor_log10_lr), edges.size),
        )

    def figures(self, subjects: Subjects, drawn: FloatArray) -> dict[str, float] | None:
        """Return the measures when each person was drawn so often, or none when a side was not drawn at all."""
        ours = np.bincount(self.genuine_rung, drawn[subjects.genuine], self.edges.size).astype(np.float64)
        theirs = self._impostors(subjects, drawn)
        if not (ours.sum() > 0 and theirs.sum() > 0):
            return None
        cost = 0.5 * (ours @ self.genuine_cost / ours.sum() + theirs @ self.impostor_cost / theirs.sum())
        return {"cllr": float(cost), **_ranked(rungs(self.edges, ours, theirs))}

    def _impostors(self, subjects: Subjects, drawn: FloatArray) -> FloatArray:
        total = np.zeros(self.edges.size)
        # Blocks that stay in the processor's cache take a quarter of the time.
        for start in range(0, self.impostor_rung.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            weight = drawn.take(subjects.impostor_first[block]) * drawn.take(subjects.impostor_second[block])
            total += np.bincount(self.impostor_rung[block], weight, total.size)
        return total


def _ranked(steps: Ladder) -> dict[str, float]:
    curve = roc_of(steps)
    return {
        "cllr_min": cllr_min_of(pools_of(steps)),
        "eer": eer_of(curve),
        "auc": auc_of(curve),
        "tar_at_far_1pct": _interpolated(curve, 0.01),
        "tar_at_far_01pct": _interpolated(curve, 0.001),
    }


def _interpolated(curve: Roc, far: float) -> float:
    return float(np.interp(far, curve.false_accept, curve.true_accept))


def _edges(compared: Compared) -> FloatArray:
    """Return the lower ends of the rungs: even quantiles of both sides, and the impostors' tail at even ratios."""
    even = np.linspace(0.0, 1.0, _EVEN_RUNGS)
    size = compared.impostor.size
    tail = 1.0 - np.logspace(0.0, -np.log10(size), _TAIL_RUNGS) if size > 1 else even[:1]
    theirs = np.sort(compared.impostor)
    places = np.concatenate([even, tail]) * (size - 1)
    edges = np.unique(np.concatenate([np.quantile(compared.genuine, even), theirs[np.round(places).astype(np.intp)]]))
    return np.concatenate([[-np.inf], edges])


def _mean_on_rungs(rung: npt.NDArray[np.intp], cost: FloatArray, size: int) -> FloatArray:
    return np.bincount(rung, cost, size) / np.maximum(np.bincount(rung, minlength=size), 1)


def split_halves(subjects: Subjects, seed: int) -> tuple[Mask, Mask]:
    """Split the persons at random (seeded) into two halves, and return which comparisons lie entirely within each.

    Comparisons across the halves belong to neither: a person seen in fitting never appears in measuring.
    """
    numbered, persons = subjects.numbered()
    in_first = np.zeros(persons, dtype=np.bool_)
    in_first[np.random.default_rng(seed).permutation(persons)[: persons // 2]] = True
    return _within(numbered, in_first), _within(numbered, ~in_first)


def _within(numbered: Subjects, chosen: npt.NDArray[np.bool_]) -> Mask:
    return chosen[numbered.genuine], chosen[numbered.impostor_first] & chosen[numbered.impostor_second]
