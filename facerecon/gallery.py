"""The gallery: pictures of known persons. Owns reading and enrolment with a quality gate; never writes to the gallery.

A gallery is a folder: one subfolder per person (NAME/*.jpg), or one file per person (NAME.jpg). An optional
`suspects.json` beside them, a list of {"name", "id", "status"}, adds what is known of each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerecon.errors import EvidenceError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.pictures import decode_picture
from facerecon.profiles import Recognize
from facerecon.records import RGB, Detection, Embedding, FaceQuality, FaceView, GalleryRecord

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_MAX_JSON_BYTES = 10_000_000


@dataclass(frozen=True)
class Person:
    """A person of the gallery, as its folder and suspects.json name them."""

    identity: str
    person_id: str | None
    status: str | None


@dataclass(frozen=True, eq=False)
class GalleryPicture:
    """A gallery file as read: its digest, and its pixels or why there are none."""

    person: Person
    file: str
    sha256: str
    pixels: RGB | None
    problem: str


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A gallery picture that passed the quality gate, with its face and vector."""

    record: GalleryRecord
    pixels: RGB
    embedding: Embedding


def read_gallery(folder: Path) -> list[GalleryPicture]:
    """Read all pictures of a gallery, in order of their names.

    Raises:
        UsageError: no such folder, no picture in it, or suspects.json is not what it must be.
    """
    if not folder.is_dir():
        raise UsageError(f"gallery {folder} is not a folder; give one with NAME/*.jpg or NAME.jpg files")
    known = _suspects(folder / "suspects.json")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    if not files:
        raise UsageError(f"gallery {folder} holds no picture; put NAME/*.jpg or NAME.jpg files into it")
    return [_picture(path, folder, known) for path in files]


def _picture(path: Path, folder: Path, known: dict[str, Person]) -> GalleryPicture:
    relative = path.relative_to(folder)
    name = relative.parts[0] if len(relative.parts) > 1 else path.stem
    person = known.get(name, Person(name, None, None))
    try:
        data = path.read_bytes()
        digest = sha256_bytes(data)
        return GalleryPicture(person, relative.as_posix(), digest, decode_picture(data, relative.as_posix()), "")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        return GalleryPicture(person, relative.as_posix(), sha256_bytes(b""), None, problem)
    except EvidenceError as error:
        return GalleryPicture(person, relative.as_posix(), digest, None, str(error))


def _suspects(path: Path) -> dict[str, Person]:
    if not path.exists():
        return {}
    wrong = UsageError(f'{path}: must be a list of objects with "name" and optionally "id" and "status", all text')
    try:
        data: Any = json.loads(path.read_bytes()[: _MAX_JSON_BYTES + 1])
    except (OSError, ValueError, RecursionError):
        raise wrong from None
    people = data.get("suspects") if isinstance(data, dict) else data
    if not isinstance(people, list):
        raise wrong
    return {person.identity: person for person in (_person(entry, wrong) for entry in people)}


def _person(entry: Any, wrong: UsageError) -> Person:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise wrong
    number, status = entry.get("id"), entry.get("status")
    if not isinstance(number, (str, int, type(None))) or not isinstance(status, (str, type(None))):
        raise wrong
    return Person(entry["name"], None if number is None else str(number), status)


# --- enrolment --------------------------------------------------------------------------------------------------------


def refusal(detections: Sequence[Detection], quality: FaceQuality | None, settings: Recognize) -> str:
    """Return why a gallery picture must not be enrolled, or "" when it may.

    Args:
        detections: the faces found in it, best first.
        quality: the quality of the first one.
        settings: the profile's limits.
    """
    if not detections or quality is None:
        return "no face was found in it"
    second = [face for face in detections[1:] if face.score >= settings.gallery_min_score]
    if second:
        return f"{1 + len(second)} faces were found in it; crop it to the one that is meant"
    if quality.detector_score < settings.gallery_min_score:
        limit = settings.gallery_min_score
        return f"the face is uncertain: detector score {quality.detector_score:.2f} under {limit:g}"
    size = detections[0].frontal_inter_eye_px
    if size < settings.gallery_min_inter_eye_px:
        return (
            f"the face is too small: {size:.0f} px between the eyes (as seen from the front), "
            f"{settings.gallery_min_inter_eye_px:g} needed"
        )
    if quality.score < settings.gallery_min_quality:
        return f"quality {quality.score:.2f} is under {settings.gallery_min_quality:g}"
    return ""


def view_of(pixels: RGB, detection: Detection) -> FaceView:
    """Return a gallery picture with its face's landmarks."""
    return FaceView(pixels, detection.landmarks)
