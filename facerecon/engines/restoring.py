"""Face restoration on aligned squares. Owns cutting the face out, running the network, and pasting the face back.

The networks are generative: they draw a plausible face, which need not be this person's. Of upstream only network
classes are used: GFPGANer returns the unrestored crop when the network fails, and ignores its `weight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from facerecon.engines import chips, pasting
from facerecon.engines.enlarging import check_blend, lanczos
from facerecon.engines.parsing import FaceParser
from facerecon.engines.pasting import ELLIPSE, SIDE_PX, Mask
from facerecon.engines.retreats import Tiled, run_tiled
from facerecon.engines.tiling import Network, TilePlan
from facerecon.errors import RestorationError
from facerecon.faces.alignment import FFHQ_512, Affine
from facerecon.records import RGB, FaceView, ModelStamp
from facerecon.stages import Restoration, RestorationFailure, RestorationOutcome
from facerecon.weights import Precision


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
    ) -> None:
        """Take a network on squares of 512x512 px in 0..1, with its stamp.

        `batch` is the number of faces per pass; `blend` (0..1) mixes the enlarged crop and the restored face inside
        the mask. The mask is `parser`'s, else an ellipse.

        Raises:
            UsageError: `blend` is out of range.
        """
        check_blend(blend)
        self._stamp, self._network, self._scale = stamp, network, scale
        self._blend, self._parser = blend, parser
        self._plan = TilePlan(SIDE_PX, 0, batch, precision, floor_px=SIDE_PX)

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
        outcomes: list[RestorationOutcome] = []
        for face, drawn in zip(faces, self._draw(faces), strict=True):
            if isinstance(drawn, RestorationFailure):
                outcomes.append(drawn)
            else:
                pixels = self._paste(
                    lanczos(face.pixels, self._scale), drawn, pasting.inverted(drawn.to_square, self._scale)
                )
                outcomes.append(drawn.answer(pixels))
        return outcomes

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
            from_square = pasting.inverted(drawn.to_square, scale)
            rows, columns = pasting.window(from_square, *canvas.shape[:2])
            from_square[:, 2] -= (columns.start, rows.start)
            result[rows, columns] = self._paste(result[rows, columns], drawn, from_square)
            outcomes.append(drawn.answer(result[rows, columns].copy()))
        return result, outcomes

    def _paste(self, canvas: RGB, drawn: _Drawn, from_square: Affine) -> RGB:
        height, width = canvas.shape[:2]
        if drawn.ramp is None:
            mask = pasting.elliptic_mask(from_square, width, height)
        else:
            mask = pasting.parsed_mask(drawn.ramp, from_square, width, height)
        return pasting.paste(canvas, drawn.square, from_square, self._blend * mask)

    @torch.inference_mode()
    def _draw(self, faces: Sequence[FaceView]) -> list[_Drawn | RestorationFailure]:
        """Align all faces, restore them in common passes, and find their masks; one answer per face, in order."""
        transforms, found = _aligned(faces)
        squares = [chips.cut(faces[number].pixels, matrix, SIDE_PX) for number, matrix in transforms.items()]
        outcomes = dict(zip(transforms, run_tiled(squares, self._network, self._plan, 1), strict=True))
        found |= {number: failed for number, failed in outcomes.items() if isinstance(failed, RestorationFailure)}
        drawn = {number: tiled for number, tiled in outcomes.items() if isinstance(tiled, Tiled)}
        masks = self._masks([tiled.pixels for tiled in drawn.values()])
        for (number, tiled), (ramp, mask) in zip(drawn.items(), masks, strict=True):
            found[number] = _Drawn(tiled, transforms[number], ramp, mask)
        return [found[number] for number in range(len(faces))]

    def _masks(self, squares: Sequence[RGB]) -> list[tuple[Mask | None, str]]:
        """Return each square's ramp, None for the ellipse, and what the record says of it."""
        if self._parser is None:
            return [(None, ELLIPSE)] * len(squares)
        name = self._parser.stamp.id
        ramps = self._parser.ramps(squares)
        return [(ramp, f"{ELLIPSE} ({name} found no face)" if ramp is None else name) for ramp in ramps]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What the network drew for one face, and where it goes."""

    tiled: Tiled
    to_square: Affine
    ramp: Mask | None
    mask: str

    @property
    def square(self) -> RGB:
        return self.tiled.pixels

    def answer(self, pixels: RGB) -> Restoration:
        """Return the outcome with these pixels; the mask stands in the tile plan too, which every record has."""
        plan = f"{self.tiled.description}; mask: {self.mask}"
        return Restoration(pixels, self.tiled.plan.precision, plan, self.mask)


def _aligned(faces: Sequence[FaceView]) -> tuple[dict[int, Affine], dict[int, _Drawn | RestorationFailure]]:
    """Return the transforms of the faces that can be aligned, by number, and the failures of the others."""
    transforms: dict[int, Affine] = {}
    failures: dict[int, _Drawn | RestorationFailure] = {}
    for number, face in enumerate(faces):
        try:
            transforms[number] = chips.transform_to(FFHQ_512, face)
        except RestorationError as error:
            failures[number] = RestorationFailure(str(error))
    return transforms, failures
