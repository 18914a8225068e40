"""How results look on a terminal: tables for people. The words are careful: candidates, never a match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_REASONS = 5


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
    warned = sum(bool(record["warnings"]) for record in restored)
    warning = [Text(f"  {warned} with warnings; see the report", style="yellow")] if warned else []
    outputs = [_rendered(each) for each in document["rendered"]]
    if not restored and not fused and outputs:
        return Group(*outputs)
    return Group(line, *warning, second, *_skips(document), *outputs)


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
    from facerecon.report.strength import ratio, support_words

    listed = document["candidates"]
    if not listed and "stage: no gallery was given" in document["skipped"]:
        return Text("No gallery was given; nothing was compared.")
    if not listed:
        return Group(
            Text("No comparison was made, or no track could be compared. This does not exclude anyone."),
            *_skips(document),
        )
    table = Table(
        "track",
        "variant",
        "rank",
        "candidate",
        "similarity",
        "LR",
        "support",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    for line in listed:
        above = "above" if line["above_threshold"] else "below"
        given = line["likelihood_ratio"]
        table.add_row(
            line["track"],
            line["variant"] + ("" if line["primary"] else " (secondary)"),
            str(line["rank"]),
            line["identity"],
            f"{line['similarity']:.2f} {above}",
            "none" if given is None else ratio(given) + (" (limit)" if line["limited"] else ""),
            "" if given is None else support_words(line["log10_lr"]).replace(" support", ""),
            style="" if line["primary"] else "dim",
        )
    thresholds = ", ".join(dict.fromkeys(f"{line['threshold']:.2f}" for line in listed))
    return Group(
        Text.assemble(("Candidates", "bold"), f" (threshold {thresholds}; LR: likelihood ratio)"),
        Padding(table, (0, 0, 0, 2)),
        *_without_ratio(listed),
        Text(
            "A candidate is a lead, not a statement of who a person is. No candidate above the threshold does not "
            "exclude anyone.",
            style="italic",
        ),
        *_skips(document),
    )


def _without_ratio(listed: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Say once for each reason why lines have no likelihood ratio (LR)."""
    lines = [line for line in listed if line["likelihood_ratio"] is None]
    reasons = dict.fromkeys(line["calibration"] for line in lines)
    told: list[RenderableType] = [Text(f"  no LR: {reason}", style="dim") for reason in list(reasons)[:_REASONS]]
    if len(reasons) > _REASONS:
        told.append(Text(f"  no LR: {len(reasons) - _REASONS} more reasons; see the report", style="dim"))
    return told


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
