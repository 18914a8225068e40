"""Exact times, empty chunks, and memory that does not grow with length."""

from __future__ import annotations

import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av

from facerecon.profiles import Sample
from facerecon.video import open_source
from facerecon.video.decoding import Decoder, KeyframeDecoder
from tests.synthetic import (
    number_in,
    packet_places,
    read,
    vfr_pts,
    write_video,
    zeroed,
)

ALL = Sample()


def test_variable_frame_rate_is_exact_to_the_tick(tmp_path: Path) -> None:
    pts = vfr_pts(30)
    path = write_video(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 90000), b_frames=2)
    frames, _ = read(path)
    first = frames[0].timestamp.pts
    assert [frame.timestamp.pts - first for frame in frames] == pts
    assert {frame.timestamp.time_base for frame in frames} == {(1, 90000)}


def test_a_time_that_does_not_increase_is_failed(tmp_path: Path) -> None:
    parts = [write_video(tmp_path / f"{k}.ts", frames=10) for k in range(2)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, skipped = read(joined)
    times = [frame.timestamp.pts for frame in frames]
    assert times == sorted(set(times))
    assert all(number_in(frame.pixels) == frame.index % 10 for frame in frames)
    assert len(frames) + sum(each.count for each in skipped) == 20
    late = [each for each in skipped if each.reason == "timestamp-not-increasing"]
    assert sum(each.count for each in late) >= 8
    assert late[0].outcome == "failed"


def test_a_time_without_a_picture_in_avi_is_not_missing(tmp_path: Path) -> None:
    """Recorders write empty chunks for "no new picture"; the times of the others must stay exact."""
    path = write_video(tmp_path / "a.avi", codec="mjpeg", pixel_format="yuvj420p", frames=6)
    data = bytearray(path.read_bytes())
    place, size = packet_places(path)[3]
    padded = size + size % 2
    # the chunk's own length becomes 0, and a JUNK chunk covers its old bytes
    data[place - 4 : place] = struct.pack("<I", 0)
    data[place : place + 8] = b"JUNK" + struct.pack("<I", padded - 8)
    index = data.rindex(b"idx1")
    entry = index + 8 + 16 * 3
    data[entry + 12 : entry + 16] = struct.pack("<I", 0)
    (tmp_path / "b.avi").write_bytes(data)
    frames, skipped = read(tmp_path / "b.avi")
    assert [number_in(frame.pixels) for frame in frames] == [0, 1, 2, 4, 5]
    assert [frame.timestamp.pts for frame in frames] == [0, 1, 2, 4, 5]
    assert not skipped


def test_a_lost_chunk_in_avi_is_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", codec="mjpeg", pixel_format="yuvj420p", frames=6)
    place, size = packet_places(path)[3]
    frames, skipped = read(zeroed(path, tmp_path / "b.avi", place - 8, size + 8))
    assert len(frames) + sum(each.count for each in skipped) == 6
    assert {each.outcome for each in skipped} == {"failed"}
    assert "times after a gap in the middle are early by it" in skipped[-1].detail


def test_an_empty_packet_is_counted_and_never_sent_to_the_decoder() -> None:
    packet = SimpleNamespace(size=0, dts=5, pts=5, is_keyframe=False, is_corrupt=False, is_discard=False)
    for kind in (Decoder, KeyframeDecoder):
        codec = av.CodecContext.create("mjpeg", "r")
        decoder = kind(codec, use_pts=True)
        pictures = [*decoder.decode(packet), *decoder.flush()]
        assert [picture.omission and picture.omission.reason for picture in pictures] == ["repeats-previous"]


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=400, size=(320, 192), options={"preset": "ultrafast"})
    source, peaks = open_source(path), []
    tracemalloc.start()
    for sample in (ALL, Sample(mode="every", value=100), Sample(mode="keyframes")):
        tracemalloc.reset_peak()
        for _ in source.frames(sample):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert max(peaks) < 30 * 320 * 192 * 3
