"""The fused picture of a track: which shots go in, what comes out, and the record of every frame and weight (R29).

Owns the two maps beside it and their colours: how many frames stand behind each pixel, and how far these differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facerecon import __version__
from facerecon.case import StageRun
from facerecon.faces.quality import template_weight
from facerecon.fusion import Fused, fuse, onto, register
from facerecon.hashing import sha256_array
from facerecon.pipeline.accounts import Stopwatch
from facerecon.pipeline.drawings import Drawing, write_drawings
from facerecon.pipeline.steps import Progress, run_steps
from facerecon.profiles import Enhance
from facerecon.profiles.steps import TONE_KINDS
from facerecon.records import (
    RGB,
    ChipRecord,
    FaceChip,
    FaceView,
    FusedFrame,
    FusedRecord,
    StepRecord,
    TrackRecord,
)

DEVIATION_SCALE_LEVELS = 32.0
"""The deviation map's brightest colour: frames that differ by this many grey levels or more, in every case alike."""
DEVIATION_MIN_COUNT = 1.5
"""Where fewer frames than this count, none is left to differ from: the deviation map is light grey there."""
_NOTHING_TO_COMPARE = 200
DESCRIPTION = (
    "Averages several frames of one face, registered to a fraction of a pixel, on a finer grid; pixels that disagree "
    "count less; then sharpens until the result, seen again through the camera, reproduces the recorded frames."
)
REFERENCE = (
    "Evangelidis, Psarakis, IEEE TPAMI 30(10), 2008 (registration); Irani, Peleg, CVGIP 53(3), 1991, and Farsiu, "
    "Robinson, Elad, Milanfar, IEEE TIP 13(10), 2004 (robust multi-frame super-resolution)"
)


@dataclass(frozen=True, eq=False)
class FusedPicture:
    """A fused picture as it is shown, the reference's points in it, and its record."""

    record: FusedRecord
    view: FaceView


def fused_shots(chips: Sequence[FaceChip], settings: Enhance) -> Fused:
    """Fuse a track's shots, the reference first, as the profile says."""
    return fuse(
        [chip.view for chip in chips],
        [template_weight(chip.quality) for chip in chips],
        scale=settings.fuse.scale,
        min_correlation=settings.fuse.min_correlation,
        sharpen_iterations=settings.fuse.sharpen_iterations,
    )


def write_fused(
    run: StageRun, track: TrackRecord, chips: Sequence[FaceChip], fused: Fused, settings: Enhance, watch: Stopwatch
) -> FusedPicture | str:
    """Write the picture fused from a track's shots, and its maps; or say why there is none."""
    used = sum(weight > 0 for weight in fused.weights)
    if used < settings.fuse.min_frames:
        return f"{used} of {len(chips)} shots fit together, {settings.fuse.min_frames} needed"
    toned = _toned(fused, chips[0], settings, watch)
    return FusedPicture(_write(run, track, chips, fused, toned, settings), toned.view)


def _toned(fused: Fused, reference: FaceChip, settings: Enhance, watch: Stopwatch) -> Progress:
    """Put the profile's tone steps on the fused picture, so that a dark face can be seen; noise steps have no place."""
    steps = tuple(step for step in settings.steps if step.kind in TONE_KINDS)
    face = Progress(fused.pixels, reference.view.landmarks, steps, light=reference.scene_light, scale=fused.scale)
    run_steps([face], steps, {}, watch)
    return face


def _write(
    run: StageRun,
    track: TrackRecord,
    chips: Sequence[FaceChip],
    fused: Fused,
    toned: Progress,
    settings: Enhance,
) -> FusedRecord:
    used = sum(weight > 0 for weight in fused.weights)
    title = (
        f"FUSED from {used} frames of {track.id}: not one recorded picture. No learned model. "
        f"{chips[0].id}, x{fused.scale}"
    )
    text = {
        "Software": f"facerecon {__version__}",
        "Source SHA-256": run.case.info.source.sha256,
        "Frames": ", ".join(f"{chip.frame_id} {weight:.4f}" for chip, weight in zip(chips, fused.weights, strict=True)),
    }
    names = ("fused", "fused-count", "fused-deviation")
    path, count_path, deviation_path = (f"faces/{track.id}/{name}{run.suffix}.png" for name in names)
    height, width = toned.pixels.shape[:2]
    digest, count_digest, deviation_digest = write_drawings(
        run,
        [
            Drawing(path, toned.pixels, title, text),
            Drawing(count_path, count_map(fused), f"MAP: frames behind each pixel of {path}", text, labelled=False),
            Drawing(deviation_path, deviation_map(fused), _deviation_title(path), text, labelled=False),
        ],
    )
    return FusedRecord(
        id=f"{track.id}/fused{run.suffix}",
        track=track.id,
        reference=chips[0].id,
        reference_path=f"faces/{chips[0].track}/{chips[0].frame_id}.original.png",
        path=path,
        file_sha256=digest,
        content=(width, height),
        scale=fused.scale,
        frames=tuple(_frames(chips, fused)),
        steps=(_step(chips, fused, settings), *toned.records),
        count_path=count_path,
        count_sha256=count_digest,
        mean_count=round(float(fused.count.mean()), 3),
        median_deviation_levels=round(float(np.median(fused.deviation)), 3),
        deviation_path=deviation_path,
        deviation_sha256=deviation_digest,
        deviation_scale_levels=DEVIATION_SCALE_LEVELS,
    )


def _deviation_title(path: str) -> str:
    return (
        f"MAP: how far the frames behind each pixel of {path} differ (standard deviation of their lightness). "
        f"Black: not at all; nearly white: {DEVIATION_SCALE_LEVELS:g} of 255 grey levels or more; "
        "light grey: hardly more than one frame"
    )


def _frames(chips: Sequence[FaceChip], fused: Fused) -> list[FusedFrame]:
    return [
        FusedFrame(chip=chip.id, weight=round(weight, 6), correlation=round(fit.correlation, 4), rejected=fit.problem)
        for chip, weight, fit in zip(chips, fused.weights, fused.registrations, strict=True)
    ]


def _step(chips: Sequence[FaceChip], fused: Fused, settings: Enhance) -> StepRecord:
    return StepRecord(
        name="fusion",
        description=DESCRIPTION,
        reference=REFERENCE,
        parameters=settings.fuse.model_dump(mode="json", exclude={"enabled", "restore"}),
        learned=False,
        input_sha256=sha256_array(np.concatenate([chip.pixels.ravel() for chip in chips])),
        output_sha256=sha256_array(fused.pixels),
    )


def count_map(fused: Fused) -> RGB:
    """Return the effective number of frames behind each pixel as colours: dark for one, bright for all that went in."""
    most = max(2, len(fused.weights))
    levels = np.clip((fused.count - 1) * (255 / (most - 1)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB), np.uint8)


def deviation_map(fused: Fused) -> RGB:
    """Return how far the frames behind each pixel differ as colours: black for not at all, nearly white for the most.

    The most is `DEVIATION_SCALE_LEVELS` grey levels or more, whatever the case. Light grey where fewer than
    `DEVIATION_MIN_COUNT` frames count: one frame agrees with itself, and dark there would say what nobody measured.
    """
    shares = np.clip(np.rint(fused.deviation * (255 / DEVIATION_SCALE_LEVELS)), 0, 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(shares, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB)
    colours[fused.count < DEVIATION_MIN_COUNT] = _NOTHING_TO_COMPARE
    return np.asarray(colours, np.uint8)


def neighbours_of(chip: FaceChip, others: Sequence[FaceChip], min_correlation: float) -> tuple[RGB, ...]:
    """Return the shots near one in time that fit it, registered to its pixel grid, nearest first."""
    near = sorted(others, key=lambda other: abs(other.timestamp.seconds - chip.timestamp.seconds))
    fits = [(other.view, register(chip.view, other.view, min_correlation)) for other in near if other.id != chip.id]
    return tuple(onto(chip.view, view, fit) for view, fit in fits if not fit.problem)


def shots_for(track: TrackRecord, chips: Mapping[str, ChipRecord]) -> list[ChipRecord]:
    """Return the shots to fuse, the best one first, then its burst and the other best shots in order of time."""
    first, *others = track.best
    names = dict.fromkeys((*track.burst, *others))
    rest = sorted((chips[name] for name in names if name != first), key=lambda chip: chip.timestamp.seconds)
    return [chips[first], *rest]
