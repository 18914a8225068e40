"""What is measured: a pristine picture, the degraded one, and where the face is in both. Owns reading and pairing.

The face is looked for once, in the pristine picture, and its landmarks are carried through the known transform: so the
picture is measured, and not the detector. Never enhances. What cannot be a sample is reported with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from facerecon.degradation import Degradation, degrade
from facerecon.errors import EvidenceError, UsageError
from facerecon.evaluation.metrics import Region, face_region
from facerecon.pictures import decode_picture
from facerecon.records import RGB, Detection, FaceView, Skipped, shift_landmarks
from facerecon.stages import Detector

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
REFERENCE_MARK = ".ref"
MAX_ASPECT_DIFFERENCE = 0.03
STAGE = "evaluate"
Item = TypeVar("Item")


@dataclass(frozen=True)
class Pair:
    """Two files: the pristine picture, and the degraded one (None: it is to be made)."""

    name: str
    reference: Path
    degraded: Path | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture's test: pristine view, degraded view, and the pristine picture's region that is compared."""

    name: str
    reference: FaceView
    given: FaceView
    region: Region


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files of a folder and its sub-folders, sorted by path.

    Raises:
        UsageError: it is no folder, or holds no picture.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise UsageError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return found


def references(folder: Path) -> list[Pair]:
    """Return a folder's pictures as references that are to be degraded.

    Raises:
        UsageError: as for `pictures_in`.
    """
    return [Pair(_name(path, folder), path) for path in pictures_in(folder)]


def marked_pairs(folder: Path) -> tuple[list[Pair], list[Skipped]]:
    """Pair NAME.png (any picture suffix) with NAME.ref.png beside it.

    Raises:
        UsageError: the folder holds no pair at all.
    """
    files = pictures_in(folder)
    marked = {path.with_name(path.stem.removesuffix(REFERENCE_MARK)): path for path in files if _is_marked(path)}
    return _paired(folder, [path for path in files if not _is_marked(path)], marked, "NAME.png beside NAME.ref.png")


def matching_pairs(folder: Path, reference: Path) -> tuple[list[Pair], list[Skipped]]:
    """Pair the pictures of two folders by their path below the folder, suffix apart.

    Raises:
        UsageError: a folder is missing or empty, or they share no name.
    """
    known = {folder / path.relative_to(reference).with_suffix(""): path for path in pictures_in(reference)}
    return _paired(folder, pictures_in(folder), known, f"equal names in {folder} and {reference}")


def _paired(
    folder: Path, files: Sequence[Path], known: dict[Path, Path], rule: str
) -> tuple[list[Pair], list[Skipped]]:
    pairs = [
        Pair(_name(path, folder), known[path.with_suffix("")], path) for path in files if path.with_suffix("") in known
    ]
    if not pairs:
        raise UsageError(f"no pair found: needs {rule}")
    degraded, used = {pair.degraded for pair in pairs}, {pair.reference for pair in pairs}
    lone = [_name(path, folder) for path in files if path not in degraded]
    alone = [path.name for path in known.values() if path not in used]
    skipped = [_omitted(name, "no-reference", "") for name in lone]
    return pairs, skipped + [_omitted(name, "no-degraded-picture", "") for name in alone]


def spread(items: Sequence[Item], limit: int | None) -> list[Item]:
    """Return at most `limit` items, evenly spread over the list: one sorted by person gives many persons."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


def samples(pairs: Sequence[Pair], detector: Detector, degradation: Degradation) -> Iterator[Sample | Skipped]:
    """Read, find the face, degrade: one sample, or the reason for none, per pair, in order.

    Args:
        pairs: which files.
        detector: finds the face in the pristine picture.
        degradation: what is done to a pair that has no degraded picture.
    """
    for pair in pairs:
        reference = pristine(pair, detector)
        if isinstance(reference, Skipped):
            yield reference
        elif pair.degraded is None:
            yield degraded(pair.name, reference, degradation)
        else:
            yield _recorded(pair.name, reference, pair.degraded)


def pristine(pair: Pair, detector: Detector) -> FaceView | Skipped:
    """Read a pair's pristine picture and find its face; of several, the one nearest the picture's centre."""
    try:
        pixels = decode_picture(pair.reference.read_bytes(), pair.reference.name)
    except (EvidenceError, OSError) as error:
        return _unreadable(pair.name, error)
    faces = [face for face in detector.detect([pixels])[0] if face.alignable]
    if not faces:
        return _omitted(pair.name, "no-face-in-reference", "")
    return FaceView(pixels, most_central(faces, pixels).landmarks)


def most_central(faces: Sequence[Detection], pixels: RGB) -> Detection:
    """Return the face whose box is nearest the picture's centre."""
    return min(faces, key=lambda face: _off_centre(face, pixels))


def degraded(name: str, reference: FaceView, degradation: Degradation) -> Sample | Skipped:
    """Make a sample by degrading a pristine view; refused where the face is smaller than what is asked for."""
    try:
        made = degrade(reference.pixels, degradation, reference.landmarks)
        given = FaceView(made.pixels, made.carried(reference.landmarks))
        return Sample(name, reference, given, face_region(reference.pixels, reference.landmarks))
    except ValueError as error:
        return _omitted(name, "not-measurable", str(error))


def _recorded(name: str, reference: FaceView, path: Path) -> Sample | Skipped:
    """Make a sample of a picture that was degraded elsewhere."""
    try:
        return Sample(name, reference, _read(path, reference), face_region(reference.pixels, reference.landmarks))
    except (EvidenceError, OSError) as error:
        return _unreadable(name, error)
    except ValueError as error:
        return _omitted(name, "not-measurable", str(error))


def _read(path: Path, reference: FaceView) -> FaceView:
    """Read a degraded picture of the same framing, at any size; its landmarks are the reference's, scaled.

    Raises:
        ValueError: the sides' ratio differs, so the framing does.
    """
    pixels = decode_picture(path.read_bytes(), path.name)
    (h0, w0), (h1, w1) = reference.pixels.shape[:2], pixels.shape[:2]
    if abs(w1 * h0 / (h1 * w0) - 1) > MAX_ASPECT_DIFFERENCE:
        raise ValueError(f"{w1}x{h1} and its reference's {w0}x{h0} px are not the same framing")
    return FaceView(pixels, shift_landmarks(reference.landmarks, 0, 0, w1 / w0))


def _off_centre(face: Detection, pixels: RGB) -> float:
    x0, y0, x1, y1 = face.box
    height, width = pixels.shape[:2]
    return float(np.hypot((x0 + x1 - width + 1) / 2, (y0 + y1 - height + 1) / 2))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _is_marked(path: Path) -> bool:
    return path.stem.endswith(REFERENCE_MARK)


def _unreadable(name: str, error: Exception) -> Skipped:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _omitted(name, "unreadable", reason, failed=True)


def _omitted(name: str, reason: str, detail: str, *, failed: bool = False) -> Skipped:
    outcome = "failed" if failed else "skipped"
    return Skipped(stage=STAGE, kind="image", subject=name, reason=reason, detail=detail, outcome=outcome)
