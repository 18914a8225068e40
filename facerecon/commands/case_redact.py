"""`facerecon case redact`: a copy of a case for disclosure, in which chosen tracks are covered everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from facerecon.commands import options
from facerecon.commands.stopping import ANEW, stopped
from facerecon.commands.workbench import NOT_STATED, Workbench
from facerecon.console import Console

if TYPE_CHECKING:
    from facerecon.case import Case

OutArgument = Annotated[Path, typer.Argument(help="The case folder to make; must not exist.", show_default=False)]
TrackOption = Annotated[
    list[str] | None,
    typer.Option("--track", help="A track to hide, for example t0002. Repeatable.", show_default=False),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        help="A track to show: all others, and faces that belong to no track, are hidden. Repeatable.",
        show_default=False,
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the copy.", show_default=False)]
MarginOption = Annotated[
    float, typer.Option("--margin", help="How much round each face is covered, in sizes of its box.")
]
NOTHING_LEFT = f"nothing is left of the copy, and {ANEW}"


def register(group: typer.Typer) -> None:
    """Add the command to the group `case`."""
    group.command("redact")(redact)


@stopped(NOTHING_LEFT)
def redact(
    case: options.CaseFolder,
    out: OutArgument,
    reason: ReasonOption,
    track: TrackOption = None,
    keep: KeepOption = None,
    margin: MarginOption = 0.5,
    operator: options.OperatorOption = NOT_STATED,
    pdf: options.PdfOption = True,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Make a copy for disclosure in which chosen tracks are covered everywhere, and cannot be uncovered.

    The copy is a case of its own, with its own ledger and report: pictures, vectors and candidates of these tracks are
    left out, and their faces are filled with one flat colour wherever else they appear. CASE is verified, and not
    changed. Clothes, gait, place and time stay: see docs/threat-model.md.
    """
    from facerecon.pipeline.redaction import Wish, redact

    console = Console(quiet=quiet, as_json=as_json)
    options.require_text(reason=reason, operator=operator)
    wish = Wish(tuple(track or ()), tuple(keep or ()), reason, operator, margin)
    details = redact(case, out, wish, lambda copy: _report(console, copy, pdf))
    document = {"case": str(case), "copy": str(out), "report": str(out / "report/report.html"), **details}
    if as_json:
        console.result(document)
    for line in _lines(document):
        console.show(line)


def _report(console: Console, copy: Case, pdf: bool) -> None:
    from facerecon.commands.stages import run_report

    run_report(Workbench(console), copy, pdf=pdf)


def _lines(document: Mapping[str, Any]) -> Iterator[Text]:
    counts = document["counts"]
    yield _line("Copy", document["copy"])
    others = ", and faces of no track" if document["faces_of_no_track"] else ""
    yield _line("Hidden", f"{', '.join(document['tracks'])}{others}")
    told = ", ".join(f"{counts[key]} {key}" for key in ("copied", "redacted", "withheld"))
    yield _line("Files", f"{counts['requested']} = {told}")
    yield _line("Covered", f"{len(document['covered_in_part'])} pictures in part")
    for reason, count in _reasons(document).items():
        yield Text(f"  withheld: {count}   {reason}")
    yield _line("Report", document["report"])
    yield _line("Ledger head", document["ledger_head"])


def _reasons(document: Mapping[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in (*document["withheld"], *document["withheld_unnamed"]):
        found[each["reason"]] = found.get(each["reason"], 0) + each.get("files", 1)
    return found


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"{label + ':':<13}", "bold"), text)
