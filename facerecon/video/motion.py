"""Motion gating: whether anything moved since the last frame that was analysed. Owns the comparison, drops nothing.

Made for a mostly static camera. The picture is reduced to mean grey levels of small square cells, half a block wide, so
that anything as large as a block (16 px: the smallest face worth finding) fills at least one cell wherever it stands.
Luma as coded serves as well as a picture's grey: what is thrown away need not be converted first.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.profiles import Motion
from facerecon.records import RGB, Frame

Grey = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.int16]
"""Mean grey levels in sixteenths of a level; black is 0, white 4080. A limited range reaches a little beyond both."""
Mask = npt.NDArray[np.bool_]

LEVEL = 16
DARKEST, BRIGHTEST = -300, 4460
"""What a cell can be."""
_LIMITED = np.rint((np.arange(255 * LEVEL + 1) - 16 * LEVEL) * (255 / 219)).astype(np.int16)

# A cell counts as moved when it differs by this many standard deviations of the differences of all cells (Gaussian
# noise exceeds 6 once in 5e8 cells, an hour of 1080p video).
_NOISE_SIGMAS = 6.0
_MAD_TO_SIGMA = 1.4826
# A burned-in clock: cells near the upper or lower border that changed in most of the last seconds (known after four).
_BORDER_SHARE = 0.12
_CLOCK_MEMORY = 0.8
_CLOCK_SCORE = 0.5
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_CLOCK_TEXT_CELLS = np.ones((3, 7), np.uint8)


@dataclass(frozen=True, eq=False)
class Look:
    """What the gate saw of a frame: whether it is to be analysed, its cells, and the cells of a running clock."""

    moved: bool
    cells: Cells
    clock: Mask | None


class MotionGate:
    """Compares each frame with the last one that was let through.

    A cell has moved when its mean grey level, less the median change of all cells (a global brightness flicker),
    differs by more than `threshold_levels` and by more than the sensor noise explains. A slow drift adds up, because
    the reference is the last frame let through. Every `refresh_s` a frame passes anyway, so that a person who stands
    still is looked at again. Cells of a running clock (at the upper or lower border, changing second after second) are
    ignored once they are known, after four seconds; what moves elsewhere is not affected.
    """

    def __init__(self, settings: Motion) -> None:
        """Take the settings; `block_px` is in pixels of the source."""
        self._settings = settings
        self._cell_px = cell_side(settings)
        self._size = (0, 0)
        self._reference: Cells | None = None
        self._reference_time = Fraction(0)
        self._clock = _ClockText()

    def look(self, frame: Frame) -> Look:
        """Look at a frame, in presentation order; the first one always counts as moved."""
        height, width = frame.pixels.shape[:2]
        return self.look_at(grey_of(frame.pixels), frame.timestamp.seconds, (width, height))

    def look_at(self, grey: Grey, now: Fraction, size: tuple[int, int], *, limited: bool = False) -> Look:
        """Look at a frame's grey levels; see `look`.

        Args:
            grey: shape (height, width), the whole picture, possibly with pixels that are not square.
            now: presentation time, seconds.
            size: width and height of the picture with square pixels, in which cells are measured, px.
            limited: 16 is black and 235 white.
        """
        cells = cell_means(grey, self._cell_px, size, limited=limited)
        if size != self._size:
            self._size, self._reference, self._clock = size, None, _ClockText()
        clock = self._clock.cells(cells, now, self._settings.threshold_levels)
        is_late = late(now, self._reference_time, self._settings.refresh_s)
        if self._reference is None or is_late or self._differs(cells, self._reference, clock):
            self._reference, self._reference_time = cells, now
            return Look(True, cells, clock)
        return Look(False, cells, clock)

    def _differs(self, cells: Cells, reference: Cells, ignored: Mask | None) -> bool:
        moved = changed(cells, reference, self._settings.threshold_levels)
        if ignored is not None:
            moved &= ~ignored
        return bool(moved.any())


def late(now: Fraction, since: Fraction, every_s: float) -> bool:
    """Say whether so many seconds have passed, as exactly as the profile states them."""
    return now - since >= Fraction(str(every_s))


def grey_of(pixels: RGB) -> Grey:
    """Return the grey levels of a picture."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def cell_side(settings: Motion) -> int:
    """Return the side of a cell, px."""
    return max(2, settings.block_px // 2)


def grid(size: tuple[int, int], cell_px: int) -> tuple[int, int]:
    """Return how many rows and columns of whole cells a picture of a width and height has; one at least."""
    return max(1, size[1] // cell_px), max(1, size[0] // cell_px)


def cell_means(grey: Grey, cell_px: int, size: tuple[int, int], *, limited: bool = False) -> Cells:
    """Return the mean grey level of each cell, shape (rows, columns), without partial cells at the edge.

    See `MotionGate.look_at` for the arguments.
    """
    rows, columns = grid(size, cell_px)
    height, width = grey.shape
    part = grey[: round(rows * cell_px * height / size[1]), : round(columns * cell_px * width / size[0])]
    square = (rows * cell_px, columns * cell_px) == part.shape
    while _halves(part.shape, (rows, columns), exactly=square):
        part = np.asarray(cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    means = _quads(part) if part.shape == (2 * rows, 2 * columns) else _areas(part, (rows, columns))
    return _LIMITED[means] if limited else means.astype(np.int16)


def _halves(shape: tuple[int, ...], cells: tuple[int, int], *, exactly: bool) -> bool:
    """Say whether a picture is halved on the way to its cells: OpenCV has vector code for that alone.

    Halving rounds up, by an eighth of a level each time and everywhere, which no difference shows. The last halving is
    left to `_quads`, which keeps the fractions. Where pixels are not square, a cell holds no whole number of them.
    """
    if exactly:
        return shape[0] % (4 * cells[0]) == shape[1] % (4 * cells[1]) == 0
    return shape[0] % 2 == shape[1] % 2 == 0 and shape[0] >= 4 * cells[0] and shape[1] >= 4 * cells[1]


def _quads(part: Grey) -> npt.NDArray[np.uint16]:
    pairs = np.add(part[::2], part[1::2], dtype=np.uint16)
    return (pairs[:, ::2] + pairs[:, 1::2]) * np.uint16(LEVEL // 4)


def _areas(part: Grey, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
    levels = part.astype(np.uint16) * np.uint16(LEVEL)
    return np.asarray(cv2.resize(levels, shape[::-1], interpolation=cv2.INTER_AREA), np.uint16)


def changed(cells: Cells, reference: Cells, threshold_levels: float) -> Mask:
    """Return which cells differ, in grey levels, beyond the threshold and beyond the noise of all cells."""
    difference = cells - reference
    difference -= median(difference)
    np.abs(difference, out=difference)
    sigma = _MAD_TO_SIGMA * median(difference)
    moved: Mask = difference > max(LEVEL * threshold_levels, _NOISE_SIGMAS * sigma)
    return moved


def median(cells: Cells) -> np.int16:
    """Return the upper median, by counting: a tenth of what sorting costs."""
    lowest = int(cells.min())
    counts = np.bincount((cells - lowest).ravel())
    return np.int16(lowest + int(np.searchsorted(np.cumsum(counts), cells.size // 2, side="right")))


class _ClockText:
    """Learns which cells hold a running clock: those at the border that change second after second."""

    def __init__(self) -> None:
        self._previous: Cells | None = None
        self._second: int | None = None
        self._seen: Mask | None = None
        self._score: npt.NDArray[np.float32] | None = None
        self._cells: Mask | None = None

    def cells(self, cells: Cells, now: Fraction, threshold_levels: float) -> Mask | None:
        """Return the cells to ignore (None: none are known), having learned from this frame."""
        border = max(1, round(cells.shape[0] * _BORDER_SHARE))
        strip = np.concatenate((cells[:border], cells[-border:]))
        if self._previous is None or self._seen is None:
            self._seen = np.zeros(strip.shape, dtype=np.bool_)
            self._score = np.zeros(strip.shape, dtype=np.float32)
        else:
            self._seen |= changed(strip, self._previous, threshold_levels)
        self._previous = strip
        second = int(now)
        if second != self._second:
            self._learn(cells.shape, border)
            self._second = second
        return self._cells

    def _learn(self, shape: tuple[int, ...], border: int) -> None:
        if self._score is None or self._seen is None:
            return
        # One digit spreads over some cells, not all of which change with every digit: neighbours count together.
        touched = cv2.dilate(self._seen.astype(np.float32), _NEIGHBOURS)
        self._score = self._score * _CLOCK_MEMORY + touched * np.float32(1 - _CLOCK_MEMORY)
        self._seen = np.zeros_like(self._seen)
        known = self._score > _CLOCK_SCORE
        if not known.any():
            self._cells = None
            return
        text = np.zeros(shape, dtype=np.uint8)
        text[:border], text[-border:] = known[:border], known[border:]
        self._cells = cv2.dilate(text, _CLOCK_TEXT_CELLS).astype(np.bool_)
