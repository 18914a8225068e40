"""Sightings: the same faces and tracks in the same order, however slowly they are used; and nothing left running."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from facerecon.journal import Journal
from facerecon.pipeline.accounts import Stopwatch
from facerecon.pipeline.resuming import RememberedDetector, Resuming
from facerecon.pipeline.sightings import Sighting, Sightings
from facerecon.profiles import Motion, Sample, load_profile
from facerecon.records import RGB, Detection, Frame, Skipped, Timestamp, evidence
from facerecon.stages import Silent
from facerecon.video import MotionGate, Source, Unmoving, Watched
from tests.fakes import FakeDetector, FakeSource, picture

SIZE = (320, 192)


class SlowDetector(FakeDetector):
    """Takes its time, and fails when it is told to."""

    def __init__(self, seconds: float = 0.0, fail_at: int | None = None) -> None:
        super().__init__()
        self.seconds, self.fail_at, self.calls = seconds, fail_at, 0

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        self.calls += 1
        if self.calls == self.fail_at:
            raise MemoryError("no more")
        time.sleep(self.seconds)
        return super().detect(images)


def walk(count: int = 30) -> list[RGB | None]:
    """Somebody walks, stands still for ten frames, and walks on; one frame cannot be decoded."""
    steps = [min(n, max(10, n - 10)) for n in range(count)]
    pictures: list[RGB | None] = [picture(*SIZE, faces=[(8 + 8 * step, 40, 24)]) for step in steps]
    pictures[25] = None
    return pictures


def sightings(root: Path, detector: FakeDetector, source: Source | None = None) -> Sightings:
    root.mkdir()
    source, watch = source or FakeSource(walk()), Stopwatch()
    journal = Journal(root, "extract", {"made": "by a test"})
    remembered = RememberedDetector(detector, journal, watch)
    return Sightings(source, remembered, Resuming(remembered, Silent()), load_profile("standard"), watch)


def told(item: Any) -> Any:
    if isinstance(item, Sighting):
        boxes = [(face.box, owner and owner.key) for face, owner in zip(item.faces, item.owners, strict=True)]
        return item.seen.frame.id, item.search, boxes, [track.key for track in item.ended]
    return "unmoved" if isinstance(item, Unmoving) else (item.subject, item.reason, item.count)


@pytest.mark.parametrize(("search_s", "use_s"), [(0.0, 0.0), (0.02, 0.0), (0.0, 0.005)])
def test_order_does_not_depend_on_who_is_slow(tmp_path: Path, search_s: float, use_s: float) -> None:
    def all_of(name: str, detector: FakeDetector, wait_s: float) -> list[Any]:
        found = []
        with closing(sightings(tmp_path / name, detector).items()) as items:
            for item in items:
                found.append(told(item))
                time.sleep(wait_s)
        return found

    usual = all_of("usual", FakeDetector(), 0.0)
    assert all_of("slow", SlowDetector(search_s), use_s) == usual
    assert [each[0] for each in usual if len(each) == 4] == [
        f"f{n:06d}" for n in (*range(11), *range(21, 25), *range(26, 30))
    ]
    assert ("f000011-f000020", "nothing-moved", 10) in usual
    assert usual.count("unmoved") == 10


class Quiet(FakeSource):
    """A face, then nothing that moves for so many frames, then the face again."""

    def __init__(self, frames: int) -> None:
        super().__init__(walk()[:2])
        self.count = frames

    def watched(self, sample: Sample, motion: Motion) -> Iterator[Watched | Unmoving | Skipped]:
        first, last = (item for item in self.frames(sample) if isinstance(item, Frame))
        look = MotionGate(motion).look(first)
        yield Watched(first, look)
        yield from (Unmoving(n, Timestamp(pts=n, time_base=(1, 10))) for n in range(1, self.count))
        yield Watched(Frame(self.count, Timestamp(pts=self.count, time_base=(1, 10)), last.pixels, False), look)


def test_however_long_nothing_moves_it_takes_no_more_memory(tmp_path: Path) -> None:
    def held_bytes(frames: int) -> int:
        found, unmoving, held = sightings(tmp_path / str(frames), FakeDetector(), Quiet(frames)), 0, 0
        # Some thousand times are kept for whoever asks for them again.
        evidence._seconds.cache_clear()
        tracemalloc.start()
        with closing(found.items()) as items:
            for item in items:
                unmoving += isinstance(item, Unmoving)
                if isinstance(item, Unmoving) and unmoving == frames - 50:
                    gc.collect()
                    held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert unmoving == frames - 1
        # Nothing moved in between, so it is the same track.
        assert len(found.remaining) == 1
        return held

    assert held_bytes(15_000) < held_bytes(6_000) + 100_000


def test_who_is_seen_to_the_end_remains(tmp_path: Path) -> None:
    found = sightings(tmp_path / "s", FakeDetector())
    keys = {owner.key for item in found.items() if isinstance(item, Sighting) for owner in item.owners if owner}
    assert [track.key for track in found.remaining] == sorted(keys)
    assert len(keys) == 1


def test_what_the_detector_raises_comes_out_and_nothing_goes_on(tmp_path: Path) -> None:
    found = sightings(tmp_path / "s", SlowDetector(fail_at=1))
    with pytest.raises(MemoryError, match="no more"), closing(found.items()) as items:
        for _ in items:
            pass
    assert not [each for each in threading.enumerate() if each.name == "ahead"]


def test_leaving_early_ends_both_threads(tmp_path: Path) -> None:
    with closing(sightings(tmp_path / "s", SlowDetector(0.01)).items()) as items:
        first = next(items)
    assert isinstance(first, Sighting | Skipped)
    assert not [each for each in threading.enumerate() if each.name == "ahead"]
