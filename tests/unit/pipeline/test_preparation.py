"""Geometry before anything else: frames are corrected, times and digest stay, and the words say what was done."""

from __future__ import annotations

import numpy as np

from facerecon.pipeline.preparation import prepared
from facerecon.profiles import Extract, Lens, Sample, Stretch
from facerecon.records import Frame
from tests.fakes import FakeSource, picture


def test_without_settings_the_source_is_itself() -> None:
    source = FakeSource([picture()])
    assert prepared(source, Extract()) is source


def test_stretch_and_lens_change_the_pixels_and_nothing_else() -> None:
    source = FakeSource([picture(faces=[(20, 30, 40)])] * 3)
    settings = Extract(stretch=Stretch(horizontal=1.5), lens=Lens(k1=-0.2))
    changed = prepared(source, settings)
    before, after = (list(each.frames(Sample())) for each in (source, changed))
    for a, b in zip(before, after, strict=True):
        assert isinstance(a, Frame)
        assert isinstance(b, Frame)
        assert (a.id, a.timestamp) == (b.id, b.timestamp)
        assert b.pixels.shape == (a.pixels.shape[0], round(1.5 * a.pixels.shape[1]), 3)
    assert changed.record == source.record
    assert changed.preparation[0].startswith("corrected for the lens (brown-conrady, k1 -0.2")
    assert changed.preparation[1] == "stretched by 1.5 horizontally and 1 vertically (Lanczos)"
    changed.verify_unchanged()


def test_lens_alone_keeps_the_size_and_the_centre() -> None:
    source = FakeSource([picture(faces=[(70, 50, 20)])])
    (frame,) = prepared(source, Extract(lens=Lens(k1=0.1))).frames(Sample())
    (before,) = source.frames(Sample())
    assert isinstance(frame, Frame)
    assert isinstance(before, Frame)
    height, width = frame.pixels.shape[:2]
    middle = np.s_[height // 2 - 2 : height // 2 + 2, width // 2 - 2 : width // 2 + 2]
    assert frame.pixels.shape == before.pixels.shape
    assert np.abs(frame.pixels[middle].astype(int) - before.pixels[middle]).max() <= 2
