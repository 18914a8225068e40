"""Where redacted faces are at any time, and the paint over them. Owns geometry and paint; knows no case.

The paint is one flat colour, the same for every face, and never a blur or a mosaic: those keep what they average. Text
and faces under them are read back by whoever can compute the same average of a guess (Hill, Zhou, Saul and Shacham, "On
the (In)effectiveness of Mosaicing and Blurring as Tools for Document Redaction", PoPETs 2016(4)) or trains a network on
it (McPherson, Shokri and Shmatikov, "Defeating Image Obfuscation with Deep Learning", arXiv:1609.00408, 2016); in a
video many such averages of one face add up, and this very program restores faces of 12 pixels. Not even the mean colour
is kept: it would tell the colour of the skin.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from facerecon.faces.boxes import surroundings
from facerecon.records import RGB, Box

Region = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in whole frame pixels; x1 and y1 are the first ones outside."""
FILL = (40, 40, 46)
MARK = (150, 150, 158)
LEAST_MARGIN_PX = 4
"""Filters and codecs carry some light over the edge of a small face."""
GROWTH_PER_S = 1.0
"""How many box sizes a face may have moved per second after the detector lost it, and before it found it."""
_WORD, _WORD_FROM_PX = "REDACTED", 72


@dataclass(frozen=True)
class Sighting:
    """A face at one time: seconds of the source, and its box in frame pixels."""

    seconds: Fraction
    box: Box


Path = Sequence[Sighting]
"""One face's sightings, in order of time."""


class Mask:
    """What has to be covered in the picture of any time.

    At the time of a detection that is its box, with the margin; between two detections the smallest box round both,
    which holds every straight way from one to the other; before the first and after the last one, for `hold_s`, the
    nearest box, growing, unless the face of somebody who is to be seen is there by then.
    """

    def __init__(
        self, hidden: Iterable[Path], shown: Iterable[Path], *, margin: float, hold_s: float, in_order: bool
    ) -> None:
        """Take the ways of the faces.

        Args:
            hidden: those to cover.
            shown: those of the persons who are to be seen.
            margin: added on each side, in sizes of the box's longer side.
            hold_s: how long a face may be there undetected.
            in_order: pictures without times, which are not neighbours of each other: only detections count.
        """
        self._hidden = [path for path in hidden if path]
        self._shown = [path for path in shown if path]
        self._margin, self._hold_s, self._in_order = margin, Fraction(hold_s), in_order

    def at(self, seconds: Fraction) -> tuple[Region, ...]:
        """Return the regions to cover at a time of the source, each with its margin."""
        return tuple(region for path in self._hidden for region in self._of(path, seconds))

    def _of(self, path: Path, seconds: Fraction) -> Iterator[Region]:
        box = self._between(path, seconds)
        if box is not None:
            yield widened(box, self._margin)
        elif not self._in_order:
            yield from self._held(path, seconds)

    def _between(self, path: Path, seconds: Fraction) -> Box | None:
        """Return the box at a time at or between two sightings."""
        after = bisect_left(path, seconds, key=lambda each: each.seconds)
        if after < len(path) and path[after].seconds == seconds:
            return _hull(each.box for each in path if each.seconds == seconds)
        if self._in_order or after in (0, len(path)):
            return None
        return _hull((path[after - 1].box, path[after].box))

    def _held(self, path: Path, seconds: Fraction) -> Iterator[Region]:
        nearest = path[0] if seconds < path[0].seconds else path[-1]
        away_s = abs(seconds - nearest.seconds)
        if away_s <= self._hold_s:
            region = widened(nearest.box, self._margin + GROWTH_PER_S * float(away_s))
            if not any(_centre_in(self._between(each, seconds), region) for each in self._shown):
                yield region


def widened(box: Box, margin: float) -> Region:
    """Return the whole pixels of a box (pixel centres at integers) and `margin` times its longer side around it."""
    return surroundings(box, margin, LEAST_MARGIN_PX)


def placed(regions: Iterable[Region], origin: tuple[int, int], size: tuple[int, int], scale: int = 1) -> list[Region]:
    """Return regions of a frame in the pixels of a crop of it, enlarged `scale` times; those outside of it are dropped.

    Args:
        regions: in frame pixels.
        origin: the frame position of the crop's top-left pixel.
        size: width and height of the crop in frame pixels.
        scale: how many times it was enlarged.
    """
    (left, top), (width, height) = origin, size
    found = [(x0 - left, y0 - top, x1 - left, y1 - top) for x0, y0, x1, y1 in regions]
    inside = [each for each in found if each[0] < width and each[1] < height and each[2] > 0 and each[3] > 0]
    return [(x0 * scale, y0 * scale, x1 * scale, y1 * scale) for x0, y0, x1, y1 in inside]


def covered(pixels: RGB, regions: Sequence[Region], size: tuple[int, int] | None = None) -> RGB:
    """Return a copy of a picture in which regions are one flat colour, crossed out, so that everybody sees it.

    Args:
        pixels: RGB, (height, width, 3).
        regions: in its pixels; what lies outside is left out.
        size: width and height of the part that may be painted, from the top left: what is below is a label.
    """
    result = pixels.copy()
    width, height = size or (pixels.shape[1], pixels.shape[0])
    for x0, y0, x1, y1 in regions:
        left, top = max(0, x0), max(0, y0)
        part = result[top : max(top, min(height, y1)), left : max(left, min(width, x1))]
        if part.size:
            part[:] = _painted((x0 - left, y0 - top, x1 - left, y1 - top), part.shape[:2])
    return result


def _painted(region: Region, shape: tuple[int, int]) -> RGB:
    """Return the part of a covered region that lies in a picture; `region` is relative to that part."""
    canvas = np.full((*shape, 3), FILL, np.uint8)
    x0, y0, x1, y1 = region
    thickness = max(1, (x1 - x0) // 64)
    corners = ((x0, y0), (x1 - 1, y1 - 1)), ((x0, y1 - 1), (x1 - 1, y0))
    for start, end in corners:
        cv2.line(canvas, start, end, MARK, thickness)
    cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), MARK, thickness)
    if x1 - x0 >= _WORD_FROM_PX:
        _write_word(canvas, region)
    return canvas


def _write_word(canvas: RGB, region: Region) -> None:
    x0, y0, x1, y1 = region
    face = cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(_WORD, face, 1.0, 1)
    scale = 0.7 * (x1 - x0) / width
    place = round((x0 + x1 - scale * width) / 2), round((y0 + y1 + scale * height) / 2)
    thickness = max(1, round(scale * 1.5))
    cv2.putText(canvas, _WORD, place, face, scale, FILL, 4 * thickness)
    cv2.putText(canvas, _WORD, place, face, scale, MARK, thickness)


def _hull(boxes: Iterable[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _centre_in(box: Box | None, region: Region) -> bool:
    if box is None:
        return False
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return region[0] <= x < region[2] and region[1] <= y < region[3]
