"""`facerecon extract`: frames, faces, tracks, best shots."""

from __future__ import annotations

import typer
from rich.markup import escape

from facerecon.commands import options, timing, views
from facerecon.commands.stages import run_extract
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench
from facerecon.console import Console
from facerecon.errors import UsageError
from facerecon.pipeline.summaries import extract_summary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("extract")(extract)


def extract(
    source: options.Media,
    case: options.CaseOption = None,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    case_id: options.CaseIdOption = None,
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    profile_time: options.ProfileTimeOption = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Find every face in a video, image or folder of images, and keep each person's best shots in a new case."""
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device, Facts(case_id, operator, purpose))
    opened, evidence = bench.case_for(source, case)
    with opened:
        if opened.runs("extract"):
            raise UsageError(
                f"case {opened.root} has its extraction already, and nothing was changed; choose another "
                f"--case, or go on with 'facerecon enhance {opened.root}'"
            )
        run_extract(bench, opened, evidence)
        document = extract_summary(opened)
        if profile_time:
            document["time"] = timing.steps_of(opened)
    if as_json:
        console.result(document)
    console.show(views.extraction(document))
    console.show(f"Case: {escape(str(document['case']))}")
    if profile_time:
        console.show(timing.table(document["time"]))
