"""Video sources: what cannot be opened, what damage becomes, exact times, bounded memory."""

from __future__ import annotations

import os
import socket
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from facerecon.errors import EvidenceError
from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped
from facerecon.video import open_source
from facerecon.video.decoding import Decoder, KeyframeDecoder, damage_in
from tests.synthetic import (
    Pixels,
    corrupted,
    number_in,
    numbered,
    packet_places,
    read,
    told,
    truncated,
    vfr_pts,
    write_bomb,
    write_video,
    zeroed,
)

ALL = Sample()


# --- what cannot be opened --------------------------------------------------------------------------------------------


def _missing(folder: Path) -> Path:
    return folder / "none.mp4"


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("no video at all\n" * 100)
    return folder / "text.mp4"


def _audio(folder: Path) -> Path:
    path = folder / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def _device(folder: Path) -> Path:
    return Path("/dev/null")


def _folder_of_nothing(folder: Path) -> Path:
    (folder / "notes.txt").write_text("nothing to see")
    return folder


def _folder_of_videos(folder: Path) -> Path:
    write_video(folder / "a.mp4", frames=2)
    (folder / "b.AVI").write_bytes(b"x")
    return folder


def _playlist(folder: Path) -> Path:
    write_video(folder / "a.ts", frames=2)
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n")
    return folder / "list.m3u8"


def _concat(folder: Path) -> Path:
    write_video(folder / "a.mp4", frames=2)
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    return folder / "list.mp4"


def _cut_before_index(folder: Path) -> Path:
    whole = write_video(folder / "whole.mp4", frames=5)
    return truncated(whole, folder / "cut.mp4", whole.stat().st_size // 2)


def _broken_png(folder: Path) -> Path:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return folder / "broken.png"


BAD = [
    (_missing, "does not exist"),
    (_empty, "is empty"),
    (_text, "not media"),
    (_audio, "no video stream"),
    (_fifo, "pipe"),
    (_device, "device"),
    (_folder_of_nothing, "without pictures"),
    (_folder_of_videos, "2 videos and no pictures; give the video files one by one"),
    (_playlist, "not media"),
    (_concat, "not media"),
    (_cut_before_index, "not media"),
    (write_bomb, "limit"),
    (_broken_png, "not media"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_what_cannot_be_opened_is_one_line_and_exit_3(
    tmp_path: Path, make: Callable[[Path], Path], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path)
    with pytest.raises(EvidenceError, match=message) as caught:
        open_source(path)
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in text
    assert str(path) in text
    assert ";" in text, "the way out follows the semicolon"
    assert capfd.readouterr() == ("", "")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.mp4")
        with pytest.raises(EvidenceError, match="socket"):
            open_source(Path("s.mp4"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2)
    path.chmod(0)
    with pytest.raises(EvidenceError, match="cannot be read: Permission denied"):
        open_source(path)


def test_permission_denied_as_root_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(EvidenceError, match="cannot be read: Permission denied; check the path and its permissions"):
        open_source(path)


def test_a_source_that_vanishes_is_an_evidence_error(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4", frames=2))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(EvidenceError, match="does not exist"):
        list(source.frames(ALL))
    with pytest.raises(EvidenceError, match="does not exist"):
        source.verify_unchanged()


def test_a_name_is_never_an_instruction(tmp_path: Path) -> None:
    for name in ("http:a%03d.mp4", "concat:a|b.mp4", "-i.mp4", "pipe:0"):
        assert len(read(write_video(tmp_path / "plain.mp4", frames=2).rename(tmp_path / name))[0]) == 2


# --- damage -----------------------------------------------------------------------------------------------------------


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


# --- times ------------------------------------------------------------------------------------------------------------


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
