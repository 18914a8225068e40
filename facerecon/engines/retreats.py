"""What happens when a network fails: smaller passes, smaller tiles, fp32, and in the end an error. All of it recorded.

Owns the order of retreats. Never gives other pixels for those that failed, and never lets one picture's failure touch
another's result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from facerecon.engines.runtime import is_out_of_memory, release_cached_memory
from facerecon.engines.tiling import Floats, Grid, Network, TilePlan, UnusableOutputError, compute
from facerecon.errors import ResourceError
from facerecon.records import RGB
from facerecon.stages import RestorationFailure


@dataclass(frozen=True, eq=False)
class Tiled:
    """A network's output for one picture, uint8 RGB, how it came about, and what the network tells beside it."""

    pixels: RGB
    plan: TilePlan
    description: str
    beside: Floats | None = None


def run_tiled(
    pictures: Sequence[RGB], network: Network, plan: TilePlan, scale: int
) -> list[Tiled | RestorationFailure]:
    """Run pictures of any sizes through `network`; return one outcome per picture, in order.

    Pictures of one size share passes. Short memory halves the passes, then the tiles, for this and all later pictures
    of the call. What is unusable or fails is repeated picture by picture; a picture whose output is unusable is then
    repeated once in fp32. `network` is as `tiling.compute` has it.

    Raises:
        ResourceError: out of memory with one tile of the smallest size.
    """
    found: dict[int, Tiled | RestorationFailure] = {}
    waiting = sorted(range(len(pictures)), key=lambda number: pictures[number].shape)
    while waiting:
        chunk = waiting[: _chunk_size([pictures[number] for number in waiting], plan)]
        try:
            outcomes = _attempt([pictures[number] for number in chunk], network, plan, scale)
        except _OutOfMemory:
            outcomes = None
        # Not in the handler: the exception keeps the tensors of the failed pass alive.
        if outcomes is None:
            release_cached_memory()
            plan = _smaller(plan, pictures[chunk[0]], len(chunk))
            continue
        found.update(zip(chunk, outcomes, strict=True))
        waiting = waiting[len(chunk) :]
    return [found[number] for number in range(len(pictures))]


class _OutOfMemory(Exception):
    """A pass did not fit."""


def _chunk_size(waiting: Sequence[RGB], plan: TilePlan) -> int:
    """Return how many of the waiting pictures go together: those of the first one's size that one pass holds."""
    grid = Grid.over(waiting[0], plan)
    if grid.tiles > 1:
        return 1
    alike = next((n for n, picture in enumerate(waiting) if picture.shape != waiting[0].shape), len(waiting))
    return min(alike, plan.per_pass(*grid.largest))


def _attempt(pictures: Sequence[RGB], network: Network, plan: TilePlan, scale: int) -> list[Tiled | RestorationFailure]:
    try:
        results = compute(pictures, network, plan, scale)
    except UnusableOutputError as error:
        reason, unusable = str(error), True
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise _OutOfMemory from error
        reason, unusable = f"the network failed: {' '.join(str(error).split())[:300]}", False
    else:
        tiles = Grid.over(pictures[0], plan).tiles
        return [Tiled(each.pixels, plan, plan.describe(tiles), each.beside) for each in results]
    if len(pictures) > 1:
        single = _retreat(plan, f"a pass of {len(pictures)} faces failed, repeated one by one")
        return [outcome for picture in pictures for outcome in _attempt([picture], network, single, scale)]
    if not unusable:
        return [RestorationFailure(reason)]
    if plan.precision == "fp32":
        return [RestorationFailure(f"the network's {reason}, in fp32")]
    full = _retreat(replace(plan, precision="fp32"), f"{plan.precision} {reason}, repeated in fp32")
    return _attempt(pictures, network, full, scale)


def _smaller(plan: TilePlan, picture: RGB, pictures: int) -> TilePlan:
    """Halve the passes, or with passes of one tile the tiles, down to the floor."""
    grid = Grid.over(picture, plan)
    batch = min(plan.per_pass(*grid.largest), grid.tiles * pictures)
    if batch > 1:
        return _retreat(replace(plan, batch=batch // 2), f"out of memory, batch {batch // 2}")
    current_px = min(plan.tile_px, max(picture.shape[:2]))
    tile_px = max(plan.floor_px, current_px // 2 // plan.multiple * plan.multiple)
    if tile_px >= current_px:
        raise ResourceError(f"out of memory with one tile of {plan.tile_px} px; use --device cpu, or free memory")
    return _retreat(replace(plan, batch=1, tile_px=tile_px), f"out of memory, tiles of {tile_px} px")


def _retreat(plan: TilePlan, note: str) -> TilePlan:
    return replace(plan, retreats=(*plan.retreats, note))
