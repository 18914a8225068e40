"""The plots of a calibration as SVG: Tippett, empirical cross-entropy, DET. Owns what is drawn; never measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from facerecon.errors import UsageError
from facerecon.likelihood.axes import Axis, Curve, Mark, Style, drawing
from facerecon.likelihood.calibration import Bin

_SAME = Style("#0b4f8a")
_DIFFERENT = Style("#b3471b", "7 4")
_NEUTRAL = Style("#777777", "2 3")
_SEVERAL = (_SAME, _DIFFERENT, Style("#2e7d4f", "2 3"), Style("#555555", "9 3 2 3"))
_DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5)
_DET_ENDS = (0.00005, 0.6)


def tippett_svg(part: Bin, marked_log10_lr: float | None = None) -> str:
    """Return the Tippett plot of a bin: which share of same and different persons has at least each log10 LR.

    `marked_log10_lr` draws an upright line where the comparison in question stands.
    Evett & Buckleton, Advances in Forensic Haemogenetics 6, 1996.
    """
    same, different = part.curves.tippett_same, part.curves.tippett_different
    marked = [] if marked_log10_lr is None else [marked_log10_lr]
    low = min(math.floor(min(*same, *different, *marked) - 0.25), -1)
    high = max(math.ceil(max(*same, *different, *marked) + 0.25), 1)
    across = Axis("log10 LR (0 supports neither proposition)", low, high, _whole(low, high))
    up = Axis("share with at least this LR", 0.0, 1.0, _percents(5))
    curves = [
        Curve(f"same person ({part.genuine:,})", _at_least(same, low, high), _SAME),
        Curve(f"different persons ({part.impostor:,})", _at_least(different, low, high), _DIFFERENT),
    ]
    mark = None if marked_log10_lr is None else Mark(marked_log10_lr, f"this comparison: {marked_log10_lr:.1f}")
    return drawing(f"Tippett plot, {part.id}", across, up, curves, mark)


def ece_svg(part: Bin) -> str:
    """Return the plot of the empirical cross-entropy over prior odds: what the LRs leave unknown, in bits.

    The full line should lie close to the dashed one (perfect calibration) and below the dotted one (no evidence at
    all). Ramos, Gonzalez-Rodriguez, Zadora & Aitken, Journal of Forensic Sciences 58, 2013.
    """
    priors = part.curves.ece_log10_prior_odds
    if not priors:
        raise UsageError(f"bin {part.id} holds no empirical cross-entropy to draw")
    low, high = min(priors), max(priors)
    across = Axis("prior log10 odds that both show the same person", low, high, _whole(low, high))
    top = math.ceil(5.0 * max(1.0, *part.curves.ece_system)) / 5.0
    up = Axis("empirical cross-entropy (bits)", 0.0, top + 0.05, _steps_to(top))
    curves = [
        Curve("these LRs", _pairs(priors, part.curves.ece_system), _SAME),
        Curve("best calibration (PAV)", _pairs(priors, part.curves.ece_pav), _DIFFERENT),
        Curve("no evidence (LR = 1)", _pairs(priors, [_neutral(10.0**at) for at in priors]), _NEUTRAL),
    ]
    return drawing(f"Empirical cross-entropy, {part.id}", across, up, curves)


def det_svg(parts: Sequence[Bin]) -> str:
    """Return the detection error trade-off of one to four bins, on normal-deviate axes.

    Martin, Doddington, Kamm, Ordowski & Przybocki, Eurospeech, 1997.

    Raises:
        UsageError: there are no bins, or more than can be told apart in grey.
    """
    if not 1 <= len(parts) <= len(_SEVERAL):
        raise UsageError(f"a DET plot shows 1 to {len(_SEVERAL)} bins, not {len(parts)}; draw several plots")
    ticks = tuple((_deviate(rate), f"{rate * 100:g} %") for rate in _DET_TICKS)
    low, high = (_deviate(end) for end in _DET_ENDS)
    across, up = Axis("false match rate", low, high, ticks), Axis("false non-match rate", low, high, ticks)
    curves = [
        Curve(f"{part.id} (EER {part.metrics.eer.value * 100:.1f} %)", _deviates(part, low, high), style)
        for part, style in zip(parts, _SEVERAL, strict=False)
    ]
    return drawing("Detection error trade-off, " + ", ".join(part.id for part in parts), across, up, curves)


def _at_least(quantiles: Sequence[float], low: float, high: float) -> tuple[tuple[float, float], ...]:
    """Return the falling curve through quantiles at even steps from 0 to 100 %."""
    steps = len(quantiles) - 1
    falling = [(value, 1.0 - step / steps) for step, value in enumerate(quantiles)]
    return ((low, 1.0), *falling, (high, 0.0))


def _deviates(part: Bin, low: float, high: float) -> tuple[tuple[float, float], ...]:
    rates = zip(part.curves.det_false_match, part.curves.det_false_non_match, strict=True)
    points = [(_deviate(false_match), _deviate(missed)) for false_match, missed in rates]
    # Beyond the frame the rates rest on a handful of comparisons, and 0 and 1 have no finite deviate.
    return tuple((x, y) for x, y in points if low <= x <= high and low <= y <= high)


def _deviate(rate: float) -> float:
    """Return how many standard deviations below the mean of a normal distribution so large a share lies."""
    if not 0 < rate < 1:
        return math.copysign(math.inf, rate - 0.5)
    return NormalDist().inv_cdf(rate)


def _neutral(odds: float) -> float:
    return (odds * math.log2(1.0 + 1.0 / odds) + math.log2(1.0 + odds)) / (1.0 + odds)


def _pairs(across: Sequence[float], up: Sequence[float]) -> tuple[tuple[float, float], ...]:
    return tuple(zip(across, up, strict=True))


def _whole(low: float, high: float) -> tuple[tuple[float, str], ...]:
    values = range(math.ceil(low), math.floor(high) + 1)
    return tuple((float(value), f"{value:+d}" if value else "0") for value in values)


def _steps_to(top: float) -> tuple[tuple[float, str], ...]:
    """Return ticks from 0 in steps of 0.2, or in five even steps when the scale is longer."""
    step = 0.2 if top <= 2.0 else top / 5.0
    return tuple((tick * step, f"{tick * step:.1f}") for tick in range(round(top / step) + 1))


def _percents(steps: int) -> tuple[tuple[float, str], ...]:
    return tuple((step / steps, f"{100 * step // steps} %") for step in range(steps + 1))
