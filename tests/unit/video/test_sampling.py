"""Sampling on the presentation clock, and runs of omissions."""

from __future__ import annotations

from facerecon.profiles import Sample
from facerecon.records import Timestamp
from facerecon.video.sources import Omission, Omissions, Sampler
from tests.synthetic import told


def test_sampler_keeps_to_the_due_times() -> None:
    sampler = Sampler(Sample(mode="fps", value=2.0), "stream")
    pts = [7, 8, 30, 57, 58, 107, 300, 301, 357]
    wanted = [
        tick
        for index, tick in enumerate(pts)
        if sampler.wants(index, Timestamp(pts=tick, time_base=(1, 100)), keyframe=False)
    ]
    assert wanted == [7, 57, 107, 300, 357]


def test_runs_are_merged_by_reason() -> None:
    omissions, one, two = Omissions(), Omission("a"), Omission("b", "skipped", "why")
    items = [*omissions.omit(one), *omissions.omit(one, 3), *omissions.omit(two), *omissions.close()]
    assert told(items) == [("f000000-f000003", "a", 4), ("f000004", "b", 1)]
    assert items[1].detail == "why"
