"""Damaged video: what damage becomes, and that nothing vanishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from facerecon.errors import EvidenceError
from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped
from facerecon.video import open_source
from facerecon.video.decoding import damage_in
from tests.synthetic import (
    Pixels,
    corrupted,
    number_in,
    numbered,
    packet_places,
    read,
    told,
    truncated,
    write_video,
    zeroed,
)

ALL = Sample()


def textured(number: int, width: int, height: int) -> Pixels:
    """A numbered picture with noise below the number, so that packets are large enough to be damaged."""
    pixels = numbered(number, width, height).astype(np.int16)
    noise = np.random.default_rng(number).integers(-12, 12, pixels[height // 4 :].shape)
    pixels[height // 4 :] += noise.astype(np.int16)
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames, a key frame every 10, no B frames, index at the front."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    options = {"sc_threshold": "0"}
    return write_video(
        path, picture=textured, size=(320, 192), options=options, container_options={"movflags": "faststart"}
    )


def assert_account(frames: list[Frame], skipped: list[Skipped], total: int = 30) -> None:
    assert len(frames) + sum(each.count for each in skipped) == total
    assert all(number_in(frame.pixels) == frame.index for frame in frames)


def test_an_undecodable_packet_is_failed_and_taints_up_to_the_next_key_frame(clip: Path, tmp_path: Path) -> None:
    place, size = packet_places(clip)[14]
    frames, skipped = read(zeroed(clip, tmp_path / "a.mp4", place, size))
    assert told(skipped) == [("f000014", "undecodable", 1), ("f000015-f000019", "reference-damaged", 5)]
    assert {each.outcome for each in skipped} == {"failed"}
    assert "Invalid NAL unit size" in skipped[0].detail
    assert_account(frames, skipped)


def test_error_concealment_does_not_pass_silently(clip: Path, tmp_path: Path) -> None:
    place, size = packet_places(clip)[14]
    frames, skipped = read(corrupted(clip, tmp_path / "a.mp4", place + size // 2, 40))
    assert told(skipped) == [("f000014", "corrupt", 1), ("f000015-f000019", "reference-damaged", 5)]
    assert_account(frames, skipped)


def test_a_lost_slice_is_noticed(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", picture=textured, size=(320, 192), options={"x264-params": "slices=4", "sc_threshold": "0"}
    )
    data, (place, _) = bytearray(path.read_bytes()), packet_places(path)[4]
    second = place + 4 + int.from_bytes(data[place : place + 4], "big")
    data[second + 4] = (data[second + 4] & 0xE0) | 12  # a filler unit: the decoder skips it without an error
    path.write_bytes(data)
    frames, skipped = read(path)
    assert told(skipped) == [("f000004", "corrupt", 1), ("f000005-f000009", "reference-damaged", 5)]
    assert_account(frames, skipped)


@pytest.mark.parametrize("broken", [0, 10, 29])
def test_first_key_and_last_packets(clip: Path, tmp_path: Path, broken: int) -> None:
    place, size = packet_places(clip)[broken]
    frames, skipped = read(zeroed(clip, tmp_path / "a.mp4", place, size))
    assert skipped[0].subject.startswith(f"f{broken:06d}")
    assert (skipped[0].reason, skipped[0].outcome) == ("undecodable", "failed")
    assert_account(frames, skipped)


def test_open_gop_leading_frames_are_tainted_too(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4",
        picture=textured,
        size=(320, 192),
        options={"x264-params": "open-gop=1:keyint=10:bframes=2:b-adapt=0:scenecut=0:b-pyramid=none"},
    )
    whole, _ = read(path)
    keys = [frame.index for frame in whole if frame.keyframe]
    place, size = packet_places(path)[5]
    frames, skipped = read(zeroed(path, tmp_path / "b.mp4", place, size))
    assert_account(frames, skipped)
    assert skipped[-1].reason == "reference-damaged"
    assert max(int(each.subject[-6:]) for each in skipped) == keys[1] - 1


def test_intra_coding_confines_damage(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", codec="mjpeg", pixel_format="yuvj420p", size=(320, 192))
    place, size = packet_places(path)[5]
    frames, skipped = read(corrupted(path, tmp_path / "b.avi", place + size // 2, 300))
    assert told(skipped) == [("f000005", "corrupt", 1)]
    assert_account(frames, skipped)


@pytest.mark.parametrize("sample", [ALL, Sample(mode="every", value=5), Sample(mode="keyframes")], ids=str)
def test_a_truncated_file_counts_what_is_missing(clip: Path, tmp_path: Path, sample: Sample) -> None:
    place, size = packet_places(clip)[18]
    frames, skipped = read(truncated(clip, tmp_path / "a.mp4", place + size // 2), sample)
    assert (skipped[-1].subject, skipped[-1].reason, skipped[-1].count) == ("f000019-f000029", "truncated", 11)
    assert skipped[-1].detail == "the header announces 30 frames, the file holds 19"
    assert_account(frames, skipped)


def test_a_truncated_matroska_is_estimated_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", picture=textured, size=(320, 192))
    frames, skipped = read(truncated(path, tmp_path / "b.mkv", path.stat().st_size * 6 // 10))
    assert (skipped[-1].reason, skipped[-1].outcome) == ("truncated", "failed")
    assert "estimated" in skipped[-1].detail
    assert_account(frames, skipped)


def test_nothing_decodable_is_an_evidence_error_after_the_account(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    for place, size in packet_places(clip):
        data[place : place + size] = bytes(size)
    (tmp_path / "a.mp4").write_bytes(data)
    items: list[Frame | Skipped] = []
    frames = open_source(tmp_path / "a.mp4").frames(ALL)
    with pytest.raises(EvidenceError, match="none of its 30 frames can be decoded; export it again"):
        _drain(frames, items)
    assert sum(item.count for item in items if isinstance(item, Skipped)) == 30


def _drain(source: Iterator[Frame | Skipped], items: list[Frame | Skipped]) -> None:
    for item in source:
        items.append(item)


def test_lost_transport_packets_are_noticed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", picture=textured, size=(320, 192), options={"sc_threshold": "0"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 188 // 2 * 188
    (tmp_path / "b.ts").write_bytes(data[:middle] + data[middle + 2 * 188 :])
    frames, skipped = read(tmp_path / "b.ts")
    assert sum(each.count for each in skipped if each.outcome == "failed") >= 1
    assert all(number_in(frame.pixels) >= frame.index for frame in frames)


def test_ffmpeg_is_silent(clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place, size = packet_places(clip)[14]
    read(corrupted(clip, tmp_path / "a.mp4", place + size // 2, 40))
    assert capfd.readouterr() == ("", "")


def test_the_log_is_given_back_after_reading(clip: Path) -> None:
    one, two = open_source(clip).frames(ALL), open_source(clip).frames(ALL)
    assert av.logging.get_level() is None
    next(one), next(two)
    assert av.logging.get_level() == av.logging.INFO
    assert sum(1 for _ in one) == 29
    assert av.logging.get_level() == av.logging.INFO
    del two
    assert av.logging.get_level() is None


@pytest.mark.parametrize(
    ("level", "text", "damage"),
    [
        (16, "error while decoding MB 3 4\n", True),
        (32, "concealing 4 DC, 4 AC, 4 MV errors in P frame", True),
        (16, "SEI type 5 size 40 truncated at 32", False),
        (16, "unable to decode APP fields: Invalid data", False),
        (24, "Increasing reorder buffer to 2", False),
        (16, "an error nobody has seen yet", True),
    ],
)
def test_which_messages_mean_damage(level: int, text: str, damage: bool) -> None:
    assert bool(damage_in([(level, "h264", text)])) == damage
