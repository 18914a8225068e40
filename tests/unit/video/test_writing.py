"""Enhanced video out: exact times, faithful pixels, untouched sound, equal bytes twice, and no half-written file."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from facerecon.errors import EvidenceError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.records import Frame, Timestamp
from facerecon.video import open_source
from facerecon.video.writing import VideoWriter, WrittenVideo
from tests.synthetic import (
    Pixels,
    audio_packets,
    number_in,
    numbered,
    passing,
    read,
    vfr_pts,
    write_video,
    write_with_sound,
)

DIGEST = "ab" * 32
FORMATS = [("h264", "a.mp4"), ("h264", "a.mov"), ("h264", "a.mkv"), ("ffv1", "a.mkv")]


def smooth(number: int, width: int, height: int) -> Pixels:
    """A colourful scene without sharp edges in colour, which 4:2:0 could not hold."""
    across, down = np.meshgrid(np.arange(width) / 300, np.arange(height) / 200)
    waves = [np.sin(across * (k + 1) + down + 0.05 * number + k) for k in range(3)]
    return np.asarray(128 + 90 * np.stack(waves, axis=2), dtype=np.uint8)


def copied(target: Path, source: Path, **options: Any) -> WrittenVideo:
    """Write every frame of a source again, as it is."""
    frames, _ = read(source)
    return written(target, frames, source=source, **options)


def written(target: Path, frames: list[Frame], source: Path | None = None, **options: Any) -> WrittenVideo:
    height, width = frames[0].pixels.shape[:2]
    writer = VideoWriter(target, source=source, source_sha256=DIGEST, size_px=(width, height), **options)
    with writer:
        for frame in frames:
            writer.write(frame.pixels, frame.timestamp)
    assert writer.result is not None
    return writer.result


def frames_at(pts: list[int], time_base: tuple[int, int], size: tuple[int, int] = (160, 96)) -> list[Frame]:
    stamps = [Timestamp(pts=each, time_base=time_base) for each in pts]
    return [Frame(index, stamp, numbered(index, *size), index == 0) for index, stamp in enumerate(stamps)]


def times_s(frames: list[Frame]) -> list[Fraction]:
    return [frame.timestamp.seconds for frame in frames]


VFR = {"pts": vfr_pts(30), "time_base": Fraction(1, 90000)}
SOURCES: dict[str, dict[str, Any]] = {
    "vfr.mp4": VFR | {"b_frames": 2},
    "late.mp4": {"pts": [45000 + each for each in VFR["pts"]], "time_base": Fraction(1, 90000)},
    "late.mkv": {"pts": [700 + 33 * k for k in range(30)], "time_base": Fraction(1, 1000)},
    "ntsc.mp4": {"pts": [1001 * k for k in range(30)], "time_base": Fraction(1, 30000)},
    "plain.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "plain.ts": {},
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(("codec", "target"), FORMATS)
def test_times_are_the_sources_own(tmp_path: Path, name: str, codec: str, target: str) -> None:
    source = write_video(tmp_path / name, **SOURCES[name])
    (tmp_path / "out").mkdir()
    result = copied(tmp_path / "out" / target, source, codec=codec)
    before, after = read(source)[0], read(tmp_path / "out" / target)[0]
    assert [number_in(frame.pixels) for frame in after] == [number_in(frame.pixels) for frame in before]
    errors = [abs(a - b) for a, b in zip(times_s(after), times_s(before), strict=True)]
    assert result.frames == 30
    assert result.largest_time_error_s == float(max(errors))
    assert (result.times == "exact") == (max(errors) == 0)
    assert (result.delay_s, result.padding_px) == (0, (0, 0))
    if target.endswith(".mkv"):
        assert max(errors) <= Fraction(1, 2000)
    else:
        assert [frame.timestamp for frame in after] == [frame.timestamp for frame in before]


def test_missing_frames_stay_missing(tmp_path: Path) -> None:
    frames = [each for each in frames_at(list(range(30)), (1, 25)) if each.index not in (0, 7, 8, 9, 20)]
    result = written(tmp_path / "a.mp4", frames)
    after = read(tmp_path / "a.mp4")[0]
    assert [frame.timestamp.pts for frame in after] == [frame.index for frame in frames]
    assert [number_in(frame.pixels) for frame in after] == [frame.index for frame in frames]
    assert result.frames == 25


@pytest.mark.parametrize(("codec", "target"), FORMATS)
@pytest.mark.parametrize("first", [-9000, 450000])
def test_a_start_before_or_after_zero(tmp_path: Path, codec: str, target: str, first: int) -> None:
    frames = frames_at([first + 9 * k * (k + 10) * 90 for k in range(12)], (1, 90000))
    result = written(tmp_path / target, frames, codec=codec)
    after, omitted = read(tmp_path / target)
    assert not omitted
    assert [number_in(frame.pixels) for frame in after] == list(range(12))
    assert result.delay_s == max(0, -first / 90000)
    shifts = {b - a for a, b in zip(times_s(frames), times_s(after), strict=True)}
    assert shifts == {Fraction(max(0, -first), 90000)}


@pytest.mark.parametrize("size", [(160, 96), (1280, 720), (161, 97)])
def test_lossless_is_lossless(tmp_path: Path, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3, size[1], size[0], 3), dtype=np.uint8)
    frames = [Frame(k, Timestamp(pts=k, time_base=(1, 25)), noise[k], False) for k in range(3)]
    result = written(tmp_path / "a.mkv", frames, codec="ffv1")
    after = read(tmp_path / "a.mkv")[0]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(frames, after, strict=True))
    assert (result.pixel_format, result.padding_px) == ("bgr0", (0, 0))


def test_colour_samples_are_tagged_where_they_are(tmp_path: Path) -> None:
    """A ramp of colour across the picture shows any shift of the colour samples as a constant error."""
    picture = np.full((96, 200, 3), 100, np.uint8)
    picture[..., 0], picture[..., 2] = np.arange(200) + 20, 220 - np.arange(200)
    written(tmp_path / "a.mp4", [Frame(0, Timestamp(pts=0, time_base=(1, 25)), picture, True)], crf=1)
    after = read(tmp_path / "a.mp4")[0][0].pixels
    shift = (after.astype(float) - picture)[:, 10:-10].mean(axis=(0, 1))
    assert np.abs(shift).max() < 0.2
    with av.open(str(tmp_path / "a.mp4")) as container:
        container.streams.video[0].codec_context.thread_count = 1
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (6, 1)


@pytest.mark.parametrize("size", [(320, 192), (1280, 720)])
def test_h264_keeps_pixels_within_3_levels(tmp_path: Path, size: tuple[int, int]) -> None:
    """Both sizes, because the colour matrix that players assume changes between them; it is tagged in both."""
    pictures = [smooth(k, *size) for k in range(4)]
    frames = [Frame(k, Timestamp(pts=k, time_base=(1, 25)), each, False) for k, each in enumerate(pictures)]
    written(tmp_path / "a.mp4", frames, crf=1)
    source = open_source(tmp_path / "a.mp4")
    assert source.probe["colour_matrix_source"] == "from_header"
    for one, other in zip(frames, read(tmp_path / "a.mp4")[0], strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 3
        assert np.abs(one.pixels.astype(float) - other.pixels).mean() < 0.8


def test_crf_is_a_quality(tmp_path: Path) -> None:
    frames = [Frame(k, Timestamp(pts=k, time_base=(1, 25)), passing(k, 320, 192), False) for k in range(6)]
    truth = frames[3].pixels.astype(float)
    written(tmp_path / "a.mp4", frames, crf=8)
    written(tmp_path / "b.mp4", frames, crf=40)
    sizes = [(tmp_path / name).stat().st_size for name in ("a.mp4", "b.mp4")]
    errors = [float(np.mean((read(tmp_path / name)[0][3].pixels - truth) ** 2)) for name in ("a.mp4", "b.mp4")]
    assert errors[0] < errors[1] / 2
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("size", [(161, 96), (160, 97), (161, 97)])
def test_odd_sizes_are_padded_by_a_copy_of_the_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = smooth(0, *size)
    result = written(tmp_path / "a.mp4", [Frame(0, Timestamp(pts=0, time_base=(1, 25)), picture, True)], crf=1)
    pixels = read(tmp_path / "a.mp4")[0][0].pixels.astype(int)
    right, bottom = result.padding_px
    assert (right, bottom) == (size[0] % 2, size[1] % 2)
    assert pixels.shape == (size[1] + bottom, size[0] + right, 3)
    assert (result.width_px, result.height_px) == (size[0] + right, size[1] + bottom)
    assert np.abs(pixels[: size[1], : size[0]] - picture).max() <= 4
    if right:
        assert np.abs(pixels[: size[1], -1] - picture[:, -1]).max() <= 6
    if bottom:
        assert np.abs(pixels[-1, : size[0]] - picture[-1]).max() <= 6


# --- sound ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "codec"), [("s.mp4", "aac"), ("s.mkv", "pcm_s16le"), ("s.mov", "pcm_mulaw")])
def test_sound_is_copied_packet_by_packet(tmp_path: Path, source: str, codec: str) -> None:
    path = write_with_sound(tmp_path / source, write_video(tmp_path / "v.mp4", **VFR), codec)
    result = copied(tmp_path / f"a{path.suffix}", path)
    before, after = audio_packets(path), audio_packets(tmp_path / f"a{path.suffix}")
    assert after == before
    assert len(before) >= 30
    (sound,) = result.audio
    assert (sound.copied, sound.codec, sound.packets, sound.note) == (True, codec, len(before), "")
    assert sound.largest_time_error_s == 0


def test_sound_in_other_ticks_states_its_error(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "s.mp4", write_video(tmp_path / "v.mp4"))
    result = copied(tmp_path / "a.mkv", path)
    before, after = audio_packets(path), audio_packets(tmp_path / "a.mkv")
    assert [content for _, content in after] == [content for _, content in before]
    error_s = max(abs(one[0] - other[0]) for one, other in zip(before, after, strict=True))
    assert 0 < error_s <= Fraction(1, 2000)
    assert result.audio[0].largest_time_error_s == pytest.approx(float(error_s))


def test_sound_that_the_container_cannot_hold_is_told(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "s.mov", write_video(tmp_path / "v.mp4"), "pcm_mulaw")
    (sound,) = copied(tmp_path / "a.mp4", path).audio
    assert (sound.copied, sound.packets) == (False, 0)
    assert "mp4 cannot hold pcm_mulaw" in sound.note
    assert len(read(tmp_path / "a.mp4")[0]) == 30


def test_sound_may_end_with_the_pictures(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "s.mp4", write_video(tmp_path / "v.mp4"))
    frames = read(path)[0][:10]
    whole = written(tmp_path / "whole.mp4", frames, source=path).audio[0]
    cut = written(tmp_path / "cut.mp4", frames, source=path, sound_after_last_frame=False).audio[0]
    assert whole.packets == len(audio_packets(path))
    assert max(time for time, _ in audio_packets(tmp_path / "cut.mp4")) < frames[-1].timestamp.seconds
    assert cut.packets == len(audio_packets(tmp_path / "cut.mp4")) < whole.packets
    assert "left out" in cut.note


def test_a_source_without_sound_or_that_is_no_media(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "v.mp4")
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    frames = frames_at([0, 1], (1, 1))
    for number, source in enumerate((silent, tmp_path / "text.mp4", tmp_path, None)):
        assert written(tmp_path / f"{number}.mp4", frames, source=source).audio == ()


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "target"), FORMATS)
def test_twice_is_bit_identical(tmp_path: Path, codec: str, target: str) -> None:
    source = write_with_sound(tmp_path / "s.mp4", write_video(tmp_path / "v.mp4", **VFR, size=(320, 192)))
    digests = set()
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        copied(tmp_path / str(number) / target, source, codec=codec)
        digests.add(sha256_file(tmp_path / str(number) / target))
    assert len(digests) == 1


def test_the_metadata_says_what_it_is_and_no_time_of_day(tmp_path: Path) -> None:
    for target in ("a.mp4", "a.mkv"):
        written(tmp_path / target, frames_at([0, 1], (1, 25)), comment="Profile lowlight.")
        with av.open(str(tmp_path / target)) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
        comment = tags["comment"]
        assert comment.startswith("Enhanced pictures, not the original recording.")
        assert DIGEST in comment
        assert comment.endswith("Profile lowlight.")
        assert "creation_time" not in tags


@pytest.mark.parametrize("target", ["a.mp4", "a.mov", "a.mkv"])
def test_the_last_picture_is_shown_as_long_as_the_one_before(tmp_path: Path, target: str) -> None:
    written(tmp_path / target, frames_at([0, 1, 2, 5], (1, 25)))
    with av.open(str(tmp_path / target)) as container:
        assert container.duration == 8 * 40_000


def test_decoding_order_is_presentation_order(tmp_path: Path) -> None:
    written(tmp_path / "a.mp4", frames_at(vfr_pts(30), (1, 90000)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.pts for packet in packets] == [packet.dts for packet in packets] == vfr_pts(30)


def test_nothing_is_there_before_the_end_nor_after_an_error(tmp_path: Path) -> None:
    frame = frames_at([0], (1, 25))[0]
    writer = VideoWriter(tmp_path / "a.mp4", source=None, source_sha256=DIGEST, size_px=(160, 96))
    with pytest.raises(KeyboardInterrupt), writer:
        writer.write(frame.pixels, frame.timestamp)
        assert not (tmp_path / "a.mp4").exists()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert writer.result is None


@contextmanager
def small_disk() -> Iterator[None]:
    """Let no file grow beyond 20 kB, as on a disk that is full.

    The limit is the whole process's, pytest's own log included: hold it only around what is tested.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("count", [2, 40])
@pytest.mark.parametrize(("codec", "target"), FORMATS)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, codec: str, target: str, count: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (192, 320, 3), dtype=np.uint8)
    frames = [Frame(k, Timestamp(pts=k, time_base=(1, 25)), np.roll(noise, k, 0), False) for k in range(count)]
    with pytest.raises(ResourceError, match="free some space") as caught, small_disk():
        written(tmp_path / target, frames, codec=codec)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / target) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_resource_error(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="No such file or directory; choose another place"):
        written(tmp_path / "none" / "a.mp4", frames_at([0], (1, 25)))


def test_a_source_that_cannot_be_read_is_an_evidence_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "s.mp4", frames=3)
    frames = read(source)[0]

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denied)
        with pytest.raises(EvidenceError, match="cannot be read: Permission denied"):
            written(tmp_path / "a.mp4", frames, source=source)
    assert [path.name for path in tmp_path.iterdir()] == ["s.mp4"]


def test_a_stray_temporary_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".tmp-a.mp4").write_bytes(b"left by a killed run" * 9999)
    written(tmp_path / "a.mp4", frames_at([0, 1, 2], (1, 25)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert len(read(tmp_path / "a.mp4")[0]) == 3


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=3)
    before = path.read_bytes()
    with pytest.raises(ResourceError, match="exists already"):
        copied(path, path)
    assert path.read_bytes() == before


def test_a_video_without_frames_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(EvidenceError, match="no frame was written"),
        VideoWriter(tmp_path / "a.mp4", source=None, source_sha256=DIGEST, size_px=(160, 96)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("codec", "name"), [("h264", "a.avi"), ("h264", "a"), ("ffv1", "a.mp4")])
def test_a_suffix_that_does_not_fit_is_a_usage_error(tmp_path: Path, codec: Any, name: str) -> None:
    with pytest.raises(UsageError, match="use a name that ends with one of"):
        VideoWriter(tmp_path / name, source=None, source_sha256=DIGEST, size_px=(160, 96), codec=codec)


WRONG: list[tuple[str, Callable[[Frame], tuple[Pixels, Timestamp]]]] = [
    ("shape", lambda frame: (frame.pixels[:-1], Timestamp(pts=2, time_base=(1, 25)))),
    ("not later", lambda frame: (frame.pixels, Timestamp(pts=1, time_base=(1, 25)))),
    ("time base", lambda frame: (frame.pixels, Timestamp(pts=9, time_base=(1, 50)))),
]


@pytest.mark.parametrize(("message", "change"), WRONG, ids=[name for name, _ in WRONG])
def test_what_does_not_fit_is_refused(
    tmp_path: Path, message: str, change: Callable[[Frame], tuple[Pixels, Timestamp]]
) -> None:
    frame = frames_at([1], (1, 25))[0]
    writer = VideoWriter(tmp_path / "a.mp4", source=None, source_sha256=DIGEST, size_px=(160, 96))
    with pytest.raises(ValueError, match=message), writer:
        writer.write(frame.pixels, frame.timestamp)
        writer.write(*change(frame))
    assert list(tmp_path.iterdir()) == []
