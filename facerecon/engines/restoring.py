"""Face restoration on aligned squares. Owns cutting the face out, running the network, and pasting the face back.

GFP-GAN's kind is generative: it draws a plausible face, which need not be this person's. Of upstream only network
classes are used: GFPGANer returns the unrestored crop when the network fails, and ignores its `weight`. Our own
networks correct: what they changed is added to the enlarged picture, so that a face larger than their square keeps the
detail that the square cannot show. They also tell how far they may be off; that is pasted like the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facerecon.engines import pasting
from facerecon.engines.enlarging import check_blend, lanczos
from facerecon.engines.pasting import BOUNDS_TEXT, SIDE_PX, Bounds, Mask
from facerecon.engines.retreats import Tiled, run_tiled
from facerecon.engines.squares import Square, to_full
from facerecon.engines.tiling import Network, TilePlan
from facerecon.errors import RestorationError
from facerecon.faces.alignment import Affine
from facerecon.records import RGB, FaceView, ModelStamp
from facerecon.stages import Levels, Restoration, RestorationFailure, RestorationOutcome
from facerecon.weights import Precision

if TYPE_CHECKING:
    from facerecon.engines.parsing import FaceParser


class FaceRestorer:
    """A `Restorer`: the crop enlarged by Lanczos, with the restored face in it."""

    def __init__(
        self,
        stamp: ModelStamp,
        network: Network,
        *,
        precision: Precision,
        scale: int = 4,
        batch: int = 4,
        blend: float = 1.0,
        parser: FaceParser | None = None,
        square: Square | None = None,
        corrects: bool = False,
        bounds: Bounds = "ellipse",
    ) -> None:
        """Take a network on squares in 0..1 (of 512x512 px, or cut as `square` says), with its stamp.

        `batch` is the number of faces per pass; `blend` (0..1) mixes the enlarged crop and the restored face inside
        the mask. The mask is `parser`'s, else as `bounds` says. A fourth channel of the network's answer is the
        expected absolute error of the others, in 0..1. `corrects`: what the network changed is added to the enlarged
        crop, which keeps its finer detail; otherwise the network's face takes its place.

        Raises:
            UsageError: `blend` is out of range.
        """
        check_blend(blend)
        self._stamp, self._network, self._scale = stamp, network, scale
        self._blend, self._parser, self._bounds = blend, parser, bounds
        self._corrects = corrects
        self._square = square or Square()
        side = self._square.side_px
        self._plan = TilePlan(side, 0, batch, precision, floor_px=side)

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @property
    def companions(self) -> tuple[ModelStamp, ...]:
        """The face parser of the mask, if there is one."""
        return (self._parser.stamp,) if self._parser else ()

    @property
    def scale(self) -> int:
        """Output size over input size."""
        return self._scale

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        """Return one outcome per face, in order. Outside the mask its pixels are the enlarged crop's, exactly.

        Raises:
            ResourceError: out of memory with a batch of one.
        """
        return [
            drawn if isinstance(drawn, RestorationFailure) else self._finished(face, drawn)
            for face, drawn in zip(faces, self._draw(faces), strict=True)
        ]

    def _finished(self, face: FaceView, drawn: _Drawn) -> RestorationOutcome:
        """Return the enlarged crop with what was drawn in it, and how far that may be off where the network tells."""
        from_full = pasting.inverted(drawn.to_full, self._scale)
        canvas = lanczos(face.pixels, self._scale)
        weight = self._weight(drawn, from_full, *canvas.shape[:2])
        from_square = self._square.onto(from_full)
        pixels = pasting.paste(canvas, drawn.square, from_square, weight, drawn.given)
        doubt = drawn.doubt
        return drawn.answer(pixels, None if doubt is None else pasting.paste_levels(doubt, from_square, weight))

    def restore_onto(self, canvas: RGB, faces: Sequence[FaceView], scale: int) -> tuple[RGB, list[RestorationOutcome]]:
        """Return a frame enlarged by `scale` (`canvas`, which is not changed) with its faces restored in it.

        The faces' pixels are the frame's and their landmarks the frame's. They are pasted in order. Outside all masks
        the pixels are the canvas's, exactly (R16). Each outcome holds the part of the result around its face.

        Raises:
            ResourceError: out of memory with a batch of one.
        """
        result, outcomes = canvas.copy(), list[RestorationOutcome]()
        for drawn in self._draw(faces):
            if isinstance(drawn, RestorationFailure):
                outcomes.append(drawn)
                continue
            from_full = pasting.inverted(drawn.to_full, scale)
            rows, columns = pasting.window(from_full, *canvas.shape[:2])
            from_full[:, 2] -= (columns.start, rows.start)
            part = result[rows, columns]
            weight = self._weight(drawn, from_full, *part.shape[:2])
            from_square = self._square.onto(from_full)
            result[rows, columns] = pasting.paste(part, drawn.square, from_square, weight, drawn.given)
            outcomes.append(drawn.answer(result[rows, columns].copy()))
        return result, outcomes

    def _weight(self, drawn: _Drawn, from_full: Affine, height: int, width: int) -> Mask:
        """Return how much of each pixel is the network's, float32 (height, width)."""
        if drawn.ramp is None:
            mask = pasting.bounded_mask(self._bounds, from_full, width, height)
        else:
            mask = pasting.parsed_mask(drawn.ramp, from_full, width, height)
        return self._blend * mask

    def _draw(self, faces: Sequence[FaceView]) -> list[_Drawn | RestorationFailure]:
        """Align all faces, restore them in common passes, and find their masks; one answer per face, in order."""
        transforms, found = _aligned(faces)
        squares = {number: self._square.cut_by(faces[number].pixels, full) for number, full in transforms.items()}
        outcomes = dict(zip(squares, run_tiled(list(squares.values()), self._network, self._plan, 1), strict=True))
        found |= {number: failed for number, failed in outcomes.items() if isinstance(failed, RestorationFailure)}
        drawn = {number: tiled for number, tiled in outcomes.items() if isinstance(tiled, Tiled)}
        masks = self._masks([tiled.pixels for tiled in drawn.values()])
        for (number, tiled), (ramp, mask) in zip(drawn.items(), masks, strict=True):
            given = squares[number] if self._corrects else None
            found[number] = _Drawn(tiled, transforms[number], ramp, mask, given)
        return [found[number] for number in range(len(faces))]

    def _masks(self, squares: Sequence[RGB]) -> list[tuple[Mask | None, str]]:
        """Return each square's ramp, None for the ellipse, and what the record says of it."""
        plain = BOUNDS_TEXT[self._bounds]
        if self._parser is None:
            return [(None, plain)] * len(squares)
        name = self._parser.stamp.id
        ramps = self._parser.ramps([_full(square) for square in squares])
        return [(ramp, f"{plain} ({name} found no face)" if ramp is None else name) for ramp in ramps]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What the network drew for one face, and where it goes; `given`: what it saw, if the difference is pasted."""

    tiled: Tiled
    to_full: Affine
    ramp: Mask | None
    mask: str
    given: RGB | None

    @property
    def square(self) -> RGB:
        return self.tiled.pixels

    @property
    def doubt(self) -> Levels | None:
        """How far the square may be off, in grey levels; None when the network does not tell."""
        told = self.tiled.beside
        return None if told is None else np.clip(told[0] * np.float32(255), 0, 255)

    def answer(self, pixels: RGB, uncertainty: Levels | None = None) -> Restoration:
        """Return the outcome with these pixels; the mask stands in the tile plan too, which every record has."""
        plan = f"{self.tiled.description}; mask: {self.mask}"
        return Restoration(pixels, self.tiled.plan.precision, plan, self.mask, uncertainty)


def _full(square: RGB) -> RGB:
    """Return a square at the side that a parser takes."""
    if square.shape[0] == SIDE_PX:
        return square
    return np.asarray(cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _aligned(faces: Sequence[FaceView]) -> tuple[dict[int, Affine], dict[int, _Drawn | RestorationFailure]]:
    """Return the transforms of the faces that can be aligned, by number, and the failures of the others."""
    transforms: dict[int, Affine] = {}
    failures: dict[int, _Drawn | RestorationFailure] = {}
    for number, face in enumerate(faces):
        try:
            transforms[number] = to_full(face)
        except RestorationError as error:
            failures[number] = RestorationFailure(str(error))
    return transforms, failures
