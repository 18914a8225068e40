"""Changes to a persistent gallery that need a model: enrolment into it, and new vectors for all of it.

Owns the account of an enrolment: requested = enrolled + refused + duplicates. Says who looks alike, decides nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.gallery import (
    Addition,
    Choice,
    Decode,
    GalleryFile,
    Store,
    create_store,
    edit_store,
    is_store,
    list_pictures,
)
from facerecon.gallery.reading import given_suspects
from facerecon.gallery.retention import utc_text
from facerecon.pictures import encode_png
from facerecon.pipeline.enrolment import (
    BATCH,
    Examined,
    Examiner,
    embedded,
    nothing_enrolled,
    recognizer_record,
)
from facerecon.pipeline.readers import reader_of
from facerecon.profiles import Profile
from facerecon.records import NOT_STATED, Embedding, FaceView, GalleryEntry, RefusedPicture, similarities
from facerecon.stages import Detector, Listener, Recognizer, known_operating_point

ALIKE_MARGIN = 0.15
"""How far above the comparison's threshold two persons' pictures must resemble each other to be warned of.

Measured with dlib on 1,550 LFW pictures of 499 persons: of 124,251 pairs of different persons 163 are warned of at a
margin of 0.10, 35 at 0.15, 1 at 0.20; of pictures whose person is enrolled already 95, 84 and 64 % are found.
"""


@dataclass(frozen=True)
class Statement:
    """What the user says of the pictures: where they are from, on what ground they may be kept, who enrols them."""

    source: str = NOT_STATED
    legal_basis: str = NOT_STATED
    operator: str = NOT_STATED
    name: str | None = None
    choice: Choice = field(default_factory=Choice)


@dataclass(frozen=True)
class Alike:
    """Two entries, or an entry and a skipped duplicate of its file, that stand under two names."""

    identity: str
    file: str
    sha256: str
    other_identity: str
    other_file: str
    other_entry: str
    other_sha256: str
    similarity: float


@dataclass(frozen=True)
class Enrolment:
    """What became of every requested picture.

    `originals` names the file of each entry that a duplicate repeats. `limit` is the similarity that `alike` starts at;
    None, and `alike` knows of equal files only, where the model has no operating point.
    """

    requested: int
    enrolled: tuple[GalleryEntry, ...]
    refused: tuple[RefusedPicture, ...]
    duplicates: tuple[RefusedPicture, ...]
    originals: Mapping[str, str]
    alike: tuple[Alike, ...]
    limit: float | None
    digest: str
    ledger_head: str


@dataclass(frozen=True)
class Tools:
    """The models, the profile's limits, who hears of progress, and the clock."""

    detector: Detector
    recognizer: Recognizer
    profile: Profile
    listener: Listener
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def enroll_into(folder: Path, sources: Sequence[Path], statement: Statement, tools: Tools) -> Enrolment:
    """Enrol pictures into a persistent gallery, which is made when it is not there.

    Args:
        folder: the gallery.
        sources: folders of pictures (NAME/*.jpg, NAME.jpg) or picture files.
        statement: what is recorded of them, and which face is meant where there are several.
        tools: the models.

    Raises:
        UsageError: nothing can be enrolled (the first reason is given), the sources hold no picture, or the gallery is
            another recognizer's.
        IntegrityError: the gallery is damaged.
        ResourceError: it cannot be written.
    """
    _require_apart(folder, sources)
    pictures = [picture for source in sources for picture in list_pictures(source, statement.name)]
    if statement.choice.face is not None and len(pictures) > 1:
        raise UsageError(f"--face {statement.choice.face} is about one picture, and {len(pictures)} were given")
    suspects = given_suspects(sources)
    with _held(folder, tools) as store:
        return _Enrolling(store, statement, tools).enroll(pictures, suspects)


def refresh(folder: Path, tools: Tools) -> Store:
    """Embed all kept crops of a gallery again with another recognizer, and return the gallery as it is then.

    Raises:
        IntegrityError: the gallery or a crop is damaged.
    """
    with edit_store(folder, tools.now) as store:
        total = len(store.entries)
        tools.listener.started("enroll", total)
        rows: list[npt.NDArray[np.float32]] = []
        decode = reader_of(tools.profile).picture
        for start in range(0, total, BATCH):
            views = [_view(store, entry, decode) for entry in store.entries[start : start + BATCH]]
            rows.extend(each.vector for each in tools.recognizer.embed(views))
            tools.listener.advanced("enroll", len(views))
        tools.listener.finished("enroll")
        vectors = np.stack(rows) if rows else np.zeros((0, 0), np.float32)
        store.replace_vectors(recognizer_record(tools.recognizer), vectors)
    return store


@contextlib.contextmanager
def _held(folder: Path, tools: Tools) -> Iterator[Store]:
    record = recognizer_record(tools.recognizer)
    opened = edit_store(folder, tools.now) if is_store(folder) else create_store(folder, record, tools.now)
    with opened as store:
        if store.entries:
            store.require(record)
        elif store.recognizer != record:
            store.replace_vectors(record, np.zeros((0, 0), np.float32))
        yield store


class _Enrolling:
    def __init__(self, store: Store, statement: Statement, tools: Tools) -> None:
        self.store, self.statement, self.tools = store, statement, tools
        seen = {digest: [(each.detection, each.id) for each in held] for digest, held in store.known.items()}
        self.examiner = Examiner(tools.detector, tools.profile, statement.choice, seen)
        self.when_utc = utc_text(tools.now())
        self.left_out: list[RefusedPicture] = []
        self.limit = _alike_from(tools)

    def enroll(self, pictures: Sequence[GalleryFile], suspects: Sequence[bytes]) -> Enrolment:
        additions = [
            Addition(self._entry(each), vector.vector)
            for each, vector in embedded(self._accepted(pictures), self.tools.recognizer)
        ]
        duplicates = tuple(each for each in self.left_out if each.duplicate_of)
        refused = tuple(each for each in self.left_out if not each.duplicate_of)
        if not additions and not duplicates and not self.store.entries:
            raise self._nothing(refused)
        alike = self._alike(additions, self._same_files(duplicates, additions))
        line = self.store.add(additions, self.left_out, suspects, self._details(len(pictures), alike, len(refused)))
        if not additions and not duplicates:
            raise self._nothing(refused)
        enrolled = self.store.entries[len(self.store.entries) - len(additions) :]
        return Enrolment(
            requested=len(pictures),
            enrolled=enrolled,
            refused=refused,
            duplicates=duplicates,
            originals=self._originals(duplicates),
            alike=alike,
            limit=self.limit,
            digest=self.store.digest,
            ledger_head=line.hash,
        )

    def _originals(self, duplicates: Sequence[RefusedPicture]) -> dict[str, str]:
        repeated = {each.duplicate_of for each in duplicates}
        return {entry.id: entry.file for entry in self.store.entries if entry.id in repeated}

    def _nothing(self, refused: Sequence[RefusedPicture]) -> UsageError:
        return UsageError(nothing_enrolled(self.store.folder, [(each.file, each.reason) for each in refused]))

    def _accepted(self, pictures: Sequence[GalleryFile]) -> Iterator[Examined]:
        listener = self.tools.listener
        listener.started("enroll", len(pictures))
        for picture in pictures:
            each = self.examiner.examine(picture)
            listener.advanced("enroll")
            if each.reason:
                self.left_out.append(self._refused(each))
            else:
                yield each
        listener.finished("enroll")

    def _refused(self, each: Examined) -> RefusedPicture:
        return RefusedPicture(
            identity=each.picture.person.identity,
            file=each.picture.file,
            sha256=each.sha256,
            reason=each.reason,
            duplicate_of=each.duplicate_of,
            refused_utc=self.when_utc,
        )

    def _entry(self, each: Examined) -> GalleryEntry:
        if each.crop is None or each.quality is None:
            raise AssertionError("an accepted picture has a crop and a quality")
        (x, y), (height, width) = each.crop.origin, each.crop.pixels.shape[:2]
        text = {
            "Title": "GALLERY picture, original pixels",
            "File SHA-256": each.sha256,
            "Crop": f"x {x}, y {y}, {width}x{height} px",
        }
        path, png = f"pictures/{each.id}.png", encode_png(each.crop.pixels, text)
        return GalleryEntry(
            id=each.id,
            identity=each.picture.person.identity,
            person_id=each.picture.person.person_id,
            status=each.picture.person.status,
            file=each.picture.file,
            sha256=each.sha256,
            source=self.statement.source,
            legal_basis=self.statement.legal_basis,
            operator=self.statement.operator,
            enrolled_utc=self.when_utc,
            chosen=each.chosen,
            detection=each.face,
            quality=each.quality,
            crop_path=path,
            crop_sha256=self.store.keep_picture(path, png),
            crop_origin=each.crop.origin,
        )

    def _details(self, requested: int, alike: Sequence[Alike], refused: int) -> dict[str, object]:
        return {
            "requested": requested,
            "refused": refused,
            "duplicates": len(self.left_out) - refused,
            "operator": self.statement.operator,
            "profile_sha256": self.tools.profile.digest,
            # Names could not be taken out of a hash chain again.
            "alike": [{"sha256": a.sha256, "entry": a.other_entry, "similarity": a.similarity} for a in alike],
        }

    def _same_files(
        self, duplicates: Sequence[RefusedPicture], additions: Sequence[Addition]
    ) -> dict[frozenset[str], Alike]:
        held = {entry.id: entry for entry in (*self.store.entries, *(each.entry for each in additions))}
        pairs = [(each, held[each.duplicate_of]) for each in duplicates if each.duplicate_of]
        return {
            frozenset((each.identity, other.identity)): _pair(each, other, 1.0)
            for each, other in pairs
            if each.identity != other.identity
        }

    def _alike(self, additions: Sequence[Addition], found: dict[frozenset[str], Alike]) -> tuple[Alike, ...]:
        if not additions or self.limit is None:
            return tuple(found.values())
        entries = (*self.store.entries, *(each.entry for each in additions))
        names = np.array([entry.identity for entry in entries], dtype=object)
        new = np.stack([each.vector for each in additions])
        vectors = np.concatenate([self.store.vectors, new]) if len(self.store.entries) else new
        for row in range(len(self.store.entries), len(entries)):
            probe = Embedding(self.store.recognizer.id, vectors[row], self.store.recognizer.metric)
            scores = np.round(similarities(probe, vectors[:row], probe.metric).astype(np.float64), 4)
            for other in np.flatnonzero((scores >= self.limit) & (names[:row] != names[row])):
                pair = frozenset((names[row], names[other]))
                if pair not in found or scores[other] > found[pair].similarity:
                    found[pair] = _pair(entries[row], entries[other], float(scores[other]))
        return tuple(sorted(found.values(), key=lambda each: (-each.similarity, each.identity, each.other_identity)))


def _alike_from(tools: Tools) -> float | None:
    known = known_operating_point(tools.recognizer, tools.profile.recognize.threshold)
    return None if known is None else min(known + ALIKE_MARGIN, 1.0)


def _pair(each: GalleryEntry | RefusedPicture, other: GalleryEntry, similarity: float) -> Alike:
    return Alike(each.identity, each.file, each.sha256, other.identity, other.file, other.id, other.sha256, similarity)


def _view(store: Store, entry: GalleryEntry, decode: Decode) -> FaceView:
    crop = store.crop(entry, decode)
    return FaceView(crop.pixels, crop.local(entry.detection).landmarks)


def _require_apart(folder: Path, sources: Sequence[Path]) -> None:
    place = folder.resolve()
    for source in sources:
        if place == source.resolve() or source.resolve() in place.parents or place in source.resolve().parents:
            raise UsageError(f"gallery {folder} and the pictures in {source} must lie apart; choose another --gallery")
