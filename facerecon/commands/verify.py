"""`facerecon verify`: is a case whole and unchanged?"""

from __future__ import annotations

import typer

from facerecon.commands import options
from facerecon.console import Console
from facerecon.manifest import CaseProblemsError, verify
from facerecon.pipeline.summaries import verify_summary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify_command)


def verify_command(
    case: options.CaseFolder,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Check every file of a case against its manifest, and the ledger's chain. Exit 4 when anything differs."""
    console = Console(quiet=quiet, as_json=as_json)
    try:
        manifest = verify(case)
    except CaseProblemsError as error:
        if as_json:
            console.result(verify_summary(str(case), None, error.problems))
        for problem in error.problems:
            console.show(f"[bold red]problem[/]  {problem}")
        raise
    if as_json:
        console.result(verify_summary(str(case), manifest, ()))
    console.show(
        f"[green]verified[/]  {len(manifest.files)} files, {manifest.ledger_entries} ledger entries, "
        f"state: {manifest.state}"
    )
    console.show(f"[bold]Ledger head:[/] {manifest.ledger_head}")
