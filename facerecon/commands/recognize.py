"""`facerecon recognize`: ranked candidates from a gallery."""

from __future__ import annotations

import typer

from facerecon.commands import options, views
from facerecon.commands.stages import extracted_case, run_enhance, run_enroll, run_recognize
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench, is_case
from facerecon.console import Console
from facerecon.pipeline.summaries import recognize_summary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recognize")(recognize)


def recognize(
    target: options.Target,
    gallery: options.GalleryOption,
    case: options.CaseOption = None,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    case_id: options.CaseIdOption = None,
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Rank a gallery's persons for each track by similarity. Candidates for an expert, not a statement of who it is."""
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device, Facts(case_id, operator, purpose))
    enrolled = None if is_case(target) else run_enroll(bench, gallery)
    with extracted_case(bench, target, case) as opened:
        if not is_case(target) and not opened.runs("enhance"):
            run_enhance(bench, opened)
        run_recognize(bench, opened, enrolled or run_enroll(bench, gallery))
        document = recognize_summary(opened)
    if as_json:
        console.result(document)
    console.show(views.candidates(document))
    console.show(f"Case: {document['case']}")
