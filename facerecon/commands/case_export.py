"""`facerecon case export`: a case in a standard format, for other tools and other examiners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from facerecon.case import Case
from facerecon.commands import options
from facerecon.commands.stopping import stopped
from facerecon.console import Console

OutOption = Annotated[
    Path,
    typer.Option("--case-uco", help="JSON-LD file to write; it must not exist.", show_default=False, metavar="OUT"),
]
AllDetectionsOption = Annotated[
    bool, typer.Option("--all-detections", help="Every detection with its box, not only a summary for each track.")
]


def register(group: typer.Typer) -> None:
    """Add the command to the group `case`."""
    group.command("export")(export)


@stopped()
def export(
    case: options.CaseFolder,
    case_uco: OutOption,
    all_detections: AllDetectionsOption = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Write a case as CASE/UCO JSON-LD: tool, configuration, provenance, results. The case is verified first."""
    from facerecon.exchange.export import export_case_uco

    console = Console(quiet=quiet, as_json=as_json)
    with Case.view(case) as opened:
        done = export_case_uco(opened, case_uco, all_detections=all_detections)
    if as_json:
        console.result(
            {
                "case": str(case),
                "case_uco": str(done.path),
                "sha256": done.sha256,
                "size_bytes": done.size_bytes,
                "nodes": done.nodes,
                "all_detections": all_detections,
                "ledger_head": done.ledger_head,
                "manifest_digest": done.manifest_digest,
            }
        )
    console.show(f"[green]exported[/]  {escape(str(done.path))}, {done.nodes} nodes")
    console.show(f"[bold]SHA-256:[/] {done.sha256}")
    console.show(f"[bold]Ledger head:[/] {done.ledger_head}")
