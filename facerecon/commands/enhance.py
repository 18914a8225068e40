"""`facerecon enhance`: the profile's steps on the best shots."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from facerecon.case import Case
from facerecon.commands import options, timing, views
from facerecon.commands.stages import extracted_case, run_enhance, run_render
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench
from facerecon.console import Console
from facerecon.errors import UsageError
from facerecon.pipeline.summaries import enhance_summary


class Output(StrEnum):
    """What `enhance` makes."""

    stills = "stills"
    frame = "frame"
    video = "video"


OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        help="stills: the best shots of each track. frame: their whole frames. video: every frame, with its sound.",
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Whole frames at most, from the start.", show_default="all"),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("enhance")(enhance)


def enhance(
    target: options.Target,
    case: options.CaseOption = None,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    case_id: options.CaseIdOption = None,
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    output: OutputOption = Output.stills,
    limit: LimitOption = None,
    profile_time: options.ProfileTimeOption = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Make enhanced pictures of each track's best shots, labelled, beside the originals; or whole frames, or video."""
    if limit is not None and output is Output.stills:
        raise UsageError("--limit counts whole frames; give it with --output frame or --output video")
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device, Facts(case_id, operator, purpose))
    with extracted_case(bench, target, case, enhance=True) as opened:
        if output is Output.stills:
            _refuse_repetition(opened, bench)
            run_enhance(bench, opened)
        else:
            run_render(bench, opened, "video" if output is Output.video else "frame", limit)
        document = enhance_summary(opened)
        if profile_time:
            document["time"] = timing.steps_of(opened)
    if as_json:
        console.result(document)
    console.show(views.enhancement(document))
    console.show(f"Case: {escape(str(document['case']))}")
    if profile_time:
        console.show(timing.table(document["time"]))


def _refuse_repetition(case: Case, bench: Workbench) -> None:
    done = case.runs("enhance")
    if done and done[-1].details["profile_sha256"] == bench.profile.digest:
        raise UsageError(
            f"case {case.root} is already enhanced with profile {bench.profile.name}, and nothing was "
            "changed; name another --profile, or choose another --case"
        )
