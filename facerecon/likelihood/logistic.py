"""From a similarity to a likelihood ratio by logistic regression. Owns the two parameters and their fit; never bounds.

Classes weigh the same whatever their numbers, so the fitted log odds are log likelihood ratios.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.likelihood.ladder import FloatArray, checked

DEFAULT_RIDGE = 0.01
_LOG10_OF_E = float(np.log10(np.e))
_ITERATIONS = 100
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class LogisticModel:
    """log10 LR = intercept + slope x similarity, both in units of log10; the slope is never negative."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        """Refuse a slope by which a higher similarity would count against the same person."""
        if not (np.isfinite(self.slope) and np.isfinite(self.intercept) and self.slope >= 0.0):
            raise ValueError(f"a calibration has a finite slope of 0 or more, not {self.slope} ({self.intercept})")

    def log10_lr(self, scores: npt.ArrayLike) -> FloatArray:
        """Return the log10 likelihood ratios of similarities, same shape, unbounded."""
        return self.intercept + self.slope * np.asarray(scores, dtype=np.float64)


def fit_logistic(same: npt.ArrayLike, different: npt.ArrayLike, ridge: float = DEFAULT_RIDGE) -> LogisticModel:
    """Fit similarity to log10 LR by regularised logistic regression with equal class weights.

    Minimises, over intercept a and slope b of the standardised similarity z (mean 0 and standard deviation 1 when both
    classes weigh the same), the mean over classes of the mean logistic loss, plus `ridge` x b^2 / (2 n), n being the
    number of comparisons of the smaller class: so shrinkage towards LR = 1 is felt with few comparisons and vanishes
    with many. At the default of 0.01 the slope shrinks by 1 to 2 % with 100 comparisons a class whose means lie three
    standard deviations apart (10 % at 4.5), and stays finite where classes do not overlap. Newton's method, from zero:
    same input, same bits.

    Raises:
        UsageError: a side is empty or holds NaN or an infinity, all similarities are equal, or `ridge` is not positive.

    Morrison & Poh, "Avoiding overstating the strength of forensic evidence: shrunk likelihood ratios/Bayes factors",
    Science & Justice 58, 2018.
    """
    ours, theirs = checked(same, "same-source"), checked(different, "different-source")
    if not ridge > 0.0:
        raise UsageError(f"the ridge of a calibration must be more than 0, not {ridge:g}")
    centre, scale = _standard(ours, theirs)
    penalty = ridge / min(ours.size, theirs.size)
    intercept, slope = _newton((ours - centre) / scale, (theirs - centre) / scale, penalty)
    if slope <= 0.0:
        # The loss is convex: with the slope at its limit of 0 the best intercept of balanced classes is 0, LR = 1.
        return LogisticModel(0.0, 0.0)
    return LogisticModel(slope / scale * _LOG10_OF_E, (intercept - slope * centre / scale) * _LOG10_OF_E)


def _standard(same: FloatArray, different: FloatArray) -> tuple[float, float]:
    """Return the mean and the standard deviation of both classes together, each class weighing a half."""
    if not (np.isfinite(same).all() and np.isfinite(different).all()):
        raise UsageError("a calibration needs finite similarities; leave out what could not be compared")
    centre = 0.5 * float(same.mean() + different.mean())
    variance = 0.5 * float(np.mean((same - centre) ** 2) + np.mean((different - centre) ** 2))
    if variance <= 1e-24 * max(1.0, centre * centre):
        raise UsageError("all similarities are equal, so they say nothing; check the pictures of the data set")
    return centre, float(np.sqrt(variance))


def _newton(same: FloatArray, different: FloatArray, penalty: float) -> tuple[float, float]:
    """Minimise the loss by Newton steps, halved while they do not lower it."""
    point = np.zeros(2)
    value, gradient, curvature = _loss(same, different, penalty, point)
    for _ in range(_ITERATIONS):
        step = np.linalg.solve(curvature, gradient)
        if float(step @ gradient) < _TOLERANCE**2 or float(np.abs(step).max()) < _TOLERANCE:
            break
        for _ in range(40):
            trial = _loss(same, different, penalty, point - step)
            if trial[0] <= value:
                break
            step = step / 2.0
        else:
            break
        point, (value, gradient, curvature) = point - step, trial
    return float(point[0]), float(point[1])


def _loss(
    same: FloatArray, different: FloatArray, penalty: float, point: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Return the penalised loss, its gradient (2,) and its curvature (2, 2) at (intercept, slope)."""
    # Fitting is rare, and importing this takes a quarter of a second: reading a calibration does without.
    from scipy.special import expit

    value, gradient = 0.5 * penalty * point[1] ** 2, np.array([0.0, penalty * point[1]])
    curvature = np.array([[0.0, 0.0], [0.0, penalty]])
    for scores, sign in ((same, 1.0), (different, -1.0)):
        odds = -sign * (point[0] + point[1] * scores)
        value += 0.5 * float(np.mean(np.logaddexp(0.0, odds)))
        wrong = expit(odds)
        weight = wrong * (1.0 - wrong)
        cross, square = float(np.mean(weight * scores)), float(np.mean(weight * scores * scores))
        gradient -= 0.5 * sign * np.array([float(np.mean(wrong)), float(np.mean(wrong * scores))])
        curvature += 0.5 * np.array([[float(np.mean(weight)), cross], [cross, square]])
    return value, gradient, curvature
