"""`facerecon evaluate enhancement`: a profile on pictures whose truth is known, with limits for use in CI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facerecon.commands import options
from facerecon.commands.evaluate_recognition import recognition
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.errors import BatchError, RestorationError, UsageError
from facerecon.records import RGB, Detection, FaceView, Skipped

if TYPE_CHECKING:
    from facerecon.degradation import Degradation
    from facerecon.evaluation.enhancement import Evaluation
    from facerecon.evaluation.samples import Pair, Sample
    from facerecon.profiles import Enhance
    from facerecon.stages import Restorer

DEFAULT_DEGRADATION = "width=24,noise=4,jpeg=60"
_TITLE = "Measuring pictures"
_NO_BOX_SCORE = 1.0

group = typer.Typer(help="Measure enhancement and recognition on pictures whose truth is known.", no_args_is_help=True)
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference", help="Folder of sharp face pictures, sub-folders included; with --pairs their originals."
    ),
]
PairsOption = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        help="Folder of degraded pictures. Their originals lie in --reference under the same names, or, without that, "
        "beside them: NAME.png and NAME.ref.png. Framing must be equal, size need not be.",
    ),
]
DegradeOption = Annotated[
    str | None,
    typer.Option(
        "--degrade",
        help="The CCTV model put on --reference: key=value,... of width, blur, linear, defocus, motion, angle, "
        "interlace, gain, warm, cold, rolling, bands, poisson, noise, sharpen, rescale, jpeg, mjpeg, crf, seed.",
        show_default=DEFAULT_DEGRADATION,
    ),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most N pictures, evenly spread over the sorted folder.")
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of noise and of the intervals.", show_default="the model's, 0")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group.command("recognition")(recognition)
    app.add_typer(group, name="evaluate")


@group.command("enhancement")
def enhancement(
    reference: ReferenceOption = None,
    pairs: PairsOption = None,
    degrade: DegradeOption = None,
    profile: Annotated[str, typer.Option("--profile", "-p", help="Profile name or YAML file.")] = "standard",
    set_: options.SetOption = None,
    limit: LimitOption = None,
    seed: SeedOption = None,
    min_psnr: Annotated[float | None, typer.Option("--min-psnr", help="Exit 6 when the mean is below, dB.")] = None,
    min_ssim: Annotated[float | None, typer.Option("--min-ssim", help="Exit 6 when the mean is below, 0..1.")] = None,
    min_identity: Annotated[
        float | None, typer.Option("--min-identity", help="Exit 6 when the mean cosine is below, -1..1.")
    ] = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Compare a profile's pictures, and bicubic enlargement, with the pristine ones.

    The face is found once, in the reference; PSNR, SSIM and identity are about it, at the reference's size.

    Exit 6 when a picture failed, none could be measured, or a mean is below its limit.
    """
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device)
    model = _model(degrade, pairs, seed)
    chosen = _chosen(reference, pairs)
    evaluation, engines = _run(bench, chosen, model, limit)
    seed = seed if seed is not None else model.seed if model else 0
    document = _document(bench, evaluation, chosen, model, engines, seed)
    if as_json:
        console.result(document)
    console.show(view(document))
    _judge(evaluation, {"psnr": min_psnr, "ssim": min_ssim, "identity": min_identity})


def enhance_view(face: FaceView, settings: Enhance, restorers: Mapping[str, Restorer]) -> RGB | Skipped:
    """Return a profile's picture of one face, as the pipeline makes it, at any size; or why the profile makes none.

    The one place where measuring meets the pipeline.

    Raises:
        RestorationError: a learned step failed.
    """
    from facerecon.filters.balance import scene_light
    from facerecon.pipeline.accounts import Stopwatch
    from facerecon.pipeline.refusals import Refusal, steps_for
    from facerecon.pipeline.steps import Progress, run_steps

    height, width = face.pixels.shape[:2]
    found = Detection(box=(0, 0, width, height), score=_NO_BOX_SCORE, landmarks=face.landmarks)
    steps = steps_for(found, (width, height), settings)
    if isinstance(steps, Refusal):
        return Skipped(stage="evaluate", kind="image", subject="", reason=steps.reason, detail=steps.detail)
    progress = Progress(face.pixels, face.landmarks, steps, light=scene_light(face.pixels))
    run_steps([progress], steps, restorers, Stopwatch())
    if progress.failure:
        raise RestorationError(progress.failure)
    return progress.pixels


@dataclass(frozen=True)
class _Chosen:
    pairs: list[Pair]
    lone: list[Skipped]


def _model(text: str | None, pairs: Path | None, seed: int | None) -> Degradation | None:
    """Return the degradation, or None when the pictures are degraded already.

    Raises:
        UsageError: the text is wrong, asks for a track, or comes with --pairs.
    """
    from facerecon.degradation import Degradation

    if pairs is not None:
        if text is not None:
            raise UsageError("--pairs holds degraded pictures already; leave --degrade out")
        return None
    model = Degradation.parse(text or DEFAULT_DEGRADATION)
    if model.frames > 1:
        raise UsageError("--degrade frames: single pictures are measured here; leave it out")
    return model if seed is None else Degradation.validated({**model.model_dump(), "seed": seed})


def _chosen(reference: Path | None, pairs: Path | None) -> _Chosen:
    from facerecon.evaluation.samples import marked_pairs, matching_pairs, references

    if pairs is not None:
        return _Chosen(*(matching_pairs(pairs, reference) if reference else marked_pairs(pairs)))
    if reference is None:
        raise UsageError("give --reference DIR (sharp pictures to degrade) or --pairs DIR (degraded pictures)")
    return _Chosen(references(reference), [])


def _run(
    bench: Workbench, chosen: _Chosen, model: Degradation | None, limit: int | None
) -> tuple[Evaluation, dict[str, str]]:
    from facerecon.degradation import Degradation
    from facerecon.engines.catalogue import open_detector, open_recognizer
    from facerecon.engines.niqe import niqe
    from facerecon.evaluation.enhancement import Judge, evaluate
    from facerecon.evaluation.samples import samples, spread

    detector, recognizer = open_detector(device=bench.device), open_recognizer(device=bench.device)
    settings, restorers = bench.profile.enhance, bench.restorers
    pairs = spread(chosen.pairs, limit)
    methods: dict[str, Callable[[Sample], RGB | Skipped]] = {
        "bicubic": lambda sample: sample.given.pixels,
        "result": lambda sample: enhance_view(sample.given, settings, restorers),
    }
    bench.console.started(_TITLE, len(pairs))
    evaluation = evaluate(
        samples(pairs, detector, model or Degradation()),
        methods,
        Judge(recognizer, niqe),
        lambda _: bench.console.advanced(_TITLE),
    )
    bench.console.finished(_TITLE)
    evaluation.omitted.extend(chosen.lone)
    return evaluation, {"detector": detector.stamp.id, "recognizer": recognizer.stamp.id}


def _document(
    bench: Workbench,
    evaluation: Evaluation,
    chosen: _Chosen,
    model: Degradation | None,
    engines: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    from facerecon.evaluation.enhancement import summary

    return {
        **summary(evaluation, seed),
        "available": len(chosen.pairs) + len(chosen.lone),
        "degradation": None if model is None else {"text": model.text, "sha256": model.digest},
        "profile": {"name": bench.profile.name, "sha256": bench.profile.digest},
        **engines,
        "seed": seed,
    }


def _judge(evaluation: Evaluation, limits: Mapping[str, float | None]) -> None:
    """Raise when the evaluation is not good enough.

    Raises:
        BatchError: pictures failed, none was measured, or a mean is below its limit; all of it is said.
    """
    from facerecon.evaluation.enhancement import below

    failed = sum(item.outcome == "failed" for item in evaluation.omitted)
    problems = [f"{failed} picture(s) failed"] if failed else []
    if not evaluation.images:
        problems.append("no picture could be measured")
    problems += below(evaluation, limits)
    if problems:
        raise BatchError("evaluation: " + "; ".join(problems))


# --- for people -----------------------------------------------------------------------------------------------------


def view(document: Mapping[str, Any]) -> RenderableType:
    """Show the figures, their intervals, and what was left out."""
    model, profile = document["degradation"], document["profile"]
    head = Text.assemble(
        ("Pictures: ", "bold"),
        f"{document['images']} of {document['requested']}   ",
        ("profile: ", "bold"),
        f"{profile['name']}   ",
        ("degradation: ", "bold"),
        model["text"] if model else "as given",
    )
    note = "On the face, at the reference's size; 95 % intervals. NIQE: lower is more natural; it does not see truth."
    omitted = [_omission("failed", item) for item in document["failures"]]
    omitted += [_omission("left out", item) for item in document["skipped"]]
    return Group(head, Padding(_table(document), (0, 0, 0, 2)), Text(note, style="dim"), *omitted)


def _table(document: Mapping[str, Any]) -> Table:
    columns = ("", "PSNR (dB)", "SSIM", "identity (cosine)", "NIQE")
    table = Table(*columns, box=None, header_style="dim", pad_edge=False)
    for name in ("bicubic", "result"):
        _rows(table, name, document[name], document["intervals"][name])
    gain = document["gain"]
    _rows(
        table,
        "result - bicubic",
        {metric: part["mean"] for metric, part in gain.items()},
        {metric: part["interval"] for metric, part in gain.items()},
        "+",
    )
    return table


def _rows(
    table: Table,
    name: str,
    means: Mapping[str, float | None],
    spans: Mapping[str, Sequence[float] | None],
    sign: str = "",
) -> None:
    table.add_row(name, *("none" if mean is None else _figure(mean, metric, sign) for metric, mean in means.items()))
    ends = (" .. ".join(_figure(end, metric, sign) for end in spans[metric] or ()) for metric in means)
    table.add_row("", *ends, style="dim")


def _figure(value: float, metric: str, sign: str) -> str:
    return f"{value:{sign}.{2 if metric in ('psnr', 'niqe') else 3}f}"


def _omission(outcome: str, item: Mapping[str, str]) -> Text:
    detail = f" ({item['detail']})" if item["detail"] else ""
    return Text(f"  {outcome}: {item['image']}: {item['reason']}{detail}", style="dim")
