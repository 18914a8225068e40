"""How strong a likelihood ratio the data can support. Owns the bounds; never fits.

Beyond the bounds a likelihood ratio is extrapolation: it depends on the shape of the fitted curve, not on comparisons
that were seen.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.likelihood.ladder import FloatArray, checked

_STEPS_PER_DECADE = 100


def elub(same_log10_lrs: npt.ArrayLike, different_log10_lrs: npt.ArrayLike) -> tuple[float, float]:
    """Return the empirical lower and upper bounds (log10, in steps of 0.01; lower <= 0 <= upper).

    For each threshold LR t, someone who acts when LR > t, where a false accept costs t and a miss costs 1, is compared
    with someone who has no evidence at all. One misleading comparison is added to each side (a same-source one with the
    lowest LR and a different-source one with the highest), because a next one could be. The bounds enclose the
    thresholds around 1 at which the system still serves at least as well as no evidence. The search ends at the sizes
    of both sets.

    Raises:
        UsageError: a side is empty or holds NaN.

    Vergeer, van Es, de Jongh, Alberink & Stoel, "Numerical likelihood ratios outputted by LR systems are often based on
    extrapolation: when to stop extrapolating?", Science & Justice 56, 2016.
    """
    ours = np.sort(checked(same_log10_lrs, "same-source"))
    theirs = np.sort(checked(different_log10_lrs, "different-source"))
    steps = _search_range(ours, theirs)
    thresholds = steps / _STEPS_PER_DECADE
    useless = _loses_to_nothing(ours, theirs, thresholds)
    below, above = steps[useless & (steps <= 0)], steps[useless & (steps >= 0)]
    lower = max(below.max() + 1 if below.size else steps[0], steps[0])
    upper = min(above.min() - 1 if above.size else steps[-1], steps[-1])
    return min(float(lower), 0.0) / _STEPS_PER_DECADE, max(float(upper), 0.0) / _STEPS_PER_DECADE


def _search_range(same: FloatArray, different: FloatArray) -> npt.NDArray[np.int64]:
    """Return the thresholds to look at, in steps: no wider than the data, nor than one in n + 1."""
    lowest = max(min(same[0], different[0]), -math.log10(same.size + 1))
    highest = min(max(same[-1], different[-1]), math.log10(different.size + 1))
    first = min(0, math.floor(lowest * _STEPS_PER_DECADE))
    last = max(0, math.floor(highest * _STEPS_PER_DECADE) + 1)
    return np.arange(first, last + 1, dtype=np.int64)


def _loses_to_nothing(same: FloatArray, different: FloatArray, thresholds: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell at which thresholds acting on the LRs costs more than acting on none."""
    odds = 10.0**thresholds
    missed = (np.searchsorted(same, thresholds, "right") + 1) / (same.size + 1)
    accepted = (different.size - np.searchsorted(different, thresholds, "right") + 1) / (different.size + 1)
    return np.asarray(missed + odds * accepted > np.where(odds < 1.0, odds, 1.0))


def bounds(same_log10_lrs: npt.ArrayLike, different_log10_lrs: npt.ArrayLike, subjects: int) -> tuple[float, float]:
    """Return the bounds that this tool reports within (log10, lower <= 0 <= upper): ELUB, and never beyond the persons.

    ELUB counts comparisons as if each were a new observation. All cross comparisons of 1,000 persons are half a million
    numbers, but they come from 1,000 persons: one with a common face raises a thousand of them together. So the bound
    that comparisons would allow is further limited to |log10 LR| <= log10(`subjects`): a likelihood ratio never claims
    more than "one person in as many as were looked at".

    Raises:
        UsageError: a side is empty or holds NaN, or there is no subject.
    """
    if subjects < 1:
        raise UsageError(f"a calibration needs persons to count, not {subjects}")
    limit = math.log10(subjects)
    lower, upper = elub(same_log10_lrs, different_log10_lrs)
    return max(lower, -limit), min(upper, limit)
