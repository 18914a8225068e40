"""From pictures to what is compared: gallery templates from pristine pictures, probe templates from degraded ones.

A probe goes the way that footage goes: its pictures are degraded by the documented model, the face is looked for in the
degraded picture, its quality is measured there, and what is not found is a failure to acquire (ISO/IEC 19795-1). The
engines are handed in. Owns which vectors make a template; compares nothing.

    original      the frame of best quality
    mean          the mean of all frames' vectors
    fused         their mean, weighted by quality
    fused-image   the vector of the picture fused from all frames
    restored      the vector of the enhanced best frame

A sum such as original+restored is the plain mean of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from facerecon.degradation import Degradation, Degraded, degrade_track
from facerecon.errors import EvidenceError, RestorationError, UsageError
from facerecon.evaluation.locating import Detect, Found, chunks, locate, placed
from facerecon.evaluation.samples import STAGE
from facerecon.evaluation.subjects import Clip
from facerecon.faces.quality import conditions, template_weight
from facerecon.fusion import fuse
from facerecon.pictures import decode_picture
from facerecon.records import RGB, Detection, Embedding, FaceQuality, FaceView, Skipped, shift_landmarks, weighted_mean
from facerecon.stages import Recognizer

PARTS = ("original", "mean", "fused", "fused-image", "restored")
NO_FACE, NOT_ACQUIRED = "no-face", "not-acquired"
Enhancer = Callable[[FaceView], RGB | Skipped]
"""Makes a profile's picture of a face, at any size and the same framing, or says why not."""
Gate = Callable[[Detection, FaceQuality], str]
"""Says why a pristine face must not be enrolled as a gallery picture, or nothing."""
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Template:
    """A vector that is compared, whose it is, and what was measured of the face behind it.

    `measured` has the quantities that calibrations are bound to: see facerecon.faces.quality.conditions.
    """

    clip: Clip
    vector: Vectors
    measured: dict[str, float]


@dataclass(frozen=True)
class Making:
    """How probes are made."""

    degradation: Degradation = field(default_factory=Degradation)
    frames: int = 1
    variants: tuple[str, ...] = ("original",)
    carried: bool = False
    """The pristine picture's landmarks are carried through the degradation: measures recognition without detection."""

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            UsageError: a variant is no sum of known parts.
        """
        for part in self.parts:
            if part not in PARTS:
                raise UsageError(
                    f"variant '{part}' is unknown; known: {', '.join(PARTS)}, and sums such as fused+restored"
                )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the variants need, each once."""
        return tuple(dict.fromkeys(part for variant in self.variants for part in variant.split("+")))


@dataclass(frozen=True, eq=False)
class Engines:
    """Who finds, embeds and enhances. `detect` takes pictures of one size."""

    detect: Detect
    recognizer: Recognizer
    enhance: Enhancer | None = None


@dataclass(frozen=True)
class Frames:
    """The frames that one probe was to be made of, and how many of them have no face, by the reason."""

    requested: int
    lost: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One clip: the pristine face for the gallery, per making a probe of each variant, or the reason for none.

    `frames` goes with `probes`.
    """

    clip: Clip
    gallery: Template | Skipped
    probes: tuple[dict[str, Template] | Skipped, ...]
    frames: tuple[Frames, ...]


def outcomes(clips: Iterable[Clip], engines: Engines, makings: Sequence[Making], gate: Gate) -> Iterator[Outcome]:
    """Yield every clip's templates, in order; memory holds a few dozen pictures at a time.

    Args:
        clips: which pictures.
        engines: who finds, embeds and enhances.
        makings: how probes are made; each gives one entry of `Outcome.probes`. None: galleries only.
        gate: refuses gallery pictures.
    """
    for chunk in chunks(clips):
        yield from _Chunk(chunk, engines).outcomes(makings, gate)


# --- one chunk --------------------------------------------------------------------------------------------------------


class _Chunk:
    """Some clips together, so that the networks see batches."""

    def __init__(self, clips: list[Clip], engines: Engines) -> None:
        self.clips, self.engines = clips, engines

    def outcomes(self, makings: Sequence[Making], gate: Gate) -> list[Outcome]:
        pristine = self._pristine(max((making.frames for making in makings), default=1))
        planned = [self._plans(pristine, making) for making in makings]
        vectors = iter(self._embedded(pristine, [plan for column in planned for plan, _ in column]))
        galleries = [_enrolled(clip, faces, vectors, gate) for clip, faces in zip(self.clips, pristine, strict=True)]
        probes = [
            [plan if isinstance(plan, Skipped) else plan.templates(vectors, making.variants) for plan, _ in column]
            for making, column in zip(makings, planned, strict=True)
        ]
        return [
            Outcome(clip, gallery, tuple(each[row] for each in probes), tuple(each[row][1] for each in planned))
            for row, (clip, gallery) in enumerate(zip(self.clips, galleries, strict=True))
        ]

    def _pristine(self, frames: int) -> list[list[Found] | Skipped]:
        """Read every clip's frames and find the face nearest each picture's centre."""
        pictures: list[list[RGB] | Skipped] = [_read(clip, frames) for clip in self.clips]
        flat = [picture for entry in pictures if not isinstance(entry, Skipped) for picture in entry]
        located = iter(locate(flat, [None] * len(flat), self.engines.detect))
        result: list[list[Found] | Skipped] = []
        for clip, entry in zip(self.clips, pictures, strict=True):
            if isinstance(entry, Skipped):
                result.append(entry)
                continue
            faces = [face for face in [next(located) for _ in entry] if face is not None]
            result.append(faces or _omitted(clip, NO_FACE, "in the pristine picture"))
        return result

    def _plans(self, pristine: list[list[Found] | Skipped], making: Making) -> list[tuple[_Plan | Skipped, Frames]]:
        degraded = [_degraded(clip, faces, making) for clip, faces in zip(self.clips, pristine, strict=True)]
        flat = [item for entry in degraded if not isinstance(entry, Skipped) for item in entry]
        expected = [shot.carried(face.landmarks) for shot, face in flat]
        pictures = [shot.pixels for shot, _ in flat]
        found: list[Found | None]
        if making.carried:
            found = [placed(*each) for each in zip(pictures, expected, (face for _, face in flat), strict=True)]
        else:
            found = locate(pictures, expected, self.engines.detect)
        located = iter(found)
        faces = [
            entry if isinstance(entry, Skipped) else [face for face in [next(located) for _ in entry] if face]
            for entry in degraded
        ]
        return [
            (self._plan(clip, seen, making), _frames(clip, making, shots, seen))
            for clip, shots, seen in zip(self.clips, degraded, faces, strict=True)
        ]

    def _plan(self, clip: Clip, faces: list[Found] | Skipped, making: Making) -> _Plan | Skipped:
        if isinstance(faces, Skipped):
            return faces
        if not faces:
            return _omitted(clip, NOT_ACQUIRED, "no face was found in the degraded pictures")
        try:
            return _Plan.made(clip, faces, making.parts, self.engines.enhance)
        except RestorationError as error:
            return _omitted(clip, "enhancement-failed", str(error), failed=True)

    def _embedded(self, pristine: list[list[Found] | Skipped], plans: list[_Plan | Skipped]) -> list[Embedding]:
        views = [_best(faces).view for faces in pristine if not isinstance(faces, Skipped)]
        views += [view for plan in plans if isinstance(plan, _Plan) for view, _ in plan.views()]
        return self.engines.recognizer.embed(views) if views else []


def _enrolled(clip: Clip, faces: list[Found] | Skipped, vectors: Iterator[Embedding], gate: Gate) -> Template | Skipped:
    if isinstance(faces, Skipped):
        return faces
    best, vector = _best(faces), next(vectors).vector
    if reason := gate(best.detection, best.quality):
        return _omitted(clip, "gallery-picture-refused", reason)
    return Template(clip, vector, conditions([(best.detection, best.quality)], [1.0]))


def _best(faces: Sequence[Found]) -> Found:
    return max(faces, key=_score)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is to be embedded for one clip: per part, the views and their weights; and the faces behind each part."""

    clip: Clip
    faces: list[Found]
    parts: dict[str, list[tuple[FaceView, float]]]

    @classmethod
    def made(cls, clip: Clip, faces: list[Found], parts: Sequence[str], enhance: Enhancer | None) -> _Plan:
        ordered = sorted(faces, key=_score, reverse=True)
        best = ordered[0]
        plans: dict[str, list[tuple[FaceView, float]]] = {}
        for part in parts:
            if part == "original":
                plans[part] = [(best.view, 1.0)]
            elif part == "mean":
                plans[part] = [(face.view, 1.0) for face in ordered]
            elif part == "fused":
                plans[part] = [(face.view, template_weight(face.quality)) for face in ordered]
            elif part == "fused-image":
                plans[part] = [(_fused(ordered), 1.0)]
            else:
                plans[part] = [(_restored(best, enhance), 1.0)]
        return cls(clip, ordered, plans)

    def views(self) -> Iterator[tuple[FaceView, float]]:
        """Yield every view with its weight, in order of the parts."""
        for part in self.parts.values():
            yield from part

    def templates(self, vectors: Iterator[Embedding], variants: Sequence[str]) -> dict[str, Template]:
        """Take this plan's vectors and combine them into a template per variant."""
        of_part = {name: _weighted(views, vectors) for name, views in self.parts.items()}
        return {variant: self._template(variant, of_part) for variant in variants}

    def _template(self, variant: str, of_part: dict[str, Vectors]) -> Template:
        names = variant.split("+")
        stack = np.stack([of_part[name] for name in names]).astype(np.float64)
        vector = np.asarray(stack.mean(axis=0), np.float32)
        several = any(name in ("mean", "fused", "fused-image") for name in names)
        behind = self.faces if several else self.faces[:1]
        weights = [template_weight(face.quality) for face in behind]
        return Template(self.clip, vector, conditions([(face.detection, face.quality) for face in behind], weights))


def _weighted(views: Sequence[tuple[FaceView, float]], vectors: Iterator[Embedding]) -> Vectors:
    return weighted_mean([next(vectors) for _ in views], [weight for _, weight in views]).vector


def _fused(faces: Sequence[Found]) -> FaceView:
    if len(faces) == 1:
        return faces[0].view
    fused = fuse([face.view for face in faces], [template_weight(face.quality) for face in faces])
    return FaceView(fused.pixels, shift_landmarks(faces[0].detection.landmarks, 0, 0, fused.scale), fused.scale)


def _restored(face: Found, enhance: Enhancer | None) -> FaceView:
    """Enhance one face.

    Raises:
        RestorationError: the profile refuses it, or its model failed.
        UsageError: no enhancement was handed in.
    """
    if enhance is None:
        raise UsageError("the variant 'restored' needs a profile with steps")
    made = enhance(face.view)
    if isinstance(made, Skipped):
        raise RestorationError(f"{made.reason}: {made.detail}")
    factor = made.shape[1] / face.pixels.shape[1]
    return FaceView(made, shift_landmarks(face.detection.landmarks, 0, 0, factor), factor)


# --- pictures and faces -----------------------------------------------------------------------------------------------


def _read(clip: Clip, frames: int) -> list[RGB] | Skipped:
    """Decode up to `frames` pictures of a clip, evenly spread; one that cannot be read fails its clip."""
    chosen = clip.files
    if len(chosen) > frames:
        chosen = tuple(chosen[index * len(chosen) // frames] for index in range(frames))
    try:
        return [decode_picture(path.read_bytes(), path.name) for path in chosen]
    except (EvidenceError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _omitted(clip, "unreadable", reason, failed=True)


def _degraded(clip: Clip, faces: list[Found] | Skipped, making: Making) -> list[tuple[Degraded, Detection]] | Skipped:
    """Degrade each frame; a lone picture becomes a synthetic track of the asked length."""
    if isinstance(faces, Skipped):
        return faces
    model = making.degradation.model_copy(update={"frames": _shots(clip, making)})
    try:
        return [
            (shot, face.detection)
            for face in faces[: making.frames]
            for shot in degrade_track(face.pixels, model, face.detection.landmarks)
        ]
    except ValueError as error:
        return _omitted(clip, "not-measurable", str(error))


def _shots(clip: Clip, making: Making) -> int:
    """Return how many degraded pictures are made of each frame: several only of a picture that stands alone."""
    return making.frames if len(clip.files) == 1 and making.frames > 1 else making.degradation.frames


def _frames(
    clip: Clip, making: Making, shots: Sequence[tuple[Degraded, Detection]] | Skipped, seen: Sequence[Found] | Skipped
) -> Frames:
    requested = min(len(clip.files), making.frames) * _shots(clip, making)
    if isinstance(shots, Skipped) or isinstance(seen, Skipped):
        return Frames(requested, {shots.reason if isinstance(shots, Skipped) else NOT_ACQUIRED: requested})
    lost = {NO_FACE: requested - len(shots), NOT_ACQUIRED: len(shots) - len(seen)}
    return Frames(requested, {reason: count for reason, count in lost.items() if count})


def _score(face: Found) -> float:
    return face.quality.score


def _omitted(clip: Clip, reason: str, detail: str, *, failed: bool = False) -> Skipped:
    outcome = "failed" if failed else "skipped"
    return Skipped(stage=STAGE, kind="image", subject=clip.name, reason=reason, detail=detail, outcome=outcome)
