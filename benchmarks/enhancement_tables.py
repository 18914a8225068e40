"""The tables of benchmarks/enhancement.py: figures, paired gains with intervals, verdicts. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facerecon.degradation import Degradation
from facerecon.evaluation.enhancement import METRICS, Evaluation

NOTHING, BICUBIC, RESULT = "doing nothing", "bicubic", "result"
IDENTITY_TOLERANCE = 0.002


@dataclass(frozen=True)
class Condition:
    """A degradation, and which poses it is about (absolute yaw in degrees)."""

    name: str
    text: str
    yaw: tuple[float, float] = (0.0, 90.0)


@dataclass(frozen=True, eq=False)
class Row:
    """One line of a condition's table."""

    name: str
    evaluation: Evaluation | None
    method: str = RESULT
    note: str = ""


def table(condition: Condition, rows: Sequence[Row]) -> str:
    """Return a condition's section in Markdown."""
    lines = [
        f"### {condition.name}",
        "",
        f"`{Degradation.parse(condition.text).text}`",
        "",
        "| | pictures | PSNR dB | SSIM | identity | NIQE | PSNR gain | SSIM gain | identity gain | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    return "\n".join([*lines, *(_line(row) for row in rows), ""])


def _line(row: Row) -> str:
    if row.evaluation is None or not row.evaluation.images:
        return f"| {row.name} | 0 | | | | | | | | {row.note} |"
    means = row.evaluation.means(row.method)
    figures = " | ".join(figure_text(means[metric], metric) for metric in METRICS)
    gains = " | | " if row.method in (BICUBIC, NOTHING) else _gains(row)
    return f"| {row.name} | {row.evaluation.images} | {figures} | {gains} | {row.note} |"


def _gains(row: Row) -> str:
    assert row.evaluation is not None
    gains = row.evaluation.gains(row.method, BICUBIC, 0)
    return " | ".join(gain_text(gains[metric], metric) for metric in METRICS[:3])


def paired(evaluation: Evaluation, method: str, over: str) -> str:
    """Return the paired gains of one method over another, with units."""
    gains = evaluation.gains(method, over, 0)
    units = {"psnr": " dB PSNR", "ssim": " SSIM", "identity": " identity"}
    return ", ".join(f"{gain_text(gains[metric], metric)}{unit}" for metric, unit in units.items())


def gain_text(gain: dict[str, Any], metric: str) -> str:
    """Return a paired gain with its interval, in the metric's digits."""
    text = figure_text(gain["mean"], metric, "+")
    if gain["interval"] is None:
        return text
    low, high = (figure_text(end, metric, "+") for end in gain["interval"])
    return f"{text} ({low} to {high})"


def figure_text(value: float | None, metric: str, sign: str = "") -> str:
    """Return a figure in the metric's digits."""
    return "none" if value is None else f"{value:{sign}.{2 if metric in ('psnr', 'niqe') else 3}f}"


def verdict(row: Row) -> str:
    """Return whether a profile does better than bicubic: PSNR or SSIM higher, and identity not lower."""
    if row.evaluation is None or not row.evaluation.images:
        return "not run"
    gains = {metric: gain["mean"] for metric, gain in row.evaluation.gains(row.method, BICUBIC, 0).items()}
    sharper = gains["psnr"] > 0 or gains["ssim"] > 0
    kept = gains["identity"] >= -IDENTITY_TOLERANCE
    return "**yes**" if sharper and kept else "picture only" if sharper else "identity only" if kept else "no"


def overview(results: Sequence[tuple[Condition, Sequence[Row]]], names: Sequence[str]) -> str:
    """Return one table of verdicts."""
    lines = [
        f"Better than bicubic: PSNR or SSIM higher and identity not lower (by more than {IDENTITY_TOLERANCE}).",
        "",
        f"| condition | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for condition, rows in results:
        found = {row.name: verdict(row) for row in rows}
        lines.append(f"| {condition.name} | {' | '.join(found.get(name, '') for name in names)} |")
    return "\n".join([*lines, ""])
