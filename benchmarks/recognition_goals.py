"""The goals of recognition, and whether a run of benchmarks/recognition.py reached them. Measures nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facerecon.evaluation.comparison import Resampled
from facerecon.likelihood.intervals import interval_of

GOAL_SIZE = "24"
CLIPS_TAR, EER_RATIO, CLLR_FALL, CLLR_EXCESS, SEARCH_S = 0.60, 0.5, 0.30, 0.05, 0.2
ONE = "original"
SEVERAL = {"fused": "vectors", "fused+fused-image": "with the fused picture"}


@dataclass(frozen=True, eq=False)
class Measured:
    """The figures of several templates of the same probes, and their Cllr on persons outside the calibration."""

    part: str
    size: str
    spread: Resampled
    unseen: Mapping[str, float | None]


def goals(measured: Sequence[Measured], search_s: float | None) -> list[str]:
    """Return a table: each goal that was measured, the figure with its 95 % interval, and whether it was reached."""
    lines = [*_clips(measured), *_halved(measured), *_cheaper(measured), *_transfer(measured)]
    if search_s is not None:
        lines.append(_line("one probe against 1,000,000 vectors under 0.2 s", f"{search_s:.3f} s", search_s < SEARCH_S))
    return ["| goal | measured in this run | reached |", "|---|---|---|", *lines] if lines else ["None was measured."]


def figure(value: float, ends: tuple[float, float]) -> str:
    """Return a figure with its interval."""
    return f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"


def _line(goal: str, words: str, reached: bool) -> str:
    return f"| {goal} | {words} | {'yes' if reached else 'no'} |"


def _of(measured: Sequence[Measured], *parts: str) -> Iterator[Measured]:
    return (each for each in measured if each.part in parts and each.size == GOAL_SIZE)


def _clips(measured: Sequence[Measured]) -> Iterator[str]:
    key, method = "tar_at_far_1pct", "fused"
    for each in _of(measured, "clips"):
        one, fused = each.spread.figures[ONE][key], each.spread.figures[method][key]
        words = f"{one:.3f} to {figure(fused, each.spread.interval(method, key))}"
        yield _line(
            "clips at 24 px: true accepts at 1 % false accepts 0.60 by fusing frames", words, fused >= CLIPS_TAR
        )


def _halved(measured: Sequence[Measured]) -> Iterator[str]:
    for each in _of(measured, "synthetic"):
        for method, name in SEVERAL.items():
            ratio, ends = _ratio(each.spread, method, "eer")
            goal = f"synthetic tracks of 8 frames at 24 px: EER at most half of one frame's ({name})"
            yield _line(goal, f"ratio {figure(ratio, ends)}", ratio <= EER_RATIO)


def _cheaper(measured: Sequence[Measured]) -> Iterator[str]:
    for each in _of(measured, "synthetic", "clips"):
        for method, name in SEVERAL.items():
            one, several = each.unseen[ONE], each.unseen[method]
            if one is None or several is None:
                continue
            ratio, ends = _ratio(each.spread, method, "cllr_min")
            fall = 1 - several / one
            words = f"{one:.3f} to {several:.3f}, {100 * fall:.0f} % lower; ratio of Cllr min {figure(ratio, ends)}"
            yield _line(f"{each.part} at 24 px: Cllr at least 30 % lower ({name})", words, fall >= CLLR_FALL)


def _transfer(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield the worst excess of Cllr on other persons over Cllr min; it has no interval of its own."""
    excess = [
        (cost - each.spread.figures[method]["cllr_min"], f"{each.part}, {each.size}, {method}")
        for each in measured
        for method, cost in each.unseen.items()
        if cost is not None
    ]
    if excess:
        worst, where = max(excess)
        goal = "Cllr on persons that were not used at most 0.05 above Cllr min"
        yield _line(goal, f"at most {worst:.3f} above ({where}), of {len(excess)} measured", worst <= CLLR_EXCESS)


def _ratio(spread: Resampled, method: str, key: str) -> tuple[float, tuple[float, float]]:
    """Return a figure over one frame's, with its paired interval."""
    value = spread.figures[method][key] / spread.figures[ONE][key]
    return value, interval_of(spread.resamples[method][key] / spread.resamples[ONE][key])
