"""Which parts of two faces carry their similarity: parts are covered in turn, and the fall is measured. Black box.

Works for every recognizer, since only similarities are looked at. Owns the measurement; draws and records nothing. A
fall says what this recognizer compared by, not what is characteristic of a person, and nothing of who it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.errors import RestorationError
from facerecon.faces.regions import (
    PARTS,
    FaceCoordinates,
    Weights,
    between_windows,
    face_coordinates,
    part_weights,
    sliding_windows,
)
from facerecon.records import RGB, Embedding, FaceView, shift_landmarks
from facerecon.stages import Recognizer

# Measured on 20 pairs, each of one person (LFW, dlib, half of the probes with 12 px between the eyes): how far the
# similarity falls when the highest 20 % of the map are covered (at random 0.042, in the middle 0.107). Windows of 0.7:
# 0.165; of 0.9: 0.154, filled with the mean colour 0.159; of 1.2: 0.137. Random masks ("RISE", BMVC 2018): 0.169,
# no real difference, but they need a seed, and no value of their map is the effect of one cover.
COLUMNS, ROWS, WINDOW = 7, 7, 0.7
BLUR = 0.35
METHOD = (
    f"sliding cover: {COLUMNS * ROWS} soft-edged windows, {WINDOW:g} eye distances wide, then each part of the face as "
    f"a whole, filled with the face blurred by {BLUR:g} eye distances"
)
REFERENCE = (
    "Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014; Williford, May and Byrne, "
    "Explainable face recognition, ECCV 2020"
)
_LARGEST_UNIT_PX = 128.0
Map = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Saliency:
    """One side of a pair: what of its picture carries the similarity.

    `pixels` is the picture that was covered: the face's own, or reduced where it has more than 128 px between the eyes.
    `map`, float32 (height, width) of the same size: how much the similarity falls when a window about this pixel is
    covered (measured on the grid of windows, linear between); 0 off the face, negative where covering raises it.
    `falls` is the fall when a whole part is covered.
    """

    pixels: RGB
    map: Map
    falls: Mapping[str, float]

    @property
    def largest_fall(self) -> float:
        """The map's largest value, or 0 when nothing falls."""
        return max(0.0, float(self.map.max()))

    @property
    def shares(self) -> dict[str, float]:
        """Each part's share of the sum of the parts' positive falls: they sum to 1, or are all 0 when nothing falls."""
        positive = {name: max(0.0, fall) for name, fall in self.falls.items()}
        total = sum(positive.values())
        return {name: fall / total if total else 0.0 for name, fall in positive.items()}


@dataclass(frozen=True, eq=False)
class PairExplanation:
    """Both sides of a pair, each covered and compared with the other's untouched picture; `similarity` is of both so.

    `positions` counts the covers that were tried on each side.
    """

    similarity: float
    probe: Saliency
    gallery: Saliency
    positions: int


def explain_pair(probe: FaceView, gallery: FaceView, recognizer: Recognizer, *, batch: int = 32) -> PairExplanation:
    """Measure which parts of two faces carry their similarity, by covering parts of each in turn.

    Windows slide over the aligned face, so that they have one size on it whatever its pixels are. The cover is the
    face itself, blurred until no feature is left, with soft edges, so that it brings little of its own. No
    randomness: equal input gives equal maps.

    Args:
        probe: one face.
        gallery: the other face.
        recognizer: what compares them.
        batch: how many covered pictures are embedded at a time, at most.

    Raises:
        RestorationError: a face's landmarks coincide.
        ResourceError: out of memory.

    Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014; for pairs of faces: Williford,
    May & Byrne, "Explainable face recognition", ECCV 2020, and Mery, "True black-box explanation in facial analysis",
    CVPR Workshops 2022.
    """
    views = [reduced(view) for view in (probe, gallery)]
    ours, theirs = recognizer.embed(views)
    similarity = ours.similarity(theirs)
    maps = [
        _saliency(view, similarity, partial(_similarities, other=other, recognizer=recognizer, batch=batch))
        for view, other in zip(views, (theirs, ours), strict=True)
    ]
    return PairExplanation(similarity, maps[0], maps[1], COLUMNS * ROWS + len(PARTS))


def reduced(view: FaceView) -> FaceView:
    """Return the face with at most 128 px between its eyes (area means): no recognizer's chip shows more."""
    factor = _LARGEST_UNIT_PX / _coordinates(view).unit_px
    if factor >= 1:
        return view
    height, width = (max(1, round(side * factor)) for side in view.pixels.shape[:2])
    pixels = cv2.resize(view.pixels, (width, height), interpolation=cv2.INTER_AREA)
    # Sides are whole pixels, so the true factor differs a little from the wanted one.
    factor = width / view.pixels.shape[1]
    landmarks = shift_landmarks(view.landmarks, 0, 0, factor)
    return FaceView(np.asarray(pixels, np.uint8), landmarks, view.enlarged * factor)


def _coordinates(view: FaceView) -> FaceCoordinates:
    try:
        return face_coordinates(view.landmarks, *view.pixels.shape[:2])
    except ValueError as error:
        raise RestorationError(f"the face cannot be explained: {error}") from error


def _saliency(view: FaceView, similarity: float, compare: Callable[[Iterable[FaceView]], list[float]]) -> Saliency:
    face, parts = _coordinates(view), COLUMNS * ROWS
    blurred = cv2.GaussianBlur(view.pixels, (0, 0), BLUR * face.unit_px, borderType=cv2.BORDER_REPLICATE)
    cover = np.asarray(blurred, dtype=np.uint8)
    weights = chain(sliding_windows(face, COLUMNS, ROWS, WINDOW), part_weights(face).values())
    covered = (_covered(view.pixels, cover, each) for each in weights)
    similarities = compare(FaceView(pixels, view.landmarks, view.enlarged) for pixels in covered)
    falls = [similarity - each for each in similarities]
    at_windows = np.array(falls[:parts], np.float32).reshape(ROWS, COLUMNS)
    return Saliency(view.pixels, between_windows(face, at_windows), dict(zip(PARTS, falls[parts:], strict=True)))


def _covered(pixels: RGB, cover: RGB, weights: Weights) -> RGB:
    share = weights[:, :, np.newaxis]
    return np.rint(pixels * (1 - share) + cover * share).astype(np.uint8)


def _similarities(covered: Iterable[FaceView], *, other: Embedding, recognizer: Recognizer, batch: int) -> list[float]:
    remaining, found = iter(covered), list[float]()
    while views := list(islice(remaining, batch)):
        found.extend(embedding.similarity(other) for embedding in recognizer.embed(views))
    return found
