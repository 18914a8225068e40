"""Tiles: how pictures are cut for a network, and how its outputs are put together again without a seam.

Owns the geometry and the memory. Pictures stay on the CPU as uint8; only tiles go to the device. A tile is computed
with context around its core, and neighbouring cores cross-fade over a few pixels within that context. The result is
written a band of rows at a time, so that beside the uint8 result only one row of tiles exists as floats, and the
outputs of one pass, of up to three more where passes run ahead.

Measured with Real-ESRGAN x4plus (fp32, 48 px of context, 16 px of cross-fade) on 448x64 px of a portrait: tiles of 128
against 256 px 72 dB, at most 1 level; batches of 8 against 1 no difference. The promise (R13): 60 dB, and 1 level.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
import numpy.typing as npt

from facerecon.ahead import ahead
from facerecon.records import RGB
from facerecon.weights import Precision

Floats = npt.NDArray[np.float32]
Network = Callable[[Floats, Precision], Floats]
Span = tuple[int, int]
_BLACK_OUTPUT, _LIT_INPUT_LEVELS = 0.5 / 255, 2.0


class UnusableOutputError(Exception):
    """A network gave NaN, infinity, or black for a tile that is not black."""


@dataclass(frozen=True)
class TilePlan:
    """How pictures are cut, in input pixels: cores of at most `tile_px`, with `context_px` around each.

    Neighbouring cores cross-fade over `feather_px` on either side of their border. Tiles begin and end at multiples of
    `multiple`. At most `batch` tiles go through in one pass, and where `pass_px` is given at most so many pixels (but
    one tile). Tiles are not made smaller than `floor_px`. `ahead`: the next passes run while the last tiles are put
    together, which pays where the network has a device of its own. `retreats` tells, in order, what had to be changed
    on the way.
    """

    tile_px: int
    context_px: int
    batch: int
    precision: Precision
    feather_px: int = 0
    multiple: int = 1
    floor_px: int = 32
    pass_px: int | None = None
    ahead: bool = False
    retreats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a cross-fade that would reach beyond the context."""
        if self.feather_px > self.context_px:
            raise ValueError(f"a cross-fade of {self.feather_px} px needs as much context, not {self.context_px} px")

    def per_pass(self, height: int, width: int) -> int:
        """Return how many tiles of this size (with context) go through in one pass."""
        allowed = self.batch if self.pass_px is None else max(1, self.pass_px // (height * width))
        return min(self.batch, allowed)

    def describe(self, tiles: int) -> str:
        """Return the plan for the record; `tiles` is their number in the picture."""
        faded = f", cross-fade {2 * self.feather_px} px" if self.feather_px else ""
        cut = f"{tiles} tiles of {self.tile_px} px, context {self.context_px} px{faded}"
        return "; ".join(("whole picture" if tiles == 1 else cut, *self.retreats))


@dataclass(frozen=True)
class Axis:
    """One side of a picture, `length` px, cut at `edges` (the first is 0, the last is `length`)."""

    length: int
    edges: tuple[int, ...]
    plan: TilePlan

    @classmethod
    def cut(cls, length: int, plan: TilePlan) -> Axis:
        """Cut a side into cores of nearly equal size.

        A side no longer than a tile with its context is left whole: it takes the same memory.
        """
        if length <= plan.tile_px + 2 * plan.context_px:
            return cls(length, (0, length), plan)
        units = -(-length // plan.multiple)
        count = -(-units // max(1, plan.tile_px // plan.multiple))
        inner = (units * index // count * plan.multiple for index in range(count))
        return cls(length, (*inner, length), plan)

    def __len__(self) -> int:
        """Return the number of cores."""
        return len(self.edges) - 1

    def outer(self, index: int) -> Span:
        """Return the span that is computed: the core with its context, within the picture."""
        start = max(0, self.edges[index] - self.plan.context_px)
        return start - start % self.plan.multiple, min(self.length, self.edges[index + 1] + self.plan.context_px)

    def support(self, index: int) -> Span:
        """Return the span in which the tile has weight: the core with its cross-fades."""
        start, end, feather = self.edges[index], self.edges[index + 1], self.plan.feather_px
        return max(0, start - feather), min(self.length, end + feather)

    def weights(self, index: int, scale: int) -> Floats:
        """Return the tile's weight at each output pixel of its support, float32; all tiles' weights add up to 1."""
        start, end = self.support(index)
        centres = (np.arange((end - start) * scale) + 0.5) / scale + start
        return (self._risen(index, centres) - self._risen(index + 1, centres)).astype(np.float32)

    def _risen(self, edge: int, centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return how far the cross-fade at an edge has gone: 0 before it, 1 behind it. Borders have none."""
        if edge == 0 or edge == len(self):
            return np.full_like(centres, 1.0 if edge == 0 else 0.0)
        feather = max(self.plan.feather_px, 1e-9)
        return np.clip((centres - self.edges[edge] + feather) / (2 * feather), 0, 1)


@dataclass(frozen=True)
class Tile:
    """One tile of picture number `picture`: its place in the two axes, and the spans that are computed."""

    picture: int
    row: int
    column: int
    outer_y: Span
    outer_x: Span

    @property
    def shape(self) -> Span:
        """Height and width with context."""
        return self.outer_y[1] - self.outer_y[0], self.outer_x[1] - self.outer_x[0]


@dataclass(frozen=True)
class Grid:
    """The tiles of pictures of one size."""

    rows: Axis
    columns: Axis

    @classmethod
    def over(cls, picture: RGB, plan: TilePlan) -> Grid:
        """Cut pictures of this one's size."""
        return cls(Axis.cut(picture.shape[0], plan), Axis.cut(picture.shape[1], plan))

    @property
    def tiles(self) -> int:
        """How many tiles a picture has."""
        return len(self.rows) * len(self.columns)

    @property
    def largest(self) -> Span:
        """Height and width of the largest tile with context."""
        return _longest(self.rows), _longest(self.columns)

    def tiles_of_row(self, row: int, pictures: int) -> Iterator[Tile]:
        """Yield the tiles of one row, of all pictures."""
        for column in range(len(self.columns)):
            for picture in range(pictures):
                yield Tile(picture, row, column, self.rows.outer(row), self.columns.outer(column))

    def position(self, tile: Tile) -> str:
        """Name a tile as messages do."""
        return f"tile at x {self.columns.edges[tile.column]}, y {self.rows.edges[tile.row]}"


def _longest(axis: Axis) -> int:
    return max(end - start for start, end in map(axis.outer, range(len(axis))))


@dataclass(frozen=True, eq=False)
class Computed:
    """A network's answer for one picture: its pixels, and what it tells beside them, (k, y, x); None for nothing."""

    pixels: RGB
    beside: Floats | None


def compute(pictures: Sequence[RGB], network: Network, plan: TilePlan, scale: int) -> list[Computed]:
    """Run pictures of one size through `network`, tile by tile; return uint8 (h * scale, w * scale, 3) of each.

    `network` takes tiles (m, 3, y, x), float32 in 0..1, and a precision, and returns `scale` times their size. Channels
    after the three colours are what it tells beside the picture; of pictures that are one tile they are returned as
    they are. Nothing is caught here.

    Raises:
        UnusableOutputError: the output of a tile is not finite, or black where the input is not.
        RuntimeError: whatever the network raised.
    """
    grid = Grid.over(pictures[0], plan)
    height, width = (side * scale for side in pictures[0].shape[:2])
    results = [np.empty((height, width, 3), np.uint8) for _ in pictures]
    beside: list[Floats | None] = [None] * len(pictures)
    band = _Band(grid, 0, scale, len(pictures), None)
    answers = _answers(pictures, grid, network, plan)
    with closing(ahead(answers, 1) if plan.ahead else answers) as answered:
        for batch, outputs in answered:
            if batch[0].row != band.row:
                band = _Band(grid, batch[0].row, scale, len(pictures), band.write(results))
            for tile, output in zip(batch, outputs, strict=True):
                height_px, width_px = tile.shape
                usable = output[:, : height_px * scale, : width_px * scale]
                _check(usable, pictures[tile.picture], tile, grid)
                band.add(tile, usable[:3])
                if grid.tiles == 1 and len(usable) > 3:
                    beside[tile.picture] = usable[3:]
    band.write(results)
    return [Computed(*each) for each in zip(results, beside, strict=True)]


def _answers(
    pictures: Sequence[RGB], grid: Grid, network: Network, plan: TilePlan
) -> Generator[tuple[list[Tile], Floats], None, None]:
    """Yield the tiles of one pass after the other, row by row, and the network's output for them."""
    for row in range(len(grid.rows)):
        for batch in _batches(grid.tiles_of_row(row, len(pictures)), plan):
            yield batch, network(_stack(pictures, batch, plan.multiple), plan.precision)


def _batches(tiles: Iterable[Tile], plan: TilePlan) -> Iterator[list[Tile]]:
    """Group tiles of equal shape (those at a picture's border are smaller) into passes."""
    for shape, group in groupby(sorted(tiles, key=lambda tile: tile.shape), key=lambda tile: tile.shape):
        while batch := list(islice(group, plan.per_pass(*shape))):
            yield batch


def _stack(pictures: Sequence[RGB], batch: Sequence[Tile], multiple: int) -> Floats:
    """Return the tiles as the network takes them; a side that is no multiple has its last pixels repeated."""
    height, width = batch[0].shape
    padding = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    cut = [np.pad(_pixels(pictures[tile.picture], tile), padding, mode="edge") for tile in batch]
    # Colours last in memory, as pictures are: the layout in which torch's convolutions are fastest.
    return np.divide(np.stack(cut), np.float32(255), dtype=np.float32).transpose(0, 3, 1, 2)


def _pixels(picture: RGB, tile: Tile) -> RGB:
    return picture[slice(*tile.outer_y), slice(*tile.outer_x)]


def _check(output: Floats, picture: RGB, tile: Tile, grid: Grid) -> None:
    if not np.isfinite(output).all():
        raise UnusableOutputError(f"output was not finite ({grid.position(tile)})")
    if output[:3].max() < _BLACK_OUTPUT and _pixels(picture, tile).mean() > _LIT_INPUT_LEVELS:
        raise UnusableOutputError(f"output was black ({grid.position(tile)})")


class _Band:
    """The output rows that one row of tiles has weight in, as floats in 0..255, for all pictures."""

    def __init__(self, grid: Grid, row: int, scale: int, pictures: int, carried: Floats | None) -> None:
        self._grid, self.row, self._scale = grid, row, scale
        top, bottom = grid.rows.support(row)
        self._top, self._bottom = top * scale, bottom * scale
        shape = (pictures, self._bottom - self._top, grid.columns.length * scale, 3)
        self._sums = np.zeros(shape, np.float32)
        if carried is not None:
            self._sums[:, : carried.shape[1]] = carried

    def add(self, tile: Tile, output: Floats) -> None:
        """Add a tile's output (3, y, x) in 0..1, cut to its support and weighted."""
        rows, columns, scale = self._grid.rows, self._grid.columns, self._scale
        (y0, y1), (x0, x1) = rows.support(tile.row), columns.support(tile.column)
        top, left = tile.outer_y[0], tile.outer_x[0]
        part = output[:, (y0 - top) * scale : (y1 - top) * scale, (x0 - left) * scale : (x1 - left) * scale]
        levels = np.clip(part, 0, 1).transpose(1, 2, 0) * np.float32(255)
        weight = rows.weights(tile.row, scale)[:, None, None] * columns.weights(tile.column, scale)[None, :, None]
        self._sums[tile.picture, :, x0 * scale : x1 * scale] += levels * weight

    def write(self, results: Sequence[RGB]) -> Floats | None:
        """Write the rows that no later tile reaches; return the others, None after the last row."""
        last = self.row + 1 == len(self._grid.rows)
        done = self._bottom if last else self._grid.rows.support(self.row + 1)[0] * self._scale
        ready = self._sums[:, : done - self._top]
        np.rint(ready, out=ready)
        for result, levels in zip(results, ready, strict=True):
            np.copyto(result[self._top : done], levels, casting="unsafe")
        return None if last else self._sums[:, done - self._top :].copy()
