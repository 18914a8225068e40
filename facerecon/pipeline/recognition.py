"""Stage 3: comparison with a gallery. Scores that count come from original pixels; restored pictures are secondary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facerecon.case import Case, StageRun
from facerecon.errors import UsageError
from facerecon.faces.quality import assess
from facerecon.faces.shots import crop_bounds
from facerecon.gallery import Enrolled, GalleryPicture, read_gallery, refusal, view_of
from facerecon.pictures import decode_picture, encode_png
from facerecon.pipeline.accounts import Account, Context, Stopwatch, close_accounts
from facerecon.pipeline.detection import detect_faces
from facerecon.pipeline.enhancement import load_chip
from facerecon.profiles import Profile
from facerecon.records import (
    PRIMARY_VARIANTS,
    Candidate,
    ChipRecord,
    Detection,
    Embedding,
    EmbeddingRecord,
    FaceView,
    GalleryRecord,
    RestoredRecord,
    TrackRecord,
    Variant,
    shift_landmarks,
)
from facerecon.stages import Detector, Listener, Recognizer

NOT_CALIBRATED = "not calibrated: no likelihood ratio can be given for this model and footage"


@dataclass(frozen=True, eq=False)
class Gallery:
    """A gallery after enrolment: every picture's record, and those that may be compared with."""

    folder: str
    pictures: tuple[tuple[GalleryRecord, GalleryPicture], ...]
    enrolled: tuple[Enrolled, ...]


def enroll(folder: Path, detector: Detector, recognizer: Recognizer, profile: Profile, listener: Listener) -> Gallery:
    """Read a gallery and enrol what passes the quality gate.

    Raises:
        UsageError: the folder holds no picture, or none can be enrolled (the first reason is given).
    """
    pictures = read_gallery(folder)
    listener.started("enroll", len(pictures))
    records: list[tuple[GalleryRecord, GalleryPicture]] = []
    for picture in pictures:
        records.append((_examined(picture, detector, profile), picture))
        listener.advanced("enroll")
    listener.finished("enroll")
    accepted = [(record, picture) for record, picture in records if record.enrolled]
    if not accepted:
        first = records[0][0]
        raise UsageError(
            f"gallery {folder}: none of {len(records)} pictures can be enrolled; {first.file}: {first.reason}"
        )
    return Gallery(str(folder), tuple(records), tuple(_embedded(accepted, recognizer)))


def _examined(picture: GalleryPicture, detector: Detector, profile: Profile) -> GalleryRecord:
    faces: tuple[Detection, ...] = ()
    reason, quality = picture.problem, None
    if picture.pixels is not None:
        faces = detect_faces(
            detector, [picture.pixels], profile.detect.model_copy(update={"upscale": 1, "brighten_gamma": 1.0})
        )[0]
        faces = tuple(face for face in faces if face.alignable)
        quality = assess(picture.pixels, faces[0]) if faces else None
        reason = refusal(faces, quality, profile.recognize)
    crop = f"gallery/{picture.sha256[:16]}.png" if not reason else None
    return GalleryRecord(
        identity=picture.person.identity,
        person_id=picture.person.person_id,
        status=picture.person.status,
        file=picture.file,
        sha256=picture.sha256,
        enrolled=not reason,
        reason=reason,
        detection=faces[0] if faces else None,
        quality=quality,
        crop_path=crop,
    )


def _embedded(accepted: list[tuple[GalleryRecord, GalleryPicture]], recognizer: Recognizer) -> list[Enrolled]:
    enrolled = []
    for record, picture in accepted:
        if picture.pixels is None or record.detection is None:
            raise AssertionError("an enrolled picture has pixels and a face")
        vector = recognizer.embed([view_of(picture.pixels, record.detection)])[0]
        enrolled.append(Enrolled(record, picture.pixels, vector))
    return enrolled


def recognize(case: Case, gallery: Gallery, recognizer: Recognizer, detector: Detector, context: Context) -> None:
    """Run the stage: embed the best shots, rank the gallery for every track.

    Raises:
        IntegrityError: a picture of the case is not what was recorded.
    """
    details = context.details("recognize") | {
        "models": [recognizer.stamp.model_dump(mode="json"), detector.stamp.model_dump(mode="json")],
        "gallery": gallery.folder,
    }
    inputs = case.digests("faces/") | {f"gallery: {p.file}": p.sha256 for _, p in gallery.pictures}
    with case.stage("recognize", details, inputs) as run:
        _Recognition(run, gallery, recognizer, context).process()


class _Recognition:
    def __init__(self, run: StageRun, gallery: Gallery, recognizer: Recognizer, context: Context) -> None:
        self.run, self.gallery, self.recognizer, self.context = run, gallery, recognizer, context
        self.settings = context.profile.recognize
        self.faces, self.images = Account(run, "face"), Account(run, "image")
        self.comparisons = Account(run, "candidate")
        self.watch = Stopwatch()
        run.declare("gallery", "embeddings", "candidates", "recognize-skipped")

    def process(self) -> None:
        """Write the gallery's records, then every track's candidates."""
        self._write_gallery()
        case = self.run.case
        tracks = case.read(TrackRecord, "tracks")
        chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
        restored = self._restored()
        self.context.listener.started("recognize", len(tracks))
        for track in tracks:
            self._track(track, [chips[name] for name in track.best], restored)
            self.context.listener.advanced("recognize")
        close_accounts(self.run, {"gallery": self.images, "faces": self.faces, "comparisons": self.comparisons})
        self.run.details["durations_s"] = self.watch.seconds
        self.context.listener.finished("recognize")

    def _write_gallery(self) -> None:
        self.run.record("gallery", *(record for record, _ in self.gallery.pictures))
        for record, _ in self.gallery.pictures:
            if record.enrolled:
                self.images.wrote()
            else:
                self.images.skip(record.file, "gallery-picture-refused", record.reason)
        for entry in self.gallery.enrolled:
            self._write_gallery_crop(entry)
            self.run.record(
                "embeddings",
                EmbeddingRecord(
                    subject=f"gallery/{entry.record.file}",
                    track=None,
                    variant="original",
                    model=entry.embedding.model,
                    vector=_listed(entry.embedding),
                    frames=(),
                    weights=(),
                    quality=_score(entry.record),
                ),
            )

    def _write_gallery_crop(self, entry: Enrolled) -> None:
        if entry.record.crop_path is None or entry.record.detection is None:
            raise AssertionError("an enrolled picture has a face")
        height, width = entry.pixels.shape[:2]
        x0, y0, x1, y1 = crop_bounds(entry.record.detection, self.context.profile.shots.margin, width, height)
        self.run.write(
            entry.record.crop_path,
            encode_png(
                entry.pixels[y0:y1, x0:x1],
                {
                    "Title": "GALLERY picture, original pixels",
                    "File": entry.record.file,
                    "File SHA-256": entry.record.sha256,
                    "Crop": f"x {x0}, y {y0}, {x1 - x0}x{y1 - y0} px",
                },
            ),
        )

    def _restored(self) -> dict[str, list[RestoredRecord]]:
        runs = len(self.run.case.runs("enhance"))
        found: dict[str, list[RestoredRecord]] = {}
        if runs and self.settings.compare_restored:
            for record in self.run.case.read(RestoredRecord, "restored", runs):
                if record.learned:
                    found.setdefault(record.chip, []).append(record)
        return found

    def _track(self, track: TrackRecord, chips: list[ChipRecord], restored: dict[str, list[RestoredRecord]]) -> None:
        usable = [chip for chip in chips if self._usable(chip)]
        if not usable:
            if not chips:
                self.faces.skip(track.id, "no-usable-shot", "no shot of it is large enough to compare")
            return
        vectors = self._embed(usable)
        self.faces.wrote(len(usable))
        self._compare(track, "fused", _fused(vectors, usable), usable, [chip.quality.score for chip in usable])
        self._compare(track, "original", vectors[0], usable[:1], [1.0])
        for chip in usable:
            for record in restored.get(chip.id, [])[:1]:
                self._compare(track, "restored", self._embed_restored(record, chip), [chip], [1.0])
                return

    def _usable(self, chip: ChipRecord) -> bool:
        size, quality = chip.detection.frontal_inter_eye_px, chip.quality.score
        if size < self.settings.min_inter_eye_px:
            self.faces.skip(
                chip.id,
                "below-minimum-size",
                f"{size:.1f} px between the eyes, {self.settings.min_inter_eye_px:g} needed to compare",
            )
        elif quality < self.settings.min_quality:
            self.faces.skip(
                chip.id,
                "below-minimum-quality",
                f"quality {quality:.2f}, {self.settings.min_quality:g} needed to compare",
            )
        else:
            return True
        return False

    def _embed(self, chips: list[ChipRecord]) -> list[Embedding]:
        with self.watch.measure("embed"):
            return self.recognizer.embed([load_chip(self.run.case, chip).view for chip in chips])

    def _embed_restored(self, record: RestoredRecord, chip: ChipRecord) -> Embedding:
        width, height = record.content
        pixels = decode_picture(self.run.case.bytes_of(record.path), record.path)[:height, :width]
        local = shift_landmarks(chip.detection.landmarks, -chip.origin[0], -chip.origin[1], record.scale)
        with self.watch.measure("embed"):
            return self.recognizer.embed([FaceView(pixels, local)])[0]

    def _compare(
        self, track: TrackRecord, variant: Variant, probe: Embedding, chips: list[ChipRecord], weights: Sequence[float]
    ) -> None:
        total = sum(weights)
        shares = tuple(round(weight / total, 6) for weight in weights)
        quality = max(chip.quality.score for chip in chips)
        self.run.record(
            "embeddings",
            EmbeddingRecord(
                subject=f"{track.id}/{variant}",
                track=track.id,
                variant=variant,
                model=probe.model,
                vector=_listed(probe),
                frames=tuple(chip.id for chip in chips),
                weights=shares,
                quality=quality,
            ),
        )
        ranked = rank(probe, self.gallery.enrolled)
        for place, (entry, similarity) in enumerate(ranked[: self.settings.top], start=1):
            self.run.record("candidates", self._candidate(track, variant, place, entry, similarity, quality))
        self.comparisons.wrote(min(len(ranked), self.settings.top))
        if len(ranked) > self.settings.top:
            self.comparisons.skip(
                f"{track.id}/{variant}",
                "below-the-listed-ranks",
                f"the {self.settings.top} best are listed",
                len(ranked) - self.settings.top,
            )

    def _candidate(
        self, track: TrackRecord, variant: Variant, place: int, entry: Enrolled, similarity: float, quality: float
    ) -> Candidate:
        shown = round(similarity, 4)
        return Candidate(
            track=track.id,
            variant=variant,
            primary=variant in PRIMARY_VARIANTS,
            rank=place,
            identity=entry.record.identity,
            person_id=entry.record.person_id,
            gallery_file=entry.record.file,
            model=entry.embedding.model,
            similarity=shown,
            threshold=self.settings.threshold,
            above_threshold=shown >= self.settings.threshold,
            likelihood_ratio=None,
            calibration=NOT_CALIBRATED,
            probe_quality=quality,
            gallery_quality=_score(entry.record),
        )


def rank(probe: Embedding, enrolled: Sequence[Enrolled]) -> list[tuple[Enrolled, float]]:
    """Return each identity's most similar picture with its similarity, most similar first; ties by name."""
    best: dict[str, tuple[Enrolled, float]] = {}
    for entry in enrolled:
        similarity = probe.similarity(entry.embedding)
        held = best.get(entry.record.identity)
        if held is None or similarity > held[1]:
            best[entry.record.identity] = (entry, similarity)
    return sorted(best.values(), key=lambda pair: (-pair[1], pair[0].record.identity))


def _fused(vectors: list[Embedding], chips: list[ChipRecord]) -> Embedding:
    weights = np.array([chip.quality.score for chip in chips])
    stack = np.stack([vector.vector for vector in vectors]).astype(np.float64)
    return Embedding(vectors[0].model, (weights[:, None] * stack).sum(axis=0).astype(np.float32) / weights.sum())


def _listed(embedding: Embedding) -> tuple[float, ...]:
    return tuple(float(value) for value in embedding.vector)


def _score(record: GalleryRecord) -> float:
    return record.quality.score if record.quality else 0.0
