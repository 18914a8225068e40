"""What a learned picture may have made up: how well it agrees with its input, and where it holds more than that (R17).

Owns the measures and the maps. They bound what was changed; they cannot tell a right guess from a wrong one. Where
the model itself says how far it may be off, that is a map of its own, in the same colours: the model's opinion, learned
from its training pictures, and no measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from facerecon.fidelity import psnr_db
from facerecon.filters.scaling import enlarge, reduce_by
from facerecon.records import RGB, FaceView
from facerecon.stages import Levels, Recognizer

CEILING_DB = 88.131
"""What stands for equal pictures: a mean square error of 1e-4."""
FULL_SCALE_LEVELS = 24.0
"""The maps' brightest colour: root-mean-square detail, or an expected error, of this many grey levels or more."""
DOUBT_SHOWS = "the error that the model itself expects (dark: none, or not its pixels)"
"""What the map of a `Doubt` shows, for its label."""


@dataclass(frozen=True, eq=False)
class Invention:
    """A learned picture against the picture that the model was given.

    `downscale_psnr_db`: the picture, reduced to the input's size, against the input. `beyond_rms_levels`: root mean
    square of the detail that the input's pixels are too coarse to have recorded. `map` shows where, same size.
    """

    downscale_psnr_db: float
    beyond_rms_levels: float
    map: RGB


def measure_invention(restored: RGB, given: RGB, scale: int) -> Invention:
    """Compare a learned picture with what the model was given.

    A restoration that keeps to the evidence reproduces its input when a coarser sensor looks at it. What lies above
    the input's band limit (restored minus its own reduction, enlarged again) cannot be checked against it at all.
    """
    reduced = reduce_by(restored, scale)
    beyond = restored.astype(np.float32) - enlarge(reduced, scale, "bicubic")
    energy = np.square(beyond).mean(axis=2)
    local = np.sqrt(cv2.GaussianBlur(energy, (0, 0), float(max(scale, 2))))
    return Invention(
        round(psnr_db(reduced, given, ceiling_db=CEILING_DB), 2),
        round(float(np.sqrt(energy.mean())), 3),
        _coloured(local),
    )


@dataclass(frozen=True, eq=False)
class Correction:
    """What a model changed in a picture whose size it kept: nothing else of it is the model's.

    `downscale_psnr_db`: both reduced to the grid that was recorded, compared. `rms_levels`: root mean square of the
    whole difference. `map` shows where, same size.
    """

    downscale_psnr_db: float
    rms_levels: float
    map: RGB


def measure_correction(corrected: RGB, given: RGB, scale: int) -> Correction:
    """Compare a corrected picture with the one that the model was given, on a grid `scale` times the recorded one."""
    difference = corrected.astype(np.float32) - given.astype(np.float32)
    energy = np.square(difference).mean(axis=2)
    local = np.sqrt(cv2.GaussianBlur(energy, (0, 0), float(max(scale, 2))))
    agreement = psnr_db(reduce_by(corrected, scale), reduce_by(given, scale), ceiling_db=CEILING_DB)
    return Correction(round(agreement, 2), round(float(np.sqrt(energy.mean())), 3), _coloured(local))


@dataclass(frozen=True, eq=False)
class Doubt:
    """How far a model expects to be off. `map` shows where, of the picture's size.

    `expected_error_levels`: mean absolute error that the model expects, over the pixels that are its own.
    """

    expected_error_levels: float
    map: RGB


def summarize_doubt(uncertainty: Levels) -> Doubt:
    """Sum up a model's uncertainty, which is 0 where the picture is not the model's."""
    own = uncertainty[uncertainty > 0]
    return Doubt(round(float(own.mean()), 3) if own.size else 0.0, _coloured(uncertainty))


def identity_drift(recognizer: Recognizer, before: FaceView, after: FaceView) -> float:
    """Return how far a learned picture moved the face vector: one minus the similarity, to four digits."""
    one, other = recognizer.embed([before, after])
    return round(1.0 - one.similarity(other), 4)


def drift_warnings(drift: float | None, limit: float) -> Iterator[str]:
    """Yield the warning of a face vector that a learned picture moved further than the profile's limit."""
    if drift is not None and drift > limit:
        yield (
            f"the face vector moved by {drift:.2f} (limit {limit:g}): to the comparison model this may be another face"
        )


def _coloured(levels: Levels) -> RGB:
    """Return grey levels as colours: black for 0, yellow for `FULL_SCALE_LEVELS` or more."""
    shares = np.clip(levels * (255 / FULL_SCALE_LEVELS), 0, 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(shares, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.asarray(colours, np.uint8)
