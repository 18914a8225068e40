"""The pictures a run learns from: which files, whose faces, where the five points are, and who is kept for validation.

Persons are split, not pictures, and by a digest of their name: the split does not depend on which other persons are
there. Reads every picture once, and keeps what it found beside the run. Never changes a picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from facerecon.durable import write_whole
from facerecon.errors import EvidenceError, ResourceError, UsageError
from facerecon.evaluation.samples import most_central
from facerecon.evaluation.subjects import read_clips
from facerecon.hashing import sha256_bytes
from facerecon.pictures import decode_picture
from facerecon.records import RGB, Landmarks5, Record
from facerecon.stages import Detector, Listener
from facerecon.training.configuration import Data

STAGE = "corpus"
INDEX, LEFT_OUT = "faces.jsonl", "left_out.jsonl"


class Face(Record):
    """One picture of the corpus. `landmarks` None: `reason` says why it cannot be learned from."""

    path: str
    identity: str
    sha256: str
    landmarks: Landmarks5 | None = None
    inter_eye_px: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Corpus:
    """The faces, in a fixed order; `drawn` lists the rows to train on, repeated as the configuration says."""

    faces: tuple[Face, ...]
    drawn: tuple[int, ...]
    validation: tuple[int, ...]
    left_out: tuple[Face, ...]

    @cached_property
    def training(self) -> tuple[int, ...]:
        """The rows to train on, each once."""
        return tuple(sorted(set(self.drawn)))

    def people(self, rows: Iterable[int]) -> int:
        """Return how many persons are in some rows."""
        return len({self.faces[row].identity for row in rows})

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the pictures' digests, persons and landmarks, in order, and over who is drawn how often."""
        faces = [face.model_dump_json(exclude={"path"}) for face in self.faces]
        return sha256_bytes("\n".join([*faces, repr((self.drawn, self.validation))]).encode())


def part_of(identity: str, validation_percent: float) -> Literal["training", "validation"]:
    """Say which side a person is on: the same in every run and for every set of other persons."""
    place = int(sha256_bytes(identity.encode())[:8], 16) / 2**32
    return "validation" if place * 100 < validation_percent else "training"


def read_corpus(data: Data, index: Path, detector: Detector, listener: Listener) -> Corpus:
    """Find the faces of all folders, or read what `index` remembers of them.

    Args:
        data: which folders, and who is kept for validation.
        index: file that the faces are written to, and read from again when the files are the same; beside it,
            left_out.jsonl tells which of them are not learned from, and why.
        detector: finds the face; of several, the one nearest the picture's centre.
        listener: hears of progress.

    Raises:
        UsageError: a folder is missing or empty, or nobody is left for training or for validation.
        ResourceError: the index cannot be written.
    """
    wanted = [
        (path, clip.identity) for folder in data.folders for clip in read_clips(Path(folder)) for path in clip.files
    ]
    known = {face.path: face for face in _remembered(index)}
    faces = list[Face]()
    listener.started(STAGE, len(wanted))
    try:
        for path, identity in wanted:
            face = known.get(str(path))
            kept = face is not None and face.sha256 and face.identity == identity
            faces.append(face if face and kept else _found(path, identity, detector))
            listener.advanced(STAGE)
    finally:
        _write(index, faces)
    listener.finished(STAGE)
    corpus = _split(data, faces)
    _write(index.with_name(LEFT_OUT), corpus.left_out)
    return corpus


def _write(index: Path, faces: Sequence[Face]) -> None:
    try:
        write_whole(index, "".join(face.model_dump_json() + "\n" for face in faces).encode(), 0o644)
    except OSError as error:
        raise ResourceError(f"{index} cannot be written: {error.strerror}; choose another --output") from error


def _remembered(index: Path) -> list[Face]:
    try:
        return [Face.model_validate_json(line) for line in index.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError, ValidationError):
        return []


def _found(path: Path, identity: str, detector: Detector) -> Face:
    try:
        data = path.read_bytes()
        pixels = decode_picture(data, path.name)
    except (OSError, EvidenceError) as error:
        return Face(path=str(path), identity=identity, sha256="", reason=" ".join(str(error).split()))
    digest = sha256_bytes(data)
    detections = [face for face in detector.detect([pixels])[0] if face.alignable]
    if not detections:
        return Face(path=str(path), identity=identity, sha256=digest, reason="no face found")
    nearest = most_central(detections, pixels)
    return Face(
        path=str(path),
        identity=identity,
        sha256=digest,
        landmarks=nearest.landmarks,
        inter_eye_px=round(nearest.frontal_inter_eye_px, 3),
    )


def _split(data: Data, found: Sequence[Face]) -> Corpus:
    kept = {face.sha256 for face in found if _is_held_back(face, data)}
    reasons = [_unfit(face, data, kept) for face in found]
    left_out = [
        face.model_copy(update={"reason": reason}) for face, reason in zip(found, reasons, strict=True) if reason
    ]
    faces = tuple(face for face, reason in zip(found, reasons, strict=True) if not reason)
    repeat = dict(zip(data.folders, data.repeat or (1,) * len(data.folders), strict=True))
    drawn, validation = list[int](), list[int]()
    for row, face in enumerate(faces):
        if _is_held_back(face, data):
            validation.append(row)
        else:
            folder = next(name for name in data.folders if Path(face.path).is_relative_to(name))
            drawn += [row] * repeat[folder]
    if not drawn or not validation:
        raise UsageError(
            f"data: {len(faces)} usable faces of {len(found)} pictures leave nobody "
            f"{'to train on' if not drawn else 'for validation'}; add pictures, or change data.validation_percent"
        )
    return Corpus(faces, tuple(drawn), tuple(validation), tuple(left_out))


def _unfit(face: Face, data: Data, kept: Collection[str]) -> str:
    """Return why a face cannot be learned from, or nothing; `kept`: digests of what is kept for validation."""
    if face.landmarks is None:
        return face.reason
    if face.inter_eye_px < data.min_inter_eye_px:
        return f"the eyes are {face.inter_eye_px:.0f} px apart, less than {data.min_inter_eye_px:g}"
    if face.sha256 in kept and not _is_held_back(face, data):
        return "the same file is kept for validation under another name"
    return ""


def _is_held_back(face: Face, data: Data) -> bool:
    return part_of(face.identity, data.validation_percent) == "validation"


def read_picture(face: Face) -> RGB:
    """Return a face's picture, from the bytes that were indexed.

    Raises:
        ResourceError: the file has changed, or is gone.
    """
    path = Path(face.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ResourceError(f"{path} cannot be read: {error.strerror}") from error
    if sha256_bytes(data) != face.sha256:
        raise ResourceError(f"{path} has changed since it was indexed; remove the run folder's {INDEX} and begin anew")
    return decode_picture(data, path.name)
