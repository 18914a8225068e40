"""The reserve of disk space: reached exactly when too little is free, and looked at no more than once a second."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch.reserve import Reserve
from facerecon.errors import ResourceError

GB = 10**9


class Usage(NamedTuple):
    free: int


class Disk:
    """A disk whose free bytes are told; counts who asks."""

    def __init__(self, patch: pytest.MonkeyPatch, free: int) -> None:
        self.free, self.asked = free, 0
        patch.setattr(shutil, "disk_usage", self)

    def __call__(self, _: Path) -> Usage:
        self.asked += 1
        return Usage(self.free)


@given(st.integers(0, 4 * GB), st.floats(0.001, 4))
def test_it_is_reached_exactly_when_less_is_free(free: int, gb: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, free)
        reserve = Reserve(Path("/cases"), gb, lambda: 0.0)
        assert reserve.reached() == (free / GB < gb)
        if free / GB < gb:
            with pytest.raises(ResourceError, match="--min-free-gb"):
                reserve.require()
        else:
            reserve.require()


@given(st.lists(st.floats(0, 3), max_size=20))
def test_the_disk_is_asked_once_a_second_at_most(steps: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk, now = Disk(patch, 0), [0.0]
        reserve = Reserve(Path("/cases"), 1, lambda: now[0])
        asked_at: list[float] = []
        for step in steps:
            before = disk.asked
            assert reserve.reached() == (disk.asked > before)
            if disk.asked > before:
                asked_at.append(now[0])
            now[0] += step
        assert all(later - earlier >= 1.0 for earlier, later in zip(asked_at, asked_at[1:], strict=False))


def test_nothing_is_asked_where_no_reserve_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 0)
    reserve = Reserve(Path("/cases"), 0)
    reserve.require()
    assert (reserve.reached(), disk.asked) == (False, 0)


def test_a_folder_that_cannot_be_asked_is_left_to_whoever_writes_there(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "none", 1e9)
    reserve.require()
    assert not reserve.reached()
    with pytest.raises(ResourceError):
        Reserve(tmp_path, 1e9).require()


def test_the_message_names_the_place_the_option_and_what_is_kept() -> None:
    text = str(Reserve(Path("/cases"), 0.5).error("3 of 9 sources are pending"))
    assert "0.5 GB are free at /cases (--min-free-gb); 3 of 9 sources are pending" in text
    assert "\n" not in text
