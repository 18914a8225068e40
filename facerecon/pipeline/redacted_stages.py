"""What of each stage may be in a redacted copy: which records are cut, which pictures covered, which left out.

Only what a record of a finished run names is carried over; whatever else lies in the case is left out by whoever calls
this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from facerecon.faces.shots import aligned_picture
from facerecon.hashing import sha256_array
from facerecon.pictures import decode_png, encode_png
from facerecon.pipeline.accounts import Kind
from facerecon.pipeline.corrected import FUSED_RESTORED
from facerecon.pipeline.masking import Region
from facerecon.pipeline.outputs import Stated
from facerecon.pipeline.redacted_pictures import TITLE, Layout, covered_frame, covered_video
from facerecon.pipeline.redacting import Carried, Choice, Copying, repainted
from facerecon.records import (
    Candidate,
    ChipRecord,
    Counts,
    DetectionRecord,
    EmbeddingRecord,
    ExplanationRecord,
    FaceChip,
    FrameRecord,
    FusedRecord,
    FusedRestoredRecord,
    GalleryRecord,
    Measurement,
    RenderedRecord,
    RestoredRecord,
    StepRecord,
    TrackRecord,
)

OF_TRACK = "of a redacted track"
OVERLAPPED = "computed from pictures that show a redacted face"
UNPLACED = "a whole frame in which nobody can tell where a redacted face is: "
UNFAITHFUL = "a video that cannot be covered faithfully: "
GALLERY = "a gallery picture of somebody who is no candidate of a track that is shown"
_WARNING = "part of it is covered: redacted for disclosure"
_FRAME = re.compile(r"frames/(f\d+)\.(?:original|enhanced(?:-\d+)?)\.png")
_SEVERAL_FRAMES = "nlmeans-multi"


# --- extract ----------------------------------------------------------------------------------------------------------


def _extract(carried: Carried) -> None:
    choice = carried.whole.choice
    carried.records(FrameRecord, "frames", lambda each: each)
    found = carried.records(DetectionRecord, "detections", lambda each: None if choice.hides(each.track) else each)
    carried.records(TrackRecord, "tracks", lambda each: _without_shots(each) if choice.hides(each.id) else each)
    chips = carried.records(ChipRecord, "chips", lambda each: _chip(carried, each))
    faces, shots = (Counter(each.track for each in records) for records in (found, chips))
    for track in sorted(choice.tracks):
        carried.omit("faces", "face", track, faces[track])
        carried.omit("shots", "face", track, shots[track])


def _without_shots(track: TrackRecord) -> TrackRecord:
    return track.model_copy(update={"best": (), "burst": ()})


def _chip(carried: Carried, chip: ChipRecord) -> ChipRecord | None:
    if carried.whole.choice.hides(chip.track):
        carried.whole.withhold(OF_TRACK, chip.path, chip.aligned_path)
        return None
    regions = carried.whole.regions(chip.id)
    digest = carried.picture(chip.path, regions)
    if not regions:
        return chip.model_copy(update={"file_sha256": digest, "aligned_sha256": carried.picture(chip.aligned_path)})
    pixels = decode_png(carried.whole.copy.bytes_of(chip.path), chip.path)
    shot = FaceChip(
        chip.track, chip.frame, chip.timestamp, chip.origin, pixels, chip.detection, chip.quality, chip.scene_light
    )
    # Aligned anew, not painted: where the aligned view reaches over the crop's border it mirrors what is inside.
    aligned, _ = aligned_picture(shot)
    text = {"Title": f"{TITLE}ALIGNED view of {chip.path}"}
    carried.whole.in_part.add(chip.aligned_path)
    view = carried.run.write(chip.aligned_path, encode_png(aligned, text))
    changed = {"file_sha256": digest, "pixels_sha256": sha256_array(pixels), "aligned_sha256": view}
    return chip.model_copy(update=changed)


# --- enhance ----------------------------------------------------------------------------------------------------------


def _enhance(carried: Carried) -> None:
    restored = carried.records(RestoredRecord, "restored", lambda each: _restored(carried, each))
    fused = carried.records(FusedRecord, "fused", lambda each: _fused(carried, each))
    corrected = carried.records(FusedRestoredRecord, FUSED_RESTORED, lambda each: _corrected(carried, each))
    left_out = carried.whole.why
    kinds: tuple[tuple[str, Kind, Sequence[RestoredRecord | FusedRecord | FusedRestoredRecord]], ...] = (
        ("faces", "face", restored),
        ("fused", "track", fused),
        (FUSED_RESTORED, "image", corrected),
    )
    for account, kind, made in kinds:
        for track, count in Counter(each.track for each in made if each.path in left_out).items():
            carried.omit(account, kind, track, count)


def _restored(carried: Carried, record: RestoredRecord) -> RestoredRecord | None:
    whole = carried.whole
    paths = [path for path in (*_step_paths(record.steps), record.invention_path, record.uncertainty_path) if path]
    regions = [] if whole.choice.hides(record.track) else whole.regions(record.chip)
    reason = OF_TRACK if whole.choice.hides(record.track) else _mixed(whole, record)
    if reason:
        whole.withhold(reason, record.path, *paths)
        return None
    for path in paths:
        _enlarged(carried, path, regions, whole.chips[record.chip])
    digest = carried.picture(record.path, _scaled(regions, record.scale), record.content)
    warnings = (*record.warnings, _WARNING) if regions else record.warnings
    return record.model_copy(update={"file_sha256": digest, "warnings": warnings})


def _mixed(whole: Copying, record: RestoredRecord) -> str:
    """Return why a restored picture cannot be covered: other frames, where the hidden face is elsewhere, are in it."""
    if not any(step.name.startswith(_SEVERAL_FRAMES) for step in record.steps):
        return ""
    burst = [chip.id for chip in whole.chips.values() if chip.track == record.track]
    return OVERLAPPED if any(whole.regions(chip) for chip in burst) else ""


def _step_paths(steps: Iterable[StepRecord]) -> list[str]:
    return [step.path for step in steps if step.path is not None]


def _enlarged(carried: Carried, path: str, regions: list[Region], chip: ChipRecord) -> None:
    """Carry a picture over that shows a shot a whole number of times larger, above a label."""
    scale = decode_png(carried.whole.original.bytes_of(path), path).shape[1] // chip.size[0] if regions else 1
    size = (chip.size[0] * scale, chip.size[1] * scale)
    carried.picture(path, _scaled(regions, scale), size)


def _scaled(regions: Iterable[Region], scale: int) -> list[Region]:
    return [(x0 * scale, y0 * scale, x1 * scale, y1 * scale) for x0, y0, x1, y1 in regions]


def _fused(carried: Carried, record: FusedRecord) -> FusedRecord | None:
    whole = carried.whole
    hidden = whole.choice.hides(record.track)
    if hidden or any(whole.regions(frame.chip) for frame in record.frames):
        # Its frames were laid over each other, and the way each was moved is not on record.
        maps = (record.count_path, record.deviation_path)
        whole.withhold(OF_TRACK if hidden else OVERLAPPED, record.path, *maps, *_step_paths(record.steps))
        return None
    for path in _step_paths(record.steps):
        carried.picture(path)
    digests = {"file_sha256": carried.picture(record.path), "count_sha256": carried.picture(record.count_path)}
    if record.deviation_path:
        digests["deviation_sha256"] = carried.picture(record.deviation_path)
    return record.model_copy(update=digests)


def _corrected(carried: Carried, record: FusedRestoredRecord) -> FusedRestoredRecord | None:
    """Carry over what was made of a fused picture, which has been carried over or left out before."""
    maps = (record.change_path, *([record.uncertainty_path] if record.uncertainty_path else []))
    reason = carried.whole.why.get(record.fused_path)
    if reason is not None:
        carried.whole.withhold(reason, record.path, *maps, *_step_paths(record.steps))
        return None
    for path in (*_step_paths(record.steps), *maps):
        carried.picture(path)
    return record.model_copy(update={"file_sha256": carried.picture(record.path)})


# --- recognize --------------------------------------------------------------------------------------------------------


def _recognize(carried: Carried) -> None:
    choice, shown = carried.whole.choice, carried.whole.gallery_files
    carried.records(GalleryRecord, "gallery", lambda each: _gallery(carried, each))
    vectors = carried.records(EmbeddingRecord, "embeddings", lambda each: each if _kept(each, choice, shown) else None)
    lines = carried.records(Candidate, "candidates", lambda each: None if choice.hides(each.track) else each)
    carried.records(ExplanationRecord, "explanations", lambda each: _explanation(carried, each))
    for path in sorted(path for path in carried.entry.outputs if path.startswith("calibrations/")):
        carried.run.write(path, carried.whole.original.bytes_of(path))
    ranked = Counter(line.track for line in lines)
    for track in sorted(choice.tracks):
        used = max((len(each.frames) for each in vectors if each.track == track), default=0)
        carried.omit("faces", "face", track, used)
        carried.omit("comparisons", "candidate", track, ranked[track])


def _kept(vector: EmbeddingRecord, choice: Choice, shown: frozenset[str]) -> bool:
    if vector.track is None:
        return vector.subject.removeprefix("gallery/") in shown
    return not choice.hides(vector.track)


def _gallery(carried: Carried, record: GalleryRecord) -> GalleryRecord | None:
    """Leave out whoever is no candidate of a track that is shown: the others would tell whom a hidden one resembles."""
    if record.enrolled and record.file not in carried.whole.gallery_files:
        carried.whole.withhold(GALLERY, record.crop_path)
        return None
    if record.crop_path is not None:
        carried.picture(record.crop_path)
    return record


def _explanation(carried: Carried, record: ExplanationRecord) -> ExplanationRecord | None:
    hidden = carried.whole.choice.hides(record.track)
    if hidden or carried.whole.regions(record.chip):
        reason = OF_TRACK if hidden else OVERLAPPED
        carried.whole.withhold(reason, record.probe_map_path, record.gallery_map_path)
        return None
    probe, gallery = (carried.picture(path) for path in (record.probe_map_path, record.gallery_map_path))
    return record.model_copy(update={"probe_map_sha256": probe, "gallery_map_sha256": gallery})


# --- render and measure -----------------------------------------------------------------------------------------------


def _render(carried: Carried) -> None:
    for path in sorted(carried.entry.outputs):
        found = _FRAME.fullmatch(path)
        if found and ".original." in path:
            _frame(carried, path, found[1], 1)
    carried.records(RenderedRecord, "rendered", lambda each: _rendered(carried, each))


def _rendered(carried: Carried, record: RenderedRecord) -> RenderedRecord:
    made = _video(carried, record) if record.kind == "video" else _frames(carried, record)
    lost = record.frames.written if record.kind == "video" and not made.files else len(record.files) - len(made.files)
    frames = record.frames
    if lost:
        carried.omit("frames", "frame", record.place, lost)
        frames = Counts(
            requested=frames.requested,
            written=frames.written - lost,
            failed=frames.failed,
            skipped=frames.skipped + lost,
        )
    return made.model_copy(update={"frames": frames})


def _frames(carried: Carried, record: RenderedRecord) -> RenderedRecord:
    files = {}
    for path in record.files:
        found = _FRAME.fullmatch(path)
        digest = _frame(carried, path, found[1], record.scale) if found else None
        if digest is not None:
            files[path] = digest
    return record.model_copy(update={"files": files})


def _frame(carried: Carried, path: str, frame: str, scale: int) -> str | None:
    """Carry a whole frame over, or what was rendered of it; None where nobody can tell what is where in it."""
    times = carried.whole.times
    if frame not in times:
        carried.whole.withhold(f"{UNPLACED}its time is not on record", path)
        return None
    regions = list(carried.whole.mask.at(times[frame].timestamp.seconds))
    layout = Layout((times[frame].width_px, times[frame].height_px), scale)
    if not layout.placed(regions):
        return carried.picture(path)
    data = carried.whole.original.bytes_of(path)
    try:
        painted = repainted(path, lambda: covered_frame(data, path, regions, layout))
    except ValueError as error:
        carried.whole.withhold(f"{UNPLACED}{error}", path)
        return None
    carried.whole.in_part.add(path)
    return carried.run.write(path, painted)


def _video(carried: Carried, record: RenderedRecord) -> RenderedRecord:
    """Carry a video over, covered and coded without loss, or leave it out with the reason."""
    files: dict[str, str] = {}
    told: Mapping[str, Any] | None = None
    place = record.place
    for path, digest in record.files.items():
        name = f"{path.rpartition('.')[0]}.redacted.mkv"
        scratch = carried.whole.copy.root / ".tmp-redact.mkv"
        try:
            written = covered_video(
                Stated(carried.whole.original.root, path, digest),
                scratch,
                carried.whole.mask,
                _video_layout(carried, record),
                Fraction(str(dict(record.video or {}).get("delay_s", 0))),
            )
            files[name] = carried.run.adopt(name, scratch)
        except ValueError as error:
            carried.whole.withhold(f"{UNFAITHFUL}{error}", path)
            continue
        finally:
            scratch.unlink(missing_ok=True)
        place, told = name, written.model_copy(update={"name": name.rpartition("/")[2]}).model_dump(mode="json")
        carried.whole.renamed[path] = name
        carried.whole.in_part.add(name)
    return record.model_copy(update={"files": files, "place": place, "video": told})


def _video_layout(carried: Carried, record: RenderedRecord) -> Layout:
    """Return how a video shows the frames of its source.

    Raises:
        ValueError: the case does not say it.
    """
    sizes = {(each.width_px, each.height_px) for each in carried.whole.times.values()}
    output = dict(carried.entry.details.get("parameters", {})).get("output", {})
    layout = output.get("layout") if isinstance(output, Mapping) else None
    if len(sizes) != 1 or layout not in ("side-by-side", "enhanced"):
        raise ValueError("the case does not say how its frames lie in it")
    return Layout(sizes.pop(), record.scale, 2 if layout == "side-by-side" else 1)


def _measure(carried: Carried) -> None:
    choice = carried.whole.choice
    carried.records(
        Measurement, "measurements", lambda each: None if choice.hides(each.subject.partition("/")[0]) else each
    )


STAGES: Mapping[str, Callable[[Carried], None]] = {
    "extract": _extract,
    "enhance": _enhance,
    "recognize": _recognize,
    "render": _render,
    "measure": _measure,
}
"""What carries a run of a stage over. Reports are made anew."""
