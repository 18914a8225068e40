"""`facerecon evaluate recognition`: error rates of comparison on a dataset, and calibrations made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facerecon.commands import options
from facerecon.commands.recognition_views import view
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.errors import BatchError, UsageError
from facerecon.stages import known_operating_point

if TYPE_CHECKING:
    from facerecon.evaluation.comparison import Comparison
    from facerecon.evaluation.recognition import Study
    from facerecon.evaluation.templates import Gate
    from facerecon.likelihood import Calibration

_STAGE = "study"
Dataset = Annotated[
    Path,
    typer.Argument(
        help="DATASET/NAME/*.jpg, or NAME/CLIP/*.jpg for clips of frames, or *.jpg for one picture per person.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    dataset: Path
    references: Path | None
    degradations: tuple[str, ...]
    frames: int
    variant: str
    limit: int | None
    seed: int
    calibrate: Path | None
    name: str | None
    about: str | None
    edges_px: tuple[float, ...] | None
    plots: Path | None
    carried: bool


def recognition(
    dataset: Dataset,
    references: Annotated[
        Path | None,
        typer.Option(
            "--gallery", help="Another dataset of the same persons as gallery.", show_default="the dataset, undegraded"
        ),
    ] = None,
    degrade: Annotated[
        list[str] | None,
        typer.Option(
            "--degrade",
            help="The CCTV model put on the probes, for example width=24,noise=4,jpeg=60. Repeat it to pool several.",
            show_default="none",
        ),
    ] = None,
    frames: Annotated[
        int, typer.Option("--frames", min=1, max=64, help="Frames per probe: of its clip, or synthetic ones.")
    ] = 1,
    variant: Annotated[
        str,
        typer.Option(
            "--variant", help="original, mean, fused, fused-image, restored, or a sum such as original+restored."
        ),
    ] = "original",
    landmarks: Annotated[
        Literal["detected", "carried"],
        typer.Option(
            "--landmarks",
            help="detected: in the degraded picture, as in footage. carried: from the undegraded one, to measure "
            "recognition without detection.",
        ),
    ] = "detected",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="About N pictures, whole persons, spread over the dataset.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of noise, resampling and halves.")] = 0,
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", help="Write a calibration (JSON) here.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The calibration's name.", show_default="the file's name")
    ] = None,
    about: Annotated[
        str | None,
        typer.Option("--about", help="What the dataset is, for the calibration.", show_default="the folder's name"),
    ] = None,
    edges: Annotated[
        str | None,
        typer.Option("--edges", help="Bins of eye distance, px.", show_default="6,9,12.5,18,30,60"),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option("--plots", help="Folder for Tippett, ECE and DET plots (SVG) of --calibrate.", show_default=False),
    ] = None,
    profile: Annotated[str, typer.Option("--profile", "-p", help="Profile name or YAML file.")] = "standard",
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Compare all genuine pairs and all cross impostors of a dataset; report error rates, or make a calibration.

    Faces are looked for in the degraded pictures, as in footage. Those that are not found are failures to acquire.

    Exit 6 when a picture could not be read, or nothing can be compared.
    """
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device)
    request = Request(
        dataset,
        references,
        tuple(degrade or ("none",)),
        frames,
        variant,
        limit,
        seed,
        calibrate,
        name,
        about,
        _edges(edges),
        plots,
        landmarks == "carried",
    )
    _require_sensible(request)
    found, comparison, document = _studied(bench, request)
    if calibrate is not None:
        document["calibration"] = _calibrate(bench, request, found, comparison)
    if as_json:
        console.result(document)
    console.show(view(document))
    _judge(found)


def _require_sensible(request: Request) -> None:
    """Refuse a calibration that could not be made or would not be true, before any picture is read.

    Raises:
        UsageError: and why.
    """
    from facerecon.evaluation.calibrating import require_calibratable

    if request.calibrate is None:
        about = {
            "--plots": request.plots,
            "--edges": request.edges_px,
            "--name": request.name,
            "--about": request.about,
        }
        for option, value in about.items():
            if value is not None:
                raise UsageError(f"{option} is about a calibration; give --calibrate too")
        return
    if request.calibrate.exists():
        raise UsageError(f"{request.calibrate} exists already; choose another --calibrate")
    require_calibratable(request.variant)
    if request.carried:
        raise UsageError("--landmarks carried is for measuring only: footage has no known landmarks; leave it out")
    if request.variant == "fused" and request.frames < 2:
        raise UsageError("a calibration of variant fused is for tracks of two frames or more; give --frames 2 or more")


def _edges(text: str | None) -> tuple[float, ...] | None:
    """Read bin edges.

    Raises:
        UsageError: not two or more increasing numbers.
    """
    if text is None:
        return None
    try:
        edges = tuple(float(part) for part in text.split(","))
    except ValueError:
        edges = ()
    if len(edges) < 2 or list(edges) != sorted(set(edges)):
        raise UsageError(f"--edges {text}: needs two or more increasing numbers, for example 6,9,12.5,18,30,60")
    return edges


def _studied(bench: Workbench, request: Request) -> tuple[Study, Comparison, dict[str, Any]]:
    from facerecon.degradation import Degradation
    from facerecon.evaluation import recognition as measuring
    from facerecon.evaluation.subjects import read_clips, spread_over_people
    from facerecon.evaluation.templates import Making

    clips = spread_over_people(read_clips(request.dataset), request.limit)
    people = {clip.identity for clip in clips}
    references = None
    if request.references is not None:
        references = read_clips(request.references)
        if not people & {clip.identity for clip in references}:
            raise UsageError(f"{request.references} and {request.dataset} have no person in common")
    models = [Degradation.parse(text) for text in request.degradations]
    models = [model.model_copy(update={"seed": request.seed}) for model in models]
    makings = [Making(model, request.frames, (request.variant,), request.carried) for model in models]
    engines = _engines(bench, makings[0].parts)
    bench.console.started(_STAGE, len(clips) + len(references or ()))
    found = measuring.study(clips, references, engines, makings, gate_of(bench), lambda: bench.console.advanced(_STAGE))
    bench.console.finished(_STAGE)
    if problem := found.require_pairs():
        raise BatchError(f"{request.dataset}: {problem}")
    measure = measure_of(bench)
    comparison = measuring.comparisons(found, measure, request.seed)[request.variant]
    if not len(comparison.genuine) or not len(comparison.impostor):
        raise BatchError(
            f"{request.dataset}: {len(comparison.genuine)} same-source and {len(comparison.impostor)} different-source "
            "pairs; both are needed: several persons, with two pictures or more"
        )
    bench.console.noted("Resampling persons for the intervals ...")
    document = {
        "dataset": str(request.dataset),
        "gallery": None if request.references is None else str(request.references),
        "degradations": [model.text for model in models],
        "frames": request.frames,
        "landmarks": "carried" if request.carried else "detected",
        "variant": request.variant,
        "model": bench.recognizer.stamp.id,
        "treatment": _treatment(bench, request.variant),
        "detector": bench.detector.stamp.id,
        "seed": request.seed,
        **measuring.summary(comparison, found, _threshold(bench), request.seed),
    }
    groups = measuring.differentials(comparison, request.seed)
    if groups:
        document["groups"] = groups
    return found, comparison, document


def _engines(bench: Workbench, parts: Sequence[str]) -> Any:
    from facerecon.commands.evaluate import enhance_view
    from facerecon.evaluation.templates import Engines

    enhance = None
    if "restored" in parts:
        settings, restorers = bench.profile.enhance, bench.restorers
        enhance = lambda face: enhance_view(face, settings, restorers)  # noqa: E731
    return Engines(detect_of(bench), bench.recognizer, enhance)


def detect_of(bench: Workbench) -> Any:
    """Return the profile's detection, with its enlargement and brightening for the detector's eyes only."""
    from facerecon.pipeline.detection import detect_faces

    detector, settings = bench.detector, bench.profile.detect
    return lambda pictures: detect_faces(detector, pictures, settings)


def gate_of(bench: Workbench) -> Gate:
    """Return the quality gate that pictures pass when a gallery is enrolled."""
    from facerecon.gallery import refusal

    settings = bench.profile.recognize
    return lambda face, quality: refusal(face, quality, settings)


def measure_of(bench: Workbench) -> Any:
    """Return the recognizer's similarity of one vector to many."""
    from facerecon.records import Embedding
    from facerecon.records.similarity import similarities

    recognizer = bench.recognizer

    def measure(vector: Any, matrix: Any) -> Any:
        return similarities(Embedding(recognizer.stamp.id, vector, recognizer.metric), matrix, recognizer.metric)

    return measure


def _treatment(bench: Workbench, variant: str) -> str:
    """Return how the probes' vectors are made: the recognizer's treatment, and the restored picture's recipe."""
    from facerecon.pipeline.steps import recipe, step_text, with_recipe
    from facerecon.profiles import RestoreStep

    treatment, learned = bench.recognizer.treatment, ""
    if "restored" not in variant.split("+"):
        return treatment
    texts = []
    for step in bench.profile.enhance.steps:
        restorer = bench.restorers[step.key] if isinstance(step, RestoreStep) else None
        learned = restorer.stamp.weights_sha256 if restorer else learned
        texts.append(step_text(step, restorer))
    return with_recipe(treatment, recipe(texts, learned))


def _threshold(bench: Workbench) -> float | None:
    return known_operating_point(bench.recognizer, bench.profile.recognize.threshold)


# --- calibrations -----------------------------------------------------------------------------------------------------


def _calibrate(bench: Workbench, request: Request, found: Study, comparison: Comparison) -> dict[str, Any]:
    from facerecon.evaluation import calibrating
    from facerecon.likelihood import write_calibration

    assert request.calibrate is not None
    making = calibrating.Making(
        name=request.name or request.calibrate.stem,
        variant=request.variant,
        dataset=f"{request.about or request.dataset.name}: {comparison.subjects} persons with same-source pairs",
        protocol=_protocol(request),
        degradations=tuple(request.degradations),
        stamp=bench.recognizer.stamp,
        treatment=_treatment(bench, request.variant),
        seed=request.seed,
        edges_px=request.edges_px or calibrating.DEFAULT_EDGES_PX,
        progress=lambda line: bench.console.noted(f"Calibrating {line} ..."),
    )
    calibration, problems = calibrating.calibrated(comparison, found, making)
    write_calibration(calibration, request.calibrate)
    for problem in problems:
        bench.console.noted(f"no bin for {problem}")
    if request.plots is not None:
        _plot(calibration, request.plots)
    return {
        "file": str(request.calibrate),
        "name": calibration.name,
        "sha256": calibration.sha256,
        "bins": [
            {
                "id": part.id,
                "genuine": part.genuine,
                "impostor": part.impostor,
                "subjects": part.subjects,
                "cllr": part.metrics.cllr.value,
                "cllr_min": part.metrics.cllr_min.value,
                "cllr_validation": part.metrics.cllr_validation,
                "lr_from": 10.0**part.log10_lower,
                "lr_to": 10.0**part.log10_upper,
            }
            for part in calibration.bins
        ],
        "left_out": problems,
    }


def _protocol(request: Request) -> str:
    gallery = "the undegraded pictures of the data set" if request.references is None else request.references.name
    frames = "one frame" if request.frames == 1 else f"up to {request.frames} frames"
    return (
        f"Probes: {frames} each, degraded, the face found in the degraded picture. Gallery: {gallery}. All same-source "
        "pairs but a picture with its own twin; all cross different-source pairs."
    )


def _plot(calibration: Calibration, folder: Path) -> None:
    """Write three plots per bin.

    Raises:
        UsageError: the folder cannot be made or written.
    """
    from facerecon.likelihood import plots

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(calibration.bins, start=1):
            drawn = {"tippett": plots.tippett_svg(part), "ece": plots.ece_svg(part), "det": plots.det_svg([part])}
            for kind, text in drawn.items():
                (folder / f"{kind}-{number}.svg").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--plots {folder}: {error.strerror}") from error


def _judge(found: Study) -> None:
    """Raise when a picture could not be read.

    Raises:
        BatchError: how many, and the first.
    """
    failed = (item for item in (*found.not_enrolled, *found.not_acquired) if item.outcome == "failed")
    broken = {item.subject: item.detail for item in failed}
    if broken:
        first = min(broken)
        raise BatchError(f"evaluation: {len(broken)} picture(s) failed, the first {first}: {broken[first]}")
