"""A frame is gone when nobody holds it any more: decoders read hours of footage, and cannot wait for a collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from facerecon.demo import render_clip
from facerecon.profiles import Motion, Sample
from facerecon.video import open_source


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection but the one by counting references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def frames_alive() -> int:
    # Not isinstance: it asks objects of torch for their class, and they warn.
    return sum(issubclass(type(each), av.VideoFrame) for each in gc.get_objects())


@pytest.mark.parametrize("gated", [False, True])
def test_no_decoded_frame_outlives_its_turn(tmp_path: Path, uncollected: None, gated: bool) -> None:
    source = open_source(render_clip(tmp_path / "demo.mp4").path)
    before, most, taken = frames_alive(), 0, 0
    for _ in source.watched(Sample(), Motion()) if gated else source.frames(Sample()):
        taken, most = taken + 1, max(most, frames_alive() - before)
    assert taken == 84
    # What the decoder itself holds back for reordering.
    assert most <= 20
