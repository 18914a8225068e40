"""From scores to a bin of a calibration. Owns the fit, bounds, measures and curves; never reads pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.likelihood.bounding import bounds
from facerecon.likelihood.calibration import Acquisition, Bin, Curves, Estimate, Impostors, Metrics, Range
from facerecon.likelihood.intervals import Compared, Subjects, bootstrap_intervals, split_halves
from facerecon.likelihood.ladder import FloatArray, Roc, checked
from facerecon.likelihood.logistic import DEFAULT_RIDGE, LogisticModel, fit_logistic
from facerecon.likelihood.measures import auc, cllr, cllr_min, ece, eer, roc, true_accept_rate

MIN_COMPARISONS = 10
DEFAULT_RESAMPLES = 200
_NEAREST = 50
_TAIL_POINTS = 200
_CURVE_POINTS = 200
_QUANTILES = np.linspace(0.0, 1.0, 101)
_PRIOR_ODDS = np.round(np.linspace(-3.0, 3.0, 31), 6)
_DECIMALS = 6


@dataclass(frozen=True)
class BoundedModel:
    """A logistic model and the bounds of its log10 LRs."""

    model: LogisticModel
    log10_lower: float
    log10_upper: float

    def log10_lr(self, scores: npt.ArrayLike) -> FloatArray:
        """Return bounded log10 LRs, same shape as the scores."""
        return np.clip(self.model.log10_lr(scores), self.log10_lower, self.log10_upper)


def fit_bin(
    bin_id: str,
    ranges: Mapping[str, Range],
    genuine: npt.ArrayLike,
    impostor: npt.ArrayLike,
    subjects: Subjects | int,
    *,
    failures_to_acquire: tuple[int, int] = (0, 0),
    ridge: float = DEFAULT_RIDGE,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> Bin:
    """Fit one bin: model, bounds, measures with intervals, curves, and the impostors' tail.

    `genuine` and `impostor` are similarities (shape (n,), larger = more similar). `subjects` says who is in each
    comparison; where only the number of persons is known, give that, and the bin has neither intervals nor a
    validation. `failures_to_acquire` is (failed, of). Takes seconds for 1e4 genuine and 3e6 impostor scores and 200
    resamples.

    Raises:
        UsageError: there are fewer than 10 comparisons on a side, labels do not fit the scores, or scores are unusable.
    """
    ours, theirs = _enough(bin_id, genuine, impostor)
    if isinstance(subjects, Subjects):
        _labels_fit(bin_id, ours, theirs, subjects)
    persons = subjects.count() if isinstance(subjects, Subjects) else subjects
    fitted = _fit(ours, theirs, persons, ridge)
    compared = Compared(ours, theirs, fitted.log10_lr(ours), fitted.log10_lr(theirs))
    return Bin(
        id=bin_id,
        ranges=dict(sorted(ranges.items())),
        slope=fitted.model.slope,
        intercept=fitted.model.intercept,
        log10_lower=fitted.log10_lower,
        log10_upper=fitted.log10_upper,
        genuine=ours.size,
        impostor=theirs.size,
        subjects=persons,
        failures_to_acquire=Acquisition(failed=failures_to_acquire[0], of=failures_to_acquire[1]),
        metrics=_metrics(compared, subjects, ridge, resamples, seed),
        curves=_curves(compared),
        impostors=_impostors(theirs),
    )


def _enough(bin_id: str, genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    ours, theirs = checked(genuine, "same-source"), checked(impostor, "different-source")
    if min(ours.size, theirs.size) < MIN_COMPARISONS:
        raise UsageError(
            f"bin {bin_id}: {ours.size} same-source and {theirs.size} different-source comparisons are too few; "
            f"a calibration needs {MIN_COMPARISONS} of each and should have hundreds"
        )
    return ours, theirs


def _labels_fit(bin_id: str, genuine: FloatArray, impostor: FloatArray, subjects: Subjects) -> None:
    if subjects.genuine.shape != genuine.shape or subjects.impostor_first.shape != impostor.shape:
        raise UsageError(f"bin {bin_id}: each score needs the label of its person or persons")


def _fit(genuine: FloatArray, impostor: FloatArray, persons: int, ridge: float) -> BoundedModel:
    model = fit_logistic(genuine, impostor, ridge)
    return BoundedModel(model, *bounds(model.log10_lr(genuine), model.log10_lr(impostor), persons))


def _metrics(compared: Compared, subjects: Subjects | int, ridge: float, resamples: int, seed: int) -> Metrics:
    genuine, impostor = compared.genuine, compared.impostor
    values = {
        "cllr": cllr(compared.genuine_log10_lr, compared.impostor_log10_lr),
        "cllr_min": cllr_min(genuine, impostor),
        "eer": eer(genuine, impostor),
        "auc": auc(genuine, impostor),
        "tar_at_far_1pct": true_accept_rate(genuine, impostor, 0.01),
        "tar_at_far_01pct": true_accept_rate(genuine, impostor, 0.001),
    }
    intervals: dict[str, tuple[float, float]] = {}
    validation = None
    if isinstance(subjects, Subjects):
        intervals = bootstrap_intervals(compared, subjects, resamples, seed)
        validation = cllr_validation(genuine, impostor, subjects, ridge=ridge, seed=seed)
    estimates = {name: Estimate(value=value, interval=intervals.get(name)) for name, value in values.items()}
    return Metrics(**estimates, cllr_validation=validation)


def cllr_validation(
    genuine: FloatArray,
    impostor: FloatArray,
    subjects: Subjects,
    *,
    ridge: float = DEFAULT_RIDGE,
    seed: int = 0,
    bounded: bool = True,
) -> float | None:
    """Return the Cllr on persons that were not used to fit: fit on one half, measure on the other, both ways, averaged.

    Comparisons across the halves are left out. The ratios are those that are reported, within bounds, unless `bounded`
    is False. None when a half has fewer than 10 comparisons on a side.
    """
    halves = split_halves(subjects, seed)
    sizes = [int(side.sum()) for mask in halves for side in mask]
    if min(sizes) < MIN_COMPARISONS:
        return None
    ways = (halves, halves[::-1])
    costs = []
    for fit, test in ways:
        ours, theirs = genuine[fit[0]], impostor[fit[1]]
        persons = subjects.chosen(fit).count()
        fitted = _fit(ours, theirs, persons, ridge) if bounded else fit_logistic(ours, theirs, ridge)
        costs.append(cllr(fitted.log10_lr(genuine[test[0]]), fitted.log10_lr(impostor[test[1]])))
    return float(np.mean(costs))


def _curves(compared: Compared) -> Curves:
    same, different = compared.genuine_log10_lr, compared.impostor_log10_lr
    det = _thinned(roc(compared.genuine, compared.impostor))
    entropy = ece(same, different, _PRIOR_ODDS)
    return Curves(
        tippett_same=_rounded(np.quantile(same, _QUANTILES)),
        tippett_different=_rounded(np.quantile(different, _QUANTILES)),
        det_false_match=_rounded(det.false_accept, 9),
        det_false_non_match=_rounded(1.0 - det.true_accept, 9),
        ece_log10_prior_odds=_rounded(entropy.log10_prior_odds),
        ece_system=_rounded(entropy.system),
        ece_pav=_rounded(entropy.pav),
    )


def _thinned(curve: Roc) -> Roc:
    """Return points of the ROC at even ratios of false accepts and even steps of true accepts; both ends stay."""
    lowest = float(curve.false_accept[curve.false_accept > 0].min())
    half = _CURVE_POINTS // 2
    by_false = np.searchsorted(curve.false_accept, np.logspace(math.log10(lowest), 0.0, half))
    by_true = np.searchsorted(curve.true_accept, np.linspace(0.0, 1.0, half))
    last = curve.false_accept.size - 1
    kept = np.unique(np.minimum(np.concatenate([[0, last], by_false, by_true]), last))
    return Roc(curve.thresholds[kept], curve.false_accept[kept], curve.true_accept[kept])


def _impostors(impostor: FloatArray) -> Impostors:
    ascending = np.sort(impostor)
    ranks = np.unique(np.round(np.logspace(0.0, math.log10(ascending.size), _TAIL_POINTS)).astype(np.intp))
    points = np.unique(ascending[ascending.size - ranks])
    counts = ascending.size - np.searchsorted(ascending, points, "left")
    return Impostors(
        nearest=tuple(ascending[::-1][:_NEAREST].tolist()),
        similarities=tuple(points.tolist()),
        at_least=tuple(counts.tolist()),
    )


def _rounded(values: FloatArray, decimals: int = _DECIMALS) -> tuple[float, ...]:
    # Adding zero turns -0.0 into 0.0, so that equal curves have equal digests.
    return tuple((np.round(values, decimals) + 0.0).tolist())
