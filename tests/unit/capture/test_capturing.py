"""What is in the segments is what was sent: packet by packet, picture by picture, gap by gap."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from facerecon.capture import Gap, finished, gaps, segments, verified
from facerecon.capture.reconnection import Patience
from facerecon.capture.stream import Opening
from facerecon.errors import EvidenceError
from tests.synthetic import write_video
from tests.unit.capture.conftest import Capture
from tests.unit.capture.live_streams import Answer, Live, Packets, Pause, Reset, Stall, live_server, packets_of, piece


def captured_packets(root: Path, kind: str = "video") -> Packets:
    return [packet for each in segments(root) for packet in packets_of(root / each.path, kind)]


def pictures(source: Any) -> list[str]:
    with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def reasons(root: Path) -> list[str]:
    return [gap.reason for gap in gaps(root)]


def test_every_packet_is_kept_as_it_was_sent_and_none_twice(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    sent = piece(clip, 0, 120)
    live.scripts = [[Answer(200, {"Content-Length": str(len(sent))}), sent]]
    outcome, _ = capture()
    root = tmp_path / "c"
    assert outcome.ending == "stream-ended"
    assert captured_packets(root) == packets_of(sent)
    assert [digest for _, digest, _ in captured_packets(root, "audio")] == [
        digest for _, digest, _ in packets_of(sent, "audio")
    ]
    assert len(segments(root)) == 6
    assert outcome.account.packets == len(packets_of(sent)) + len(packets_of(sent, "audio"))
    assert sum(track.bytes for each in segments(root) for track in each.tracks) == outcome.account.bytes


def test_every_segment_begins_with_a_keyframe_and_decodes_alone(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    sent = piece(clip, 0, 120)
    live.scripts = [[sent]]
    capture()
    found = segments(tmp_path / "c")
    assert all(packets_of(tmp_path / "c" / each.path)[0][2] for each in found)
    decoded = [picture for each in found for picture in pictures(tmp_path / "c" / each.path)]
    assert decoded == pictures(sent)


def test_the_streams_own_times_stay_tick_for_tick_also_at_an_odd_rate(
    tmp_path: Path, live: Live, capture: Capture
) -> None:
    odd = write_video(tmp_path / "odd.mp4", frames=60, gop=10, rate=30)
    sent = piece(odd, 0, 60)
    live.scripts = [[sent]]
    capture()
    ticks = [pts for pts, _, _ in captured_packets(tmp_path / "c")]
    assert ticks == [pts for pts, _, _ in packets_of(sent)]
    # A container that counts milliseconds would not hold them.
    assert any(tick % 90 for tick in ticks)
    track = segments(tmp_path / "c")[0].tracks[0]
    assert track.first is not None
    assert (track.first.pts, track.first.time_base) == (90000, (1, 90000))


def test_a_lost_connection_is_a_gap_and_what_comes_after_it_is_kept(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    parts = [piece(clip, 0, 40), piece(clip, 40, 80), piece(clip, 80, 120)]
    live.scripts = [[parts[0], Reset()], [parts[1], Reset()], [parts[2], Reset()]]
    outcome, _ = capture(patience=Patience(2.0))
    root = tmp_path / "c"
    assert captured_packets(root) == [packet for part in parts for packet in packets_of(part)]
    assert reasons(root) == ["connecting", "connection-lost", "connection-lost", "connection-lost"]
    assert outcome.ending == "unreachable"
    assert "5XX" in gaps(root)[-1].last_failure
    assert gaps(root)[-1].attempts >= 1


def test_the_timeline_has_no_hole_and_no_overlap(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> None:
    live.scripts = [[piece(clip, 0, 40), Reset()], [piece(clip, 40, 80), Stall()]]
    outcome, _ = capture(patience=Patience(1.5))
    root = tmp_path / "c"
    spans = sorted((each.begin_ms, each.end_ms) for each in (*segments(root), *gaps(root)))
    assert spans[0][0] == 0
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]
    assert outcome.account.total_ms == spans[-1][1] == outcome.account.captured_ms + outcome.account.gaps_ms


def test_a_stall_ends_the_segment_and_is_said(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> None:
    sent = piece(clip, 0, 30)
    live.scripts = [[sent, Stall()]]
    outcome, _ = capture(opening=Opening(timeout_s=0.5))
    assert (outcome.ending, reasons(tmp_path / "c")) == ("unreachable", ["connecting", "stall"])
    assert captured_packets(tmp_path / "c") == packets_of(sent)
    assert "0.5 s" in outcome.detail


def test_a_pause_shorter_than_the_timeout_is_no_gap(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> None:
    live.scripts = [[piece(clip, 0, 40), Pause(0.4), piece(clip, 40, 80)]]
    capture()
    assert reasons(tmp_path / "c")[:-1] == ["connecting"]


@pytest.mark.parametrize(("shift_s", "sign"), [(60, "+"), (-1, "-")])
def test_a_jump_of_the_streams_times_is_a_gap_of_its_own(
    clip: Path, live: Live, capture: Capture, tmp_path: Path, shift_s: int, sign: str
) -> None:
    before, after = piece(clip, 0, 40), piece(clip, 40, 80, shift_s)
    live.scripts = [[before, after]]
    capture()
    root = tmp_path / "c"
    assert reasons(root)[:2] == ["connecting", "discontinuity"]
    assert f"jump by {sign}" in gaps(root)[1].detail
    assert captured_packets(root) == [*packets_of(before), *packets_of(after)]
    begun = [packets_of(root / each.path)[0] for each in segments(root)]
    assert packets_of(after)[0] in begun


def test_packets_before_the_first_keyframe_are_counted_not_hidden(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    sent = piece(clip, 5, 40)
    live.scripts = [[sent]]
    outcome, _ = capture()
    kept = captured_packets(tmp_path / "c")
    everything = packets_of(sent) + packets_of(sent, "audio")
    assert kept == packets_of(sent)[5:]
    assert outcome.account.packets + outcome.account.discarded == len(everything)
    assert gaps(tmp_path / "c")[0].discarded >= 5


def test_noise_between_packets_does_not_stop_it_and_costs_nothing_around_it(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).bytes(5000)
    live.scripts = [[piece(clip, 0, 40), noise, piece(clip, 40, 80)]]
    outcome, _ = capture()
    kept = captured_packets(tmp_path / "c")
    sent = packets_of(piece(clip, 0, 40)) + packets_of(piece(clip, 40, 80))
    # What stands next to the noise may be damaged by it, and nothing else.
    assert len(set(sent) - set(kept)) <= 2
    assert len(kept) == len(set(kept))
    assert outcome.account.segments >= 2
    verified(tmp_path / "c")


@pytest.mark.parametrize("what", [b"", b"nothing that is media " * 500])
def test_what_is_no_stream_ends_at_once_with_the_reason(
    what: bytes, live: Live, capture: Capture, tmp_path: Path
) -> None:
    live.scripts = [[what]]
    outcome, _ = capture(patience=Patience(1.0))
    assert outcome.ending == "unreachable"
    assert outcome.detail
    assert not segments(tmp_path / "c")
    assert finished(tmp_path / "c")


def test_an_answer_that_no_second_attempt_changes_ends_at_once(live: Live, capture: Capture) -> None:
    live.scripts = [[Answer(404)], [Answer(404)]]
    outcome, _ = capture(patience=Patience(600.0))
    assert (outcome.ending, len(live.requests)) == ("unreachable", 1)
    assert "404" in outcome.detail


def test_sound_alone_is_refused(tmp_path: Path, clip: Path, live: Live, capture: Capture) -> None:
    target = io.BytesIO()
    with av.open(str(clip)) as source, av.open(target, "w", format="mpegts") as out:
        stream = out.add_stream_from_template(source.streams.audio[0], opaque=True)
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux_one(packet)
    live.scripts = [[target.getvalue()]]
    assert "no video" in capture()[0].detail


def test_a_duration_ends_it_and_adds_up(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> None:
    live.scripts = [[piece(clip, 0, 40), Pause(0.3), piece(clip, 40, 80), Stall()]]
    outcome, _ = capture(duration_s=2.0, opening=Opening(timeout_s=5.0))
    assert (outcome.ending, outcome.account.total_ms, outcome.account.requested_ms) == ("duration", 2000, 2000)
    # The sender was silent from 0.5 s or so on: that is not captured time, though nothing was lost.
    assert reasons(tmp_path / "c") == ["connecting", "stall"]


def test_somebody_may_end_it_and_the_running_segment_is_kept(
    clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    sent = piece(clip, 0, 40)
    live.scripts = [[sent, Stall()]]
    seen: list[Any] = []
    outcome, _ = capture(opening=Opening(timeout_s=8.0), stop=lambda: seen.append(1) or len(seen) > 130)
    assert outcome.ending == "stopped"
    # The last ones wait in FFmpeg for the beginning of the next.
    assert captured_packets(tmp_path / "c") == packets_of(sent)[: len(captured_packets(tmp_path / "c"))]
    assert len(captured_packets(tmp_path / "c")) >= len(packets_of(sent)) - 2


def test_motion_jpeg_without_times_gets_those_of_its_arrival(tmp_path: Path, capture: Capture) -> None:
    write_video(tmp_path / "m.mkv", codec="mjpeg", pixel_format="yuvj420p", frames=12)
    with av.open(str(tmp_path / "m.mkv")) as source:
        images = [bytes(packet) for packet in source.demux(video=0) if packet.size]
    with live_server("multipart/x-mixed-replace;boundary=frame") as live:
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        live.scripts = [[step for each in images for step in (head % len(each) + each + b"\r\n", Pause(0.05))]]
        capture(url=live.url("/video"), segment_s=0.2)
    root = tmp_path / "c"
    found = segments(root)
    assert {each.times for each in found} == {"arrival"}
    assert [digest for _, digest, _ in captured_packets(root)] == [hashlib.sha256(each).hexdigest() for each in images]
    ticks = [pts for pts, _, _ in captured_packets(root)]
    assert ticks == sorted(set(ticks))
    assert ticks[-1] - ticks[0] > 0.4 * 90000


def test_a_codec_that_the_container_does_not_take_is_said(
    clip: Path, live: Live, capture: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refusing(*_: Any, **__: Any) -> Any:
        raise ValueError("format does not support codec")

    monkeypatch.setattr("facerecon.capture.files.CONTAINER", "wav")
    live.scripts = [[piece(clip, 0, 40)]]
    with pytest.raises(EvidenceError, match="h264 cannot be kept"):
        capture()
    assert not list((tmp_path / "c/segments").iterdir())
    assert verified(tmp_path / "c")


def test_what_is_told_is_what_is_recorded(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> None:
    live.scripts = [[piece(clip, 0, 40), Reset()]]
    _, told = capture()
    assert [each for each in told if isinstance(each, Gap)] == gaps(tmp_path / "c")
    assert [each for each in told if hasattr(each, "sha256")] == segments(tmp_path / "c")
