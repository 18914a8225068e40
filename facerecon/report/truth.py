"""Figures measured against a known truth (the demo, evaluation runs). Owns their tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facerecon.records import Measurement
from facerecon.report import wording
from facerecon.report.blocks import Cell, Column, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.language import tr
from facerecon.report.notation import DASH, shown
from facerecon.report.recorded import recorded


def truth_section(report: CaseReport) -> tuple[Section, ...]:
    """Return the section, or none when nothing was measured."""
    if not report.measurements:
        return ()
    metrics = _unique(item.metric for item in report.measurements)
    tables = tuple(_table([item for item in report.measurements if item.metric == metric]) for metric in metrics)
    return (Section("truth", tr("Measured against known truth"), (Text(tr(wording.TRUTH_CAPTION), "note"), *tables)),)


def _table(items: Sequence[Measurement]) -> Table:
    variants, subjects = _unique(item.variant for item in items), _unique(item.subject for item in items)
    values = {(item.subject, item.variant): item.value for item in items}
    truths = "; ".join(recorded(reference) for reference in _unique(item.reference for item in items))
    columns = (Column(tr("Subject"), weight=2), *(Column(shown(variant), "right", weight=1) for variant in variants))
    rows = [_row(subject, [values.get((subject, variant)) for variant in variants]) for subject in subjects]
    if len(subjects) > 1:
        rows.append(_mean_row(values, subjects, variants))
    metric, unit = recorded(items[0].metric), shown(items[0].unit)
    measured = tr("{metric} in {unit}.", metric=metric, unit=unit) if unit else f"{metric}."
    return Table(f"{measured} {tr('Truth: {references}.', references=truths)}", columns, tuple(rows))


def _row(subject: str, values: Sequence[float | None]) -> tuple[Cell, ...]:
    return (Cell(shown(subject)), *(Cell(DASH if value is None else f"{value:.3f}") for value in values))


def _mean_row(
    values: dict[tuple[str, str], float], subjects: Sequence[str], variants: Sequence[str]
) -> tuple[Cell, ...]:
    complete = [subject for subject in subjects if all((subject, variant) in values for variant in variants)]
    if not complete:
        return (Cell(tr("Mean"), strong=True), *(Cell(DASH) for _ in variants))
    means = [sum(values[subject, variant] for subject in complete) / len(complete) for variant in variants]
    return (
        Cell(tr("Mean of {count}", count=len(complete)), strong=True),
        *(Cell(f"{mean:.3f}", strong=True) for mean in means),
    )


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
