"""Where in a frame a face is looked for: where something moved, and where a face was. Owns the windows, drops nothing.

Made for a mostly static camera, as the motion gate is: what the gate is in time, this is in space. A face that is
neither tracked nor in a cell that changed since that cell was last searched cannot have come or gone. Every
`refresh_s` smaller changes count, too, and every `whole_every_s` the whole picture is searched all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import cv2
import numpy as np

from facerecon.profiles import Motion
from facerecon.records import Box
from facerecon.video.motion import Cells, Look, Mask, cell_side, changed, late, median

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in px of the picture, the right and lower ends outside."""

# Windows begin at multiples of the detector's coarsest stride, so that its anchors are those of the whole picture.
_STRIDE_PX = 32
# Few different sizes: the detector prepares itself for each new one. So many steps across, and down.
_STEPS = (5, 4)
# Every `refresh_s` this share of the threshold counts as a change, unless the noise is above it.
_REFRESHING = 1 / 4
# Round what moved: blocks, and a share of the picture's height. More of the face than its moving part, and context.
_MARGIN_BLOCKS, _MARGIN_SHARE = 3, 1 / 12
# With more than this share of the picture, or more windows, the whole picture is as fast.
_MOST_SHARE, _MOST_WINDOWS = 0.6, 6
# Sides of windows round faces, of many sizes: a detector that runs small pictures is ready for a new one at once.
_SIDES_PX = (64, 96, 128, 160, 192, 224, 256, 320, 384, 480, 576, 704, 864, 1056, 1312, 1632, 2016, 2496, 3104, 3840)


class Regions:
    """Chooses the windows of one frame after another; remembers for each cell what it was like when last searched."""

    def __init__(self, settings: Motion) -> None:
        """Take the gate's settings; `block_px` is in pixels of the source."""
        self._settings = settings
        self._cell_px = cell_side(settings)
        self._size = (0, 0)
        self._searched: Cells | None = None
        self._refreshed_s = self._whole_s = Fraction(0)
        self._moved: Mask | None = None
        self._faces: tuple[Box, ...] = ()

    def expect(self, faces: Iterable[Box]) -> None:
        """Tell where faces were last seen; what moved before is forgotten."""
        self._faces, self._moved = tuple(faces), None

    def found(self, faces: Iterable[Box]) -> None:
        """Tell of faces besides, which a search that was due found."""
        self._faces = (*self._faces, *faces)

    def due(self, size: tuple[int, int], now: Fraction) -> bool:
        """Say whether a picture is to be searched at once, and closely: it is the first of its size, or it is time."""
        new = self._searched is None or size != self._size
        return new or late(now, self._refreshed_s, self._settings.refresh_s)

    def windows(self, size: tuple[int, int], now: Fraction, look: Look) -> tuple[Window, ...] | None:
        """Return the windows of a frame that is analysed, disjoint; None for the whole picture.

        Args:
            size: the picture's width and height, px.
            now: its presentation time, seconds.
            look: what the gate saw of it.
        """
        if self._searched is None or size != self._size:
            self._search_all(size, now, look)
            return None
        level, due, threshold = _level(look.cells), self.due(size, now), self._settings.threshold_levels
        moved = self._remembered(_changed(level, self._searched, threshold, look.clock))
        if due:
            moved = moved | _changed(level, self._searched, _REFRESHING * threshold, look.clock)
        whole = due and late(now, self._whole_s, self._settings.whole_every_s)
        found = None if whole else self._around(moved, size)
        if found is None:
            self._search_all(size, now, look)
            return None
        if due:
            self._refreshed_s = now
        for window in found:
            inside = self._cells_within(window)
            self._searched[inside] = level[inside]
        return found

    def glance(self, size: tuple[int, int], look: Look) -> tuple[Window, ...] | None:
        """Return the windows of a frame that is only glanced at: what moves in it is still to be searched after it."""
        if self._searched is None or size != self._size:
            return None
        threshold = self._settings.threshold_levels
        return self._around(_changed(_level(look.cells), self._searched, threshold, look.clock), size)

    def _search_all(self, size: tuple[int, int], now: Fraction, look: Look) -> None:
        if size != self._size:
            self._moved = None
        self._size, self._searched = size, _level(look.cells)
        self._refreshed_s = self._whole_s = now

    def _remembered(self, moved: Mask) -> Mask:
        """Return what has moved since the faces were told: who stops walking now is looked for where they stop."""
        self._moved = moved if self._moved is None else self._moved | moved
        return self._moved

    def _around(self, moved: Mask, size: tuple[int, int]) -> tuple[Window, ...] | None:
        """Return the windows round what moved and round the faces; None: the whole picture."""
        mask = moved.astype(np.uint8)
        cell = self._cell_px
        for x0, y0, x1, y1 in self._faces:
            mask[int(y0) // cell : int(y1) // cell + 1, int(x0) // cell : int(x1) // cell + 1] = 1
        margin = -(-round(max(_MARGIN_BLOCKS * self._settings.block_px, size[1] * _MARGIN_SHARE)) // cell)
        side = 2 * margin + 1
        spread = cv2.dilate(mask, np.ones((side, side), np.uint8))
        _, _, parts, _ = cv2.connectedComponentsWithStats(spread, connectivity=8)
        boxes = [(x * cell, y * cell, (x + w) * cell, (y + h) * cell) for x, y, w, h, _ in parts[1:].tolist()]
        return merged(boxes, size)

    def _cells_within(self, window: Window) -> tuple[slice, slice]:
        x0, y0, x1, y1 = window
        return slice(-(-y0 // self._cell_px), y1 // self._cell_px), slice(-(-x0 // self._cell_px), x1 // self._cell_px)


def _level(cells: Cells) -> Cells:
    """Return grey levels less their median, which follows a flicker of the whole picture."""
    return np.asarray(cells - median(cells), np.int16)


def _changed(level: Cells, searched: Cells, threshold_levels: float, clock: Mask | None) -> Mask:
    """Return which cells, but for a clock's, are not as they were when they were last searched."""
    moved = changed(level, searched, threshold_levels)
    return moved if clock is None else moved & ~clock


def merged(boxes: Sequence[Window], size: tuple[int, int]) -> tuple[Window, ...] | None:
    """Return disjoint windows of few sizes that hold the boxes; None where the whole picture is as fast.

    Args:
        boxes: what is to be held, px.
        size: the picture's width and height, px.
    """
    windows = _disjoint(boxes, size, fitted)
    return None if len(windows) > _MOST_WINDOWS or _share(windows, size) > _MOST_SHARE else windows


def close_windows(boxes: Sequence[Window], size: tuple[int, int]) -> tuple[Window, ...] | None:
    """Return disjoint windows hardly larger than the boxes, however many; None where the whole picture is as fast.

    Args:
        boxes: what is to be held, px.
        size: the picture's width and height, px.
    """
    windows = _disjoint(boxes, size, closely_fitted)
    return None if _share(windows, size) > _MOST_SHARE else windows


def _disjoint(
    boxes: Sequence[Window], size: tuple[int, int], fit: Callable[[Window, tuple[int, int]], Window]
) -> tuple[Window, ...]:
    windows: list[Window] = []
    for box in boxes:
        window = fit(box, size)
        while touching := [each for each in windows if _overlap(each, window)]:
            windows = [each for each in windows if each not in touching]
            window = fit(_hull([window, *touching]), size)
        windows.append(window)
    return tuple(sorted(windows))


def area_px(windows: Sequence[Window]) -> int:
    """Return how many pixels disjoint windows hold."""
    return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in windows)


def _share(windows: Sequence[Window], size: tuple[int, int]) -> float:
    return area_px(windows) / math.prod(size)


def fitted(box: Window, size: tuple[int, int]) -> Window:
    """Return the smallest window of one of the few sizes that holds a box; it begins on the detector's grid."""
    x0, x1 = _span(box[0], box[2], size[0], _coarse_sides(size[0], _STEPS[0]))
    y0, y1 = _span(box[1], box[3], size[1], _coarse_sides(size[1], _STEPS[1]))
    return x0, y0, x1, y1


def closely_fitted(box: Window, size: tuple[int, int]) -> Window:
    """Return the smallest window of many sizes that holds a box; it begins on the detector's grid."""
    x0, x1 = _span(box[0], box[2], size[0], _SIDES_PX)
    y0, y1 = _span(box[1], box[3], size[1], _SIDES_PX)
    return x0, y0, x1, y1


def _coarse_sides(length: int, steps: int) -> range:
    step = _STRIDE_PX * -(-length // (_STRIDE_PX * steps))
    return range(step, length + step, step)


def _span(low: int, high: int, length: int, sides: Sequence[int]) -> tuple[int, int]:
    begin = max(0, low) // _STRIDE_PX * _STRIDE_PX
    needed = min(high, length) - begin
    extent = next((side for side in sides if side >= needed), length)
    if begin + extent <= length:
        return begin, begin + extent
    return max(0, (length - extent) // _STRIDE_PX) * _STRIDE_PX, length


def _overlap(a: Window, b: Window) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _hull(windows: Sequence[Window]) -> Window:
    x0, y0, x1, y1 = zip(*windows, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
