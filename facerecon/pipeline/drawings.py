"""Pictures that a stage makes of one face: coded side by side, since coding is most of their work, written in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facerecon.case import StageRun
from facerecon.pictures import encode_png, with_label
from facerecon.pipeline.beside import side_by_side
from facerecon.records import RGB


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture to be written: `text` is its metadata, and where `labelled`, its title stands in a strip below it."""

    path: str
    pixels: RGB
    title: str
    text: Mapping[str, str]
    labelled: bool = True

    @property
    def shown(self) -> RGB:
        """The picture as its file has it."""
        return with_label(self.pixels, self.title) if self.labelled else self.pixels


def write_drawings(run: StageRun, drawings: Sequence[Drawing]) -> list[str]:
    """Write the pictures in the given order; return each file's SHA-256."""
    # Letters are drawn here: nothing says that several threads may use one font at a time.
    shown = [(drawing.shown, {"Title": drawing.title, **drawing.text}) for drawing in drawings]
    coded = side_by_side(lambda each: encode_png(*each), shown)
    return [run.write(drawing.path, data) for drawing, data in zip(drawings, coded, strict=True)]
