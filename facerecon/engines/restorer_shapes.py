"""The sizes of our own restoring networks, and the range of the doubt that they tell. Needs no torch.

A trained file says its network's widths and depth by the shapes of its tensors, so the registry needs no more than the
architecture and the side of the square that it was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sized
from dataclasses import dataclass

from facerecon.errors import IntegrityError, ResourceError
from facerecon.weights import Entry

# The scale stays between a quarter of a grey level and half of the range: its exponential is always a usable number.
LEAST_SCALE, GREATEST_SCALE = 1e-3, 0.5
FOLD = 2
"""The U-Net sees so many pixels of each direction as channels."""
_ENCODER = re.compile(r"encoder\.(\d+)\.(?:0\.first\.)?weight")
_FIRST_LEVEL_BLOCK = re.compile(r"encoder\.0\.\d+\.first\.weight")


@dataclass(frozen=True)
class RestorerShape:
    """`widths` are the channels of each level, the finest first; `blocks` the U-Net's residual blocks per level."""

    widths: tuple[int, ...]
    blocks: int

    @property
    def multiple(self) -> int:
        """What both sides of a picture must be multiples of."""
        return int(2 ** len(self.widths))


def shape_of(item: Entry, state: Mapping[str, Sized]) -> RestorerShape:
    """Return the shape that a state's tensors show.

    Raises:
        IntegrityError: they show none.
    """
    found = {int(match[1]): len(tensor) for name, tensor in state.items() if (match := _ENCODER.fullmatch(name))}
    if not found:
        raise IntegrityError(f"{item.id} does not fit the network {item.architecture}: it has no encoder")
    return RestorerShape(tuple(width for _, width in sorted(found.items())), _blocks(state))


def _blocks(names: Collection[str]) -> int:
    return sum(1 for name in names if _FIRST_LEVEL_BLOCK.fullmatch(name))


def square_side_px(item: Entry, shape: RestorerShape) -> int:
    """Return the side of the squares that a restorer takes, as the registry has it.

    Raises:
        ResourceError: it names none, or one that does not fit the network.
    """
    side = item.capabilities.input_px
    if side is None or side % shape.multiple:
        raise ResourceError(
            f"the registry's entry {item.id} must name input_px, a multiple of {shape.multiple}, not {side}"
        )
    return side
