"""What the pipeline asks of an engine, as Protocols: batch in, same-length batch out, raise on failure. No torch.

Also the one rule on what a Protocol says: which similarity threshold holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facerecon.errors import UsageError
from facerecon.records import RGB, Detection, Embedding, FaceView, Metric, ModelStamp

Levels = npt.NDArray[np.float32]
"""Grey levels that need not be whole, float32 (height, width) in 0..255."""


class Detector(Protocol):
    """Finds faces."""

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        ...

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        """Return each picture's faces, best score first; the pictures may differ in size.

        Raises:
            ResourceError: out of memory.
        """
        ...


@dataclass(frozen=True, eq=False)
class Restoration:
    """A restorer's answer for one face: pixels of `scale` times the input's size, and how they were computed.

    `tile_plan` also tells every retreat. `mask` says what bounds a pasted face; None: the whole picture is restored.
    `uncertainty`, where the model tells one: by how much it expects to be off at each pixel on average (mean absolute
    error), in grey levels and as far as the pixel is the model's: 0 outside the mask.
    """

    pixels: RGB
    precision: str
    tile_plan: str
    mask: str | None = None
    uncertainty: Levels | None = None


@dataclass(frozen=True)
class RestorationFailure:
    """A restorer's answer for a face that it could not restore: the reason, in one line."""

    reason: str


RestorationOutcome = Restoration | RestorationFailure


class Restorer(Protocol):
    """Makes an enlarged, restored picture of a face. Learned; its output is an investigative aid."""

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        ...

    @property
    def scale(self) -> int:
        """Output size over input size."""
        ...

    @property
    def companions(self) -> tuple[ModelStamp, ...]:
        """Other models that take part (a face parser for the mask), for the record."""
        ...

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        """Return one outcome per face, in order; the faces may differ in size, and those that can share passes do.

        A face that could not be restored is a `RestorationFailure` (never its input, a stale tile, NaN or black
        instead); the others are restored all the same.

        Raises:
            ResourceError: out of memory at the smallest batch and tile.
        """
        ...

    def restore_onto(self, canvas: RGB, faces: Sequence[FaceView], scale: int) -> tuple[RGB, list[RestorationOutcome]]:
        """Return a frame enlarged by `scale` (`canvas`, which is not changed) with its faces restored in it.

        The faces' pixels are the frame's, before it was enlarged, and their landmarks lie in it. Outside the faces'
        masks the pixels are the canvas's, exactly (R16).

        Raises:
            ResourceError: out of memory with a batch of one.
        """
        ...


class Upscaler(Protocol):
    """Enlarges whole pictures. Learned; its output is an investigative aid."""

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        ...

    @property
    def scale(self) -> int:
        """Output size over input size."""
        ...

    def enlarge(self, pictures: Sequence[RGB]) -> list[RestorationOutcome]:
        """Return one outcome per picture, in order.

        Raises:
            ResourceError: out of memory at the smallest batch and tile.
        """
        ...


class Recognizer(Protocol):
    """Turns a face into a vector."""

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        ...

    @property
    def metric(self) -> Metric:
        """How its vectors compare."""
        ...

    @property
    def threshold(self) -> float | None:
        """The similarity of the model's published operating point, None where none is published."""
        ...

    @property
    def treatment(self) -> str:
        """What besides the weights makes the vector, in words; a calibration with other words does not fit."""
        ...

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        """Return one embedding per face, in order, with the recognizer's metric."""
        ...


def known_operating_point(recognizer: Recognizer, wanted: float | None) -> float | None:
    """Return the similarity from which on a candidate counts as above the threshold: `wanted`, else the model's own.

    None where neither is given.
    """
    return recognizer.threshold if wanted is None else wanted


def operating_point(recognizer: Recognizer, wanted: float | None) -> float:
    """Return the known operating point.

    Raises:
        UsageError: there is none; the message names the profile's key.
    """
    known = known_operating_point(recognizer, wanted)
    if known is None:
        raise UsageError(
            f"no operating point is published for {recognizer.stamp.id}; set recognize.threshold, a similarity -1..1"
        )
    return known


class Listener(Protocol):
    """Hears of progress; the core itself never writes to a terminal."""

    def started(self, stage: str, total: int | None) -> None:
        """A stage began; `total` items when that is known."""
        ...

    def advanced(self, stage: str, count: int = 1) -> None:
        """`count` items were finished."""
        ...

    def noted(self, message: str) -> None:
        """Something worth a line happened."""
        ...

    def finished(self, stage: str) -> None:
        """The stage ended."""
        ...


class Silent:
    """A listener that ignores everything."""

    def started(self, stage: str, total: int | None) -> None:
        """Ignore."""

    def advanced(self, stage: str, count: int = 1) -> None:
        """Ignore."""

    def noted(self, message: str) -> None:
        """Ignore."""

    def finished(self, stage: str) -> None:
        """Ignore."""
