"""The fused picture of a track as a learned model corrects it: a picture of its own beside it, never in its place.

Owns its files, label, record and warnings. The model sees what several frames agree on, on a grid finer than theirs; so
the picture keeps its size, and whatever the model did is the difference of the two. It is for the eye: nothing compares
it with a gallery, and how far it moved the face is measured against the fused picture.
"""

from __future__ import annotations

from collections.abc import Iterator

from facerecon import __version__
from facerecon.case import StageRun
from facerecon.hashing import sha256_array
from facerecon.pipeline.accounts import Stopwatch
from facerecon.pipeline.drawings import Drawing, write_drawings
from facerecon.pipeline.fusing import FusedPicture
from facerecon.pipeline.invention import (
    DOUBT_SHOWS,
    Correction,
    drift_warnings,
    identity_drift,
    measure_correction,
    summarize_doubt,
)
from facerecon.profiles import Enhance, FusedRestore
from facerecon.records import RGB, FaceView, FusedRecord, FusedRestoredRecord, ModelStamp, StepRecord
from facerecon.stages import Recognizer, Restoration, RestorationFailure, Restorer

DESCRIPTION = (
    "Corrects the fused picture with a trained neural network, in its own size. It may add detail that was not "
    "recorded."
)


def correct_fused(
    run: StageRun,
    fused: FusedPicture,
    restorer: Restorer,
    recognizer: Recognizer | None,
    settings: Enhance,
    watch: Stopwatch,
) -> FusedRestoredRecord | RestorationFailure:
    """Correct a fused picture, and write the result with its maps; or say why there is none.

    Args:
        run: where files go.
        fused: the picture as it is shown, and its record.
        restorer: the profile's model of `fuse.restore`, which keeps the size.
        recognizer: measures how far the face vector moved; None measures nothing.
        settings: limits, and what the step was told.
        watch: for the ledger.

    Raises:
        ValueError: the profile wants no correction.
    """
    step = settings.fuse.correction
    if step is None:
        raise ValueError("the profile corrects no fused picture")
    with watch.measure("restore fused"):
        (outcome,) = restorer.restore([fused.view])
    if isinstance(outcome, RestorationFailure):
        return outcome
    with watch.measure("measure"):
        change = measure_correction(outcome.pixels, fused.view.pixels, fused.record.scale)
    drift = None
    if recognizer is not None:
        after = FaceView(outcome.pixels, fused.view.landmarks, fused.view.enlarged)
        with watch.measure("identity drift"):
            drift = identity_drift(recognizer, fused.view, after)
    stamp = restorer.stamp.model_copy(update={"precision": outcome.precision})
    done = _step(step, stamp, fused.view.pixels, outcome.pixels)
    return _write(run, fused.record, stamp, outcome, change, drift, done, tuple(_warnings(change, drift, settings)))


def _write(
    run: StageRun,
    fused: FusedRecord,
    stamp: ModelStamp,
    outcome: Restoration,
    change: Correction,
    drift: float | None,
    step: StepRecord,
    warnings: tuple[str, ...],
) -> FusedRestoredRecord:
    kind = f"restored-{stamp.id}"
    height, width = outcome.pixels.shape[:2]
    doubt = None if outcome.uncertainty is None else summarize_doubt(outcome.uncertainty)
    drawings = [
        _drawing(run, fused, kind, outcome.pixels, label(fused, stamp.id), step.name),
        _map(run, fused, "change", change.map, "what the model changed in the fused picture (dark: nothing)"),
    ]
    if doubt:
        drawings.append(_map(run, fused, "uncertainty", doubt.map, DOUBT_SHOWS))
    digest, *_ = write_drawings(run, drawings)
    path, change_path, *doubt_path = (drawing.path for drawing in drawings)
    return FusedRestoredRecord(
        id=f"{fused.track}/fused-{kind}{run.suffix}",
        track=fused.track,
        fused=fused.id,
        fused_path=fused.path,
        reference=fused.reference,
        reference_path=fused.reference_path,
        path=path,
        file_sha256=digest,
        content=(width, height),
        scale=fused.scale,
        steps=(step,),
        model=stamp.id,
        weights_sha256=stamp.weights_sha256,
        precision=stamp.precision,
        tile_plan=outcome.tile_plan,
        downscale_psnr_db=change.downscale_psnr_db,
        change_rms_levels=change.rms_levels,
        change_path=change_path,
        expected_error_levels=doubt.expected_error_levels if doubt else None,
        uncertainty_path=doubt_path[0] if doubt_path else None,
        identity_drift=drift,
        warnings=warnings,
    )


def _drawing(run: StageRun, fused: FusedRecord, kind: str, pixels: RGB, title: str, steps: str) -> Drawing:
    """Return a picture that comes of a fused picture, with its label and where it is from."""
    text = {
        "Software": f"facerecon {__version__}",
        "Original": f"{fused.path}, SHA-256 {fused.file_sha256}; fused round {fused.reference}",
        "Source SHA-256": run.case.info.source.sha256,
        "Steps": steps,
    }
    return Drawing(f"faces/{fused.track}/fused-{kind}{run.suffix}.png", pixels, title, text)


def _map(run: StageRun, fused: FusedRecord, kind: str, colours: RGB, shows: str) -> Drawing:
    return _drawing(run, fused, f"restored-{kind}", colours, f"MAP of {shows}. {fused.id}", "")


def label(fused: FusedRecord, model: str) -> str:
    """Return what stands under a corrected fused picture (R15)."""
    used = sum(frame.weight > 0 for frame in fused.frames)
    return (
        f"FUSED from {used} frames and RESTORED by {model}: not original pixels. Investigative aid, may invent detail. "
        f"{fused.reference}, x{fused.scale}"
    )


def _step(step: FusedRestore, stamp: ModelStamp, before: RGB, after: RGB) -> StepRecord:
    strength = f", strength {step.blend:g}" if step.blend < 1 else ""
    return StepRecord(
        name=f"restore ({stamp.id}{strength})",
        description=DESCRIPTION,
        reference=stamp.reference,
        parameters=step.model_dump(mode="json"),
        learned=True,
        input_sha256=sha256_array(before),
        output_sha256=sha256_array(after),
    )


def _warnings(change: Correction, drift: float | None, settings: Enhance) -> Iterator[str]:
    if change.downscale_psnr_db < settings.min_downscale_psnr_db:
        yield (
            f"reduced to the recorded size it differs from the fused picture: PSNR {change.downscale_psnr_db:.1f} dB, "
            f"limit {settings.min_downscale_psnr_db:g} dB"
        )
    yield from drift_warnings(drift, settings.max_identity_drift)
