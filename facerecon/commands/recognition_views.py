"""How a study of recognition looks on a terminal: rates with intervals, failures, groups, calibrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_ROWS = (
    ("tar_at_far_1pct", "true accepts at 1 % false accepts", 3),
    ("tar_at_far_01pct", "true accepts at 0.1 % false accepts", 3),
    ("eer", "equal error rate", 4),
    ("auc", "area under the ROC", 4),
    ("cllr_min", "Cllr, after the best calibration (bits)", 3),
)
_TWINS = (
    "Every person has one picture only, so same-source pairs are a picture and its own degraded twin: figures of them "
    "are too good. Figures of different persons hold."
)


def view(document: Mapping[str, Any]) -> RenderableType:
    """Show the figures, their intervals, and what was left out."""
    pairs, failures = document["pairs"], document["failures"]
    drawn = document["impostor_pairs_drawn_of"]
    of = f" (drawn of {drawn:,})" if drawn > pairs["impostor"] else ""
    head = Text.assemble(
        ("Pairs: ", "bold"),
        f"{pairs['genuine']:,} same-source, {pairs['impostor']:,} different-source{of}, "
        f"{document['subjects']} persons   ",
        ("variant: ", "bold"),
        f"{document['variant']}   ",
        ("degradation: ", "bold"),
        " + ".join(document["degradations"]),
    )
    table = Table("", "", "95 % interval (persons)", box=None, header_style="dim", pad_edge=False)
    for key, words, digits in _ROWS:
        ends = document["intervals"][key]
        table.add_row(words, _number(document[key], digits), " .. ".join(_number(end, digits) for end in ends or ()))
    table.add_row("Cllr, calibrated on other persons (bits)", _number(document["cllr"], 3), "")
    _threshold_rows(table, document.get("at_threshold"))
    parts: list[RenderableType] = [head, Padding(table, (0, 0, 0, 2))]
    if document["twins"]:
        parts.append(Text(f"  {_TWINS}", style="yellow"))
    parts += [
        _failures(failures["to_enrol"], "failures to enrol"),
        _failures(failures["to_acquire"], "failures to acquire"),
    ]
    if failures["to_acquire_frames"]["requested"] > failures["to_acquire"]["requested"]:
        parts.append(_failures(failures["to_acquire_frames"], "frames of them without a face"))
    if "groups" in document:
        parts.append(_group_table(document["groups"]))
    if "calibration" in document:
        parts += _calibration_view(document["calibration"])
    return Group(*parts)


def _failures(failed: Mapping[str, Any], words: str) -> RenderableType:
    why = ", ".join(f"{reason} {count}" for reason, count in failed["reasons"].items())
    return Text(f"  {words}: {failed['count']} of {failed['requested']}{f' ({why})' if why else ''}", "dim")


def _threshold_rows(table: Table, rates: Mapping[str, Any] | None) -> None:
    if rates is None:
        return
    for key, words in (("fmr", "false matches"), ("fnmr", "false non-matches")):
        ends = " .. ".join(f"{100 * end:.3g} %" for end in rates[f"{key}_interval"])
        table.add_row(f"{words} at similarity {rates['threshold']:g}", f"{100 * rates[key]:.3g} %", ends)


def _group_table(groups: Mapping[str, Any]) -> RenderableType:
    table = Table(
        "group", "pictures", "different-source shift", "false matches at 1 % overall", "same-source shift", box=None
    )
    table.header_style = "dim"
    for name, each in groups.items():
        table.add_row(
            name,
            str(each["pictures"]),
            _shift(each["impostor_shift"], each["impostor_shift_interval"]),
            "" if each["fmr"] is None else f"{100 * each['fmr']:.2f} %",
            _shift(each["genuine_shift"], each["genuine_shift_interval"]),
        )
    return Padding(table, (0, 0, 0, 2))


def _shift(value: float | None, ends: Sequence[float] | None) -> str:
    if value is None:
        return ""
    return f"{value:+.3f}" + (f" ({ends[0]:+.3f} .. {ends[1]:+.3f})" if ends else "")


def _calibration_view(made: Mapping[str, Any]) -> list[RenderableType]:
    from facerecon.report.strength import ratio

    table = Table("bin", "pairs", "persons", "Cllr", "Cllr min", "Cllr other persons", "LR from", "to", box=None)
    table.header_style = "dim"
    for part in made["bins"]:
        table.add_row(
            part["id"],
            f"{part['genuine']:,} + {part['impostor']:,}",
            str(part["subjects"]),
            _number(part["cllr"], 3),
            _number(part["cllr_min"], 3),
            _number(part["cllr_validation"], 3),
            ratio(part["lr_from"]),
            ratio(part["lr_to"]),
        )
    return [
        Text.assemble(("Calibration: ", "bold"), f"{made['file']}  ({made['name']}, {made['sha256'][:12]})"),
        Padding(table, (0, 0, 0, 2)),
        *(Text(f"  no bin for {problem}", style="dim") for problem in made["left_out"]),
    ]


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{value:.{digits}f}"
