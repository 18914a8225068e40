"""How galleries look on a terminal: tables for people. Names are shown as they are, never read as markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

_MOST_ROWS = 40


def enrolment(document: Mapping[str, Any]) -> RenderableType:
    """Show what became of the pictures of an enrolment."""
    counts = document["counts"]
    head = Text.assemble(
        ("Pictures: ", "bold"),
        f"{document['requested']} = {counts['enrolled']} enrolled + {counts['refused']} refused + "
        f"{counts['duplicates']} duplicates",
    )
    people: dict[str, list[Mapping[str, Any]]] = {}
    for entry in document["enrolled"]:
        people.setdefault(entry["identity"], []).append(entry)
    added = [
        (name, str(len(held)), f"{max(each['quality']['score'] for each in held):.2f}") for name, held in people.items()
    ]
    left_out = [(each["file"], each["reason"]) for each in document["refused"]]
    left_out += [(each["file"], _repeated(each)) for each in document["duplicates"]]
    return Group(
        head,
        *_table(("person", "pictures added", "best quality"), added),
        *_table(("not enrolled", "why"), left_out),
        *(Text(f"Note: {note}.", style="dim") for note in document["notes"]),
        _where(document),
    )


def _repeated(each: Mapping[str, Any]) -> str:
    same = each["file"] == each["duplicate_of_file"]
    return "it is enrolled already" if same else f"duplicate of {each['duplicate_of_file']}"


def persons(document: Mapping[str, Any]) -> RenderableType:
    """Show who is in a gallery."""
    model = document["recognizer"]
    head = Text.assemble(
        ("Persons: ", "bold"),
        f"{len(document['persons'])}   ",
        ("pictures: ", "bold"),
        f"{document['entries']} enrolled, {document['refused']} not   ",
        ("vectors: ", "bold"),
        f"{model['id']} ({model['treatment']})",
    )
    rows = [
        (
            each["identity"],
            each["person_id"] or "",
            each["status"] or "",
            str(each["pictures"]),
            f"{each['best_quality']:.2f}",
            _day(each["first_enrolled_utc"]),
            _day(each["last_enrolled_utc"]),
        )
        for each in document["persons"]
    ]
    columns = ("person", "id", "status", "pictures", "quality", "enrolled", "last")
    return Group(head, *_table(columns, rows, most=len(rows)), _where(document))


def person(document: Mapping[str, Any]) -> RenderableType:
    """Show one person's pictures."""
    entries = document["entries"]
    about = [each for each in (entries[0]["person_id"], entries[0]["status"]) if each] if entries else []
    head = Text(document["identity"], style="bold").append(f"   {', '.join(about)}" if about else "", style="none")
    return Group(head, *(_picture(entry) for entry in entries), *_refusals(document["refused"]))


def _picture(entry: Mapping[str, Any]) -> RenderableType:
    quality = entry["quality"]
    grid = Table(box=None, show_header=False, pad_edge=False)
    facts = (
        ("file", entry["file"]),
        ("sha256", entry["sha256"]),
        ("face", entry["chosen"]),
        ("quality", _quality(quality)),
        ("source", entry["source"]),
        ("legal basis", entry["legal_basis"]),
        ("enrolled", entry["enrolled_utc"]),
        ("operator", entry["operator"]),
        ("kept as", entry["crop_path"]),
    )
    for label, value in facts:
        grid.add_row(Text(label, style="dim"), Text(value))
    return Padding(grid, (0, 0, 1, 2))


def _quality(quality: Mapping[str, float]) -> str:
    return (
        f"{quality['score']:.2f}: {quality['inter_eye_px']:.0f} px between the eyes, sharpness "
        f"{quality['sharpness']:.2f}, yaw {quality['yaw_deg']:.0f}, pitch {quality['pitch_deg']:.0f}, roll "
        f"{quality['roll_deg']:.0f} degrees, brightness {quality['brightness']:.0f}, detector "
        f"{quality['detector_score']:.2f}"
    )


def _refusals(refused: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    return _table(("not enrolled", "why"), [(each["file"], each["reason"]) for each in refused])


def removal(document: Mapping[str, Any]) -> RenderableType:
    """Show what was, or would be, taken out."""
    entries, word = document["removed"], "Would be removed: " if document.get("dry_run") else "Removed: "
    head = Text.assemble(
        (word, "bold"),
        f"{len(entries)} pictures, {document['removed_refusals']} refusals",
        f" from before {document['before_utc']}" if "before_utc" in document else "",
    )
    rows = [(each["identity"], each["file"], each["sha256"][:12], _day(each["enrolled_utc"])) for each in entries]
    still = document["still_mentioned_in"]
    mention = f"The name still stands in what was stated of other pictures: entries {', '.join(still)}."
    return Group(
        head,
        *_table(("person", "file", "sha256", "enrolled"), rows),
        *([Text(mention, style="yellow")] if still else []),
        _where(document),
    )


def refreshed(document: Mapping[str, Any]) -> RenderableType:
    """Show between which models a gallery changed."""
    before, after = document["before"], document["recognizer"]
    line = Text.assemble(
        ("Embedded again: ", "bold"),
        f"{document['entries']} pictures, {before['id']} ({before['treatment']}) -> {after['id']} "
        f"({after['treatment']})",
    )
    return Group(line, _where(document))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], most: int = _MOST_ROWS) -> list[RenderableType]:
    if not rows:
        return []
    # Folded, never cut: a name or a digest that is cut is another one.
    headers = [Column(name, overflow="fold") for name in columns]
    table = Table(*headers, box=None, header_style="dim", pad_edge=False)
    for row in rows[:most]:
        table.add_row(*(Text(value) for value in row))
    more = [Text(f"  ... and {len(rows) - most} more; --json lists all", style="dim")] if len(rows) > most else []
    return [Padding(table, (0, 0, 0, 2)), *more]


def _where(document: Mapping[str, Any]) -> RenderableType:
    return Text.assemble(
        ("Gallery: ", "bold"), f"{document['gallery']}   ", ("ledger head: ", "bold"), document["ledger_head"]
    )


def _day(utc: str) -> str:
    return utc[:10]
