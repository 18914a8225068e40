"""Compression: finds the block grid of MJPEG or H.264 and smooths the steps across it; what is no grid, it leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerecon.filters.light import Plane, add_luma, luma
from facerecon.filters.outcome import Filtered
from facerecon.records import RGB

SIZES_PX = (8, 16, 4)
"""Grids that are looked for: MJPEG and MPEG-4 (8), H.264 macroblocks (16), H.264 transforms (4)."""
_MINIMUM_SIDE_PX = 32
_TEXTURE_LEVELS = 12.0


@dataclass(frozen=True)
class Grid:
    """A block grid: side, columns and rows where blocks start (modulo the side), and how sure that is.

    Attributes:
        size_px: side of a block.
        column_px: first column of a block, 0 to size_px - 1.
        row_px: first row of a block, 0 to size_px - 1.
        confidence: standard errors by which the steps on the grid exceed those beside it; chance stays under about 5.
        step_levels: typical step across a block border where both sides are flat.
    """

    size_px: int
    column_px: int
    row_px: int
    confidence: float
    step_levels: float


def deblock(
    pixels: RGB, *, strength: float = 1.0, min_confidence: float = 7.0, max_step_levels: float = 40.0
) -> Filtered:
    """Find the block grid and smooth small steps across its lines, in luma; larger steps are edges and stay.

    Args:
        pixels: RGB picture at the recorded size: enlarging or reducing it destroys the grid.
        strength: factor on the largest step that counts as a block border, above 0.
        min_confidence: below it nothing is done; see `Grid.confidence`.
        max_step_levels: bound on that step, whatever was estimated.

    Returns:
        Facts `size_px`, `column_px`, `row_px`, `confidence`, `step_levels`, `threshold_levels`.

    Reference: List, Joch, Lainema, Bjontegaard, Karczewicz, "Adaptive deblocking filter", IEEE TCSVT 13(7), 2003
    (conditions on step and activity); grid search after Wang, Bovik, Evans, ICIP 2000.

    Raises:
        ValueError: `strength` is not positive.
    """
    if strength <= 0:
        raise ValueError(f"deblock needs a strength above 0, not {strength}")
    plane = luma(pixels)
    grid = block_grid(plane)
    if grid is None:
        return Filtered(pixels, False, f"no deblocking: a side is under {_MINIMUM_SIDE_PX} px")
    threshold = min(max_step_levels, strength * 4.0 * grid.step_levels)
    facts = {name: float(getattr(grid, name)) for name in Grid.__dataclass_fields__} | {"threshold_levels": threshold}
    if grid.confidence < min_confidence:
        return Filtered(pixels, False, "no deblocking: no block grid stands out", facts)
    smooth = _smoothed(plane, grid.column_px, grid.size_px, threshold)
    smooth = _smoothed(smooth.T, grid.row_px, grid.size_px, threshold).T
    note = f"steps under {threshold:.0f} levels smoothed on a grid of {grid.size_px} px"
    return Filtered(add_luma(pixels, smooth - plane), True, note, facts)


def block_grid(plane: Plane) -> Grid | None:
    """Return the likeliest block grid of a luma plane, however unlikely; None when a side is under 32 px."""
    if min(plane.shape) < _MINIMUM_SIDE_PX:
        return None
    # Every second line of a grid of 8 is a grid of 16: the coarser one must be clearly better to be believed.
    return max(
        (_grid_of(plane, size) for size in SIZES_PX), key=lambda g: g.confidence * (0.8 if g.size_px == 16 else 1.0)
    )


def _grid_of(plane: Plane, size: int) -> Grid:
    column, sure_x, step_x = _phase(plane, size)
    row, sure_y, step_y = _phase(plane.T, size)
    # Two independent directions, each a mean of many columns: their sum over root two is again in standard errors.
    return Grid(size, column, row, (sure_x + sure_y) / 2**0.5, (step_x + step_y) / 2)


def _phase(plane: Plane, size: int) -> tuple[int, float, float]:
    """Return the column phase with the strongest steps, by how many standard errors, and the typical flat step."""
    steps = np.abs(np.diff(plane, axis=1))
    excess = _excess(steps)
    starts = np.arange(2, 2 + excess.size) + 1
    scores = np.array([_contrast(excess, starts % size == phase) for phase in range(size)])
    best = int(scores.argmax())
    return best, float(scores[best]), _flat_step(plane, best, size)


def _excess(steps: Plane) -> npt.NDArray[np.float64]:
    """Return per column by how much its steps exceed those two columns to either side, texture left out."""
    middle, around = steps[:, 2:-2], np.stack([steps[:, :-4], steps[:, 1:-3], steps[:, 3:-1], steps[:, 4:]])
    calm = (middle < _TEXTURE_LEVELS) & (around.max(axis=0) < _TEXTURE_LEVELS)
    surplus = np.where(calm, middle - around.mean(axis=0), 0.0)
    return np.asarray(surplus.sum(axis=0) / np.maximum(calm.sum(axis=0), 8), dtype=np.float64)


def _contrast(excess: npt.NDArray[np.float64], on_grid: npt.NDArray[np.bool_]) -> float:
    on, off = excess[on_grid], excess[~on_grid]
    if on.size < 3:
        return 0.0
    spread = np.sqrt(on.var(ddof=1) / on.size + off.var(ddof=1) / off.size)
    return float((on.mean() - off.mean()) / (spread + 0.01))


def _flat_step(plane: Plane, phase: int, size: int) -> float:
    starts = np.arange(phase if phase >= 2 else phase + size, plane.shape[1] - 1, size)
    left, right = plane[:, starts - 1], plane[:, starts]
    flat = (np.abs(left - plane[:, starts - 2]) < 3) & (np.abs(right - plane[:, starts + 1]) < 3)
    step = np.abs(right - left)[flat]
    # Steps of nothing are saturated or uniform areas, which say nothing about the quantiser.
    step = step[step > 0.25]
    return float(np.percentile(step, 75)) if step.size >= 8 else 0.0


def _smoothed(plane: Plane, phase: int, size: int, threshold: float) -> Plane:
    """Take each small step at a block border apart into a ramp over two pixels on either side."""
    starts = np.arange(phase, plane.shape[1] - 1, size)
    starts = starts[starts >= 2]
    far_left, left, right, far_right = (plane[:, starts + offset] for offset in (-2, -1, 0, 1))
    slopes = (left - far_left, far_right - right)
    change = _excess_step(right - left, slopes) * _share(right - left, slopes, threshold)
    result = plane.copy()
    for offset, part in ((-2, 0.125), (-1, 0.375), (0, -0.375), (1, -0.125)):
        result[:, starts + offset] += part * change
    return result


def _excess_step(step: Plane, slopes: tuple[Plane, Plane]) -> Plane:
    """Return what of a step the slopes beside it do not explain; never more than the step, never the other way."""
    excess = step - (slopes[0] + slopes[1]) / 2
    size = np.where(np.sign(excess) == np.sign(step), np.minimum(np.abs(excess), np.abs(step)), 0.0)
    return np.asarray(np.sign(step) * size, dtype=np.float32)


def _share(step: Plane, slopes: tuple[Plane, Plane], threshold: float) -> Plane:
    """Return how much of each step is quantisation, 0 to 1: all of a small one between calm sides, none of an edge."""
    calm = np.maximum(np.abs(slopes[0]), np.abs(slopes[1])) < 0.6 * threshold
    share = np.clip(2.0 - 2.0 * np.abs(step) / max(threshold, 1e-6), 0.0, 1.0)
    return np.asarray(np.where(calm, share, 0.0), dtype=np.float32)
