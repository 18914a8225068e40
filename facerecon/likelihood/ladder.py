"""Genuine and impostor scores sorted once. Owns the rungs that rank-based measures are read from; never fits a model.

A *rung* is a run of neighbouring scores that no measure can tell apart: either one value of a genuine score with the
impostors tied to it, or all impostors strictly between two genuine values. Ten thousand genuine and four million
impostor scores become some twenty thousand rungs, and ROC, EER, AUC and the pool-adjacent-violators fit read from them
are exact: neighbours with one label always end in one pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ladder:
    """Rungs in ascending order of score: the lowest score, and the weight of genuine and impostor scores, of each.

    Arrays of shape (rungs,), float64; no rung is empty; each side has a positive total.
    """

    lowest: FloatArray
    genuine: FloatArray
    impostor: FloatArray


@dataclass(frozen=True, eq=False)
class Roc:
    """The receiver operating characteristic, from "accept none" (0, 0) to "accept all" (1, 1).

    Arrays of shape (points,): a score is accepted at or above `thresholds` (descending, first +inf); `false_accept` and
    `true_accept` are fractions in 0..1, ascending. Between points the curve is a straight line, so ties count half.
    """

    thresholds: FloatArray
    false_accept: FloatArray
    true_accept: FloatArray


@dataclass(frozen=True, eq=False)
class Pools:
    """The pools of the pool-adjacent-violators fit: the fraction of all genuine and of all impostor scores in each.

    Arrays of shape (pools,), ascending in likelihood ratio, which is `genuine / impostor`; each sums to 1.
    """

    genuine: FloatArray
    impostor: FloatArray


def checked(scores: npt.ArrayLike, name: str) -> FloatArray:
    """Return scores as a float64 vector.

    Raises:
        UsageError: there are none, they are not one-dimensional, or one is NaN; `name` says which scores.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise UsageError(f"there are no {name} comparisons to measure; give at least one")
    if np.isnan(values).any():
        raise UsageError(f"a {name} comparison has no number for a score; leave out what could not be compared")
    return values


def ladder(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> Ladder:
    """Sort both sets of scores into rungs; higher scores mean more similar.

    Raises:
        UsageError: a side is empty or holds NaN.
    """
    values, counts = np.unique(checked(genuine, "same-source"), return_counts=True)
    others = np.sort(checked(impostor, "different-source"))
    below, through = np.searchsorted(others, values, "left"), np.searchsorted(others, values, "right")
    between = np.append(below, others.size) - np.concatenate([[0], through])
    lowest = _interleave(np.concatenate([[-np.inf], np.nextafter(values, np.inf)]), values)
    genuine_weight = _interleave(np.zeros(values.size + 1), counts)
    impostor_weight = _interleave(between, through - below)
    return rungs(lowest, genuine_weight, impostor_weight)


def rungs(lowest: FloatArray, genuine: FloatArray, impostor: FloatArray) -> Ladder:
    """Make a ladder of weights per rung (shape (rungs,), ascending), leaving out empty rungs."""
    held = genuine + impostor > 0
    return Ladder(lowest[held], genuine[held], impostor[held])


def _interleave(outer: npt.NDArray[np.generic], inner: npt.NDArray[np.generic]) -> FloatArray:
    """Return outer[0], inner[0], outer[1], ..., outer[-1]; `outer` is one longer."""
    mixed = np.empty(outer.size + inner.size, dtype=np.float64)
    mixed[0::2], mixed[1::2] = outer, inner
    return mixed


def roc_of(steps: Ladder) -> Roc:
    """Return the ROC of a ladder: one point per rung, and the point where nothing is accepted."""
    accepted = np.cumsum(steps.impostor[::-1]), np.cumsum(steps.genuine[::-1])
    false_accept, true_accept = (np.concatenate([[0.0], side / side[-1]]) for side in accepted)
    return Roc(np.concatenate([[np.inf], steps.lowest[::-1]]), false_accept, true_accept)


def eer_of(curve: Roc) -> float:
    """Return the rate, in 0..1, at which the ROC has as many false accepts as false rejects."""
    excess = curve.false_accept + curve.true_accept - 1.0
    after = int(np.argmax(excess >= 0.0))
    part = -excess[after - 1] / (excess[after] - excess[after - 1])
    return float(curve.false_accept[after - 1] + part * (curve.false_accept[after] - curve.false_accept[after - 1]))


def true_accepts_of(curve: Roc, far: float) -> float:
    """Return the share of genuine scores accepted by the lowest threshold with at most `far` (0..1) false accepts."""
    return float(curve.true_accept[curve.false_accept <= far + 1e-12].max())


def auc_of(curve: Roc) -> float:
    """Return the area under the ROC, in 0..1: how often a genuine score exceeds an impostor's, ties counting half."""
    heights = 0.5 * (curve.true_accept[1:] + curve.true_accept[:-1])
    return float(np.diff(curve.false_accept) @ heights)


def pools_of(steps: Ladder) -> Pools:
    """Pool adjacent violators, both classes weighing the same.

    The optimal calibration of scores whose order alone is trusted: Ahuja & Orlin, "A fast scaling algorithm for
    minimizing separable convex functions subject to chain constraints", Operations Research, 2001, as in Bruemmer & du
    Preez, 2006.
    """
    genuine, impostor = steps.genuine / steps.genuine.sum(), steps.impostor / steps.impostor.sum()
    weight = genuine + impostor
    # Half a second, which whoever only reads a calibration need not wait.
    from scipy.optimize import isotonic_regression

    starts = isotonic_regression(genuine / weight, weights=weight).blocks[:-1]
    return Pools(np.add.reduceat(genuine, starts), np.add.reduceat(impostor, starts))


def cllr_min_of(pools: Pools) -> float:
    """Return the log-likelihood-ratio cost, in bits (0..1), of the pools' own likelihood ratios."""
    total = pools.genuine + pools.impostor
    return 0.5 * (_cost(pools.genuine, total) + _cost(pools.impostor, total))


def _cost(part: FloatArray, total: FloatArray) -> float:
    held = part > 0
    return float(np.sum(part[held] * np.log2(total[held] / part[held])))
