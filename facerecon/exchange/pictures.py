"""Where every picture comes from: crops from the source, enhanced pictures from crops. Reads records only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facerecon.exchange.contents import Contents, Run
from facerecon.exchange.files import gallery_name
from facerecon.exchange.graph import Node, duration, facet, real, relationship
from facerecon.records import (
    ChipRecord,
    ExplanationRecord,
    FusedRecord,
    FusedRestoredRecord,
    GalleryRecord,
    RenderedRecord,
    RestoredRecord,
    StepRecord,
    Timestamp,
)

_CROP = "ORIGINAL: an exact crop of a frame, never resampled."
_WHOLE = "ORIGINAL: a whole frame as it was decoded."
_FRAME = re.compile(r"frames/f\d+\.original\.png")
_ALIGNED = "Computed: the crop turned and scaled to a common position of the face."
_AID = "An investigative aid, not original pixels."
_LEARNED = "A trained model made it and may have added detail that was not recorded."
_INVENTED = "Map: the detail of the enhanced picture that the original is too coarse to hold."
_UNCERTAIN = "Map: the error that the model itself expects."
_CHANGED = "Map: what the model changed in the fused picture."
_COUNT = "Map: the effective number of frames behind each pixel of the fused picture."
_DEVIATION = "Map: how far the frames behind each pixel of the fused picture differ from each other."


@dataclass(frozen=True)
class Derivation:
    """One file of the case and one thing it comes from; `facet` is what is known of the way, without its owner."""

    path: str
    origin: str
    kind: str
    role: str
    way: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


def derivations(contents: Contents) -> Iterator[Derivation]:
    """Yield where each picture of the case comes from, once, in order of the runs that made them."""
    makers = {
        "extract": _crops,
        "enhance": _enhanced,
        "render": _rendered,
        "recognize": _compared,
    }
    seen: set[tuple[str, str, str]] = set()
    for run in contents.runs:
        made = makers[run.stage](contents, run) if run.ending == "finished" and run.stage in makers else ()
        for each in made:
            # Later runs make some files again, byte by byte: the gallery's crops.
            if (each.path, each.origin, each.role) not in seen:
                seen.add((each.path, each.origin, each.role))
                yield each


def derivation_nodes(contents: Contents, found: Sequence[Derivation]) -> Iterator[Node]:
    """Yield one relationship per derivation."""
    for each in found:
        source = contents.file_id(each.path)
        identifier = contents.names.of("derivation", source, each.origin, each.role)
        facets = [facet(identifier, each.way, **each.properties)] if each.way else []
        yield relationship(
            identifier, source, each.origin, each.kind, uco_core__description=each.role, uco_core__hasFacet=facets
        )


# --- extract ----------------------------------------------------------------------------------------------------------


def _crops(contents: Contents, run: Run) -> Iterator[Derivation]:
    for chip in contents.chips(run.number).values():
        yield Derivation(
            chip.path, contents.source_id, "Extracted_From", _CROP, "facerecon:FrameRegionFacet", _region(chip)
        )
        yield Derivation(chip.aligned_path, contents.file_id(chip.path), "Derived_From", _ALIGNED)


def _region(chip: ChipRecord) -> dict[str, Any]:
    """Return frame, exact time and place of a crop; the face's box is in frame pixels, centres at integers."""
    box = chip.detection.box
    return _moment(chip.frame, chip.timestamp) | {
        "facerecon__cropXPx": chip.origin[0],
        "facerecon__cropYPx": chip.origin[1],
        "facerecon__boxX0Px": real(box[0]),
        "facerecon__boxY0Px": real(box[1]),
        "facerecon__boxX1Px": real(box[2]),
        "facerecon__boxY1Px": real(box[3]),
        "facerecon__detectorScore": real(chip.detection.score),
        "facerecon__interEyePx": real(chip.quality.inter_eye_px),
        "facerecon__quality": real(chip.quality.score),
    }


def _moment(frame: str, time: Timestamp) -> dict[str, Any]:
    return {
        "facerecon__frame": frame,
        "facerecon__pts": time.pts,
        "facerecon__timeBase": f"{time.time_base[0]}/{time.time_base[1]}",
        "facerecon__timeOffset": duration(time.iso_offset),
    }


# --- enhance ----------------------------------------------------------------------------------------------------------


def _enhanced(contents: Contents, run: Run) -> Iterator[Derivation]:
    for record in contents.records(RestoredRecord, "restored", run):
        yield from _restored(contents, record)
    chips = contents.chips(run.extraction)
    for fused in contents.records(FusedRecord, "fused", run):
        yield from _fused(contents, fused, chips)
    for corrected in contents.records(FusedRestoredRecord, "fused-restored", run):
        yield from _corrected(contents, corrected)


def _restored(contents: Contents, record: RestoredRecord) -> Iterator[Derivation]:
    role = f"Enhanced picture. {_AID} {_LEARNED if record.learned else 'No trained model had a part in it.'}"
    original, own = contents.file_id(record.original), contents.file_id(record.path)
    yield Derivation(record.path, original, "Derived_From", role, "facerecon:ProcessingFacet", _processing(record))
    yield from _steps(original, record.steps)
    if record.invention_path:
        yield Derivation(record.invention_path, own, "Derived_From", _INVENTED)
    if record.uncertainty_path:
        yield Derivation(record.uncertainty_path, own, "Derived_From", _UNCERTAIN)


def _processing(record: RestoredRecord | FusedRestoredRecord) -> dict[str, Any]:
    return {
        "facerecon__step": _step_lines(record.steps),
        "facerecon__model": record.model,
        "facerecon__precision": record.precision,
        "facerecon__learned": record.learned,
        "facerecon__scale": record.scale,
        "facerecon__downscalePsnrDb": real(record.downscale_psnr_db),
        "facerecon__identityDrift": real(record.identity_drift),
        "facerecon__warning": list(record.warnings),
    }


def _step_lines(steps: Sequence[StepRecord]) -> list[str]:
    """Return the steps in order as numbered lines: values of one RDF property have no order of their own."""
    return [
        f"{number}. {step.name}: {step.description} [{step.reference}]{'' if step.applied else ' (not applied)'}"
        for number, step in enumerate(steps, start=1)
    ]


def _steps(original: str, steps: Sequence[StepRecord]) -> Iterator[Derivation]:
    for number, step in enumerate(steps, start=1):
        if step.path:
            yield Derivation(step.path, original, "Derived_From", f"Picture after step {number}: {step.name}. {_AID}")


def _fused(contents: Contents, record: FusedRecord, chips: Mapping[str, ChipRecord]) -> Iterator[Derivation]:
    role = f"Fused picture: several frames of one track, registered and averaged. {_AID}"
    shared = {
        "facerecon__step": _step_lines(record.steps),
        "facerecon__learned": any(step.learned for step in record.steps),
        "facerecon__scale": record.scale,
    }
    for frame in record.frames:
        if frame.rejected or frame.chip not in chips:
            continue
        share = {"facerecon__weight": real(frame.weight), "facerecon__correlation": real(frame.correlation)}
        origin = contents.file_id(chips[frame.chip].path)
        yield Derivation(record.path, origin, "Derived_From", role, "facerecon:ProcessingFacet", shared | share)
    yield from _steps(contents.file_id(record.reference_path), record.steps)
    yield Derivation(record.count_path, contents.file_id(record.path), "Derived_From", _COUNT)
    if record.deviation_path:
        yield Derivation(record.deviation_path, contents.file_id(record.path), "Derived_From", _DEVIATION)


def _corrected(contents: Contents, record: FusedRestoredRecord) -> Iterator[Derivation]:
    role = f"Fused picture, corrected by a trained model in its own size. {_AID} {_LEARNED}"
    fused, own = contents.file_id(record.fused_path), contents.file_id(record.path)
    yield Derivation(record.path, fused, "Derived_From", role, "facerecon:ProcessingFacet", _processing(record))
    yield from _steps(fused, record.steps)
    yield Derivation(record.change_path, own, "Derived_From", _CHANGED)
    if record.uncertainty_path:
        yield Derivation(record.uncertainty_path, own, "Derived_From", _UNCERTAIN)


# --- render and recognize ---------------------------------------------------------------------------------------------


def _rendered(contents: Contents, run: Run) -> Iterator[Derivation]:
    yield from _frames(contents, run)
    for record in contents.records(RenderedRecord, "rendered", run):
        learned = record.learned
        role = f"Rendered {record.kind}. {_AID} {_LEARNED if learned else 'No trained model had a part in it.'}"
        properties: dict[str, Any] = {
            "facerecon__step": [f"{number}. {step}" for number, step in enumerate(record.steps, start=1)],
            "facerecon__model": record.face_model or record.upscaler,
            "facerecon__learned": learned,
            "facerecon__scale": record.scale,
        }
        for path in record.files:
            yield Derivation(path, contents.source_id, "Derived_From", role, "facerecon:ProcessingFacet", properties)


def _frames(contents: Contents, run: Run) -> Iterator[Derivation]:
    """Yield the whole frames that stand beside the rendered ones."""
    frames = [path for path in run.outputs if _FRAME.fullmatch(path)]
    times = contents.times(run.extraction) if frames else {}
    for path in frames:
        name = path.removeprefix("frames/").removesuffix(".original.png")
        known = _moment(name, times[name].timestamp) if name in times else {}
        way = "facerecon:FrameRegionFacet" if known else ""
        yield Derivation(path, contents.source_id, "Extracted_From", _WHOLE, way, known)


def _compared(contents: Contents, run: Run) -> Iterator[Derivation]:
    crops: dict[str, str] = {}
    for picture in contents.records(GalleryRecord, "gallery", run):
        if picture.crop_path:
            crops[picture.file] = picture.crop_path
            origin = contents.outside_id(gallery_name(picture.file), picture.sha256)
            yield Derivation(picture.crop_path, origin, "Extracted_From", "Gallery picture as it was compared.")
    chips = contents.chips(run.extraction)
    for record in contents.records(ExplanationRecord, "explanations", run):
        role = "Map: how much the similarity falls when a part of the face is covered."
        if record.chip in chips:
            yield Derivation(record.probe_map_path, contents.file_id(chips[record.chip].path), "Derived_From", role)
        if record.gallery_file in crops:
            gallery = contents.file_id(crops[record.gallery_file])
            yield Derivation(record.gallery_map_path, gallery, "Derived_From", role)
