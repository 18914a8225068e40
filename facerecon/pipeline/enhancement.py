"""Stage 2: the profile's steps on the best shots, and each track's shots fused. Originals stay beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from facerecon import __version__
from facerecon.ahead import ahead
from facerecon.case import Case, StageRun
from facerecon.errors import IntegrityError
from facerecon.fusion import Fused
from facerecon.hashing import sha256_array
from facerecon.pictures import decode_png
from facerecon.pipeline.accounts import Account, Context, Stopwatch, close_accounts
from facerecon.pipeline.corrected import FUSED_RESTORED
from facerecon.pipeline.correcting import correct_fused
from facerecon.pipeline.drawings import Drawing, write_drawings
from facerecon.pipeline.fusing import FusedPicture, fused_shots, neighbours_of, shots_for, write_fused
from facerecon.pipeline.invention import (
    DOUBT_SHOWS,
    Invention,
    drift_warnings,
    identity_drift,
    measure_invention,
    summarize_doubt,
)
from facerecon.pipeline.refusals import Refusal, not_fused, steps_for, too_small
from facerecon.pipeline.resuming import Parts, made_by
from facerecon.pipeline.steps import Progress, run_steps, step_text
from facerecon.profiles import Enhance, RestoreStep, Step
from facerecon.records import (
    RGB,
    ChipRecord,
    FaceChip,
    FusedRecord,
    FusedRestoredRecord,
    RestoredFace,
    RestoredRecord,
    Skipped,
    StepRecord,
    TrackRecord,
)
from facerecon.stages import Recognizer, RestorationFailure, Restorer

_CHUNK = 16
"""Faces that are held in memory at a time; a learned step takes its own batches out of them."""


def enhance(
    case: Case,
    restorers: Mapping[str, Restorer],
    recognizer: Recognizer | None,
    context: Context,
    corrector: Restorer | None = None,
) -> None:
    """Run the stage on a case that extract has finished.

    Args:
        case: the case.
        restorers: the learned models that the profile's steps name, by model id.
        recognizer: measures how far a learned picture moved the face vector; None measures nothing.
        context: profile, listener, software.
        corrector: the learned model that the profile's `enhance.fuse.restore` names, which keeps a picture's size.

    Raises:
        IntegrityError: a best shot's picture is not what was recorded.
        ValueError: there is a corrector and the profile wants none, or the other way round.
    """
    if (corrector is None) != (context.profile.enhance.fuse.correction is None):
        raise ValueError("a corrector of fused pictures is needed where the profile names one, and there only")
    chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
    tracks = case.read(TrackRecord, "tracks")
    learned = [*restorers.values(), *([corrector] if corrector else [])]
    stamps = list(dict.fromkeys(stamp for each in learned for stamp in (each.stamp, *each.companions)))
    stamps += [recognizer.stamp] if recognizer else []
    details = context.details("enhance") | {"models": [stamp.model_dump(mode="json") for stamp in stamps]}
    of = {name: case.digests()[name] for name in ("records/chips.jsonl", "records/tracks.jsonl")}
    with case.stage("enhance", details, case.digests("faces/")) as run:
        parts = Parts(run, run.journal(made_by(of, context, stamps, pictures=run.suffix)))
        _Enhancement(run, restorers, recognizer, corrector, context, parts).process(tracks, chips)


def load_chip(case: Case, record: ChipRecord) -> FaceChip:
    """Read a shot back, verified: file digest by the manifest, pixels by the record.

    Raises:
        IntegrityError: it is not what was recorded.
    """
    pixels = decode_png(case.bytes_of(record.path), record.path)
    if sha256_array(pixels) != record.pixels_sha256:
        raise IntegrityError(f"{record.path}: its pixels are not those that were recorded")
    return FaceChip(
        record.track,
        record.frame,
        record.timestamp,
        record.origin,
        pixels,
        record.detection,
        record.quality,
        record.scene_light,
    )


class _Enhancement:
    def __init__(
        self,
        run: StageRun,
        restorers: Mapping[str, Restorer],
        recognizer: Recognizer | None,
        corrector: Restorer | None,
        context: Context,
        parts: Parts,
    ) -> None:
        self.run, self.restorers, self.recognizer, self.context = run, restorers, recognizer, context
        self.corrector, self.parts = corrector, parts
        self.settings = context.profile.enhance
        self.faces, self.tracks = Account(run, "face"), Account(run, "track")
        self.corrected = Account(run, "image")
        self.watch = Stopwatch()
        self.bursts: dict[str, list[ChipRecord]] = {}
        run.declare("restored", "fused", *([FUSED_RESTORED] if corrector else []), "enhance-skipped")

    def process(self, tracks: Sequence[TrackRecord], chips: Mapping[str, ChipRecord]) -> None:
        """Enhance every track's best shots, best first, and fuse its shots."""
        chosen = [chips[name] for track in tracks for name in track.best[: self.settings.shots]]
        if self.settings.steps[0].kind == "nlmeans-multi":
            self.bursts = {track.best[0]: [chips[name] for name in track.burst] for track in tracks if track.best}
        self.context.listener.started("enhance", len(chosen) + len(tracks))
        self._count_others(tracks)
        for start in range(0, len(chosen), _CHUNK):
            some = chosen[start : start + _CHUNK]
            # As a whole: a learned step's other faces would come in other batches, with other last digits.
            self._part(f"shots {start}", partial(self._some, some), len(some))
        # The next track's shots are fused while the pictures of the one before are restored and written.
        with closing(ahead(self._fusions(tracks, chips), 1)) as fusions:
            for track in tracks:
                with self.watch.measure("wait for fusion"):
                    ready = next(fusions)
                self._part(f"fuse {track.id}", partial(self._fuse, track, chips, ready), 1)
        corrected = {FUSED_RESTORED: self.corrected} if self.corrector else {}
        close_accounts(self.run, {"faces": self.faces, "fused": self.tracks, **corrected})
        self.run.details["durations_s"] = self.watch.seconds
        if self.parts.account:
            self.run.details["resumed"] = self.parts.account
        self.run.details["steps"] = [step_text(step, self._restorer(step)) for step in self.settings.steps]
        self.context.listener.finished("enhance")

    def _part(self, name: str, work: Callable[[], None], items: int) -> None:
        """Do a part of the work, or take what an interrupted run made of it."""
        known = self.parts.again(name)
        if known is None:
            with self.parts.kept(name):
                work()
        for file, line in known or ():
            self._take(file, line)
        self.context.listener.advanced("enhance", items)

    def _take(self, file: str, line: bytes) -> None:
        if file == "restored":
            self.run.record(file, RestoredRecord.model_validate_json(line))
            self.faces.wrote()
        elif file == "fused":
            self.run.record(file, FusedRecord.model_validate_json(line))
            self.tracks.wrote()
        elif file == FUSED_RESTORED:
            self.run.record(file, FusedRestoredRecord.model_validate_json(line))
            self.corrected.wrote()
        else:
            skipped = Skipped.model_validate_json(line)
            {"face": self.faces, "image": self.corrected}.get(skipped.kind, self.tracks).omit(skipped)

    def _restorer(self, step: Step) -> Restorer | None:
        return self.restorers[step.key] if isinstance(step, RestoreStep) else None

    def _count_others(self, tracks: Sequence[TrackRecord]) -> None:
        limit = f"the profile enhances {self.settings.shots} per track"
        for track in tracks:
            rest = len(track.best) - self.settings.shots
            if rest > 0:
                self.faces.skip(track.id, "not-among-the-enhanced-shots", limit, rest)

    # --- single shots -------------------------------------------------------------------------------------------------

    def _some(self, records: Sequence[ChipRecord]) -> None:
        begun: list[tuple[ChipRecord, FaceChip, Progress]] = []
        for record in records:
            steps = steps_for(record.detection, record.size, self.settings)
            if isinstance(steps, Refusal):
                self.faces.skip(record.id, steps.reason, steps.detail)
                continue
            chip = load_chip(self.run.case, record)
            face = Progress(chip.pixels, chip.view.landmarks, steps, chip.scene_light, self._neighbours(chip))
            begun.append((record, chip, face))
        run_steps([face for _, _, face in begun], self.settings.steps, self.restorers, self.watch)
        for record, chip, face in begun:
            self._finish(record, chip, face)

    def _neighbours(self, chip: FaceChip) -> tuple[RGB, ...]:
        """Return the frames round a track's very best shot, registered to it, where a step wants them."""
        burst = [load_chip(self.run.case, record) for record in self.bursts.get(chip.id, [])]
        return neighbours_of(chip, burst, self.settings.fuse.min_correlation)

    def _finish(self, record: ChipRecord, chip: FaceChip, face: Progress) -> None:
        if face.failure:
            self.faces.fail(record.id, "restoration-failed", face.failure)
            self.context.listener.noted(f"{record.id}: restoration failed: {face.failure}")
            return
        self.run.record("restored", self._write(record, chip, face))
        self.faces.wrote()

    def _write(self, record: ChipRecord, chip: FaceChip, face: Progress) -> RestoredRecord:
        steps = self._written_steps(record, face)
        restored = RestoredFace(chip, face.pixels, face.scale, steps, face.stamp)
        learned = any(step.learned for step in steps)
        kind = f"restored-{face.stamp.id}" if face.stamp else "enhanced"
        title = label(restored, record, learned)
        height, width = face.pixels.shape[:2]
        invention, drift = self._invention(face), self._drift(chip, face)
        doubt = None if face.uncertainty is None else summarize_doubt(face.uncertainty)
        drawings = [self._drawing(record, kind, face.pixels, title, steps)]
        if invention:
            shows = "detail that the original is too coarse to hold (dark: none)"
            drawings.append(self._map(record, "invented", invention.map, shows))
        if doubt:
            drawings.append(self._map(record, "uncertainty", doubt.map, DOUBT_SHOWS))
        digest, *_ = write_drawings(self.run, drawings)
        return RestoredRecord(
            id=f"{record.id}/{kind}{self.run.suffix}",
            track=record.track,
            chip=record.id,
            original=record.path,
            path=self._path(record, kind),
            file_sha256=digest,
            content=(width, height),
            scale=face.scale,
            steps=steps,
            model=face.stamp.id if face.stamp else None,
            weights_sha256=face.stamp.weights_sha256 if face.stamp else None,
            precision=face.stamp.precision if face.stamp else None,
            learned=learned,
            tile_plan=face.tile_plan,
            downscale_psnr_db=invention.downscale_psnr_db if invention else None,
            beyond_rms_levels=invention.beyond_rms_levels if invention else None,
            invention_path=self._path(record, "invented") if invention else None,
            expected_error_levels=doubt.expected_error_levels if doubt else None,
            uncertainty_path=self._path(record, "uncertainty") if doubt else None,
            identity_drift=drift,
            warnings=tuple(_warnings(invention, drift, steps, self.settings)),
        )

    def _path(self, record: ChipRecord, kind: str) -> str:
        return record.path.replace(".original.png", f".{kind}{self.run.suffix}.png")

    def _drawing(self, record: ChipRecord, kind: str, pixels: RGB, title: str, steps: Sequence[StepRecord]) -> Drawing:
        text = {
            "Software": f"facerecon {__version__}",
            "Original": f"{record.path}, SHA-256 {record.file_sha256}",
            "Source SHA-256": self.run.case.info.source.sha256,
            "Steps": " > ".join(step.name for step in steps),
        }
        return Drawing(self._path(record, kind), pixels, title, text)

    def _map(self, record: ChipRecord, kind: str, colours: RGB, shows: str) -> Drawing:
        return self._drawing(record, kind, colours, f"MAP of {shows}. {record.id}", ())

    def _written_steps(self, record: ChipRecord, face: Progress) -> tuple[StepRecord, ...]:
        """Write the picture after each step but the last, where the profile keeps them."""
        if not self.settings.keep_steps:
            return tuple(face.records)
        drawings = []
        for number, (step, pixels) in enumerate(zip(face.records[:-1], face.pictures, strict=False), start=1):
            kind = step.name.partition(" ")[0]
            title = f"STEP {number}, {kind}: not original pixels. {record.id}"
            drawings.append(self._drawing(record, f"step{number}-{kind}", pixels, title, face.records[:number]))
        write_drawings(self.run, drawings)
        kept = zip(face.records, drawings, strict=False)
        steps = [step.model_copy(update={"path": drawing.path}) for step, drawing in kept]
        return (*steps, *face.records[len(steps) :])

    def _invention(self, face: Progress) -> Invention | None:
        """Measure the learned step, which must be the last that enlarges; what follows it changes no size."""
        if face.given is None:
            return None
        learned = next(index for index, step in enumerate(face.records) if step.learned)
        with self.watch.measure("measure"):
            return measure_invention(face.pictures[learned], face.given, face.factor)

    def _drift(self, chip: FaceChip, face: Progress) -> float | None:
        if self.recognizer is None or face.stamp is None:
            return None
        with self.watch.measure("identity drift"):
            return identity_drift(self.recognizer, chip.view, face.view)

    # --- tracks -------------------------------------------------------------------------------------------------------

    def _fusions(
        self, tracks: Sequence[TrackRecord], chips: Mapping[str, ChipRecord]
    ) -> Iterator[Refusal | _Shots | None]:
        """Yield what each track's shots fuse to; None where an interrupted run may have done it."""
        for track in tracks:
            yield self._fused(track, chips) if self.parts.all_new else None

    def _fused(self, track: TrackRecord, chips: Mapping[str, ChipRecord]) -> Refusal | _Shots:
        refusal = not_fused(track, chips, self.settings)
        if refusal:
            return refusal
        with self.watch.measure("fuse"):
            shots = [load_chip(self.run.case, record) for record in shots_for(track, chips)]
            return _Shots(shots, fused_shots(shots, self.settings))

    def _fuse(self, track: TrackRecord, chips: Mapping[str, ChipRecord], ready: Refusal | _Shots | None) -> None:
        found = self._fused(track, chips) if ready is None else ready
        if isinstance(found, Refusal):
            self.tracks.skip(track.id, found.reason, found.detail)
            return
        shots = found.shots
        outcome = write_fused(self.run, track, shots, found.fused, self.settings, self.watch)
        if isinstance(outcome, str):
            self.tracks.skip(track.id, "too-few-frames-fit", outcome)
            return
        self.run.record("fused", outcome.record)
        self.tracks.wrote()
        if self.corrector is not None:
            self._correct(outcome, shots[0], self.corrector)

    def _correct(self, fused: FusedPicture, reference: FaceChip, corrector: Restorer) -> None:
        subject, refusal = fused.record.id, too_small(reference.detection, self.settings)
        if refusal is not None:
            self.corrected.skip(subject, refusal.reason, refusal.detail)
            return
        found = correct_fused(self.run, fused, corrector, self.recognizer, self.settings, self.watch)
        if isinstance(found, RestorationFailure):
            self.corrected.fail(subject, "restoration-failed", found.reason)
            self.context.listener.noted(f"{subject}: restoration failed: {found.reason}")
            return
        self.run.record(FUSED_RESTORED, found)
        self.corrected.wrote()


@dataclass(frozen=True, eq=False)
class _Shots:
    """A track's shots, the reference first, and what they fuse to."""

    shots: list[FaceChip]
    fused: Fused


def label(face: RestoredFace, record: ChipRecord, learned: bool) -> str:
    """Return what stands under an enhanced picture (R15)."""
    where = f"{record.id}, x{face.scale}"
    if face.model is not None and learned:
        return f"RESTORED by {face.model.id}: not original pixels. Investigative aid, may invent detail. {where}"
    return f"ENHANCED by classical filters: not original pixels. No learned model. {where}"


def _warnings(
    invention: Invention | None, drift: float | None, steps: Sequence[StepRecord], settings: Enhance
) -> list[str]:
    found = [f"{step.name} changed nothing: {step.note}" for step in steps if not step.applied]
    if invention is not None and invention.downscale_psnr_db < settings.min_downscale_psnr_db:
        found.append(
            f"reduced to its input's size it differs from the input: PSNR {invention.downscale_psnr_db:.1f} dB, limit "
            f"{settings.min_downscale_psnr_db:g} dB"
        )
    return [*found, *drift_warnings(drift, settings.max_identity_drift)]
