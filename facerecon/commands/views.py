"""How results look on a terminal: tables for people. The words are careful: candidates, never a match."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

_REASONS = 5
_FIGURES = re.compile(r"\d+(\.\d+)?")


def extraction(document: Mapping[str, Any]) -> RenderableType:
    """Show what an extraction found."""
    frames, tracks = document["frames"], document["tracks"]
    head = Text.assemble(("Tracks: ", "bold"), f"{len(tracks)}   ", ("frames: ", "bold"), _counts(frames))
    if not tracks:
        return Group(
            head,
            Text("No face was found. That is a result; it does not show that nobody is in the footage."),
            *_skips(document),
        )
    table = Table("track", "from", "to", "detections", "best shots", box=None, header_style="dim", pad_edge=False)
    for track in tracks:
        table.add_row(
            track["id"],
            _clock(track["first_s"]),
            _clock(track["last_s"]),
            str(track["detections"]),
            str(len(track["best"])),
        )
    return Group(head, Padding(table, (0, 0, 0, 2)), *_skips(document))


def enhancement(document: Mapping[str, Any]) -> RenderableType:
    """Show what was enhanced."""
    restored = document["restored"]
    models = sorted({f"{r['model']} ({r['precision']})" if r["model"] else "classical filters" for r in restored})
    line = Text.assemble(
        ("Enhanced pictures: ", "bold"), str(len(restored)), f", by {', '.join(models)}" if models else ""
    )
    fused = document["fused"]
    frames = ", ".join(f"{each['track']} from {len(each['frames'])}" for each in fused)
    second = Text.assemble(("Fused pictures: ", "bold"), str(len(fused)), f" ({frames} frames)" if fused else "")
    corrected = document["fused_restored"]
    by = sorted({f"{each['model']} ({each['precision']})" for each in corrected})
    third = (
        [Text.assemble(("Restored fused pictures: ", "bold"), str(len(corrected)), f", by {', '.join(by)}")]
        if by
        else []
    )
    warned = sum(bool(record["warnings"]) for record in [*restored, *corrected])
    warning = [Text(f"  {warned} with warnings; see the report", style="yellow")] if warned else []
    outputs = [_rendered(each) for each in document["rendered"]]
    if not restored and not fused and outputs:
        return Group(*outputs)
    return Group(line, second, *third, *warning, *_skips(document), *outputs)


def _rendered(each: Mapping[str, Any]) -> Text:
    frames, files = each["frames"], each["files"]
    count = (
        f"{frames['requested']} = {frames['written']} written + {frames['failed']} failed + {frames['skipped']} skipped"
    )
    where = files[0] if len(files) == 1 else f"{len(files)} files"
    faces = each["faces"]
    restored = f"   faces restored: {faces['written']} of {faces['requested']}" if each["face_model"] else ""
    return Text.assemble((f"{each['kind'].capitalize()}: ", "bold"), f"{where}   frames: {count}{restored}")


def candidates(document: Mapping[str, Any]) -> RenderableType:
    """Show the candidate lists, primary variants first, and below them why some have no likelihood ratio."""
    listed = document["candidates"]
    if not listed and "stage: no gallery was given" in document["skipped"]:
        return Text("No gallery was given; nothing was compared.")
    if not listed:
        return Group(
            Text("No comparison was made, or no track could be compared. This does not exclude anyone."),
            *_skips(document),
        )
    thresholds = ", ".join(dict.fromkeys(f"{line['threshold']:.2f}" for line in listed))
    lists = [list(lines) for _, lines in groupby(listed, key=lambda line: (line["track"], line["variant"]))]
    return Group(
        Text.assemble(("Candidates", "bold"), f" (threshold {thresholds}; LR: likelihood ratio)"),
        *(part for lines in lists for part in _candidate_list(lines)),
        *_without_ratio(listed),
        Text(
            "A candidate is a lead, not a statement of who a person is. No candidate above the threshold does not "
            "exclude anyone.",
            style="italic",
        ),
        *_skips(document),
    )


def _candidate_list(lines: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Show one track's candidates by one kind of vector."""
    from facerecon.report.strength import ratio, support_words

    first = lines[0]
    # Folded, never cut: a name that is cut is another one.
    table = Table("", Column("candidate", overflow="fold"), "similarity", "LR", "support", box=None, pad_edge=False)
    table.header_style = "dim"
    for line in lines:
        given = line["likelihood_ratio"]
        table.add_row(
            str(line["rank"]),
            Text(line["identity"]),
            f"{line['similarity']:.2f} {'above' if line['above_threshold'] else 'below'}",
            "none" if given is None else ratio(given) + (" (limit)" if line["limited"] else ""),
            "" if given is None else _short(support_words(line["log10_lr"])),
            style="" if line["primary"] else "dim",
        )
    secondary = "" if first["primary"] else ", secondary: not for decision"
    head = Text.assemble((f"{first['track']} {first['variant']}", "bold"), secondary)
    return [Padding(head, (0, 0, 0, 2)), Padding(table, (0, 0, 0, 4))]


def _short(support: str) -> str:
    return support.replace(" support", "").replace(" persons)", ")").replace(" person)", ")")


def _without_ratio(lines: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Say why lines have no likelihood ratio (LR): once for all reasons that differ in their figures only."""
    reasons: dict[str, list[str]] = {}
    for line in lines:
        if line["likelihood_ratio"] is None:
            reasons.setdefault(_FIGURES.sub("", line["calibration"]), []).append(line["calibration"])
    told = [each[0] + _such(len(set(each))) for each in reasons.values()]
    if len(told) > _REASONS:
        told = [*told[:_REASONS], f"{len(told) - _REASONS} more reasons; see the report"]
    # The console wraps nothing by itself, and what is padded would be cut at the terminal's edge.
    return [
        Padding(Text(f"no LR: {reason}", style="dim", no_wrap=False, overflow="fold"), (0, 0, 0, 2)) for reason in told
    ]


def _such(count: int) -> str:
    return f" (one of {count} that differ in their figures; see the report)" if count > 1 else ""


def report_files(document: Mapping[str, Any]) -> RenderableType:
    """Show where the report is."""
    lines = [("Report:      ", document["html"])]
    if document["pdf"]:
        lines.append(("             ", document["pdf"]))
    lines.append(("Ledger head: ", document["ledger_head"]))
    return Group(*(Text.assemble((label, "bold"), value) for label, value in lines))


def _skips(document: Mapping[str, Any]) -> list[RenderableType]:
    skipped = document.get("skipped", {})
    if not skipped:
        return []
    text = ", ".join(f"{reason} {count}" for reason, count in skipped.items())
    return [Text(f"  left out: {text}", style="dim")]


def _counts(counts: Mapping[str, int]) -> str:
    return (
        f"{counts['requested']} = {counts['written']} analysed + {counts['failed']} failed + "
        f"{counts['skipped']} skipped"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:06.3f}"
