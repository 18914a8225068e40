"""Tiling: large pictures through a network in overlapping tiles, with every retreat recorded.

Owns what happens when memory is short or a tile fails. Pictures stay on the CPU; only tiles go to the device. A tile
is computed with context around it and only its core is kept: where the context covers what the network sees, the result
does not depend on the tile size, and there is nothing to blend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice, pairwise

import torch

from facerecon.engines.runtime import is_out_of_memory
from facerecon.errors import ResourceError, RestorationError
from facerecon.weights import Precision

Network = Callable[[torch.Tensor, Precision], torch.Tensor]
Span = tuple[int, int]
_BLACK_OUTPUT, _LIT_INPUT = 0.5 / 255, 2 / 255


@dataclass(frozen=True)
class TilePlan:
    """How pictures are cut, in input pixels: cores of at most `tile_px`, with `context_px` around each.

    `batch` tiles go through in one pass. Tiles are not made smaller than `floor_px`. `retreats` tells, in order, what
    had to be changed on the way.
    """

    tile_px: int
    context_px: int
    batch: int
    precision: Precision
    floor_px: int = 32
    retreats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tile:
    """One tile: its picture's number, its core, and the core with context; spans are (start, end) in input pixels."""

    picture: int
    core_y: Span
    core_x: Span
    outer_y: Span
    outer_x: Span

    @property
    def shape(self) -> Span:
        """Height and width with context."""
        return self.outer_y[1] - self.outer_y[0], self.outer_x[1] - self.outer_x[0]

    def __str__(self) -> str:
        """Name the tile as messages do."""
        return f"tile at x {self.core_x[0]}, y {self.core_y[0]}"


@dataclass(frozen=True, eq=False)
class Tiled:
    """Outputs (n, 3, h * scale, w * scale) on the CPU, and how they came about."""

    pixels: torch.Tensor
    plan: TilePlan
    tiles_per_picture: int

    @property
    def description(self) -> str:
        """The tile plan for the record."""
        plan, count = self.plan, self.tiles_per_picture
        cut = "whole picture" if count == 1 else f"{count} tiles of {plan.tile_px} px, context {plan.context_px} px"
        return "; ".join((cut, *plan.retreats))


class _UnusableOutputError(Exception):
    """A network gave NaN, infinity, or black for a tile that is not black."""


def run_tiled(pictures: torch.Tensor, network: Network, plan: TilePlan, scale: int) -> Tiled:
    """Run pictures (n, 3, h, w) of one size, in 0..1 on the CPU, through `network`, tile by tile.

    `network` takes tiles (m, 3, y, x) and a precision, and returns float32 of `scale` times their size. Short memory
    halves the batch, then the tile; unusable output repeats everything once in fp32. The result tells.

    Raises:
        RestorationError: a tile failed, or its output is unusable in fp32; its position is named.
        ResourceError: out of memory with one tile of the smallest size.
    """
    while True:
        tiles = list(cut_tiles(pictures, plan))
        try:
            return Tiled(_run(pictures, tiles, network, plan, scale), plan, len(tiles) // len(pictures))
        except _UnusableOutputError as error:
            plan = _repeated_in_fp32(plan, error)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            plan = _smaller(plan, max(pictures.shape[2:]))


def cut_tiles(pictures: torch.Tensor, plan: TilePlan) -> Iterator[Tile]:
    """Yield the tiles of all pictures: cores cover each picture exactly once, and are of nearly equal size."""
    count, _, height, width = pictures.shape
    for picture in range(count):
        for core_y in _spans(height, plan):
            for core_x in _spans(width, plan):
                outer = (_widened(core_y, plan.context_px, height), _widened(core_x, plan.context_px, width))
                yield Tile(picture, core_y, core_x, *outer)


def _spans(length: int, plan: TilePlan) -> Iterator[Span]:
    # A picture no larger than a tile with its context needs no cut: it takes the same memory.
    count = 1 if length <= plan.tile_px + 2 * plan.context_px else -(-length // plan.tile_px)
    edges = [length * index // count for index in range(count + 1)]
    return pairwise(edges)


def _widened(span: Span, margin: int, length: int) -> Span:
    return max(0, span[0] - margin), min(length, span[1] + margin)


def _run(pictures: torch.Tensor, tiles: list[Tile], network: Network, plan: TilePlan, scale: int) -> torch.Tensor:
    count, channels, height, width = pictures.shape
    # NaN, so that a core which nobody wrote could not pass for pixels.
    result = torch.full((count, channels, height * scale, width * scale), float("nan"))
    for batch in _batches(tiles, plan.batch):
        stack = torch.stack([pictures[tile.picture, :, slice(*tile.outer_y), slice(*tile.outer_x)] for tile in batch])
        for tile, output in zip(batch, _outputs(network, stack, batch, plan.precision), strict=True):
            _check(output, stack[batch.index(tile)], tile)
            _keep_core(result[tile.picture], output, tile, scale)
    return result


def _batches(tiles: Iterable[Tile], size: int) -> Iterator[list[Tile]]:
    """Group tiles of equal shape (those at a picture's border are smaller) into batches."""
    for _, group in groupby(sorted(tiles, key=lambda tile: tile.shape), key=lambda tile: tile.shape):
        while batch := list(islice(group, size)):
            yield batch


def _outputs(network: Network, stack: torch.Tensor, batch: list[Tile], precision: Precision) -> torch.Tensor:
    try:
        return network(stack, precision).cpu()
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise
        raise RestorationError(f"the network failed on the {batch[0]}: {error}") from error


def _check(output: torch.Tensor, tile_input: torch.Tensor, tile: Tile) -> None:
    if not torch.isfinite(output).all():
        raise _UnusableOutputError(f"output was not finite ({tile})")
    if output.max() < _BLACK_OUTPUT and tile_input.mean() > _LIT_INPUT:
        raise _UnusableOutputError(f"output was black ({tile})")


def _keep_core(result: torch.Tensor, output: torch.Tensor, tile: Tile, scale: int) -> None:
    """Write the core of a tile's output to its place. `result` and `output` are (3, y, x) in output pixels."""
    (y0, y1), (x0, x1) = tile.core_y, tile.core_x
    top, left = tile.outer_y[0], tile.outer_x[0]
    core = output[:, (y0 - top) * scale : (y1 - top) * scale, (x0 - left) * scale : (x1 - left) * scale]
    result[:, y0 * scale : y1 * scale, x0 * scale : x1 * scale] = core


def _repeated_in_fp32(plan: TilePlan, reason: _UnusableOutputError) -> TilePlan:
    if plan.precision == "fp32":
        raise RestorationError(f"the network's {reason}, in fp32") from reason
    return _retreat(replace(plan, precision="fp32"), f"{plan.precision} {reason}, repeated in fp32")


def _smaller(plan: TilePlan, longest_px: int) -> TilePlan:
    """Halve the batch, or with a batch of one the tile, down to the floor."""
    if plan.batch > 1:
        return _retreat(replace(plan, batch=plan.batch // 2), f"out of memory, batch {plan.batch // 2}")
    current_px = min(plan.tile_px, longest_px)
    tile_px = max(plan.floor_px, current_px // 2)
    if tile_px >= current_px:
        raise ResourceError(f"out of memory with one tile of {plan.tile_px} px; use --device cpu, or free memory")
    return _retreat(replace(plan, tile_px=tile_px), f"out of memory, tiles of {tile_px} px")


def _retreat(plan: TilePlan, note: str) -> TilePlan:
    return replace(plan, retreats=(*plan.retreats, note))
