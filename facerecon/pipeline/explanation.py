"""Explanations of candidate pairs, for a case: maps of what carries the similarity, and how often strangers reach it.

Owns the pictures and their words. A map explains the recognizer; it adds nothing to the strength of a comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from facerecon.case import StageRun
from facerecon.gallery import Enrolled
from facerecon.likelihood import Assessed, Bin, Impostors
from facerecon.pictures import encode_png, with_label
from facerecon.pipeline.occlusion import METHOD, REFERENCE, Map, PairExplanation, Saliency, explain_pair
from facerecon.pipeline.strength import Calibrations
from facerecon.records import RGB, ExplanationRecord, FaceChip, FaceView, Variant
from facerecon.stages import Recognizer

NEAREST = 10
"""How many impostor similarities are given at most."""
_WIDTH_PX = 480
_LEGEND_PX = 14
_OPACITY = 0.5
_GREY_SHARE, _MIDDLE_GREY = 0.8, 128
_Side = Literal["probe", "gallery"]


@dataclass(frozen=True, eq=False)
class ExplainedPair:
    """A candidate to be explained: an original shot of the track against the person's most similar picture.

    `similarity` and `conditions` are the candidate's, of the template of `variant`: impostors are counted by them. The
    maps are of `chip` itself, whatever the variant.
    """

    chip: FaceChip
    entry: Enrolled
    variant: Variant
    rank: int
    similarity: float
    conditions: Mapping[str, float]

    @property
    def views(self) -> tuple[FaceView, FaceView]:
        """The shot and the gallery picture's kept crop, each with its landmarks."""
        crop, detection = self.entry.crop(), self.entry.record.detection
        if detection is None:
            raise AssertionError("an enrolled picture has a face")
        return self.chip.view, FaceView(crop.pixels, crop.local(detection).landmarks)


def write_explanations(
    run: StageRun, pairs: Iterable[ExplainedPair], calibrations: Calibrations, recognizer: Recognizer
) -> list[ExplanationRecord]:
    """Explain candidates: write both maps of each into the case, record and return what they say, in order.

    A shot and a picture that are a candidate twice (`original` and `fused`) are measured once.

    Raises:
        RestorationError: a face's landmarks coincide.
        IntegrityError: a gallery picture is not what was recorded.
        ResourceError: out of memory, or the disk is full.
    """
    run.declare("explanations")
    known: dict[tuple[str, str], PairExplanation] = {}
    records = []
    for pair in pairs:
        key = (pair.chip.id, pair.entry.record.file)
        if key not in known:
            known[key] = explain_pair(*pair.views, recognizer)
        records.append(_written(run, pair, known[key], calibrations))
        run.record("explanations", records[-1])
    return records


def _written(
    run: StageRun, pair: ExplainedPair, found: PairExplanation, calibrations: Calibrations
) -> ExplanationRecord:
    probe_path, probe_digest = _write_map(run, pair, found, "probe")
    gallery_path, gallery_digest = _write_map(run, pair, found, "gallery")
    impostors, nearest = compared_with_impostors(calibrations, pair.variant, pair.similarity, pair.conditions)
    return ExplanationRecord(
        track=pair.chip.track,
        variant=pair.variant,
        rank=pair.rank,
        identity=pair.entry.record.identity,
        gallery_file=pair.entry.record.file,
        chip=pair.chip.id,
        similarity=round(pair.similarity, 4),
        method=METHOD,
        reference=REFERENCE,
        positions=found.positions,
        probe_map_path=probe_path,
        probe_map_sha256=probe_digest,
        gallery_map_path=gallery_path,
        gallery_map_sha256=gallery_digest,
        largest_fall_probe=round(found.probe.largest_fall, 4),
        largest_fall_gallery=round(found.gallery.largest_fall, 4),
        regions={name: round(share, 4) for name, share in found.probe.shares.items()},
        impostors=impostors,
        nearest=nearest,
    )


# --- impostors --------------------------------------------------------------------------------------------------------


def compared_with_impostors(
    calibrations: Calibrations, variant: Variant, similarity: float, conditions: Mapping[str, float]
) -> tuple[dict[str, int] | None, tuple[float, ...]]:
    """Return how many different-source comparisons were at least as similar, and the similarities nearest to this one.

    Args:
        calibrations: those in use.
        variant: how the probe's vector was made.
        similarity: the candidate's.
        conditions: the comparison's, as `facerecon.pipeline.strength.joint_conditions` gives them.

    Returns:
        `low` to `high`, of `of`; and up to ten similarities, the nearest first. None and none where no calibration
        holds for the variant and the conditions.
    """
    part = _bin(calibrations, variant, similarity, conditions)
    if part is None:
        return None, ()
    return part.impostors.above(similarity).model_dump(), nearest_impostors(part.impostors, similarity)


def _bin(
    calibrations: Calibrations, variant: Variant, similarity: float, conditions: Mapping[str, float]
) -> Bin | None:
    for document in calibrations.documents:
        if document.variant == variant:
            assessed = document.assess(similarity, conditions)
            return document.find(assessed.bin_id) if isinstance(assessed, Assessed) else None
    return None


def nearest_impostors(impostors: Impostors, similarity: float) -> tuple[float, ...]:
    """Return up to ten impostor similarities, the nearest to this one first; fewer where the nearest are not known.

    A calibration keeps only its highest ones. Below the lowest of those lie others that it does not hold, so one is
    given only if nothing that was left out can be nearer.
    """
    kept = impostors.nearest
    complete = len(kept) >= impostors.at_least[0]
    reach = np.inf if complete or not kept else similarity - kept[-1]
    near = sorted((abs(each - similarity), -each) for each in kept if abs(each - similarity) <= reach)
    return tuple(-each for _, each in near[:NEAREST])


# --- pictures ---------------------------------------------------------------------------------------------------------


def _write_map(run: StageRun, pair: ExplainedPair, found: PairExplanation, side: _Side) -> tuple[str, str]:
    what = pair.chip.id if side == "probe" else f"gallery picture {pair.entry.record.file}"
    other = pair.chip.id if side == "gallery" else f"gallery picture {pair.entry.record.file}"
    full_scale = max(found.probe.largest_fall, found.gallery.largest_fall)
    text = {
        "Title": f"MAP of {what}: not evidence, not an enhanced picture",
        "Compared": f"with {other}; similarity of these two pictures {found.similarity:.4f}",
        "Method": METHOD,
        "Reference": REFERENCE,
        "Full scale": f"fall of similarity by {full_scale:.4f}",
    }
    path = f"explanations/{pair.chip.track}-{pair.variant}-{pair.rank}-{side}{run.suffix}.png"
    picture = map_picture(found.probe if side == "probe" else found.gallery, full_scale, f"{what}, against {other}")
    return path, run.write(path, encode_png(picture, text))


def map_picture(saliency: Saliency, full_scale: float, words: str) -> RGB:
    """Return a map as a picture: colours over the grey face, enlarged by repeating pixels, with a legend below.

    Args:
        saliency: the map and its face.
        full_scale: the fall of similarity that gets the brightest colour; one for both sides makes them comparable.
        words: which picture against which, for the label.

    Returns:
        RGB. Colours rise in lightness with the fall (OpenCV's inferno); where covering raises the similarity, the
        colour is that of no fall.
    """
    times = max(1, _WIDTH_PX // saliency.pixels.shape[1])
    grey = cv2.cvtColor(saliency.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    picture = _tinted(grey, saliency.map, full_scale).repeat(times, axis=0).repeat(times, axis=1)
    ramp = np.linspace(0, 1, picture.shape[1], dtype=np.float32)[np.newaxis].repeat(_LEGEND_PX, axis=0)
    legend = _tinted(np.full(ramp.shape, _MIDDLE_GREY, np.float32), ramp, 1.0)
    return with_label(np.concatenate([picture, legend]), _label(full_scale, words))


def _label(full_scale: float, words: str) -> str:
    if not full_scale:
        return f"MAP: how much the similarity falls when this part is covered: nowhere. {words}. Not a photograph."
    return (
        f"MAP: how much the similarity falls when this part is covered, from 0 or a rise (left end of the scale) to "
        f"{full_scale:.3f} (right end). {words}. Not a photograph."
    )


def _tinted(grey: Map, values: Map, full_scale: float) -> RGB:
    levels = np.clip(values * (255 / full_scale), 0, 255) if full_scale else np.zeros_like(values)
    colours = cv2.cvtColor(cv2.applyColorMap(levels.astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    dimmed = _GREY_SHARE * grey[:, :, np.newaxis] + (1 - _GREY_SHARE) * 255
    return np.rint((1 - _OPACITY) * dimmed + _OPACITY * colours).astype(np.uint8)
