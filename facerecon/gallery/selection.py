"""Which face of a gallery picture is meant, and whether it is good enough. Owns the quality gate; never sees pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facerecon.profiles import Recognize
from facerecon.records import Detection, FaceQuality


@dataclass(frozen=True)
class Choice:
    """What to do with a picture of several faces: refuse it, take the largest, or take number `face` from the left."""

    largest: bool = False
    face: int | None = None


def choose(faces: Sequence[Detection], settings: Recognize, choice: Choice) -> tuple[Detection | None, str]:
    """Return the face that is meant and how it was chosen, or None and why none can be.

    Args:
        faces: what was found in the picture, best first. Uncertain ones beside a better one do not count.
        settings: the profile's limits.
        choice: what the user said.
    """
    if not faces:
        return None, "no face was found in it"
    certain = [faces[0], *(face for face in faces[1:] if face.score >= settings.gallery_min_score)]
    certain.sort(key=lambda face: (face.box[0] + face.box[2], face.box))
    if choice.face is not None:
        if choice.face > len(certain):
            return None, f"face {choice.face} was asked for, and {_counted(certain)}"
        return certain[choice.face - 1], f"face {choice.face} of {len(certain)} from the left"
    if len(certain) == 1:
        return certain[0], "the only face"
    if choice.largest:
        return max(certain, key=lambda face: face.frontal_inter_eye_px), f"the largest of {len(certain)} faces"
    return None, (
        f"{_counted(certain)}; take one with --face N (from the left) or --largest of 'facerecon gallery enroll', or "
        "crop it"
    )


def _counted(faces: Sequence[Detection]) -> str:
    listed = ", ".join(f"{number} at {_place(face)}" for number, face in enumerate(faces, start=1))
    return f"{len(faces)} face{'s were' if len(faces) > 1 else ' was'} found in it: {listed}"


def _place(face: Detection) -> str:
    x0, y0, x1, y1 = (round(value) for value in face.box)
    return f"x {x0}, y {y0} ({x1 - x0 + 1}x{y1 - y0 + 1} px)"


def refusal(face: Detection, quality: FaceQuality, settings: Recognize) -> str:
    """Return why a face must not be enrolled, or "" when it may.

    Args:
        face: the face, in the picture's pixels.
        quality: its quality.
        settings: the profile's limits.
    """
    if quality.detector_score < settings.gallery_min_score:
        limit = settings.gallery_min_score
        return f"the face is uncertain: detector score {quality.detector_score:.2f} under {limit:g}"
    size = face.frontal_inter_eye_px
    if size < settings.gallery_min_inter_eye_px:
        return (
            f"the face is too small: {size:.0f} px between the eyes (as seen from the front), "
            f"{settings.gallery_min_inter_eye_px:g} needed"
        )
    if quality.score < settings.gallery_min_quality:
        return f"quality {quality.score:.2f} is under {settings.gallery_min_quality:g}"
    return ""
