"""A track's face vectors: which shots go into which template, with the weights on record (R29). Compares nothing.

    original            the best shot
    fused               the mean of all best shots' vectors, weighted by quality
    fused-image         the vector of the picture that was fused from the track's frames
    restored            the vector of the best shot's learned picture
    original+restored   the mean of that and of the same shot's own

The first two come from original pixels and are for decision; the others are secondary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facerecon.case import Case
from facerecon.faces.quality import conditions, template_weight
from facerecon.pictures import decode_png
from facerecon.pipeline.enhancement import load_chip
from facerecon.pipeline.steps import base_treatment, recipe, with_recipe
from facerecon.profiles import Recognize
from facerecon.records import (
    WITH_RESTORED,
    ChipRecord,
    Embedding,
    EmbeddingRecord,
    FaceView,
    FusedRecord,
    RestoredRecord,
    TrackRecord,
    Variant,
    shift_landmarks,
    weighted_mean,
)
from facerecon.stages import Recognizer


@dataclass(frozen=True, eq=False)
class Template:
    """A vector of one track, with the shots behind it and their shares (which sum to 1).

    `treatment` is the recognizer's, and of `original+restored` also how the restored picture was made.
    """

    track: TrackRecord
    variant: Variant
    embedding: Embedding
    chips: tuple[ChipRecord, ...]
    weights: tuple[float, ...]
    treatment: str

    @property
    def quality(self) -> float:
        """The best quality score of the shots behind it."""
        return max(chip.quality.score for chip in self.chips)

    @property
    def conditions(self) -> dict[str, float]:
        """What a calibration is bound to: see `facerecon.faces.quality.conditions`."""
        return conditions([(chip.detection, chip.quality) for chip in self.chips], self.weights)

    def record(self, weights_sha256: str) -> EmbeddingRecord:
        """Return it for the case's records."""
        return EmbeddingRecord(
            subject=f"{self.track.id}/{self.variant}",
            track=self.track.id,
            variant=self.variant,
            model=self.embedding.model,
            weights_sha256=weights_sha256,
            treatment=self.treatment,
            vector=tuple(float(value) for value in self.embedding.vector),
            frames=tuple(chip.id for chip in self.chips),
            weights=self.weights,
            quality=self.quality,
        )


@dataclass(frozen=True)
class Refused:
    """A shot that is not compared: which, and why."""

    subject: str
    reason: str
    detail: str


@dataclass(frozen=True, eq=False)
class TrackFaces:
    """A track's best shots, those of them that may be compared, and what was computed of them."""

    track: TrackRecord
    usable: tuple[ChipRecord, ...]
    refused: tuple[Refused, ...]
    restored: RestoredRecord | None = None
    fused: FusedRecord | None = None


class TrackReader:
    """The tracks of a case as recognition sees them."""

    def __init__(self, case: Case, settings: Recognize) -> None:
        """Read the case's records.

        Raises:
            UsageError: its extraction is not finished.
            IntegrityError: a record was changed.
        """
        self._case, self._settings = case, settings
        self._chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
        self.tracks = case.read(TrackRecord, "tracks")
        runs = len(case.runs("enhance")) if settings.compare_restored else 0
        restored = case.read(RestoredRecord, "restored", runs) if runs else []
        fused = case.read(FusedRecord, "fused", runs) if runs else []
        self._restored = {record.chip: record for record in reversed(restored) if record.learned}
        self._fused = {record.track: record for record in fused}

    def __iter__(self) -> Iterator[TrackFaces]:
        """Yield every track's faces."""
        for track in self.tracks:
            yield self.faces(track)

    def faces(self, track: TrackRecord) -> TrackFaces:
        """Return which of a track's best shots may be compared."""
        chips = [self._chips[name] for name in track.best]
        problems = {chip.id: self._problem(chip) for chip in chips}
        usable = tuple(chip for chip in chips if problems[chip.id] is None)
        refused = [problem for problem in problems.values() if problem is not None]
        if not chips:
            refused.append(Refused(track.id, "no-usable-shot", "no shot of it is large enough to compare"))
        restored = next((self._restored[chip.id] for chip in usable if chip.id in self._restored), None)
        fused = self._fused.get(track.id) if usable else None
        return TrackFaces(track, usable, tuple(refused), restored, fused)

    def _problem(self, chip: ChipRecord) -> Refused | None:
        size, quality = chip.detection.frontal_inter_eye_px, chip.quality.score
        if size < self._settings.min_inter_eye_px:
            limit = f"{size:.1f} px between the eyes, {self._settings.min_inter_eye_px:g} needed to compare"
            return Refused(chip.id, "below-minimum-size", limit)
        if quality < self._settings.min_quality:
            limit = f"quality {quality:.2f}, {self._settings.min_quality:g} needed to compare"
            return Refused(chip.id, "below-minimum-quality", limit)
        return None

    def treatments(self, recognizer: Recognizer) -> set[str]:
        """Return how the vectors of this case can be made: by the recognizer alone, and with restored pictures."""
        restored = [record for record in self._restored.values() if record.weights_sha256 is not None]
        return {recognizer.treatment, *(_made(recognizer.treatment, record) for record in restored)}

    # --- vectors ------------------------------------------------------------------------------------------------------

    def templates(self, faces: TrackFaces, recognizer: Recognizer) -> list[Template]:
        """Embed a track: its fused vectors and its best original for decision, then what is secondary.

        Raises:
            IntegrityError: a picture is not what was recorded.
            RestorationError: landmarks coincide.
        """
        if not faces.usable:
            return []
        views = [load_chip(self._case, chip).view for chip in faces.usable]
        secondary = self._secondary(faces)
        vectors = recognizer.embed([*views, *(view for _, view, _ in secondary)])
        originals, others = vectors[: len(views)], vectors[len(views) :]
        track, best = faces.track, faces.usable[:1]
        shares = _shares(faces.usable)
        treatment = recognizer.treatment
        found = [
            Template(track, "fused", weighted_mean(originals, shares), faces.usable, shares, treatment),
            Template(track, "original", originals[0], best, (1.0,), treatment),
        ]
        for (variant, _, chip), vector in zip(secondary, others, strict=True):
            found.append(Template(track, variant, vector, (chip,), (1.0,), treatment))
            if variant == "restored" and faces.restored is not None and faces.restored.weights_sha256 is not None:
                both = weighted_mean([originals[faces.usable.index(chip)], vector], (0.5, 0.5))
                found.append(Template(track, WITH_RESTORED, both, (chip,), (1.0,), _made(treatment, faces.restored)))
        return found

    def _secondary(self, faces: TrackFaces) -> list[tuple[Variant, FaceView, ChipRecord]]:
        found: list[tuple[Variant, FaceView, ChipRecord]] = []
        if faces.fused is not None:
            chip = self._chips[faces.fused.reference]
            found.append(("fused-image", self._computed(faces.fused, chip), chip))
        if faces.restored is not None:
            chip = self._chips[faces.restored.chip]
            found.append(("restored", self._computed(faces.restored, chip), chip))
        return found

    def _computed(self, record: RestoredRecord | FusedRecord, chip: ChipRecord) -> FaceView:
        """Return a computed picture without its label, with the shot's landmarks in it."""
        width, height = record.content
        pixels = decode_png(self._case.bytes_of(record.path), record.path)[:height, :width]
        x, y = chip.origin
        return FaceView(pixels, shift_landmarks(chip.detection.landmarks, -x, -y, record.scale), record.scale)

    # --- recorded vectors ---------------------------------------------------------------------------------------------

    def recorded(self, recognizer: Recognizer) -> dict[str, list[Template]]:
        """Return the templates that an earlier comparison with the same recognizer recorded, by track id."""
        runs = len(self._case.runs("recognize"))
        known = {track.id: track for track in self.tracks}
        ours = (recognizer.stamp.id, recognizer.stamp.weights_sha256, recognizer.treatment)
        found: dict[str, list[Template]] = {}
        for record in self._case.read(EmbeddingRecord, "embeddings", runs) if runs else []:
            same = (record.model, record.weights_sha256, base_treatment(record.treatment)) == ours
            if same and record.track in known and all(name in self._chips for name in record.frames):
                track = known[record.track]
                vector = Embedding(record.model, np.array(record.vector, np.float32), recognizer.metric)
                chips = tuple(self._chips[name] for name in record.frames)
                template = Template(track, record.variant, vector, chips, record.weights, record.treatment)
                found.setdefault(track.id, []).append(template)
        return found


def _made(treatment: str, record: RestoredRecord) -> str:
    steps = [step.model_dump(mode="json") for step in record.steps]
    return with_recipe(treatment, recipe(steps, record.weights_sha256 or ""))


def _shares(chips: Sequence[ChipRecord]) -> tuple[float, ...]:
    weights = [template_weight(chip.quality) for chip in chips]
    return tuple(round(weight / sum(weights), 6) for weight in weights)
