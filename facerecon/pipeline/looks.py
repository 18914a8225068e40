"""Looks at a frame, each of a part of it and reduced so many times: where to look closer, and what of all looks counts.

Owns how large a face has to be, as the detector sees it, and how much round it belongs to a look at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from facerecon.faces.boxes import iou, longer_side, surroundings
from facerecon.pipeline.detection import Part
from facerecon.records import Box, Detection
from facerecon.video import Window, area_px, close_windows

# A face that is smaller than this, as the detector sees it, is looked at closer, where that is possible. Landmarks that
# are found at this size tell persons apart as well as those found at full size (benchmarks/seen_sizes.py).
_WELL_SEEN_PX = 80
# Round it: a share of its size, and pixels. The network's answer depends on what is round a face.
_MARGIN, _MARGIN_PX = 0.5, 96

Looks = list[tuple[Part, tuple[Detection, ...]]]
"""The parts of a frame that the detector saw, and the faces in each."""


class Closer(NamedTuple):
    """A window that is looked at closer than in a glance: how many times reduced the detector sees it, 1 for not."""

    window: Window
    reduction: int


def round_small(boxes: Iterable[Box], reduction: int, size: tuple[int, int]) -> tuple[Closer, ...]:
    """Return windows round the faces that are too small for a glance, each no closer than its face needs."""
    around: dict[int, list[Window]] = {}
    for box in boxes:
        times = well_seen(box, reduction)
        if times < reduction:
            around.setdefault(times, []).append(surroundings(box, _MARGIN, _MARGIN_PX))
    closer: list[Closer] = []
    for times, boxes_px in sorted(around.items()):
        windows = close_windows(boxes_px, size)
        closer += [
            Closer(window, times)
            for window in (((0, 0, *size),) if windows is None else windows)
            if not any(_within(window, other.window) for other in closer)
        ]
    return tuple(closer)


def to_be_seen_closer(last: Looks, looks: Looks) -> Iterator[Box]:
    """Yield the faces of the last looks that are small in them, and that none of all looks shows as they need it."""
    for part, faces in last:
        for face in faces:
            needed = well_seen(face.box, part.reduction)
            held = any(other.reduction <= needed and other.holds(face.box) for other, _ in looks)
            if not held and not part.cuts(face.box):
                yield face.box


def joined(looks: Looks, nms_iou: float) -> tuple[Detection, ...]:
    """Return the faces that looks show; of one that several show, the closest.

    A face does not count that a window cuts, or that is the visible part of one which another look shows whole.
    """
    kept: list[tuple[Part, Detection]] = []
    for part, faces in sorted(looks, key=lambda look: look[0].reduction, reverse=True):
        new = [
            face
            for face in faces
            if not part.cuts(face.box) and not any(part.shows_part(face.box, other.box, nms_iou) for _, other in kept)
        ]
        kept = [
            (where, face)
            for where, face in kept
            if not any(
                iou(face.box, other.box) >= nms_iou or where.shows_part(face.box, other.box, nms_iou) for other in new
            )
        ]
        kept += [(part, face) for face in new]
    return best_first(face for _, face in kept)


def well_seen(box: Box, reduction: int) -> int:
    """Return how many times reduced a face is still well seen, a power of two, `reduction` at most."""
    while reduction > 1 and longer_side(box) < _WELL_SEEN_PX * reduction:
        reduction //= 2
    return reduction


def seen_px(closer: Iterable[Closer]) -> float:
    """Return how many pixels the detector sees of windows, as they are reduced."""
    return sum(area_px([window]) / times**2 for window, times in closer)


def best_first(faces: Iterable[Detection]) -> tuple[Detection, ...]:
    """Return faces in the order of records."""
    return tuple(sorted(faces, key=lambda face: face.score, reverse=True))


def _within(window: Window, other: Window) -> bool:
    return window[0] >= other[0] and window[1] >= other[1] and window[2] <= other[2] and window[3] <= other[3]
