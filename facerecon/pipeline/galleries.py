"""Changes to a persistent gallery that need a model: enrolment into it, and new vectors for all of it.

Owns the account of an enrolment: requested = enrolled + refused + duplicates. Says who looks alike, decides nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from facerecon.ledger import LedgerEntry
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
PART = 32 * BATCH
"""So many entries are on the disk together, or a sixteenth of a larger gallery, whose files are written as a whole.

A multiple of the batch: an enrolment that goes on where another was cut off puts the same faces into one batch.
"""
_SHARE = 16
_NO_VECTORS = np.zeros((0, 0), np.float32)
_MORE = "more_follows"
"""The detail of a ledger line that was not the last of its enrolment."""


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
    None, and `alike` knows of equal files only, where the model has no operating point. `went_on` counts the entries
    that an enrolment before this one made which was cut off; `alike` looks at them as at this one's.
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
    went_on: int = 0


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

    What is enrolled goes to the disk in parts. When it is cut off, a call with the same pictures goes on: entries,
    vectors and crops are in the end those of an enrolment that was not.

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
        vectors = np.stack(rows) if rows else _NO_VECTORS
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
            store.replace_vectors(record, _NO_VECTORS)
        yield store


class _Enrolling:
    def __init__(self, store: Store, statement: Statement, tools: Tools) -> None:
        self.store, self.statement, self.tools = store, statement, tools
        seen = {digest: [(each.detection, each.id) for each in held] for digest, held in store.known.items()}
        self.examiner = Examiner(tools.detector, tools.profile, statement.choice, seen)
        self.when_utc = utc_text(tools.now())
        self.left_out: list[RefusedPicture] = []
        self.told = 0
        self.limit = _alike_from(tools)
        self.found: dict[frozenset[str], Alike] = {}

    def enroll(self, pictures: Sequence[GalleryFile], suspects: Sequence[bytes]) -> Enrolment:
        known, went_on = len(self.store.entries), _cut_off(self.store)
        self._remember(self._alike(self.store.entries, self.store.vectors, known - went_on))
        additions: list[Addition] = []
        for each, vector in embedded(self._accepted(pictures), self.tools.recognizer):
            additions.append(Addition(self._entry(each), vector.vector))
            if len(additions) % BATCH == 0 and len(additions) >= max(PART, len(self.store.entries) // _SHARE):
                self._commit(additions, suspects, {_MORE: True})
                additions, suspects = [], ()
        duplicates = tuple(each for each in self.left_out if each.duplicate_of)
        refused = tuple(each for each in self.left_out if not each.duplicate_of)
        if not additions and not duplicates and not self.store.entries:
            raise self._nothing(refused)
        line = self._commit(additions, suspects, {})
        enrolled = self.store.entries[known:]
        if not enrolled and not duplicates:
            raise self._nothing(refused)
        return Enrolment(
            requested=len(pictures),
            enrolled=enrolled,
            refused=refused,
            duplicates=duplicates,
            originals=self._originals(duplicates),
            alike=_in_order(self.found.values()),
            limit=self.limit,
            digest=self.store.digest,
            ledger_head=line.hash,
            went_on=went_on,
        )

    def _commit(
        self, additions: Sequence[Addition], suspects: Sequence[bytes], more: Mapping[str, bool]
    ) -> LedgerEntry:
        """Write what was decided since the last commit, and return its line in the ledger."""
        left_out, self.told = self.left_out[self.told :], len(self.left_out)
        entries = (*self.store.entries, *(each.entry for each in additions))
        rows = [self.store.vectors] if len(self.store.entries) else []
        vectors = np.concatenate([*rows, *(each.vector[np.newaxis] for each in additions)]) if entries else _NO_VECTORS
        found = [
            *self._alike(entries, vectors, len(self.store.entries)),
            *_same_files([each for each in left_out if each.duplicate_of], entries),
        ]
        alike = self._remember(found)
        return self.store.add(additions, left_out, suspects, {**self._details(additions, left_out, alike), **more})

    def _remember(self, found: Iterable[Alike]) -> tuple[Alike, ...]:
        """Keep the most alike of each two names, and return those of `found`; of equals a file under both names."""
        news = _closest({}, found)
        self.found = _closest(self.found, news.values())
        return _in_order(news.values())

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

    def _details(
        self, additions: Sequence[Addition], left_out: Sequence[RefusedPicture], alike: Sequence[Alike]
    ) -> dict[str, object]:
        duplicates = sum(each.duplicate_of is not None for each in left_out)
        return {
            "requested": len(additions) + len(left_out),
            "refused": len(left_out) - duplicates,
            "duplicates": duplicates,
            "operator": self.statement.operator,
            "profile_sha256": self.tools.profile.digest,
            # Names could not be taken out of a hash chain again.
            "alike": [{"sha256": a.sha256, "entry": a.other_entry, "similarity": a.similarity} for a in alike],
        }

    def _alike(self, entries: Sequence[GalleryEntry], vectors: npt.NDArray[np.float32], first: int) -> Iterator[Alike]:
        """Yield who of the entries from `first` on resembles one before it that stands under another name."""
        if self.limit is None or first >= len(entries):
            return
        names = np.array([entry.identity for entry in entries], dtype=object)
        for row in range(first, len(entries)):
            probe = Embedding(self.store.recognizer.id, vectors[row], self.store.recognizer.metric)
            scores = np.round(similarities(probe, vectors[:row], probe.metric).astype(np.float64), 4)
            for other in np.flatnonzero((scores >= self.limit) & (names[:row] != names[row])):
                yield _pair(entries[row], entries[int(other)], float(scores[other]))


def _cut_off(store: Store) -> int:
    """Return how many entries an enrolment made that was cut off, where nothing was done to the gallery since."""
    entries = 0
    for line in reversed(store.ledger.entries):
        if not line.details.get(_MORE):
            break
        entries += len(list(line.details["sha256"]))
    return min(entries, len(store.entries))


def _same_files(duplicates: Sequence[RefusedPicture], entries: Sequence[GalleryEntry]) -> Iterator[Alike]:
    held = {entry.id: entry for entry in entries} if duplicates else {}
    for each in duplicates:
        other = held[each.duplicate_of or ""]
        if each.identity != other.identity:
            yield _pair(each, other, 1.0)


def _closest(held: Mapping[frozenset[str], Alike], found: Iterable[Alike]) -> dict[frozenset[str], Alike]:
    closest = dict(held)
    for each in found:
        pair = frozenset((each.identity, each.other_identity))
        before = closest.get(pair)
        same_file = each.sha256 == each.other_sha256
        if before is None or (each.similarity, same_file) > (before.similarity, False):
            closest[pair] = each
    return closest


def _in_order(found: Iterable[Alike]) -> tuple[Alike, ...]:
    return tuple(sorted(found, key=lambda each: (-each.similarity, each.identity, each.other_identity)))


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
