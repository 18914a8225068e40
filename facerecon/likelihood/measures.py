"""How well scores and likelihood ratios tell persons apart. Owns the measures; never fits or bounds anything.

Scores: larger means more similar. Likelihood ratios come as logarithms to base 10. "Genuine" and "same" are comparisons
of one person, "impostor" and "different" of two. All arithmetic is float64, and nothing loops over pairs: ten thousand
genuine and four million impostor scores take a second or two and a few copies of the scores. The measures take every
comparison as one observation; how far they can be trusted is for `facerecon.likelihood.intervals` to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.likelihood.ladder import (
    FloatArray,
    Pools,
    Roc,
    auc_of,
    checked,
    cllr_min_of,
    eer_of,
    ladder,
    pools_of,
    roc_of,
    true_accepts_of,
)

_LOG2_OF_10 = math.log2(10.0)


@dataclass(frozen=True, eq=False)
class Det:
    """A detection error trade-off: false match and false non-match rates (shape (points,), fractions 0..1)."""

    false_match: FloatArray
    false_non_match: FloatArray


@dataclass(frozen=True, eq=False)
class Tippett:
    """Tippett curves: the fraction of same and of different comparisons with at least `log10_lr` (shape (points,))."""

    log10_lr: FloatArray
    same_at_least: FloatArray
    different_at_least: FloatArray


@dataclass(frozen=True, eq=False)
class Ece:
    """Empirical cross-entropy in bits at prior odds: of the LRs, of them after PAV, and of LR = 1 (shape (priors,))."""

    log10_prior_odds: FloatArray
    system: FloatArray
    pav: FloatArray
    neutral: FloatArray


def roc(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> Roc:
    """Return the receiver operating characteristic of two sets of scores.

    Raises:
        UsageError: a side is empty or holds NaN (so for all measures here).
    """
    return roc_of(ladder(genuine, impostor))


def det_points(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> Det:
    """Return the detection error trade-off.

    Martin, Doddington, Kamm, Ordowski & Przybocki, "The DET curve in assessment of detection task performance",
    Eurospeech, 1997.
    """
    curve = roc(genuine, impostor)
    return Det(curve.false_accept, 1.0 - curve.true_accept)


def eer(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Return the equal error rate, in 0..1: where the ROC has as many false accepts as false rejects."""
    return eer_of(roc(genuine, impostor))


def auc(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Return the area under the ROC, in 0..1: how often a genuine score exceeds an impostor's, ties counting half."""
    return auc_of(roc(genuine, impostor))


def true_accept_rate(genuine: npt.ArrayLike, impostor: npt.ArrayLike, far: float) -> float:
    """Return the fraction of genuine scores accepted by the lowest threshold with at most `far` (0..1) false accepts.

    At or above the threshold is accepted. Tied scores stand or fall together: where the last allowed false accept is
    tied with one that is not allowed, the threshold lies above both, so the rate of false accepts may stay below `far`.

    Raises:
        UsageError: a side is empty or holds NaN, or `far` lies outside 0..1.
    """
    if not 0.0 <= far <= 1.0:
        raise UsageError(f"a rate of false accepts lies in 0 to 1, not {far:g}")
    return true_accepts_of(roc(genuine, impostor), far)


def false_match_rate(impostor: npt.ArrayLike, threshold: float) -> float:
    """Return the fraction of impostor scores at or above a threshold (ISO/IEC 19795-1)."""
    return float(np.mean(checked(impostor, "different-source") >= threshold))


def false_non_match_rate(genuine: npt.ArrayLike, threshold: float) -> float:
    """Return the fraction of genuine scores below a threshold (ISO/IEC 19795-1)."""
    return float(np.mean(checked(genuine, "same-source") < threshold))


def proportion_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion; (0, 1) when nothing was tried.

    It holds for independent trials. Comparisons that share persons are not: use the subject bootstrap for those.

    Raises:
        UsageError: there are more successes than trials, or fewer than none.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927; recommended by Brown,
    Cai & DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001.
    """
    if not 0 <= successes <= trials:
        raise UsageError(f"{successes} of {trials} is no proportion")
    if trials == 0:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf(0.5 + level / 2.0) ** 2
    rate = successes / trials
    centre = (rate + z2 / (2.0 * trials)) / (1.0 + z2 / trials)
    half = math.sqrt(z2 * (rate * (1.0 - rate) / trials + z2 / (4.0 * trials**2))) / (1.0 + z2 / trials)
    # At the ends the two terms are equal but for rounding.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == trials else centre + half)


def same_cost(same: npt.ArrayLike) -> FloatArray:
    """Return what each log10 LR of a same-source comparison costs, in bits: log2(1 + 1 / LR)."""
    return np.logaddexp2(0.0, -_LOG2_OF_10 * checked(same, "same-source"))


def different_cost(different: npt.ArrayLike) -> FloatArray:
    """Return what each log10 LR of a different-source comparison costs, in bits: log2(1 + LR)."""
    return np.logaddexp2(0.0, _LOG2_OF_10 * checked(different, "different-source"))


def cllr(same: npt.ArrayLike, different: npt.ArrayLike) -> float:
    """Return the log-likelihood-ratio cost of log10 LRs, in bits: 0 is perfect, 1 is what LR = 1 always costs.

    Bruemmer & du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20,
    2006.
    """
    return 0.5 * float(np.mean(same_cost(same)) + np.mean(different_cost(different)))


def cllr_min(same: npt.ArrayLike, different: npt.ArrayLike) -> float:
    """Return the cost that remains after the best monotone calibration (PAV): what the order of the scores allows.

    Takes scores or log10 LRs: only their order counts. `cllr - cllr_min` is what calibration loses.
    Bruemmer & du Preez, Computer Speech and Language 20, 2006.
    """
    return cllr_min_of(pools_of(ladder(same, different)))


def tippett(same: npt.ArrayLike, different: npt.ArrayLike, log10_lrs: npt.ArrayLike | None = None) -> Tippett:
    """Return Tippett curves at `log10_lrs`, by default 201 even steps over the finite range of the data.

    Evett & Buckleton, "Statistical analysis of STR data", Advances in Forensic Haemogenetics 6, 1996.
    """
    sides = [np.sort(checked(same, "same-source")), np.sort(checked(different, "different-source"))]
    grid = _even_steps(sides) if log10_lrs is None else checked(log10_lrs, "Tippett")
    at_least = [1.0 - np.searchsorted(side, grid, "left") / side.size for side in sides]
    return Tippett(grid, at_least[0], at_least[1])


def _even_steps(sides: list[FloatArray]) -> FloatArray:
    finite = [side[np.isfinite(side)] for side in sides]
    ends = [end for side in finite if side.size for end in (side[0], side[-1])] or [0.0]
    return np.linspace(min(ends), max(ends), 201)


def ece(same: npt.ArrayLike, different: npt.ArrayLike, log10_prior_odds: npt.ArrayLike) -> Ece:
    """Return the empirical cross-entropy of log10 LRs at each prior odds (log10), with PAV and LR = 1 for comparison.

    At prior odds 1 the system's value is its Cllr and the PAV value its Cllr_min.

    Ramos, Gonzalez-Rodriguez, Zadora & Aitken, "Information-theoretical assessment of the performance of likelihood
    ratio computation methods", Journal of Forensic Sciences 58, 2013.
    """
    priors = checked(log10_prior_odds, "prior")
    ours, theirs = checked(same, "same-source"), checked(different, "different-source")
    pools = pools_of(ladder(ours, theirs))
    # Overflow would need an LR beyond 1e290; its cost is then infinite, which is right.
    with np.errstate(over="ignore", divide="ignore"):
        lr, reciprocal = 10.0**theirs, 10.0**-ours
    odds = 10.0**priors
    system = [_entropy(o, float(np.log1p(reciprocal / o).mean()), float(np.log1p(lr * o).mean())) for o in odds]
    pav = [_pooled_entropy(pools, o) for o in odds]
    neutral = [_entropy(o, math.log1p(1.0 / o), math.log1p(o)) for o in odds]
    return Ece(priors, np.array(system), np.array(pav), np.array(neutral))


def _entropy(odds: float, same_nats: float, different_nats: float) -> float:
    """Weigh the mean costs of both sides (nats) by the prior odds of the same source; in bits."""
    return (odds * same_nats + different_nats) / (1.0 + odds) / math.log(2.0)


def _pooled_entropy(pools: Pools, odds: float) -> float:
    genuine, impostor = pools.genuine * odds, pools.impostor
    total = genuine + impostor
    with np.errstate(divide="ignore", invalid="ignore"):
        ours = np.where(pools.genuine > 0, pools.genuine * np.log(total / genuine), 0.0).sum()
        theirs = np.where(impostor > 0, impostor * np.log(total / impostor), 0.0).sum()
    return _entropy(odds, float(ours), float(theirs))
