"""Contact sheets: the best original shots of tracks, side by side, with what they are below each. Original pixels only.

Shots are enlarged by repeating pixels or reduced by area means, never interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facerecon.pictures import with_label
from facerecon.records import RGB

CELL_PX = 160
LETTERS_PX = 13
COLUMNS = 6
_GAP_PX = 6
_BACKGROUND = 24


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture and the words below it."""

    pixels: RGB
    words: str


@dataclass(frozen=True, eq=False)
class Strip:
    """A headline and the cells under it."""

    title: str
    cells: Sequence[Cell]


def contact_sheet(strips: Sequence[Strip], columns: int = COLUMNS) -> RGB:
    """Return the sheet, RGB: each strip's title and its cells in rows of `columns`.

    Raises:
        ValueError: there is no strip.
    """
    if not strips:
        raise ValueError("a contact sheet needs at least one strip")
    width = columns * (CELL_PX + _GAP_PX) + _GAP_PX
    parts: list[RGB] = []
    for strip in strips:
        parts.append(_title(strip.title, width))
        cells = [_cell(cell) for cell in strip.cells]
        parts += [_row(cells[start : start + columns], width) for start in range(0, len(cells), columns)]
    return np.vstack(parts)


def _title(text: str, width: int) -> RGB:
    return with_label(np.full((1, width, 3), _BACKGROUND, np.uint8), text, colour=(230, 230, 230))


def _cell(cell: Cell) -> RGB:
    return with_label(_fitted(cell.pixels), cell.words, letters_px=LETTERS_PX)


def _fitted(pixels: RGB) -> RGB:
    """Return the picture in a square of 160 px: whole-number repetition, or area means where it is larger."""
    longest = max(pixels.shape[:2])
    if longest > CELL_PX:
        factor = CELL_PX / longest
        pixels = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        times = CELL_PX // longest
        pixels = pixels.repeat(times, axis=0).repeat(times, axis=1)
    return _on_canvas(pixels, CELL_PX, CELL_PX, centred=True)


def _on_canvas(pixels: RGB, width: int, height: int, *, centred: bool = False) -> RGB:
    canvas = np.full((height, width, 3), _BACKGROUND, np.uint8)
    rows, columns = min(height, pixels.shape[0]), min(width, pixels.shape[1])
    top, left = ((height - rows) // 2, (width - columns) // 2) if centred else (0, 0)
    canvas[top : top + rows, left : left + columns] = pixels[:rows, :columns]
    return canvas


def _row(cells: Sequence[RGB], width: int) -> RGB:
    height = max(cell.shape[0] for cell in cells)
    canvas = np.full((height + _GAP_PX, width, 3), _BACKGROUND, np.uint8)
    for number, cell in enumerate(cells):
        left = _GAP_PX + number * (CELL_PX + _GAP_PX)
        canvas[: cell.shape[0], left : left + CELL_PX] = cell
    return canvas
