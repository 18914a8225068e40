"""Enrolment: pictures of known persons become gallery entries. Owns detection, the quality gate and embedding of them.

What is embedded is the crop that is kept, so that the same vectors come out when a gallery is embedded again. Nothing
is enrolled from a restored picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerecon.characters import is_text
from facerecon.errors import UsageError
from facerecon.faces.boxes import iou
from facerecon.faces.quality import assess
from facerecon.faces.shots import crop_bounds
from facerecon.gallery import (
    Choice,
    Decode,
    Enrolled,
    GalleryFile,
    KeptCrop,
    Store,
    choose,
    entry_id,
    is_store,
    list_pictures,
    read_pixels,
    read_store,
    refusal,
    require_gallery,
)
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.pictures import decode_picture
from facerecon.pipeline.detection import detect_faces
from facerecon.pipeline.readers import reader_of
from facerecon.profiles import Profile
from facerecon.records import Detection, Embedding, FaceQuality, FaceView, GalleryRecord, RecognizerRecord
from facerecon.stages import Detector, Listener, Recognizer

BATCH = 32
KEPT_MARGIN = 0.5
"""What is kept round a face's box, in box sizes: all that any recognizer's alignment reaches for."""
_SAME_FACE_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Gallery:
    """A gallery ready to be compared with: every picture's record, and those with a vector.

    `inputs` is what a case's ledger says of it: names and digests of all that it was read from.
    """

    folder: str
    records: tuple[GalleryRecord, ...]
    enrolled: tuple[Enrolled, ...]
    inputs: Mapping[str, str]

    @cached_property
    def matrix(self) -> npt.NDArray[np.float32]:
        """The vectors, float32 (enrolled, dimensions), in the order of `enrolled`; read-only."""
        stack = np.stack([each.embedding.vector for each in self.enrolled])
        stack.setflags(write=False)
        return stack

    @property
    def digest(self) -> str:
        """One SHA-256 over `inputs`."""
        return sha256_bytes(canonical_json(dict(self.inputs)))


@dataclass(frozen=True, eq=False)
class Examined:
    """A gallery picture after the quality gate: the kept crop of its face, or the reason for none.

    `duplicate_of` is the id of the entry, or before it the picture, that holds the same face of the same file.
    """

    picture: GalleryFile
    sha256: str
    detection: Detection | None
    quality: FaceQuality | None
    reason: str
    chosen: str = ""
    crop: KeptCrop | None = None
    duplicate_of: str | None = None

    @property
    def id(self) -> str:
        """The id of the entry that it becomes."""
        return entry_id(self.sha256, self.face)

    @property
    def face(self) -> Detection:
        """The face that is meant; an accepted picture has one."""
        if self.detection is None:
            raise AssertionError("an accepted picture has a face")
        return self.detection

    @property
    def view(self) -> FaceView:
        """The kept crop with the landmarks in its pixels."""
        if self.crop is None:
            raise AssertionError("an accepted picture has a crop")
        return FaceView(self.crop.pixels, self.crop.local(self.face).landmarks)


@dataclass
class Examiner:
    """Looks at pictures one after the other: which face, is it good enough, was it seen before.

    `seen` holds, for the digest of a file, the faces taken from it and the ids of their entries.
    """

    detector: Detector
    profile: Profile
    choice: Choice = field(default_factory=Choice)
    seen: dict[str, list[tuple[Detection, str]]] = field(default_factory=dict)

    def examine(self, picture: GalleryFile) -> Examined:
        """Read one picture and put it through the quality gate; nothing is raised for a bad one."""
        sha256, pixels, problem = read_pixels(picture, self._decode)
        if pixels is None:
            return Examined(picture, sha256, None, None, problem)
        earlier = self.seen.get(sha256, [])
        if earlier and self.choice == Choice():
            return self._duplicate(picture, sha256, *earlier[0])
        # The profile's help for the detector is for footage; these are portraits.
        settings = self.profile.detect.model_copy(update={"upscale": 1, "brighten_gamma": 1.0})
        faces = [face for face in detect_faces(self.detector, [pixels], settings)[0] if face.alignable]
        face, note = choose(faces, self.profile.recognize, self.choice)
        if face is None:
            return Examined(picture, sha256, faces[0] if faces else None, None, note)
        for other, entry in earlier:
            if iou(face.box, other.box) > _SAME_FACE_IOU:
                return self._duplicate(picture, sha256, other, entry)
        quality = assess(pixels, face)
        if reason := refusal(face, quality, self.profile.recognize):
            return Examined(picture, sha256, face, quality, reason)
        x0, y0, x1, y1 = crop_bounds(face, self._margin, pixels.shape[1], pixels.shape[0])
        crop = KeptCrop(pixels[y0:y1, x0:x1].copy(), (x0, y0))
        accepted = Examined(picture, sha256, face, quality, "", note, crop)
        self.seen.setdefault(sha256, []).append((face, accepted.id))
        return accepted

    @cached_property
    def _decode(self) -> Decode:
        return reader_of(self.profile).picture

    @property
    def _margin(self) -> float:
        return max(KEPT_MARGIN, self.profile.shots.margin)

    @staticmethod
    def _duplicate(picture: GalleryFile, sha256: str, face: Detection, entry: str) -> Examined:
        return Examined(picture, sha256, face, None, f"duplicate of entry {entry}", duplicate_of=entry)


def embedded(accepted: Iterable[Examined], recognizer: Recognizer) -> Iterator[tuple[Examined, Embedding]]:
    """Yield every accepted picture with its vector, `BATCH` faces per call of the recognizer."""
    waiting = iter(accepted)
    while batch := list(islice(waiting, BATCH)):
        yield from zip(batch, recognizer.embed([each.view for each in batch]), strict=True)


def recognizer_record(recognizer: Recognizer) -> RecognizerRecord:
    """Return what a gallery must know of the model that made its vectors."""
    stamp = recognizer.stamp
    return RecognizerRecord(
        id=stamp.id, weights_sha256=stamp.weights_sha256, metric=recognizer.metric, treatment=recognizer.treatment
    )


# --- galleries to compare with ----------------------------------------------------------------------------------------


def open_gallery(
    folder: Path, detector: Detector, recognizer: Recognizer, profile: Profile, listener: Listener
) -> Gallery:
    """Read a persistent gallery, or read a plain folder of pictures and enrol it in memory.

    Raises:
        UsageError: there is nothing to compare with, the gallery's vectors are another recognizer's, or its path is
            no text.
        IntegrityError: the persistent gallery is damaged.
    """
    require_folder(folder)
    if is_store(folder):
        return stored_gallery(read_store(folder), recognizer, reader_of(profile).picture)
    return enroll(folder, detector, recognizer, profile, listener)


def require_folder(folder: Path) -> None:
    """Make sure that there is a gallery folder, and that a case can state which it was.

    Raises:
        UsageError: it is no folder, or its path holds bytes that are not UTF-8.
    """
    require_gallery(folder)
    if not is_text(str(folder)):
        raise UsageError(
            f"the path of gallery {folder} holds bytes that are not UTF-8, so no record can state it; rename it, or "
            "link to it under another name (ln -s)"
        )


def stored_gallery(store: Store, recognizer: Recognizer, decode: Decode = decode_picture) -> Gallery:
    """Return a persistent gallery, ready to be compared with; no crop is read, and decoded, before it is wanted.

    Raises:
        UsageError: it holds nobody, or its vectors are another recognizer's.
    """
    store.require(recognizer_record(recognizer))
    if not store.entries:
        raise UsageError(f"gallery {store.folder} holds nobody; add pictures with 'facerecon gallery enroll'")
    # Two pictures may have been files of one name; a candidate must name the one that is meant.
    names = Counter(entry.file for entry in store.entries)
    enrolled = tuple(
        Enrolled(
            GalleryRecord(
                identity=entry.identity,
                person_id=entry.person_id,
                status=entry.status,
                file=entry.file if names[entry.file] == 1 else f"{entry.file} ({entry.id})",
                sha256=entry.sha256,
                enrolled=True,
                reason="",
                detection=entry.detection,
                quality=entry.quality,
                crop_path=f"gallery/{entry.id}.png",
                source=entry.source,
                legal_basis=entry.legal_basis,
                enrolled_utc=entry.enrolled_utc,
            ),
            Embedding(store.recognizer.id, vector, store.recognizer.metric),
            partial(store.crop, entry, decode),
        )
        for entry, vector in zip(store.entries, store.vectors, strict=True)
    )
    return Gallery(
        str(store.folder), tuple(each.record for each in enrolled), enrolled, {"gallery: gallery.json": store.digest}
    )


def enroll(folder: Path, detector: Detector, recognizer: Recognizer, profile: Profile, listener: Listener) -> Gallery:
    """Read a plain gallery and enrol in memory what passes the quality gate.

    Raises:
        UsageError: the folder holds no picture, or none can be enrolled (the first reason is given).
    """
    pictures = list_pictures(folder)
    examiner = Examiner(detector, profile)
    examined: list[Examined] = []
    listener.started("enroll", len(pictures))
    for picture in pictures:
        examined.append(examiner.examine(picture))
        listener.advanced("enroll")
    listener.finished("enroll")
    files = {each.id: each.picture.file for each in examined if not each.reason}
    if not files:
        raise UsageError(nothing_enrolled(folder, [(each.picture.file, each.reason) for each in examined]))
    records = {id(each): _record(each, files) for each in examined}
    enrolled = tuple(
        Enrolled(records[id(each)], vector, partial(_held, each))
        for each, vector in embedded((each for each in examined if not each.reason), recognizer)
    )
    inputs = {f"gallery: {each.picture.file}": each.sha256 for each in examined}
    return Gallery(str(folder), tuple(records.values()), enrolled, inputs)


def nothing_enrolled(folder: Path, refused: Sequence[tuple[str, str]]) -> str:
    """Return the one line that says that no picture of (file, reason) pairs could be enrolled."""
    file, reason = refused[0]
    return f"gallery {folder}: none of {len(refused)} pictures can be enrolled; {file}: {reason}"


def _record(each: Examined, files: Mapping[str, str]) -> GalleryRecord:
    person = each.picture.person
    return GalleryRecord(
        identity=person.identity,
        person_id=person.person_id,
        status=person.status,
        file=each.picture.file,
        sha256=each.sha256,
        enrolled=not each.reason,
        reason=f"duplicate of {files[each.duplicate_of]}" if each.duplicate_of else each.reason,
        detection=each.detection,
        quality=each.quality,
        crop_path=None if each.reason else f"gallery/{each.sha256[:16]}.png",
    )


def _held(each: Examined) -> KeptCrop:
    if each.crop is None:
        raise AssertionError("an accepted picture has a crop")
    return each.crop
