"""Figures against a known truth: PSNR and SSIM of what a case shows. For the demo and regressions, never evidence.

Every variant is first fitted to the truth by one gain and one offset (least squares over all channels), because how
bright a picture is shown is not what these figures are about. The same is done to all variants, so they compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from facerecon import fidelity
from facerecon.case import Case
from facerecon.filters.scaling import enlarge
from facerecon.pictures import decode_png
from facerecon.pipeline.corrected import fused_restored_of
from facerecon.pipeline.enhancement import load_chip
from facerecon.pipeline.invention import CEILING_DB
from facerecon.records import (
    RGB,
    ChipRecord,
    FrameRecord,
    FusedRecord,
    FusedRestoredRecord,
    Measurement,
    RestoredRecord,
)

Truth = Callable[[int, int], RGB]
Made = RestoredRecord | FusedRecord | FusedRestoredRecord


def measure(case: Case, truth: Truth, reference: str) -> list[Measurement]:
    """Compare each enhanced or fused picture, and plain bicubic enlargement of its original, with the truth.

    Args:
        case: a case with enhanced pictures.
        truth: maps (frame index, scale) to the true frame at `scale` times the size.
        reference: what the truth is, for the record.

    Returns:
        The figures, also written to the case as records/measurements.jsonl.
    """
    frames = {frame.id: frame.index for frame in case.read(FrameRecord, "frames")}
    chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
    runs = len(case.runs("enhance"))
    restored, fused = case.read(RestoredRecord, "restored", runs), case.read(FusedRecord, "fused", runs)
    corrected = fused_restored_of(case)
    with case.stage("measure", {"reference": reference}, case.digests("faces/")) as run:
        run.declare("measurements")
        figures = [
            figure
            for (name, scale), shown in _by_shot(restored, fused, corrected).items()
            for figure in _figures(case, (chips[name], scale), shown, frames, truth, reference)
        ]
        run.record("measurements", *figures)
    return figures


def _by_shot(
    restored: Sequence[RestoredRecord], fused: Sequence[FusedRecord], corrected: Sequence[FusedRestoredRecord]
) -> dict[tuple[str, int], dict[str, Made]]:
    """Group what was made by the shot and scale that it is measured at; a fused picture belongs to its reference."""
    groups: dict[tuple[str, int], dict[str, Made]] = {}
    for record in restored:
        groups.setdefault((record.chip, record.scale), {})[record.model or "classical"] = record
    for picture in fused:
        groups.setdefault((picture.reference, picture.scale), {})["fused"] = picture
    for result in corrected:
        groups.setdefault((result.reference, result.scale), {})[f"fused, {result.model}"] = result
    return groups


def _figures(
    case: Case,
    subject: tuple[ChipRecord, int],
    shown: Mapping[str, Made],
    frames: Mapping[str, int],
    truth: Truth,
    reference: str,
) -> list[Measurement]:
    """Compare everything that was made of one shot at one scale, and its bicubic enlargement, with the truth."""
    chip, scale = subject
    (x, y), (width, height) = chip.origin, chip.size
    true = truth(frames[chip.frame], scale)[y * scale : (y + height) * scale, x * scale : (x + width) * scale]
    variants = {"bicubic": enlarge(load_chip(case, chip).pixels, scale, "bicubic")}
    for name, record in shown.items():
        variants[name] = decode_png(case.bytes_of(record.path), record.path)[: record.content[1], : record.content[0]]
    return [
        Measurement(subject=chip.id, variant=name, metric=metric, value=value, unit=unit, reference=reference)
        for name, pixels in variants.items()
        for metric, value, unit in (("PSNR", psnr_db(pixels, true), "dB"), ("SSIM", ssim(pixels, true), ""))
    ]


def fitted(pixels: RGB, truth: RGB) -> npt.NDArray[np.float64]:
    """Return the picture after the gain and offset that bring it nearest to the truth, in 0..255."""
    flat, goal = pixels.reshape(-1).astype(np.float64), truth.reshape(-1).astype(np.float64)
    gain, offset = np.polyfit(flat, goal, 1) if flat.std() > 0 else (1.0, 0.0)
    return np.asarray(np.clip(gain * pixels.astype(np.float64) + offset, 0, 255))


def psnr_db(pixels: RGB, truth: RGB) -> float:
    """Return the peak signal-to-noise ratio after `fitted`, in dB."""
    return round(fidelity.psnr_db(fitted(pixels, truth), truth, ceiling_db=CEILING_DB), 3)


def ssim(pixels: RGB, truth: RGB) -> float:
    """Return the structural similarity (Wang et al., IEEE TIP 13, 2004; Gaussian window) of luma after `fitted`."""
    return round(fidelity.ssim(np.rint(fitted(pixels, truth)).astype(np.uint8), truth), 4)
