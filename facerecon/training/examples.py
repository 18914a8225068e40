"""One training example by its number: picture, degradation, inexact landmarks, aligned squares. No torch, no state.

Example k of a run depends on the configuration and on k alone: not on workers, order, or where a run was resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from facerecon.degradation import Degradation, Degraded, Ranges, degrade, degrade_track, draw, face_width_px
from facerecon.fusion import fuse
from facerecon.records import RGB, FaceView, Landmarks5, shift_landmarks
from facerecon.training.configuration import Data
from facerecon.training.corpus import Corpus, read_picture

Cut = Callable[[FaceView], RGB]
"""Cuts a face's aligned square out of its picture."""
_ORDER_STREAM, _EXAMPLE_STREAM, _VALIDATION_STREAM = 1, 2, 3
_FUSE_SCALES = (2, 4)
# A fused face is not made wider than this: the square that a restorer sees shows it no wider.
_FUSED_WIDTH_PX = 70.0
_LEAST_WIDTH_PX = 4.0
_LEAST_SIDE_PX = 9.0
# A hair below the face's own width, so that rounding never asks for more pixels than there are.
_OWN_WIDTH = 0.999


@dataclass(frozen=True, eq=False)
class Example:
    """A degraded face and its sharp original as aligned squares, uint8 (side, side, 3); `row` is the corpus's.

    The sharp one is in the degraded one's light: as dark, and as warm or cold. Where the degradation draws several
    `frames`, the degraded face is those fused, as a track's shots are.
    """

    given: RGB
    sharp: RGB
    row: int


@dataclass(frozen=True)
class Maker:
    """Makes examples. `with_sharp` False: the sharp square is not needed, and is the degraded one."""

    corpus: Corpus
    data: Data
    ranges: Ranges
    cut: Cut
    seed: int
    with_sharp: bool = True

    def row(self, number: int) -> int:
        """Return which face example `number` shows: every pass over the corpus has an order of its own."""
        passed, place = divmod(number, len(self.corpus.drawn))
        return self.corpus.drawn[int(_order(self.seed, passed, len(self.corpus.drawn))[place])]

    def example(self, number: int) -> Example:
        """Return training example `number`."""
        rng = np.random.default_rng([self.seed, _EXAMPLE_STREAM, number])
        return self._made(self.row(number), rng, mirrored=bool(rng.integers(2)))

    def validation_example(self, number: int, row: int) -> Example:
        """Return the validation example of one face; the same in every run with this configuration."""
        rng = np.random.default_rng([self.seed, _VALIDATION_STREAM, number])
        return self._made(row, rng, mirrored=False)

    def _made(self, row: int, rng: np.random.Generator, *, mirrored: bool) -> Example:
        face = self.corpus.faces[row]
        pixels, landmarks = read_picture(face), face.landmarks
        if landmarks is None:
            raise AssertionError("a corpus holds found faces only")
        wanted = within(draw(self.ranges, rng), pixels, landmarks)
        made = degrade_track(pixels, wanted, landmarks)
        views = [FaceView(each.pixels, inexact(each.carried(landmarks), self.data, rng)) for each in made]
        given = self.cut(one_view(views))
        # The sharp square is cut by the same inexact points: where a face lies in its square is not to be restored.
        points = _carried_back(views[0].landmarks, made[0])
        sharp = self.cut(FaceView(_lit(pixels, wanted), points)) if self.with_sharp else given
        if mirrored:
            given, sharp = np.fliplr(given), np.fliplr(sharp)
        return Example(given, sharp, row)


@lru_cache(maxsize=2)
def _order(seed: int, passed: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, _ORDER_STREAM, passed]).permutation(count)


def within(wanted: Degradation, pixels: RGB, landmarks: Landmarks5) -> Degradation:
    """Ask for no more pixels than the sharp face has, and for a picture that is left."""
    if wanted.width is None:
        return wanted
    face = face_width_px(pixels, landmarks)
    # A tightly cropped picture must keep a few pixels; where that is more than it has, it is not reduced at all.
    least = max(_LEAST_WIDTH_PX, _LEAST_SIDE_PX * face / min(pixels.shape[:2]))
    width = min(max(wanted.width, least), face * _OWN_WIDTH)
    return wanted.model_copy(update={"width": width if width >= least else None})


def one_view(views: Sequence[FaceView]) -> FaceView:
    """Return the shots of a face fused onto a finer grid, the first's; a single shot as it is."""
    if len(views) == 1:
        return views[0]
    least, most = _FUSE_SCALES
    face = face_width_px(views[0].pixels, views[0].landmarks)
    scale = min(max(math.ceil(_FUSED_WIDTH_PX / face), least), most)
    fused = fuse(views, [1.0] * len(views), scale=scale)
    return FaceView(fused.pixels, shift_landmarks(views[0].landmarks, 0.0, 0.0, scale))


def _lit(pixels: RGB, wanted: Degradation) -> RGB:
    """Return the sharp picture in the degradation's light.

    How bright a skin is must not be guessed from other faces; exposing a dark picture is a step of its own, on record.
    """
    return pixels if wanted.light == Degradation() else degrade(pixels, wanted.light).pixels


def _carried_back(landmarks: Landmarks5, made: Degraded) -> Landmarks5:
    """Return where landmarks of the degraded picture are in the sharp one."""
    matrix = made.to_degraded
    points = np.linalg.solve(matrix[:, :2], (np.asarray(landmarks) - matrix[:, 2]).T).T
    a, b, c, d, e = ((float(x), float(y)) for x, y in points)
    return (a, b, c, d, e)


def inexact(landmarks: Landmarks5, data: Data, rng: np.random.Generator) -> Landmarks5:
    """Return the points as a detector might find them: all moved alike, and each by itself, by normal deviates."""
    points = np.asarray(landmarks, np.float64)
    sigma = float(np.hypot(data.landmark_sigma_px, data.landmark_sigma_eyes * np.linalg.norm(points[0] - points[1])))
    moved = points + sigma * (rng.normal(size=(1, 2)) + rng.normal(size=(5, 2)))
    a, b, c, d, e = ((float(x), float(y)) for x, y in moved)
    return (a, b, c, d, e)
