"""The folder: verified byte by byte, one process at a time, taken up again after whatever ended it."""

from __future__ import annotations

import errno
import itertools
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facerecon.capture import CaptureProblemsError, Gap, Segment, files, finished, gaps, running, segments, verified
from facerecon.capture.clock import Moment, Timeline
from facerecon.capture.folder import locked
from facerecon.capture.reconnection import LONGEST_S, Patience
from facerecon.capture.recording import ENDED
from facerecon.capture.records import Account, utc_ns, utc_text
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.ledger import Ledger
from tests.unit.capture.conftest import Capture
from tests.unit.capture.live_streams import Live, Reset, Stall, packets_of, piece
from tests.unit.capture.test_capturing import captured_packets


@pytest.fixture
def captured(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> Path:
    """A capture of 40 pictures in two segments, which its sender broke off."""
    live.scripts = [[piece(clip, 0, 40), Reset()]]
    capture()
    return tmp_path / "c"


def killed(root: Path, keep: float = 1.0) -> Path:
    """Make of a finished capture what a killed one leaves: its last segment unfinished, nothing said of it."""
    last = segments(root)[-1]
    entries = Ledger.read(root / "ledger.jsonl").entries
    cut = next(number for number, each in enumerate(entries) if each.details.get("path") == last.path)
    (root / "ledger.jsonl").write_bytes(Ledger(entries[:cut]).to_bytes())
    (root / "manifest.json").unlink()
    path = root / last.path
    data = path.read_bytes()
    path.unlink()
    left = path.with_name(f"{files.UNFINISHED}{path.name}")
    left.write_bytes(data[: int(len(data) * keep)])
    return left


# --- verification -----------------------------------------------------------------------------------------------------


def test_an_untouched_capture_verifies_and_any_changed_byte_is_found(captured: Path) -> None:
    assert not verified(captured).running
    for path in sorted(each for each in captured.rglob("*") if each.is_file()):
        path.chmod(0o600)
        data = path.read_bytes()
        for place in {0, len(data) // 3, len(data) // 2, len(data) - 1}:
            path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
            with pytest.raises(CaptureProblemsError):
                verified(captured)
        path.write_bytes(data)
        verified(captured)


def test_missing_and_extra_files_are_found(captured: Path) -> None:
    for path in sorted(each for each in captured.rglob("*") if each.is_file() and each.name != "capture.json"):
        moved = captured.parent / "away"
        path.rename(moved)
        with pytest.raises(CaptureProblemsError, match=r"missing|cannot be read"):
            verified(captured)
        moved.rename(path)
    (captured / "segments/extra.nut").write_bytes(b"x")
    with pytest.raises(CaptureProblemsError, match=r"extra file segments/extra\.nut"):
        verified(captured)


def test_a_ledger_without_its_last_lines_is_found(captured: Path) -> None:
    lines = (captured / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        (captured / "ledger.jsonl").write_bytes(b"".join(lines[:kept]))
        with pytest.raises(CaptureProblemsError):
            verified(captured)


def test_everything_is_private_and_segments_are_read_only(captured: Path) -> None:
    assert captured.stat().st_mode & 0o777 == 0o700
    for each in captured.rglob("*"):
        assert not each.stat().st_mode & 0o077
    assert {each.stat().st_mode & 0o777 for each in (captured / "segments").iterdir()} == {0o400}


def test_a_running_capture_verifies_with_its_unfinished_segment(captured: Path) -> None:
    (captured / "segments" / f"{files.UNFINISHED}000009-20260101T000000Z.nut").write_bytes(b"x")
    with pytest.raises(CaptureProblemsError, match="extra file"):
        verified(captured)
    with locked(captured):
        assert verified(captured).running
        (captured / "segments/extra.nut").write_bytes(b"x")
        with pytest.raises(CaptureProblemsError, match="extra"):
            verified(captured)


# --- one at a time ----------------------------------------------------------------------------------------------------


def test_two_captures_never_share_a_folder(captured: Path, capture: Capture, live: Live) -> None:
    before = sha256_file(captured / "ledger.jsonl")
    with locked(captured):
        assert running(captured)
        with pytest.raises(UsageError, match="another process"):
            capture()
    assert not running(captured)
    assert sha256_file(captured / "ledger.jsonl") == before
    assert len(live.requests) == 1


def test_another_stream_and_another_folder_are_refused(captured: Path, capture: Capture, live: Live) -> None:
    with pytest.raises(UsageError, match="another stream"):
        capture(url=live.url("/other.ts"))
    shutil.rmtree(captured)
    captured.mkdir()
    (captured / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no capture"):
        capture()
    assert (captured / "notes.txt").read_text() == "mine"
    assert len(live.requests) == 1


def test_a_changed_capture_is_not_gone_on_with(captured: Path, capture: Capture) -> None:
    path = captured / segments(captured)[0].path
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="another size"):
        capture()


def test_what_nobody_captured_there_is_refused_and_left_alone(captured: Path, capture: Capture) -> None:
    (captured / "segments/mine.nut").write_bytes(b"x")
    with pytest.raises(IntegrityError, match="left by no capture"):
        capture()
    assert (captured / "segments/mine.nut").read_bytes() == b"x"


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1.0, 0.9, 0.6])
def test_what_a_killed_capture_left_is_adopted_as_it_is(
    captured: Path, clip: Path, capture: Capture, live: Live, keep: float
) -> None:
    whole = captured_packets(captured)
    left = killed(captured, keep)
    digest, before = sha256_file(left), len(segments(captured))
    live.scripts.append([piece(clip, 40, 80), Reset()])
    capture()
    found = segments(captured)
    assert found[before].recovered
    assert found[before].sha256 == digest == sha256_file(captured / found[before].path)
    assert not any(each.recovered for each in (*found[:before], *found[before + 1 :]))
    kept = captured_packets(captured)
    after = packets_of(piece(clip, 40, 80))
    assert kept[-len(after) :] == after
    # The last packet of a cut file may be short; every one before it is as it was sent.
    assert kept[: -len(after)][:-1] == whole[: len(kept) - len(after) - 1]
    assert [gap.reason for gap in gaps(captured)] == ["connecting", "killed", "connection-lost"]
    verified(captured)


def test_what_cannot_be_read_is_kept_and_counted(captured: Path, clip: Path, capture: Capture, live: Live) -> None:
    left = killed(captured)
    left.write_bytes(b"no segment")
    live.scripts.append([piece(clip, 40, 80), Reset()])
    capture()
    (kept,) = (captured / "unreadable").iterdir()
    assert kept.read_bytes() == b"no segment"
    assert [each.action for each in Ledger.read(captured / "ledger.jsonl").entries].count("capture.unreadable") == 1
    assert not any(each.recovered for each in segments(captured))
    verified(captured)


def test_a_segment_that_no_line_states_yet_is_adopted(captured: Path, capture: Capture) -> None:
    left = killed(captured)
    left.rename(left.with_name(left.name.removeprefix(files.UNFINISHED)))
    capture()
    assert [each.recovered for each in segments(captured)][-1]
    verified(captured)


def test_a_line_that_the_manifest_does_not_seal_yet_counts(captured: Path, capture: Capture) -> None:
    before = segments(captured)
    (captured / "manifest.json").unlink()
    (captured / ".tmp-abc").write_bytes(b"half a manifest")
    capture()
    assert segments(captured)[: len(before)] == before
    verified(captured)


def test_a_capture_that_ended_early_goes_on_and_one_at_its_duration_does_not(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    live.scripts = [[piece(clip, 0, 40), Reset()], [piece(clip, 40, 80), Stall()]]
    first, _ = capture(duration_s=4.0)
    assert (first.ending, finished(tmp_path / "c")) == ("unreachable", True)
    second, _ = capture(duration_s=4.0, patience=Patience(8.0))
    assert (second.ending, second.account.total_ms) == ("duration", 4000)
    assert [gap.reason for gap in gaps(tmp_path / "c")][:3] == ["connecting", "connection-lost", "not-running"]
    with pytest.raises(UsageError, match="reached its duration"):
        capture(duration_s=9.0)


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 3000, 20000, 24000])
def test_a_full_disk_keeps_what_was_finished_and_the_next_start_the_rest(
    room: int, clip: Path, live: Live, capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, written = piece(clip, 0, 80), itertools.count()
    real, spent = files._Sink.write, [0]

    def short(self: Any, data: bytes) -> int:
        next(written)
        spent[0] += len(data)
        if spent[0] > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    live.scripts = [[sent, Stall()], [piece(clip, 80, 120), Reset()]]
    with monkeypatch.context() as patch:
        patch.setattr(files._Sink, "write", short)
        with pytest.raises(ResourceError, match="No space left") as caught:
            capture(opening=files_opening())
    assert caught.value.exit_code == 5
    assert next(written) > 0
    root = tmp_path / "c"
    before = segments(root)
    assert all(sha256_file(root / each.path) == each.sha256 for each in before)
    capture()
    assert segments(root)[: len(before)] == before
    kept = captured_packets(root)
    assert [packet for packet in kept if packet in packets_of(sent)] == packets_of(sent)[: len(kept) - 40][: len(kept)]
    verified(root)


def files_opening() -> Any:
    from facerecon.capture.stream import Opening

    return Opening(timeout_s=2.0)


def test_it_stops_by_itself_before_the_disk_is_full(
    clip: Path, live: Live, capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    asked = itertools.count()
    monkeypatch.setattr("facerecon.capture.recording._DISK_CHECK_S", 0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10_000 - 50 * next(asked)))
    live.scripts = [[piece(clip, 0, 80), Stall()]]
    outcome, _ = capture(min_free_bytes=5_000)
    assert outcome.ending == "low-disk"
    assert outcome.account.packets
    assert Ledger.read(tmp_path / "c/ledger.jsonl").entries[-1].action == ENDED
    verified(tmp_path / "c")


# --- records and clocks -----------------------------------------------------------------------------------------------


def test_an_account_in_which_time_vanishes_cannot_be_made() -> None:
    fields = {"segments": 1, "gaps": 0, "packets": 1, "bytes": 1, "discarded": 0, "requested_ms": None}
    Account(total_ms=10, captured_ms=6, gaps_ms=4, **fields)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="time vanished"):
        Account(total_ms=10, captured_ms=6, gaps_ms=3, **fields)  # type: ignore[arg-type]


def test_a_gap_that_ends_before_it_begins_cannot_be_made() -> None:
    utc = "2026-01-01T00:00:00.000Z"
    with pytest.raises(ValidationError, match="ends before"):
        Gap(begin_ms=5, end_ms=4, begin_utc=utc, end_utc=utc, reason="stall")
    assert Segment.model_fields


def test_utc_times_are_read_as_they_were_written() -> None:
    for moment in (0, 1_700_000_000_123_456_789, 1_795_330_694_999_999_999):
        assert utc_ns(utc_text(moment)) == moment // 1_000_000 * 1_000_000


def test_a_clock_that_was_set_back_does_not_turn_the_timeline_round() -> None:
    hour = 3_600_000_000_000
    later = Timeline.resumed(Moment(2 * hour, 5), hour, 1000)
    assert later.at_ms(Moment(0, 5 + 1_000_000)) == 3_600_001
    back = Timeline.resumed(Moment(0, 5), hour, 1000)
    assert back.at_ms(Moment(0, 5)) == 1000


def test_waits_grow_are_bounded_and_always_the_same() -> None:
    waits = list(itertools.islice(Patience().delays_s(), 20))
    assert waits == sorted(waits) == list(itertools.islice(Patience().delays_s(), 20))
    assert waits[0] < 1
    assert max(waits) == LONGEST_S
