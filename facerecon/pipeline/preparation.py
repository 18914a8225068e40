"""Geometry of every frame before anything else looks at it: lens and proportions, from the profile's parameters.

The source's digest, probe and times stay its own; what was done is named in `Source.preparation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from facerecon.filters.lens import stretch, undistort
from facerecon.profiles import Extract, Lens, Sample, Stretch
from facerecon.records import RGB, Frame, Skipped
from facerecon.video import Source


def prepared(source: Source, settings: Extract) -> Source:
    """Return the source with the profile's lens correction and stretch on every frame; itself without either."""
    if settings.lens is None and settings.stretch is None:
        return source
    return _Prepared(source, settings.lens, settings.stretch)


class _Prepared(Source):
    def __init__(self, source: Source, lens: Lens | None, proportions: Stretch | None) -> None:
        self._source, self._lens, self._stretch = source, lens, proportions
        self.record, self.probe = source.record, source.probe
        self.frame_count_from_header = source.frame_count_from_header
        self.preparation = (*source.preparation, *_words(lens, proportions))

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the source's frames with their geometry put right; see `Source.frames`."""
        for item in self._source.frames(sample):
            yield replace(item, pixels=self._corrected(item.pixels)) if isinstance(item, Frame) else item

    def _corrected(self, pixels: RGB) -> RGB:
        if self._lens is not None:
            pixels = undistort(pixels, **self._lens.model_dump())
        if self._stretch is not None:
            pixels = stretch(pixels, **self._stretch.model_dump())
        return pixels

    def _digest(self) -> str:
        return self._source._digest()


def _words(lens: Lens | None, proportions: Stretch | None) -> Iterator[str]:
    if lens is not None:
        numbers = f"k1 {lens.k1:g}, k2 {lens.k2:g}, focal length {lens.focal_widths:g} picture widths"
        yield f"corrected for the lens ({lens.model}, {numbers}, bicubic)"
    if proportions is not None:
        yield f"stretched by {proportions.horizontal:g} horizontally and {proportions.vertical:g} vertically (Lanczos)"
