"""The shape of dlib's face recognition network (King 2017; residual networks after He et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator

SIDE_PX = 150
MEAN_RGB = (122.782, 117.001, 104.298)
RANGE = 256.0
DIMENSIONS = 128
# Residual pairs per width, and the convolutions (by number) that halve the size.
WIDTHS = (32,) * 6 + (64,) * 8 + (128,) * 6 + (256,) * 8
HALVING = frozenset({7, 15, 21, 27})


def conv_shapes() -> Iterator[tuple[int, int, int]]:
    """Yield (outputs, inputs, kernel side) of the 29 convolutions, in order."""
    yield WIDTHS[0], 3, 7
    inputs = WIDTHS[0]
    for outputs in WIDTHS:
        yield outputs, inputs, 3
        inputs = outputs
