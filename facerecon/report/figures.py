"""Pictures and the comparison figure. Owns the rule that a restored picture stands beside its original at equal size.

Never resamples a picture: the PNG bytes of the case go into the report as they are, and the viewer enlarges them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from facerecon.errors import IntegrityError
from facerecon.hashing import sha256_bytes
from facerecon.records import ChipRecord, FusedRecord, FusedRestoredRecord, GalleryRecord, RestoredRecord

Kind = Literal["original", "step", "restored", "gallery", "map"]
COMPUTED: tuple[Kind, ...] = ("step", "restored")
"""Pictures that never stand without their original."""
_PNG = b"\x89PNG\r\n\x1a\n"
_FIGURE_WIDTH_PX = 336
_FIGURE_HEIGHT_PX = 460


@dataclass(frozen=True, eq=False)
class Picture:
    """A PNG of the case, unchanged: bytes, size in pixels, digest, and what it shows in words."""

    path: str
    data: bytes
    sha256: str
    width_px: int
    height_px: int
    kind: Kind
    alt: str

    @property
    def name(self) -> str:
        """A file name that depends on the content only."""
        return f"{self.sha256}.png"


@dataclass(frozen=True, eq=False)
class ComparisonFigure:
    """An original and a picture restored from it, to be drawn at one size (R14).

    Cannot exist unless the original enlarged by the whole number `scale` has exactly the size of the restored content.
    The restored PNG may be larger than its content (`content`, top left): below it is the label strip (R15).
    """

    original: Picture
    restored: Picture
    scale: int
    content: tuple[int, int]

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit."""
        enlarged = (self.original.width_px * self.scale, self.original.height_px * self.scale)
        if self.scale < 1 or enlarged != self.content:
            raise IntegrityError(
                f"{self.restored.path} shows {_size(self.content)} px, but its original enlarged "
                f"x{self.scale} has {_size(enlarged)} px; they cannot be shown at the same size"
            )
        if self.restored.width_px < self.content[0] or self.restored.height_px < self.content[1]:
            raise IntegrityError(f"{self.restored.path} is smaller than the content its record names")

    @property
    def display_width_px(self) -> int:
        """Width of the original on screen in CSS pixels: the largest whole multiple that fits its half of the page."""
        by_width = _FIGURE_WIDTH_PX // self.original.width_px
        by_height = _FIGURE_HEIGHT_PX // self.original.height_px
        return self.original.width_px * max(1, min(by_width, by_height))

    @property
    def restored_display_width_px(self) -> float:
        """Width of the restored PNG on screen, at which its content is as large as the original."""
        return round(self.display_width_px * self.restored.width_px / self.content[0], 3)


class Album:
    """Reads pictures through the case's `picture` function and checks each against the digest its record names."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        """Take the function that returns the bytes of a file of the case."""
        self._read = read

    def original(self, chip: ChipRecord, alt: str) -> Picture:
        """Return a best shot: original pixels.

        Raises:
            IntegrityError: the bytes are not the ones the record names, or not of the size it names.
        """
        picture = self._picture(chip.path, "original", alt, chip.file_sha256)
        if (picture.width_px, picture.height_px) != tuple(chip.size):
            raise IntegrityError(
                f"{chip.path} is {picture.width_px} x {picture.height_px} px, its record says {_size(chip.size)}"
            )
        return picture

    def comparison(
        self, chip: ChipRecord, restored: RestoredRecord | FusedRecord | FusedRestoredRecord, alts: tuple[str, str]
    ) -> ComparisonFigure:
        """Return the figure of a best shot and what was made of it; `alts` describe original and result."""
        right = self._picture(restored.path, "restored", alts[1], restored.file_sha256)
        return ComparisonFigure(self.original(chip, alts[0]), right, restored.scale, restored.content)

    def step(self, chip: ChipRecord, path: str, alts: tuple[str, str]) -> ComparisonFigure:
        """Return the figure of a best shot and the picture after a step; the label strip below it is no wider.

        Raises:
            IntegrityError: the picture is not a whole number of times as wide as its original.
        """
        right = self._picture(path, "step", alts[1], None)
        scale = right.width_px // chip.size[0]
        content = (right.width_px, chip.size[1] * scale)
        return ComparisonFigure(self.original(chip, alts[0]), right, scale, content)

    def map(self, path: str, alt: str, sha256: str | None = None) -> Picture:
        """Return a map: colours that stand for a measure, not a picture of anything.

        Raises:
            IntegrityError: the bytes are not the ones whose digest is given.
        """
        return self._picture(path, "map", alt, sha256)

    def gallery(self, record: GalleryRecord, alt: str) -> Picture | None:
        """Return the face crop of a gallery picture, or None where the case holds none."""
        return None if record.crop_path is None else self._picture(record.crop_path, "gallery", alt, None)

    def _picture(self, path: str, kind: Kind, alt: str, expected: str | None) -> Picture:
        data = self._read(path)
        digest = sha256_bytes(data)
        if expected is not None and digest != expected:
            raise IntegrityError(f"{path}: its digest is not the one its record names")
        width, height = png_size(data, path)
        return Picture(path, data, digest, width, height, kind, alt)


def png_size(data: bytes, path: str) -> tuple[int, int]:
    """Return (width, height) from a PNG's header.

    Raises:
        IntegrityError: not a PNG.
    """
    if len(data) < 24 or not data.startswith(_PNG) or data[12:16] != b"IHDR":
        raise IntegrityError(f"{path} is not a PNG picture")
    width, height = struct.unpack(">II", data[16:24])
    if width == 0 or height == 0:
        raise IntegrityError(f"{path} is an empty PNG picture")
    return width, height


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
