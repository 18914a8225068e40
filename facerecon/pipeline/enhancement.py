"""Stage 2: the profile's steps on the best shots. Every picture stays beside its original, labelled as what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facerecon import __version__
from facerecon.case import Case, StageRun
from facerecon.errors import IntegrityError, RestorationError
from facerecon.filters.denoise import non_local_means
from facerecon.filters.scaling import enlarge, reduce_by
from facerecon.filters.tone import gamma
from facerecon.hashing import sha256_array
from facerecon.pictures import decode_picture, encode_png, with_label
from facerecon.pipeline.accounts import Account, Context, Stopwatch, close_accounts
from facerecon.profiles import Enhance, GammaStep, NlmeansStep, ResizeStep, RestoreStep, Step
from facerecon.records import (
    RGB,
    ChipRecord,
    FaceChip,
    FaceView,
    ModelStamp,
    RestoredFace,
    RestoredRecord,
    StepRecord,
    TrackRecord,
    shift_landmarks,
)
from facerecon.stages import Restorer


@dataclass(frozen=True)
class StepText:
    """What the record and the report say of a step."""

    description: str
    reference: str


STEP_TEXTS: Mapping[str, StepText] = {
    "gamma": StepText(
        "Brightens dark parts by one power curve for all pixels; nothing is added.",
        "Poynton, Digital Video and HD, 2nd ed. 2012, ch. 27",
    ),
    "nlmeans": StepText(
        "Averages each pixel with pixels whose surroundings look alike, to reduce noise.",
        "Buades, Coll, Morel, CVPR 2005 (OpenCV fastNlMeansDenoisingColored)",
    ),
    "resize": StepText(
        "Enlarges by interpolation; no detail is added.",
        "Keys 1981 (bicubic), Duchon 1979 (Lanczos), or pixel repetition (nearest)",
    ),
    "restore": StepText("Enlarges with a trained neural network. It may add detail that was not recorded.", ""),
}


def enhance(case: Case, restorers: Mapping[str, Restorer], context: Context) -> None:
    """Run the stage on a case that extract has finished.

    Args:
        case: the case.
        restorers: the learned models that the profile's steps name, by model id.
        context: profile, listener, software.

    Raises:
        IntegrityError: a best shot's picture is not what was recorded.
    """
    chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
    tracks = case.read(TrackRecord, "tracks")
    stamps = [restorer.stamp.model_dump(mode="json") for restorer in restorers.values()]
    with case.stage("enhance", context.details("enhance") | {"models": stamps}, case.digests("faces/")) as run:
        _Enhancement(run, restorers, context).process(tracks, chips)


def load_chip(case: Case, record: ChipRecord) -> FaceChip:
    """Read a best shot back, verified: file digest by the manifest, pixels by the record.

    Raises:
        IntegrityError: it is not what was recorded.
    """
    pixels = decode_picture(case.bytes_of(record.path), record.path)
    if sha256_array(pixels) != record.pixels_sha256:
        raise IntegrityError(f"{record.path}: its pixels are not those that were recorded")
    return FaceChip(
        record.track, record.frame, record.timestamp, record.origin, pixels, record.detection, record.quality
    )


class _Enhancement:
    def __init__(self, run: StageRun, restorers: Mapping[str, Restorer], context: Context) -> None:
        self.run, self.restorers, self.context = run, restorers, context
        self.settings = context.profile.enhance
        self.account = Account(run, "face")
        self.watch = Stopwatch()
        run.declare("restored", "enhance-skipped")

    def process(self, tracks: list[TrackRecord], chips: Mapping[str, ChipRecord]) -> None:
        """Enhance every track's best shots, best first."""
        chosen = [chips[name] for track in tracks for name in track.best[: self.settings.shots]]
        self.context.listener.started("enhance", len(chosen))
        for track in tracks:
            rest = len(track.best) - self.settings.shots
            if rest > 0:
                self.account.skip(
                    track.id,
                    "not-among-the-enhanced-shots",
                    f"the profile enhances {self.settings.shots} per track",
                    rest,
                )
        for record in chosen:
            self._one(record)
            self.context.listener.advanced("enhance")
        close_accounts(self.run, {"faces": self.account})
        self.run.details["durations_s"] = self.watch.seconds
        self.run.details["steps"] = [_step_text(step, self.restorers) for step in self.settings.steps]
        self.context.listener.finished("enhance")

    def _one(self, record: ChipRecord) -> None:
        steps = steps_for(record, self.settings)
        if isinstance(steps, Refusal):
            self.account.skip(record.id, steps.reason, steps.detail)
            return
        chip = load_chip(self.run.case, record)
        try:
            applied = apply_steps(chip, steps, self.restorers, self.watch)
        except RestorationError as error:
            self.account.fail(record.id, "restoration-failed", str(error))
            self.context.listener.noted(f"{record.id}: restoration failed: {error}")
            return
        self.run.record("restored", self._write(record, applied))
        self.account.wrote()

    def _write(self, record: ChipRecord, applied: Applied) -> RestoredRecord:
        face = applied.face
        learned = any(step.learned for step in face.steps)
        kind = f"restored-{face.model.id}" if face.model else "enhanced"
        path = record.path.replace(".original.png", f".{kind}{self.run.suffix}.png")
        height, width = face.pixels.shape[:2]
        text = _metadata(record, face, learned, self.run.case.info.source.sha256)
        with self.watch.measure("write"):
            digest = self.run.write(path, encode_png(with_label(face.pixels, label(face, record, learned)), text))
        return RestoredRecord(
            id=f"{record.id}/{kind}{self.run.suffix}",
            track=record.track,
            chip=record.id,
            original=record.path,
            path=path,
            file_sha256=digest,
            content=(width, height),
            scale=face.scale,
            steps=face.steps,
            model=face.model.id if face.model else None,
            precision=face.model.precision if face.model else None,
            learned=learned,
            tile_plan=applied.tile_plan,
            downscale_psnr_db=applied.downscale_psnr_db,
            warnings=_warnings(applied.downscale_psnr_db, self.settings),
        )


@dataclass(frozen=True)
class Refusal:
    """Why a best shot is not enhanced."""

    reason: str
    detail: str


def steps_for(record: ChipRecord, settings: Enhance) -> tuple[Step, ...] | Refusal:
    """Return the profile's steps for one best shot: none below the minimum size, no enlargement above the maximum."""
    eyes, (width, height) = record.detection.frontal_inter_eye_px, record.size
    if eyes < settings.min_inter_eye_px:
        return Refusal(
            "below-minimum-size",
            f"{eyes:.1f} px between the eyes, the profile needs "
            f"{settings.min_inter_eye_px:g}: a restoration would be invention",
        )
    if max(width, height) <= settings.max_crop_px:
        return settings.steps
    kept = tuple(step for step in settings.steps if not isinstance(step, (RestoreStep, ResizeStep)))
    return kept or Refusal("large-enough", f"{width}x{height} px; the profile enlarges up to {settings.max_crop_px} px")


@dataclass(frozen=True, eq=False)
class Applied:
    """The outcome of a profile's steps on one chip. `downscale_psnr_db` is that of the learned step, if any."""

    face: RestoredFace
    tile_plan: str
    downscale_psnr_db: float | None


def apply_steps(
    chip: FaceChip, steps: tuple[Step, ...], restorers: Mapping[str, Restorer], watch: Stopwatch
) -> Applied:
    """Apply a profile's steps to one chip, in order.

    Raises:
        RestorationError: a learned step failed.
    """
    pixels, scale, plan = chip.pixels, 1, ""
    stamp: ModelStamp | None = None
    consistency: float | None = None
    records: list[StepRecord] = []
    for step in steps:
        with watch.measure(step.kind):
            if isinstance(step, RestoreStep):
                restorer = restorers[step.model]
                result = restorer.restore([_view(chip, pixels, scale)])[0]
                after, factor, plan = result.pixels, restorer.scale, result.tile_plan
                stamp = restorer.stamp.model_copy(update={"precision": result.precision})
                consistency = downscale_psnr_db(after, pixels, factor)
            else:
                after, factor = classical(pixels, step)
        records.append(_step_record(step, restorers, pixels, after))
        pixels, scale = after, scale * factor
    return Applied(RestoredFace(chip, pixels, scale, tuple(records), stamp), plan, consistency)


def classical(pixels: RGB, step: GammaStep | NlmeansStep | ResizeStep) -> tuple[RGB, int]:
    """Apply one classical step; returns the picture and by how much it was enlarged."""
    if isinstance(step, GammaStep):
        return gamma(pixels, step.gamma), 1
    if isinstance(step, NlmeansStep):
        return non_local_means(
            pixels, step.strength_levels, step.color_strength_levels, step.patch_px, step.search_px
        ), 1
    return enlarge(pixels, step.scale, step.method), step.scale


def _view(chip: FaceChip, pixels: RGB, scale: int) -> FaceView:
    return FaceView(pixels, shift_landmarks(chip.view.landmarks, 0, 0, scale))


def _step_text(step: Step, restorers: Mapping[str, Restorer]) -> dict[str, Any]:
    text = STEP_TEXTS[step.kind]
    model = restorers[step.model].stamp if isinstance(step, RestoreStep) else None
    return {
        "name": f"{step.kind} ({model.id})" if model else step.kind,
        "description": text.description,
        "reference": model.reference if model else text.reference,
        "parameters": step.model_dump(mode="json", exclude={"kind"}),
        "learned": model is not None,
    }


def _step_record(step: Step, restorers: Mapping[str, Restorer], before: RGB, after: RGB) -> StepRecord:
    return StepRecord.model_validate(
        {**_step_text(step, restorers), "input_sha256": sha256_array(before), "output_sha256": sha256_array(after)}
    )


# --- labels and checks ----------------------------------------------------------------------------------------------


def label(face: RestoredFace, record: ChipRecord, learned: bool) -> str:
    """Return what stands under an enhanced picture (R15)."""
    where = f"{record.id}, x{face.scale}"
    if face.model is not None and learned:
        return f"RESTORED by {face.model.id}: not original pixels. Investigative aid, may invent detail. {where}"
    return f"ENHANCED by classical filters: not original pixels. No learned model. {where}"


def _metadata(record: ChipRecord, face: RestoredFace, learned: bool, source: str) -> dict[str, str]:
    return {
        "Title": label(face, record, learned),
        "Software": f"facerecon {__version__}",
        "Original": f"{record.path}, SHA-256 {record.file_sha256}",
        "Source SHA-256": source,
        "Steps": " > ".join(step.name for step in face.steps),
    }


def downscale_psnr_db(restored: RGB, given: RGB, scale: int) -> float:
    """Return how well a restored picture, reduced by block means, agrees with what the model was given, in dB.

    A restoration that keeps to the evidence reproduces its input when a coarser sensor looks at it.
    """
    error = float(((reduce_by(restored, scale).astype(np.float64) - given) ** 2).mean())
    return round(float(10 * np.log10(255**2 / max(error, 1e-4))), 2)


def _warnings(consistency: float | None, settings: Enhance) -> tuple[str, ...]:
    if consistency is None or consistency >= settings.min_downscale_psnr_db:
        return ()
    return (
        f"reduced to its input's size it differs from the input: PSNR {consistency:.1f} dB, limit "
        f"{settings.min_downscale_psnr_db:g} dB",
    )
