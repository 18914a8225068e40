"""`facerecon report`: the case's report as HTML and PDF/A."""

from __future__ import annotations

import typer

from facerecon.commands import options, views
from facerecon.commands.stages import run_report
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.pipeline.summaries import report_summary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    case: options.CaseFolder,
    pdf: options.PdfOption = True,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Write the report of a case: one self-contained HTML page and a PDF/A. Earlier reports are kept."""
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console)
    with bench.open_case(case) as opened:
        run_report(bench, opened, pdf=pdf)
        document = report_summary(opened)
    if as_json:
        console.result(document)
    console.show(views.report_files(document))
