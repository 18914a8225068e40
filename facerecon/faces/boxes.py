"""Boxes of faces, (x0, y0, x1, y1) with pixel centres at integers: how large, how alike, what lies round them."""

from __future__ import annotations

import math

from facerecon.records import Box


def longer_side(box: Box) -> float:
    """Return a box's width or height, px, whichever is more."""
    return max(box[2] - box[0], box[3] - box[1])


def iou(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over their union, 0..1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)]
    return width * height / (sum(areas) - width * height)


def surroundings(box: Box, margin: float, least_px: float) -> tuple[int, int, int, int]:
    """Return the whole pixels of a box and what is round it; the right and lower ends are outside.

    Args:
        box: px.
        margin: how much on each side, in its longer sides.
        least_px: at least so much.
    """
    x0, y0, x1, y1 = box
    by = max(margin * longer_side(box), least_px)
    return math.floor(x0 - by), math.floor(y0 - by), math.ceil(x1 + by) + 1, math.ceil(y1 + by) + 1
