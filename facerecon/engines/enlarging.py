"""Learned enlargement of whole pictures. Owns the restorer around such a network: tiles, precision, blending.

A generative model among them is measured to lower the right identity's score on small faces: its pictures are for
looking at, not for comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facerecon.engines import chips, pasting
from facerecon.engines.retreats import Tiled, run_tiled
from facerecon.engines.runtime import Device
from facerecon.engines.tiling import Network, TilePlan
from facerecon.errors import UsageError
from facerecon.faces.alignment import FFHQ_512, Affine
from facerecon.records import RGB, FaceView, ModelStamp
from facerecon.stages import Restoration, RestorationFailure, RestorationOutcome
from facerecon.weights import Precision

# On a CPU larger passes cost memory and gain nothing: one tile of 256 px with 48 px of context.
CPU_PASS_PX = 352 * 352
# What no tile is large enough for: the picture stays whole.
_WHOLE_PX = 1 << 20
_BLEND_ROWS = 256


@dataclass(frozen=True)
class Shape:
    """How an enlarging network may be used: its scale, and how it may be cut into tiles (`tiled` False: not at all)."""

    scale: int
    multiple: int = 1
    context_px: int = 48
    feather_px: int = 8
    tiled: bool = True

    def plan(self, tile_px: int, batch: int, precision: Precision, device: Device) -> TilePlan:
        """Return the tile plan to begin with; context and tiles are made multiples of the network's."""
        pass_px = CPU_PASS_PX if device.type == "cpu" else None
        if not self.tiled:
            return TilePlan(_WHOLE_PX, 0, batch, precision, floor_px=_WHOLE_PX, multiple=self.multiple, pass_px=pass_px)
        context_px = -(-self.context_px // self.multiple) * self.multiple
        core_px = max(1, tile_px // self.multiple) * self.multiple
        return TilePlan(
            core_px,
            context_px,
            batch,
            precision,
            feather_px=self.feather_px,
            multiple=self.multiple,
            floor_px=min(core_px, max(32, self.multiple)),
            pass_px=pass_px,
            ahead=device.type != "cpu",
        )


class Enlarger:
    """A `Restorer`: enlarges a picture as a whole; it does not use the landmarks."""

    companions: tuple[ModelStamp, ...] = ()

    def __init__(
        self, stamp: ModelStamp, network: Network, shape: Shape, plan: TilePlan, *, blend: float = 1.0
    ) -> None:
        """Take a network with its stamp; `blend` (0..1) mixes the picture enlarged by Lanczos with the network's.

        Raises:
            UsageError: `blend` is out of range.
        """
        check_blend(blend)
        self._stamp, self._network, self._shape, self._plan, self._blend = stamp, network, shape, plan, blend

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @property
    def scale(self) -> int:
        """Output size over input size."""
        return self._shape.scale

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        """Return one outcome per face, in order; see `enlarge`."""
        return self.enlarge([face.pixels for face in faces])

    def enlarge(self, pictures: Sequence[RGB]) -> list[RestorationOutcome]:
        """Return one outcome per picture (a face or a whole frame), in order; those of one size share passes.

        Raises:
            ResourceError: out of memory at the smallest batch and tile.
        """
        outcomes = run_tiled(pictures, self._network, self._plan, self.scale)
        return [self._finished(picture, outcome) for picture, outcome in zip(pictures, outcomes, strict=True)]

    def restore_onto(self, canvas: RGB, faces: Sequence[FaceView], scale: int) -> tuple[RGB, list[RestorationOutcome]]:
        """Return a frame enlarged by `scale` (`canvas`, which is not changed) with its faces' surroundings enlarged.

        Each face's part of the frame goes through the network, is brought to the canvas's scale and pasted within the
        feathered ellipse. Outside all ellipses the pixels are the canvas's, exactly (R16).

        Raises:
            ResourceError: out of memory at the smallest batch and tile.
        """
        to_squares = [chips.transform_to(FFHQ_512, face) for face in faces]
        parts = [
            pasting.window(pasting.inverted(matrix, 1), *face.pixels.shape[:2])
            for face, matrix in zip(faces, to_squares, strict=True)
        ]
        crops = [np.ascontiguousarray(face.pixels[part]) for face, part in zip(faces, parts, strict=True)]
        outcomes, result = self.enlarge(crops), canvas.copy()
        for outcome, part, matrix in zip(outcomes, parts, to_squares, strict=True):
            if isinstance(outcome, Restoration):
                rows, columns = (slice(side.start * scale, side.stop * scale) for side in part)
                from_square = pasting.inverted(matrix, scale)
                from_square[:, 2] -= (columns.start, rows.start)
                result[rows, columns] = _pasted(result[rows, columns], outcome.pixels, from_square)
        return result, outcomes

    def _finished(self, picture: RGB, outcome: Tiled | RestorationFailure) -> RestorationOutcome:
        if isinstance(outcome, RestorationFailure):
            return outcome
        if self._blend < 1:
            blend_into(outcome.pixels, lanczos(picture, self.scale), self._blend)
        return Restoration(outcome.pixels, outcome.plan.precision, outcome.description)


def _pasted(canvas: RGB, face: RGB, from_square: Affine) -> RGB:
    """Return the part of a canvas with the enlarged face in it, as far as the ellipse reaches."""
    height, width = canvas.shape[:2]
    method = cv2.INTER_AREA if face.shape[0] > height else cv2.INTER_LANCZOS4
    fitted = cv2.resize(face, (width, height), interpolation=method).astype(np.float32)
    mask = pasting.elliptic_mask(from_square, width, height)[..., None]
    return np.asarray(np.rint(canvas + mask * (fitted - canvas)), dtype=np.uint8)


def check_blend(blend: float) -> None:
    """Refuse a blend that is not in 0..1.

    Raises:
        UsageError: it is not.
    """
    if not 0 <= blend <= 1:
        raise UsageError(f"blend is {blend}, but must be in 0..1")


def lanczos(picture: RGB, scale: int) -> RGB:
    """Return the picture enlarged by `scale` with an 8x8 Lanczos kernel (Duchon 1979): what models are blended with."""
    height, width = (side * scale for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8)


def blend_into(restored: RGB, enlarged: RGB, blend: float) -> None:
    """Replace `restored` by blend * restored + (1 - blend) * enlarged, rounded, in place and some rows at a time."""
    for top in range(0, len(restored), _BLEND_ROWS):
        rows = slice(top, top + _BLEND_ROWS)
        mixed = blend * restored[rows].astype(np.float32) + (1 - blend) * enlarged[rows]
        restored[rows] = np.rint(mixed).astype(np.uint8)
