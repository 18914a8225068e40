"""Stage 1: frames -> faces -> tracks -> best shots. Memory depends on the people in view, not on the clip's length."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace

from facerecon.case import Case, StageRun
from facerecon.errors import EvidenceError
from facerecon.faces.quality import assess
from facerecon.faces.shots import BestShots, Burst, aligned_picture, cut_chip
from facerecon.faces.tracking import LiveTrack
from facerecon.filters.balance import reduced_scene, scene_light
from facerecon.hashing import sha256_array
from facerecon.pictures import encode_png
from facerecon.pipeline.accounts import Account, Context, Stopwatch, close_accounts
from facerecon.pipeline.beside import side_by_side
from facerecon.pipeline.resuming import RememberedDetector, Resuming, made_by
from facerecon.pipeline.search_area import Search, Seen
from facerecon.pipeline.sightings import NOTHING_MOVED, Sighting, Sightings
from facerecon.profiles import Profile
from facerecon.records import (
    RGB,
    ChipRecord,
    Counts,
    Detection,
    DetectionRecord,
    FaceChip,
    FaceQuality,
    Frame,
    FrameRecord,
    Skipped,
    Timestamp,
    TrackRecord,
)
from facerecon.stages import Detector
from facerecon.video import Source, Unmoving


def extract(case: Case, source: Source, detector: Detector, context: Context) -> None:
    """Run the stage on a case.

    Raises:
        EvidenceError: no frame could be decoded, or more failed than the profile allows (the results are kept).
        IntegrityError: the source changed while it was read.
    """
    details = context.details("extract", "detect", "track", "shots") | {
        "models": [detector.stamp.model_dump(mode="json")],
        "preparation": list(source.preparation),
    }
    inputs = {"source": source.record.sha256}
    with case.stage("extract", details, inputs) as run:
        watch = Stopwatch()
        journal = run.journal(made_by(inputs, context, [detector.stamp], preparation=list(source.preparation)))
        extraction = _Extraction(run, source, RememberedDetector(detector, journal, watch), context, watch)
        extraction.process()
        source.verify_unchanged()
        frames = extraction.finish()
    _require_complete(case, frames, context.profile)


def _require_complete(case: Case, frames: Counts, profile: Profile) -> None:
    share = 100 * frames.failed / max(frames.requested, 1)
    if share > profile.extract.max_failed_percent:
        raise EvidenceError(
            f"{case.info.source.name}: {frames.failed} of {frames.requested} frames ({share:.1f} %) could not be "
            f"decoded; the profile allows {profile.extract.max_failed_percent:g} %. What was found is kept in "
            f"{case.root}; go on with 'facerecon enhance {case.root}', or allow more with "
            "--set extract.max_failed_percent=100"
        )


@dataclass(eq=False)
class _Person:
    """A track while it is built: its detections until it is long enough to count, and the shots that are kept."""

    shots: BestShots
    burst: Burst
    backlog: list[DetectionRecord] = field(default_factory=list)
    id: str | None = None
    first: Timestamp | None = None
    last: Timestamp | None = None
    detections: int = 0
    too_small: int = 0


@dataclass(frozen=True)
class _Drawn:
    """A shot's two pictures as PNG, and the transform from frame pixels to the aligned one."""

    original: bytes
    aligned: bytes
    to_aligned: tuple[tuple[float, float, float], tuple[float, float, float]]


class _Extraction:
    """One run of the stage: of the faces that are sighted, keep best shots, and write what has ended."""

    def __init__(
        self, run: StageRun, source: Source, detector: RememberedDetector, context: Context, watch: Stopwatch
    ) -> None:
        self.run, self.source, self.context, self.watch = run, source, context, watch
        self.profile = context.profile
        self.resuming = Resuming(detector, context.listener)
        self.sightings = Sightings(source, detector, self.resuming, self.profile, watch)
        self.in_order = source.record.clock == "order"
        self.people: dict[int, _Person] = {}
        self.frames, self.faces, self.shots = Account(run, "frame"), Account(run, "face"), Account(run, "face")
        self.confirmed = 0
        self.scene: tuple[int, RGB] | None = None
        run.declare("frames", "detections", "tracks", "chips", "extract-skipped")

    def process(self) -> None:
        """Go through the source once."""
        listener = self.context.listener
        listener.started("extract", self.source.frame_count_from_header)
        with closing(self.sightings.items()) as items:
            while True:
                with self.watch.measure("wait for faces"):
                    item = next(items, None)
                if item is None:
                    break
                if isinstance(item, Sighting):
                    with self.watch.measure("quality and crops"):
                        self._analyse(item)
                    listener.advanced("extract")
                elif isinstance(item, Unmoving):
                    listener.advanced("extract")
                else:
                    self._omit(item)
        for track in self.sightings.remaining:
            self._close(track)
        listener.finished("extract")

    def finish(self) -> Counts:
        """Close the accounts; returns that of the frames."""
        frames = self.frames.counts
        if frames.written == 0 and (frames.failed or not frames.requested):
            raise EvidenceError(
                f"{self.source.record.name}: not one frame could be decoded; it may be damaged or "
                "not what its name says (try to play it, or ask for another copy)"
            )
        close_accounts(self.run, {"frames": self.frames, "faces": self.faces, "shots": self.shots})
        self.run.details["tracks"] = self.confirmed
        self.run.details["search"] = self.sightings.area.account
        self.run.details["source_sha256_after"] = self.source.record.sha256
        self.run.details["durations_s"] = self.watch.seconds
        if self.resuming.account:
            self.run.details["resumed"] = self.resuming.account
        return frames

    # --- frames -------------------------------------------------------------------------------------------------------

    def _omit(self, skipped: Skipped) -> None:
        self.frames.omit(skipped)
        # Frames in which nothing moved have advanced already, one by one.
        if skipped.reason != NOTHING_MOVED:
            self.context.listener.advanced("extract", skipped.count)

    def _analyse(self, sighting: Sighting) -> None:
        frame = sighting.seen.frame
        self.run.record("frames", _frame_record(sighting.seen, sighting.search))
        self.frames.wrote()
        if sighting.unalignable:
            self.faces.fail(frame.id, "landmarks-coincide", "cannot be aligned", sighting.unalignable)
        for detection, owner in zip(sighting.faces, sighting.owners, strict=True):
            if owner is None:
                self.faces.skip(frame.id, "weak-and-continues-no-track", f"score {detection.score:.3f}")
            else:
                self._continue(owner, frame, detection)
        for track in sighting.ended:
            self._close(track)

    # --- people -------------------------------------------------------------------------------------------------------

    def _continue(self, track: LiveTrack, frame: Frame, detection: Detection) -> None:
        person = self.people.setdefault(track.key, self._person())
        quality = assess(frame.pixels, detection)
        person.first = person.first or frame.timestamp
        person.last = frame.timestamp
        person.detections += 1
        if detection.frontal_inter_eye_px < self.profile.shots.min_inter_eye_px:
            person.too_small += 1
        else:
            self._keep(person, frame, detection, quality)
        person.backlog.append(DetectionRecord(frame=frame.id, track=None, detection=detection, quality=quality))
        needed = 1 if self.in_order else self.profile.track.min_detections
        if person.id is None and person.detections >= needed:
            self.confirmed += 1
            person.id = f"t{self.confirmed:04d}"
        if person.id is not None:
            self._write_backlog(person, person.id)

    def _person(self) -> _Person:
        # Pictures without times are not neighbours of each other: no burst.
        return _Person(BestShots(self.profile.shots), Burst(0 if self.in_order else self.profile.shots.burst))

    def _keep(self, person: _Person, frame: Frame, detection: Detection, quality: FaceQuality) -> None:
        chip = replace(cut_chip(frame, "", detection, quality, self.profile.shots.margin), scene=self._scene(frame))
        person.burst.add(chip)
        if person.shots.wants(quality, frame.timestamp.seconds):
            person.shots.add(chip)

    def _scene(self, frame: Frame) -> RGB:
        """Return the frame reduced, one copy for all its faces: few of them are kept, and only these tell the light."""
        if self.scene is None or self.scene[0] != frame.index:
            self.scene = frame.index, reduced_scene(frame.pixels)
        return self.scene[1]

    def _write_backlog(self, person: _Person, track: str) -> None:
        self.run.record("detections", *(record.model_copy(update={"track": track}) for record in person.backlog))
        self.faces.wrote(len(person.backlog))
        person.backlog.clear()

    def _close(self, track: LiveTrack) -> None:
        person = self.people.pop(track.key)
        if person.id is None or person.first is None or person.last is None:
            self.run.record("detections", *person.backlog)
            self.faces.skip(
                person.backlog[0].frame,
                "track-too-short",
                f"{person.detections} detections, {self.profile.track.min_detections} needed",
                person.detections,
            )
            return
        best = [replace(chip, track=person.id) for chip in person.shots.chips]
        burst = [replace(chip, track=person.id) for chip in person.burst.chips]
        kept = {chip.id: chip for chip in (*best, *burst)}
        chips = list(kept.values())
        drawn = side_by_side(self._drawn, chips)
        self.run.record("chips", *(self._write_chip(chip, each) for chip, each in zip(chips, drawn, strict=True)))
        self._account_shots(person, person.id, len(kept))
        self.run.record(
            "tracks",
            TrackRecord(
                id=person.id,
                first=person.first,
                last=person.last,
                detections=person.detections,
                best=tuple(chip.id for chip in best),
                burst=tuple(chip.id for chip in burst),
            ),
        )

    def _account_shots(self, person: _Person, track: str, kept: int) -> None:
        self.shots.wrote(kept)
        if person.too_small:
            self.shots.skip(
                track,
                "below-minimum-size",
                f"under {self.profile.shots.min_inter_eye_px:g} px between the eyes",
                person.too_small,
            )
        rest = person.detections - person.too_small - kept
        if rest:
            limits = f"{self.profile.shots.best} at most, and {self.profile.shots.burst} round the best one, are kept"
            self.shots.skip(track, "not-among-the-best-shots", limits, rest)

    def _drawn(self, chip: FaceChip) -> _Drawn:
        aligned, to_aligned = aligned_picture(chip)
        text = self._metadata(chip)
        title = "; ".join(("ORIGINAL pixels, copied from the frame without resampling", *self._prepared()))
        view = {"Title": "ALIGNED view of original pixels (similarity transform, Lanczos)", **text}
        return _Drawn(encode_png(chip.pixels, {"Title": title, **text}), encode_png(aligned, view), to_aligned)

    def _write_chip(self, chip: FaceChip, drawn: _Drawn) -> ChipRecord:
        folder = f"faces/{chip.track}/{chip.frame_id}"
        height, width = chip.pixels.shape[:2]
        return ChipRecord(
            id=chip.id,
            track=chip.track,
            frame=chip.frame_id,
            timestamp=chip.timestamp,
            origin=chip.origin,
            size=(width, height),
            detection=chip.detection,
            quality=chip.quality,
            path=f"{folder}.original.png",
            file_sha256=self.run.write(f"{folder}.original.png", drawn.original),
            pixels_sha256=sha256_array(chip.pixels),
            to_aligned=drawn.to_aligned,
            aligned_path=f"{folder}.aligned.png",
            aligned_sha256=self.run.write(f"{folder}.aligned.png", drawn.aligned),
            scene_light=None if chip.scene is None else scene_light(chip.scene),
        )

    def _prepared(self) -> tuple[str, ...]:
        return tuple(f"the frame was {each}" for each in self.source.preparation)

    def _metadata(self, chip: FaceChip) -> dict[str, str]:
        height, width = chip.pixels.shape[:2]
        return {
            "Source SHA-256": self.source.record.sha256,
            "Frame": f"{chip.frame_id}, pts {chip.timestamp.pts} x {chip.timestamp.time_base[0]}/"
            f"{chip.timestamp.time_base[1]} s",
            "Crop": f"x {chip.origin[0]}, y {chip.origin[1]}, {width}x{height} px",
        }


def _frame_record(seen: Seen, search: Search) -> FrameRecord:
    frame = seen.frame
    return FrameRecord(
        id=frame.id,
        index=frame.index,
        timestamp=frame.timestamp,
        iso_offset=frame.timestamp.iso_offset,
        width_px=frame.pixels.shape[1],
        height_px=frame.pixels.shape[0],
        keyframe=frame.keyframe,
        pixels_sha256=seen.pixels_sha256,
        windows=search.windows,
        reduction=search.reduction,
        closer=tuple(each.window for each in search.closer),
        closer_reduction=tuple(each.reduction for each in search.closer),
    )
