"""Stage 3: comparison with a gallery. Scores that count come from original pixels; computed pictures are secondary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facerecon.case import Case, StageRun
from facerecon.faces.quality import conditions
from facerecon.gallery import Enrolled
from facerecon.hashing import sha256_bytes
from facerecon.likelihood import calibration_bytes
from facerecon.pictures import encode_png
from facerecon.pipeline.accounts import Account, Context, Stopwatch, close_accounts
from facerecon.pipeline.enhancement import load_chip
from facerecon.pipeline.enrolment import Gallery
from facerecon.pipeline.explanation import ExplainedPair, write_explanations
from facerecon.pipeline.strength import Calibrations, joint_conditions
from facerecon.pipeline.templates import Template, TrackFaces, TrackReader
from facerecon.records import PRIMARY_VARIANTS, Candidate, Embedding, EmbeddingRecord, GalleryRecord, Variant
from facerecon.records.similarity import similarities
from facerecon.stages import Detector, Recognizer, operating_point

EXPLAINED = 3
"""At most so many candidates of a track are explained."""
LISTED_PICTURES = 200
"""Of a larger gallery the case keeps only the pictures that are candidates; its digest pins the rest."""


@dataclass(frozen=True, eq=False)
class Comparers:
    """Who compares: the recognizer, the detector that found the gallery's faces, and what the scores are worth."""

    recognizer: Recognizer
    detector: Detector
    calibrations: Calibrations
    explain: bool = False


def recognize(case: Case, gallery: Gallery, comparers: Comparers, context: Context) -> None:
    """Run the stage: embed the best shots, rank the gallery's persons for every track.

    Raises:
        IntegrityError: a picture of the case is not what was recorded.
        UsageError: no operating point is known for the model, and the profile names none.
    """
    recognizer = comparers.recognizer
    details = context.details("recognize") | {
        "models": [each.stamp.model_dump(mode="json") for each in (recognizer, comparers.detector)],
        "treatment": recognizer.treatment,
        "gallery": gallery.folder,
        "gallery_sha256": gallery.digest,
    }
    inputs = case.digests("faces/") | dict(gallery.inputs)
    threshold = operating_point(recognizer, context.profile.recognize.threshold)
    with case.stage("recognize", details, inputs) as run:
        _Recognition(run, gallery, comparers, context, threshold).process()


class _Recognition:
    def __init__(
        self, run: StageRun, gallery: Gallery, comparers: Comparers, context: Context, threshold: float
    ) -> None:
        self.run, self.gallery, self.comparers, self.context = run, gallery, comparers, context
        self.threshold = threshold
        self.settings = context.profile.recognize
        self.ranking = Ranking(gallery)
        self.faces, self.images = Account(run, "face"), Account(run, "image")
        self.comparisons = Account(run, "candidate")
        self.watch = Stopwatch()
        self._kept: set[str] = set()
        run.declare("gallery", "embeddings", "candidates", "recognize-skipped")
        if comparers.explain:
            run.declare("explanations")

    def process(self) -> None:
        """Write the gallery's records, then every track's candidates."""
        self._write_gallery()
        reader = TrackReader(self.run.case, self.settings)
        documents = self.comparers.calibrations.of(reader.treatments(self.comparers.recognizer))
        for document in documents:
            self.run.write(f"calibrations/{document.sha256[:16]}.json", calibration_bytes(document))
        self.run.details["calibrations"] = {each.variant: each.sha256 for each in documents}
        self.context.listener.started("recognize", len(reader.tracks))
        for faces in reader:
            self._track(reader, faces)
            self.context.listener.advanced("recognize")
        close_accounts(self.run, {"gallery": self.images, "faces": self.faces, "comparisons": self.comparisons})
        self.run.details["durations_s"] = self.watch.seconds
        self.context.listener.finished("recognize")

    # --- the gallery --------------------------------------------------------------------------------------------------

    def _write_gallery(self) -> None:
        small = len(self.gallery.records) <= LISTED_PICTURES
        for record in self.gallery.records:
            if record.enrolled:
                self.images.wrote()
            else:
                self.images.skip(record.file, "gallery-picture-refused", record.reason)
                self.run.record("gallery", record)
        for entry in self.gallery.enrolled if small else ():
            self._keep(entry)

    def _keep(self, entry: Enrolled) -> None:
        """Write a gallery picture's record, vector and crop into the case, once."""
        if entry.record.file in self._kept:
            return
        self._kept.add(entry.record.file)
        self.run.record("gallery", entry.record.model_copy(update={"crop_path": self._write_crop(entry)}))
        self.run.record(
            "embeddings",
            EmbeddingRecord(
                subject=f"gallery/{entry.record.file}",
                track=None,
                variant="original",
                model=entry.embedding.model,
                weights_sha256=self.comparers.recognizer.stamp.weights_sha256,
                treatment=self.comparers.recognizer.treatment,
                vector=tuple(float(value) for value in entry.embedding.vector),
                frames=(),
                weights=(),
                quality=_score(entry.record),
            ),
        )

    def _write_crop(self, entry: Enrolled) -> str:
        """Write an enrolled picture's crop and return its path, another one than an earlier run's with other bytes."""
        if entry.record.crop_path is None:
            raise AssertionError("an enrolled picture has a crop")
        crop = entry.crop()
        height, width = crop.pixels.shape[:2]
        x, y = crop.origin
        text = {
            "Title": "GALLERY picture, original pixels",
            "File": entry.record.file,
            "File SHA-256": entry.record.sha256,
            "Crop": f"x {x}, y {y}, {width}x{height} px",
        }
        data, path = encode_png(crop.pixels, text), entry.record.crop_path
        # The same file may be called, or its face be found, otherwise than when it was compared before.
        digest = sha256_bytes(data)
        if self.run.case.digests(path).get(path, digest) != digest:
            path = path.removesuffix(".png") + f"{self.run.suffix}.png"
        self.run.write(path, data)
        return path

    # --- tracks -------------------------------------------------------------------------------------------------------

    def _track(self, reader: TrackReader, faces: TrackFaces) -> None:
        for refused in faces.refused:
            self.faces.skip(refused.subject, refused.reason, refused.detail)
        self.faces.wrote(len(faces.usable))
        with self.watch.measure("embed"):
            templates = reader.templates(faces, self.comparers.recognizer)
        ranked = {template.variant: self._compare(template) for template in templates}
        if self.comparers.explain and templates:
            self._explain({template.variant: template for template in templates}, ranked["fused"])

    def _compare(self, template: Template) -> list[Ranked]:
        recognizer = self.comparers.recognizer
        self.run.record("embeddings", template.record(recognizer.stamp.weights_sha256))
        with self.watch.measure("compare"):
            ranked = self.ranking.first(template.embedding, self.settings.top)
        for place, person in enumerate(ranked, start=1):
            self._keep(person.closest)
            self.run.record("candidates", self._candidate(template, place, person))
        self.comparisons.wrote(len(ranked))
        if self.ranking.people > len(ranked):
            self.comparisons.skip(
                f"{template.track.id}/{template.variant}",
                "below-the-listed-ranks",
                f"the {self.settings.top} best are listed",
                self.ranking.people - len(ranked),
            )
        return ranked

    def _explain(self, templates: dict[Variant, Template], leading: Sequence[Ranked]) -> None:
        """Explain the leading candidates by the track's best shot: the first one, and others above the threshold."""
        original = templates["original"]
        chip = load_chip(self.run.case, original.chips[0])
        shown = [each for each in leading[:EXPLAINED] if each is leading[0] or each.similarity >= self.threshold]
        pairs = [
            ExplainedPair(
                chip,
                each.closest,
                "original",
                place,
                original.embedding.similarity(each.closest.embedding),
                joint_conditions(original.conditions, gallery_conditions(each.closest.record)),
            )
            for place, each in enumerate(shown, start=1)
        ]
        with self.watch.measure("explain"):
            write_explanations(self.run, pairs, self.comparers.calibrations, self.comparers.recognizer)

    def _candidate(self, template: Template, place: int, person: Ranked) -> Candidate:
        probe = template.conditions
        strength, why_none = self.comparers.calibrations.strength(
            template.variant,
            [
                (similarity, joint_conditions(probe, gallery_conditions(entry.record)))
                for entry, similarity in person.all
            ],
            template.treatment,
        )
        record, shown = person.closest.record, round(person.similarity, 4)
        return Candidate(
            track=template.track.id,
            variant=template.variant,
            primary=template.variant in PRIMARY_VARIANTS,
            rank=place,
            identity=record.identity,
            person_id=record.person_id,
            gallery_file=record.file,
            model=template.embedding.model,
            similarity=shown,
            threshold=self.threshold,
            above_threshold=shown >= self.threshold,
            strength=strength,
            no_strength=why_none,
            probe_quality=template.quality,
            gallery_quality=_score(record),
        )


# --- ranking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ranked:
    """A gallery person and all comparisons with them, the most similar picture first."""

    all: tuple[tuple[Enrolled, float], ...]

    @property
    def closest(self) -> Enrolled:
        """The most similar picture."""
        return self.all[0][0]

    @property
    def similarity(self) -> float:
        """Its similarity."""
        return self.all[0][1]


class Ranking:
    """A gallery, ready to be ranked by person: exact search by matrix product."""

    def __init__(self, gallery: Gallery) -> None:
        """Index the gallery's pictures by person."""
        self._gallery = gallery
        self._names, self._owners = np.unique(
            np.array([entry.record.identity for entry in gallery.enrolled]), return_inverse=True
        )

    @property
    def people(self) -> int:
        """How many persons are enrolled."""
        return len(self._names)

    @cached_property
    def _rows(self) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
        order = np.argsort(self._owners, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self._owners[order])) + 1)

    def first(self, probe: Embedding, count: int) -> list[Ranked]:
        """Return the `count` persons whose most similar picture is most similar, best first; ties by name."""
        found = similarities(probe, self._gallery.matrix, probe.metric)
        best = np.full(self.people, -np.inf, np.float32)
        np.maximum.at(best, self._owners, found)
        leading = np.argsort(-best, kind="stable")[: count + 1]
        ranked = [self._ranked(probe, int(person)) for person in leading]
        return sorted(ranked, key=lambda each: (-each.similarity, each.closest.record.identity))[:count]

    def _ranked(self, probe: Embedding, person: int) -> Ranked:
        entries = [self._gallery.enrolled[row] for row in self._rows[person]]
        pairs = [(entry, probe.similarity(entry.embedding)) for entry in entries]
        return Ranked(tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0].record.file))))


def gallery_conditions(record: GalleryRecord) -> dict[str, float]:
    """Return what an enrolled picture brings to a comparison: see `facerecon.faces.quality.conditions`."""
    if record.detection is None or record.quality is None:
        raise AssertionError("an enrolled picture has a face and its quality")
    return conditions([(record.detection, record.quality)], [1.0])


def _score(record: GalleryRecord) -> float:
    return record.quality.score if record.quality else 0.0
