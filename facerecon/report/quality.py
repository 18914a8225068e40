"""The quality of best shots, as bars with the limits that the stages used. Owns the scales and the limits' words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facerecon.records import ChipRecord
from facerecon.report import wording
from facerecon.report.blocks import Cell, Column, Table
from facerecon.report.history import StageHistory, mapping
from facerecon.report.language import message, tr
from facerecon.report.notation import shown
from facerecon.report.timeline import Clock

_FULL_INTER_EYE_PX = 40.0
_FULL_SHARPNESS = 0.30
_FULL_FINE_DETAIL = 0.10
_LIMITS = (
    ("extract", "shots", "min_inter_eye_px", "inter_eye", "g", message("{limit} px between the eyes to be kept")),
    ("extract", "detect", "min_score", "detector", ".2f", message("detector score {limit} to begin a track")),
    ("enhance", "enhance", "min_inter_eye_px", "inter_eye", "g", message("{limit} px between the eyes to be enhanced")),
    (
        "recognize",
        "recognize",
        "min_inter_eye_px",
        "inter_eye",
        "g",
        message("{limit} px between the eyes to be compared"),
    ),
    ("recognize", "recognize", "min_quality", "score", ".2f", message("overall {limit} to be compared")),
)


@dataclass(frozen=True)
class Limits:
    """The lower limits that the profile set, by measure, and in words; empty for a case that does not tell them."""

    by_measure: Mapping[str, tuple[float, ...]]
    words: tuple[str, ...]


def limits_of(stages: Mapping[str, StageHistory]) -> Limits:
    """Read the limits from the parameters that the stages recorded; they may have used different profiles."""
    found: dict[str, set[float]] = {}
    words = []
    for stage, part, key, measure, form, told in _LIMITS:
        limit = mapping(mapping(stages[stage].details.get("parameters")).get(part)).get(key)
        if isinstance(limit, (int, float)) and not isinstance(limit, bool):
            found.setdefault(measure, set()).add(float(limit))
            words.append(tr(told, limit=format(float(limit), form)))
    return Limits({measure: tuple(sorted(values)) for measure, values in found.items()}, tuple(words))


def quality_table(chips: Sequence[ChipRecord], clock: Clock, limits: Limits) -> Table:
    """Return the table of a track's best shots, each measure with its bar and the limits on it."""
    columns = (
        Column(tr("Shot"), weight=1.1),
        Column(tr("Time"), weight=1.3),
        Column(tr("Overall"), "right", weight=0.9),
        Column(tr("Inter-eye px"), "right", weight=0.9),
        Column(tr("Sharpness"), "right", weight=1),
        Column(tr("Fine detail"), "right", weight=0.9),
        Column(tr("Brightness"), "right", weight=1),
        Column(tr("Clipped"), "right", weight=0.8),
        Column(tr("Yaw, pitch, roll"), "right", weight=1.5),
        Column(tr("Detector"), "right", weight=0.9),
    )
    caption = tr(wording.QUALITY_CAPTION)
    if limits.words:
        caption += f" {tr(wording.QUALITY_LIMITS, limits='; '.join(limits.words))}"
    return Table(caption, columns, tuple(_row(chip, clock, limits) for chip in chips))


def _row(chip: ChipRecord, clock: Clock, limits: Limits) -> tuple[Cell, ...]:
    quality = chip.quality
    pose = ", ".join(f"{round(angle)}°" for angle in (quality.yaw_deg, quality.pitch_deg, quality.roll_deg))
    return (
        Cell(shown(chip.frame)),
        Cell(clock.text(chip.timestamp)),
        Cell(f"{quality.score:.2f}", quality.score, strong=True, limits=_marks(limits, "score", 1)),
        _bar(f"{quality.inter_eye_px:.1f}", quality.inter_eye_px, _FULL_INTER_EYE_PX, limits),
        Cell(f"{quality.sharpness:.3f}", min(1.0, quality.sharpness / _FULL_SHARPNESS)),
        Cell(f"{quality.fine_detail:.3f}", min(1.0, quality.fine_detail / _FULL_FINE_DETAIL)),
        Cell(f"{quality.brightness:.0f}", quality.brightness / 255),
        Cell(f"{quality.clipped:.1%}".replace("%", " %"), quality.clipped),
        Cell(pose.replace("-", "−")),
        Cell(f"{quality.detector_score:.2f}", quality.detector_score, limits=_marks(limits, "detector", 1)),
    )


def _bar(text: str, value: float, full: float, limits: Limits) -> Cell:
    return Cell(text, min(1.0, value / full), limits=_marks(limits, "inter_eye", full))


def _marks(limits: Limits, measure: str, full: float) -> tuple[float, ...]:
    return tuple(min(1.0, max(0.0, limit / full)) for limit in limits.by_measure.get(measure, ()))
