"""What the index says of captures: clocks that agree with the footage's times, gaps, and why nothing can be said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch import captured
from facerecon.batch.captured import Arrival, arrivals, entry
from facerecon.capture.records import Segment, Track
from facerecon.errors import IntegrityError
from facerecon.records import Timestamp
from tests.unit.batch.growing_captures import STALL, capture, end, kill, track

BEGAN = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)


def segment(number: int, *tracks: Track, times: Any = "stream", begin_ms: int = 0) -> Segment:
    moment = f"{BEGAN + timedelta(milliseconds=begin_ms):%Y-%m-%dT%H:%M:%S}.000Z"
    return Segment(
        number=number, path=f"segments/{number:06d}.mkv", sha256="0" * 64, size_bytes=9, begin_ms=begin_ms,
        end_ms=begin_ms + 600, first_packet_utc=moment, last_packet_utc=moment, times=times, tracks=tracks,
    )  # fmt: skip


def told(patch: pytest.MonkeyPatch, *segments: Segment) -> dict[Path, Arrival]:
    patch.setattr(captured, "segments", lambda root: segments)
    return arrivals([Path("/evidence/cam")])


@given(st.integers(0, 86_400), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_clock_goes_on_as_the_footage_does_whatever_its_times_begin_with(
    begin_s: int, origin_s: int, later_s: int
) -> None:
    arrival = Arrival(BEGAN + timedelta(seconds=begin_s), float(origin_s))
    shown = BEGAN + timedelta(seconds=begin_s + later_s)
    assert arrival.at(origin_s + later_s) == f"{shown:%Y-%m-%d %H:%M:%S} UTC"


def test_the_clock_is_shown_in_utc_whatever_zone_it_was_written_in() -> None:
    west = datetime.fromisoformat("2026-11-22T23:30:00-02:00")
    assert Arrival(west, 5.0).at(5.0) == "2026-11-23 01:30:00 UTC"


def test_a_segment_has_an_arrival_when_its_own_times_and_its_first_picture_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Timestamp(pts=90_000, time_base=(1, 45_000))
    found = told(
        monkeypatch,
        segment(1, track(first=first), begin_ms=5000),
        segment(2, track()),
        segment(3, track(first=first), times="unknown"),
        segment(4, track("audio", first), track(first=None)),
        segment(5, track("audio", Timestamp(pts=0, time_base=(1, 1))), track(first=first), times="arrival"),
    )
    assert sorted(path.stem for path in found) == ["000001", "000005"]
    assert found[Path("/evidence/cam/segments/000001.mkv")] == Arrival(BEGAN + timedelta(seconds=5), 2.0)
    assert found[Path("/evidence/cam/segments/000005.mkv")].origin_s == 2.0


@pytest.mark.parametrize("error", [IntegrityError("the ledger was changed"), OSError(5, "Input/output error")])
def test_a_capture_that_cannot_be_read_costs_only_its_own_clocks(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Timestamp(pts=1, time_base=(1, 1))

    def read(root: Path) -> tuple[Segment, ...]:
        if root.name == "broken":
            raise error
        return (segment(1, track(first=first)),)

    monkeypatch.setattr(captured, "segments", read)
    found = arrivals([Path("/e/broken"), Path("/e/whole"), Path("/e/also")])
    assert set(found) == {Path("/e/whole/segments/000001.mkv"), Path("/e/also/segments/000001.mkv")}


# --- the capture itself -----------------------------------------------------------------------------------------------


def test_a_capture_is_running_while_it_is_held_then_ended_or_unknown(tmp_path: Path) -> None:
    held = capture(tmp_path / "cam")
    assert entry(tmp_path / "cam").state == "running"
    held.add_gap(STALL)
    (gap,) = entry(tmp_path / "cam").gaps
    assert (gap.seconds, gap.reason) == (9.4, "stall")
    assert gap.begin_utc < gap.end_utc
    kill(held)
    assert entry(tmp_path / "cam").state == "unknown"
    end(capture(tmp_path / "cam"))
    ended = entry(tmp_path / "cam")
    assert (ended.state, ended.problem, ended.path) == ("stopped", "", str(tmp_path / "cam"))
    assert [each.seconds for each in ended.gaps][:1] == [9.4]


def test_of_a_capture_that_was_changed_the_index_says_so_and_nothing_else(tmp_path: Path) -> None:
    end(capture(tmp_path / "cam"))
    ledger = tmp_path / "cam/ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"stopped", b"whole!!"))
    spoiled = entry(tmp_path / "cam")
    assert spoiled.problem
    assert (spoiled.state, spoiled.gaps) == ("unknown", ())
    assert entry(tmp_path / "none").problem
