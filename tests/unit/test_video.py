"""Video and picture sources: what cannot be opened, what is damaged, and that colours, rotation and depth are right."""

from __future__ import annotations

import os
import socket
import struct
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from facerecon.colour import over_white, turn
from facerecon.decoding import damage_in
from facerecon.errors import EvidenceError, IntegrityError
from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped, Timestamp
from facerecon.sources import Omission, Omissions, Sampler
from facerecon.stills import natural_key
from facerecon.video import open_source, source_digest
from tests.synthetic import (
    Pixels,
    corrupted,
    number_in,
    numbered,
    packet_places,
    truncated,
    vfr_pts,
    write_pictures,
    write_video,
    zeroed,
)

ALL = Sample()


def read(path: Path, sample: Sample = ALL) -> tuple[list[Frame], list[Skipped]]:
    items = list(open_source(path).frames(sample))
    return [each for each in items if isinstance(each, Frame)], [each for each in items if isinstance(each, Skipped)]


def told(skipped: list[Skipped]) -> list[tuple[str, str, int]]:
    return [(each.subject, each.reason, each.count) for each in skipped]


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


def _bomb(folder: Path) -> Path:
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    crc = struct.pack(">I", __import__("zlib").crc32(chunk))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + crc)
    return folder / "bomb.png"


def _broken_png(folder: Path) -> Path:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return folder / "broken.png"


BAD = [(_missing, "does not exist"), (_empty, "is empty"), (_text, "not media"), (_audio, "no video stream"),
       (_fifo, "pipe"), (_device, "device"), (_folder_of_nothing, "without pictures"),
       (_folder_of_videos, "2 videos and no pictures; give the video files one by one"), (_playlist, "not media"),
       (_concat, "not media"), (_cut_before_index, "not media"), (_bomb, "limit"), (_broken_png, "not media")]


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
    with pytest.raises(EvidenceError, match="cannot be read"):
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
    return write_video(path, picture=textured, size=(320, 192), options=options,
                       container_options={"movflags": "faststart"})


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
    path = write_video(tmp_path / "a.mp4", picture=textured, size=(320, 192),
                       options={"x264-params": "slices=4", "sc_threshold": "0"})
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
    path = write_video(tmp_path / "a.mp4", picture=textured, size=(320, 192), options={
        "x264-params": "open-gop=1:keyint=10:bframes=2:b-adapt=0:scenecut=0:b-pyramid=none"})
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
    items = []
    with pytest.raises(EvidenceError, match="none of its 30 frames can be decoded; export it again"):
        items.extend(_collect(open_source(tmp_path / "a.mp4").frames(ALL), items))
    assert sum(item.count for item in items) == 30


def _collect(source: object, items: list[Skipped]) -> list[Skipped]:
    for item in source:  # type: ignore[attr-defined]
        items.append(item)
    return []


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


@pytest.mark.parametrize(("level", "text", "damage"), [
    (16, "error while decoding MB 3 4\n", True), (32, "concealing 4 DC, 4 AC, 4 MV errors in P frame", True),
    (16, "SEI type 5 size 40 truncated at 32", False), (16, "unable to decode APP fields: Invalid data", False),
    (24, "Increasing reorder buffer to 2", False), (16, "an error nobody has seen yet", True)])
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
    assert [frame.index for frame in frames] == list(range(10))
    assert told(skipped) == [("f000010-f000019", "timestamp-not-increasing", 10)]
    assert skipped[0].outcome == "failed"


def test_an_empty_packet_repeats_the_previous_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", codec="mjpeg", pixel_format="yuvj420p", frames=6)
    data = bytearray(path.read_bytes())
    place, size = packet_places(path)[3]
    padded = size + size % 2
    # the chunk's own length becomes 0, and a JUNK chunk covers its old bytes
    data[place + 4 : place + 8] = struct.pack("<I", 0)
    data[place + 8 : place + 16] = b"JUNK" + struct.pack("<I", padded - 8)
    index = data.rindex(b"idx1")
    entry = index + 8 + 16 * 3
    data[entry + 12 : entry + 16] = struct.pack("<I", 0)
    (tmp_path / "b.avi").write_bytes(data)
    frames, skipped = read(tmp_path / "b.avi")
    assert [frame.index for frame in frames] == [0, 1, 2, 4, 5]
    assert [number_in(frame.pixels) for frame in frames] == [0, 1, 2, 4, 5]
    assert [frame.timestamp.pts for frame in frames] == [0, 1, 2, 4, 5]
    assert told(skipped) == [("f000003", "repeats-previous", 1)]


def test_sampler_keeps_to_the_due_times() -> None:
    sampler = Sampler(Sample(mode="fps", value=2.0), "stream")
    pts = [7, 8, 30, 57, 58, 107, 300, 301, 357]
    wanted = [tick for index, tick in enumerate(pts)
              if sampler.wants(index, Timestamp(pts=tick, time_base=(1, 100)), keyframe=False)]
    assert wanted == [7, 57, 107, 300, 357]


def test_runs_are_merged_by_reason() -> None:
    omissions, one, two = Omissions(), Omission("a"), Omission("b", "skipped", "why")
    items = [*omissions.omit(one), *omissions.omit(one, 3), *omissions.omit(two), *omissions.close()]
    assert told(items) == [("f000000-f000003", "a", 4), ("f000004", "b", 1)]
    assert items[1].detail == "why"


# --- pixels -----------------------------------------------------------------------------------------------------------

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 150, 120), (30, 30, 30), (255, 255, 255), (0, 0, 0)]
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
AVCOL_SPACE = {"bt709": 1, "bt601": 5}
AVCOL_RANGE = {"limited": 1, "full": 2}


def ycbcr(rgb: tuple[int, int, int], matrix: str, scale: str) -> tuple[int, int, int]:
    """The definition, written out again: ITU-R BT.601 / BT.709, 8 bits."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if scale == "full":
        return round(255 * y), min(255, round(128 + 255 * cb)), min(255, round(128 + 255 * cr))
    return round(16 + 219 * y), round(128 + 224 * cb), round(128 + 224 * cr)


def write_flat(path: Path, matrix: str | None, scale: str, planes: list[tuple[int, int, int]],
               size: tuple[int, int] = (64, 48), pixel_format: str = "yuv420p") -> Path:
    """Write lossless FFV1 frames of one YCbCr value each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.color_range = AVCOL_RANGE[scale]
        if matrix:
            context.colorspace = AVCOL_SPACE[matrix]
        for number, values in enumerate(planes):
            frame = av.VideoFrame(*size, pixel_format)
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(_filled(value, plane.buffer_size, pixel_format))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _filled(value: int, size: int, pixel_format: str) -> bytes:
    return (value * 4).to_bytes(2, "little") * (size // 2) if "10le" in pixel_format else bytes([value]) * size


def assert_colours(path: Path, tolerance: int = 2) -> None:
    frames, _ = read(path)
    for frame, expected in zip(frames, COLOURS, strict=True):
        error = np.abs(frame.pixels.astype(int) - np.array(expected)).max()
        assert error <= tolerance, f"{expected}: off by {error}"


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("scale", ["limited", "full"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_known_colours(tmp_path: Path, matrix: str, scale: str, pixel_format: str) -> None:
    if pixel_format.endswith("10le") and scale == "full":
        pytest.skip("the 10-bit full-range values are not four times the 8-bit ones")
    planes = [ycbcr(colour, matrix, scale) for colour in COLOURS]
    path = write_flat(tmp_path / "a.mkv", matrix, scale, planes, pixel_format=pixel_format)
    assert open_source(path).probe["colour_matrix"] == matrix
    assert_colours(path)


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "bt601"), ((1280, 720), "bt709")])
def test_a_silent_header_means_the_matrix_of_its_size(tmp_path: Path, size: tuple[int, int], matrix: str) -> None:
    planes = [ycbcr(colour, matrix, "limited") for colour in COLOURS]
    path = write_flat(tmp_path / "a.mkv", None, "limited", planes, size)
    probe = open_source(path).probe
    assert (probe["colour_matrix"], probe["colour_matrix_source"]) == (matrix, "assumed_from_size")
    assert_colours(path)


def test_limited_range_grey_is_stretched(tmp_path: Path) -> None:
    def ramp(number: int, width: int, height: int) -> Pixels:
        return np.full((height, width, 3), [0, 128, 255][number], np.uint8)

    path = write_video(tmp_path / "a.mp4", pixel_format="gray", frames=3, picture=ramp, color_range=1,
                       options={"qp": "0"})
    levels = [int(frame.pixels.mean()) for frame in read(path)[0]]
    with av.open(str(path)) as container:
        raw = [int(frame.to_ndarray().mean()) for frame in container.decode(video=0)]
    assert levels == [min(255, max(0, round((value - 16) * 255 / 219))) for value in raw]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_metadata_is_applied(tmp_path: Path, degrees: int) -> None:
    frames, _ = read(write_video(tmp_path / "a.mp4", rotation=degrees, frames=3, options={"qp": "0"}))
    for frame in frames:
        assert number_in(np.rot90(frame.pixels, -degrees // 90)) == frame.index


def test_rotation_agrees_with_the_probe(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", rotation=90, frames=2)
    source = open_source(path)
    frame = next(iter(source.frames(ALL)))
    assert isinstance(frame, Frame)
    assert frame.pixels.shape == (160, 96, 3)
    assert source.probe["first_frame"]["rotation_deg"] == 90
    assert source.probe["first_frame"]["display_matrix"] == [0.0, -1.0, 1.0, 0.0]


ONE = 65536


@pytest.mark.parametrize(("matrix", "expected"), [
    ((ONE, 0, 0, ONE), [[1, 2, 3], [4, 5, 6]]), ((-ONE, 0, 0, ONE), [[3, 2, 1], [6, 5, 4]]),
    ((ONE, 0, 0, -ONE), [[4, 5, 6], [1, 2, 3]]), ((-ONE, 0, 0, -ONE), [[6, 5, 4], [3, 2, 1]]),
    ((0, ONE, ONE, 0), [[1, 4], [2, 5], [3, 6]]), ((0, ONE, -ONE, 0), [[4, 1], [5, 2], [6, 3]]),
    ((0, -ONE, ONE, 0), [[3, 6], [2, 5], [1, 4]]), ((0, -ONE, -ONE, 0), [[6, 3], [5, 2], [4, 1]]),
    ((ONE // 2, ONE // 2, -ONE // 2, ONE // 2), [[1, 2, 3], [4, 5, 6]])])
def test_turn(matrix: tuple[int, int, int, int], expected: list[list[int]]) -> None:
    grey = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert turn(np.repeat(grey[:, :, None], 3, axis=2), matrix)[..., 0].tolist() == expected


@pytest.mark.parametrize("size", [(161, 97), (33, 17)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    frames, _ = read(write_video(tmp_path / "a.mkv", codec="ffv1", size=size, frames=2))
    assert frames[0].pixels.shape == (size[1], size[0], 3)


def test_transparent_pixels_show_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 48), (10, 20, 30, 255))
    picture.paste((90, 90, 90, 0), (0, 0, 32, 48))
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.png", save_all=True, append_images=[picture.rotate(180)], duration=100)
    for name in ("a.png", "b.png"):
        pixels = read(tmp_path / name)[0][0].pixels
        assert pixels[5, 5].tolist() == [255, 255, 255]
        assert pixels[5, 60].tolist() == [10, 20, 30]


def test_half_transparency_is_blended() -> None:
    assert over_white(np.array([[[0, 100, 200, 128]]], np.uint8)).tolist() == [[[127, 177, 227]]]


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


# --- stills -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".webp", ".gif", ".ppm"])
def test_single_pictures(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(numbered(77)).save(tmp_path / f"a{suffix}")
    source = open_source(tmp_path / f"a{suffix}")
    (frame,), skipped = read(tmp_path / f"a{suffix}")
    assert (source.record.kind, source.record.clock) == ("image", "order")
    assert (frame.timestamp, frame.keyframe) == (Timestamp(pts=0, time_base=(1, 1)), True)
    assert number_in(frame.pixels) == 77
    assert not skipped


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(numbered(77))).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert number_in(read(tmp_path / "a.jpg")[0][0].pixels) == 77


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    Image.fromarray(numbered(77)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    assert open_source(tmp_path / "a.mp4").record.kind == "image"


def test_16_bit_grey_keeps_its_scale(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0][0].pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_pixels_without_a_scale_are_not_guessed(tmp_path: Path) -> None:
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(EvidenceError, match="none of its 1 pictures"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "YCbCr"])
def test_pixel_modes(tmp_path: Path, mode: str) -> None:
    suffix = ".tif" if mode in ("CMYK", "YCbCr") else ".png"
    Image.fromarray(numbered(77)).convert(mode, dither=Image.Dither.NONE).save(tmp_path / f"a{suffix}")
    assert number_in(read(tmp_path / f"a{suffix}")[0][0].pixels) == 77


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["img1.png", "img2.jpg", "IMG10.bmp", "img011.tif"])
    frames, _ = read(folder)
    assert [number_in(frame.pixels) for frame in frames] == [0, 1, 2, 3]
    assert [each["name"] for each in open_source(folder).probe["pictures"]] == [
        "img1.png", "img2.jpg", "IMG10.bmp", "img011.tif"]


def test_what_is_no_picture_in_a_folder_is_listed(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    for name in (".hidden.png", "notes.txt", "clip.mp4"):
        (folder / name).write_text("x")
    (folder / "sub").mkdir()
    source = open_source(folder)
    assert {each["name"]: each["reason"] for each in source.probe["ignored"]} == {
        ".hidden.png": "hidden", "notes.txt": "not a picture", "clip.mp4": "video", "sub": "folder"}
    assert len(read(folder)[0]) == 1


def test_a_picture_without_a_suffix_is_found_by_its_content(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    (folder / "a.png").rename(folder / "export_0001")
    assert len(read(folder)[0]) == 1


def test_unreadable_pictures_are_failed_by_name(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", [f"{k}.jpg" for k in range(5)])
    truncated(folder / "1.jpg", folder / "1x.jpg", 400)
    (folder / "1x.jpg").replace(folder / "1.jpg")
    (folder / "2.jpg").write_text("no picture")
    frames, skipped = read(folder)
    assert [number_in(frame.pixels) for frame in frames] == [0, 3, 4]
    assert told(skipped) == [("f000001", "undecodable", 1), ("f000002", "undecodable", 1)]
    assert [each.detail.split(":")[0] for each in skipped] == ["1.jpg", "2.jpg"]
    assert {each.outcome for each in skipped} == {"failed"}


def test_a_bomb_in_a_folder_is_one_failed_picture(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    _bomb(folder)
    frames, skipped = read(folder)
    assert len(frames) == 1
    assert told(skipped) == [("f000001", "too-large", 1)]


def test_an_added_picture_changes_the_folder_digest(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    source, before = open_source(folder), source_digest(folder)
    (folder / "notes.txt").write_text("not evidence")
    source.verify_unchanged()
    Image.fromarray(numbered(1)).save(folder / "b.png")
    assert source_digest(folder) != before
    with pytest.raises(IntegrityError):
        source.verify_unchanged()


def test_natural_key_is_total() -> None:
    names = ["10.png", "2.png", "a10b3", "a10b20", "a9", "02.png", "é.png"]
    ordered = sorted((Path(name) for name in names), key=natural_key)
    assert [path.name for path in ordered] == ["02.png", "2.png", "10.png", "a9", "a10b3", "a10b20", "é.png"]
