"""The motion gate at the decoder: what it sees is what the pixels show, and only what moved becomes pixels."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from facerecon.profiles import Motion, Sample
from facerecon.records import Skipped
from facerecon.video import MotionGate, Source, Unmoving, Watched, gating
from facerecon.video.isolation import IsolatedReader
from facerecon.video.motion import LEVEL
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.videos import VideoSource
from tests.fakes import FakeSource
from tests.synthetic import Pixels, write_video

MOTION = Motion(refresh_s=1e6)
READERS = [
    LOCAL,
    pytest.param(
        IsolatedReader(60.0), marks=pytest.mark.skipif(sys.platform != "linux", reason="isolated on Linux only")
    ),
]
MOVING = range(10, 15)
FRAMES = 40


def passing(number: int, width: int, height: int) -> Pixels:
    """A grey scene with light and shade, through which a bright square passes for some frames."""
    coarse = np.random.default_rng(3).integers(40, 200, (6, 10), dtype=np.uint8)
    grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if number in MOVING:
        left = width // 4 + (number - MOVING.start) * 8
        grey[height // 3 : height // 3 + 24, left : left + 24] = 250
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def clip(folder: Path, **changes: Any) -> Path:
    given = {"frames": FRAMES, "size": (320, 192), "picture": passing, "options": {"qp": "4"}, "gop": 100} | changes
    return write_video(
        folder / ("a.mov" if changes.get("codec") == "png" else "a.mkv" if "codec" in changes else "a.mp4"), **given
    )


def numbers(items: Iterator[Watched | Unmoving | Skipped]) -> tuple[list[int], list[int]]:
    """Return which frames came with pixels, and of which only the time was told."""
    taken, left = [], []
    for item in items:
        if isinstance(item, Watched):
            taken.append(item.frame.index)
        elif isinstance(item, Unmoving):
            left.append(item.index)
    return taken, left


@pytest.mark.parametrize("reader", READERS)
def test_only_frames_in_which_something_moved_become_pixels(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []

    def counted(*args: Any) -> Any:
        converted.append(1)
        return to_rgb(*args)

    to_rgb = gating.to_rgb
    monkeypatch.setattr(gating, "to_rgb", counted)
    taken, left = numbers(VideoSource(clip(tmp_path), reader=reader).watched(Sample(), MOTION))
    # The first frame, those in which the square moves, and the one in which it has gone.
    assert taken == [0, *MOVING, MOVING.stop]
    assert sorted(taken + left) == list(range(FRAMES))
    if reader is LOCAL:
        assert len(converted) == len(taken)


@pytest.mark.parametrize("reader", READERS)
def test_pixels_and_times_are_those_of_reading_without_the_gate(tmp_path: Path, reader: Reader) -> None:
    source = VideoSource(clip(tmp_path), reader=reader)
    plain = {each.index: each for each in source.frames(Sample()) if not isinstance(each, Skipped)}
    for item in source.watched(Sample(), MOTION):
        if isinstance(item, Unmoving):
            assert item.timestamp == plain[item.index].timestamp
            assert item.id == plain[item.index].id
        elif isinstance(item, Watched):
            assert item.frame.timestamp == plain[item.frame.index].timestamp
            assert item.frame.keyframe == plain[item.frame.index].keyframe
            np.testing.assert_array_equal(item.frame.pixels, plain[item.frame.index].pixels)


@pytest.mark.parametrize(
    "sample", [Sample(mode="every", value=3), Sample(mode="fps", value=5), Sample(mode="keyframes")]
)
def test_the_gate_sees_what_is_sampled(tmp_path: Path, sample: Sample) -> None:
    source = VideoSource(clip(tmp_path, gop=4))
    plain = list(source.frames(sample))
    watched = list(source.watched(sample, MOTION))
    left_out = [each for each in watched if isinstance(each, Skipped)]
    taken, still = numbers(iter(watched))
    assert sum(each.count for each in left_out) == sum(each.count for each in plain if isinstance(each, Skipped))
    assert sorted(taken + still) == [each.index for each in plain if not isinstance(each, Skipped)]


@pytest.mark.skipif(sys.platform != "linux", reason="isolated on Linux only")
def test_a_decoder_of_its_own_tells_the_same(tmp_path: Path) -> None:
    path = clip(tmp_path, picture=with_clock, frames=8 * 25, size=(320, 192))
    here, apart = (
        list(VideoSource(path, reader=reader).watched(Sample(mode="every", value=5), MOTION))
        for reader in (LOCAL, IsolatedReader(60.0))
    )
    assert len(here) == len(apart)
    clocks = 0
    for one, other in zip(here, apart, strict=True):
        if not isinstance(one, Watched) or not isinstance(other, Watched):
            assert one == other
            continue
        assert other.look.cells.dtype == one.look.cells.dtype
        np.testing.assert_array_equal(one.look.cells, other.look.cells)
        np.testing.assert_array_equal(one.frame.pixels, other.frame.pixels)
        assert (one.look.clock is None) == (other.look.clock is None)
        if one.look.clock is not None:
            clocks += 1
            np.testing.assert_array_equal(one.look.clock, other.look.clock)
    assert clocks


def with_clock(number: int, width: int, height: int) -> Pixels:
    """A clock that changes every second, and from the sixth second on a square that moves."""
    pixels = passing(0, width, height)
    for digit in range(6):
        shade = 20 if number // 25 + digit & 1 else 240
        pixels[4:20, 8 + digit * 16 : 20 + digit * 16] = shade
    if number > 6 * 25:
        left = number % 100 + 40
        pixels[100:130, left : left + 30] = 250
    return pixels


SHAPES = {
    "limited": {},
    "full": {"color_range": 2},
    "mjpeg": {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": {"qmin": "2", "qmax": "2"}},
    "grey": {"codec": "ffv1", "pixel_format": "gray", "options": {}},
    "odd": {"size": (330, 202)},
    "turned": {"rotation": 90},
    "upside down": {"rotation": 180, "size": (330, 202)},
    "stretched": {"sample_aspect_ratio": Fraction(12, 11), "size": (352, 288)},
    "turned and stretched": {"sample_aspect_ratio": Fraction(4, 3), "rotation": 90},
    "ten bits": {"codec": "ffv1", "pixel_format": "yuv420p10le", "options": {}},
    "ten bits, grey": {"codec": "ffv1", "pixel_format": "gray10le", "options": {}},
    "packed": {"codec": "rawvideo", "pixel_format": "yuyv422", "options": {}},
    "rgb": {"codec": "png", "pixel_format": "rgb24", "options": {}},
    "transparent": {"codec": "ffv1", "pixel_format": "yuva420p", "options": {}},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_cells_are_those_of_the_pixels(tmp_path: Path, shape: str) -> None:
    """A grey scene, in which luma and the pixels' grey are the same thing."""
    path = clip(tmp_path, frames=14, **SHAPES[shape])
    assert_same_cells(VideoSource(path, square_pixels=True), "stretched" in shape)


def test_a_picture_that_comes_bottom_line_first_is_seen_upright(tmp_path: Path) -> None:
    """So comes Motion JPEG with this comment, which FFmpeg takes for upside down."""
    plain = clip(tmp_path, frames=14, codec="mjpeg", pixel_format="yuvj420p", options={"qmin": "2", "qmax": "2"})
    comment = b"Intel(R) JPEG Library, version 1\0"
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    path = tmp_path / "upside-down.avi"
    with av.open(str(plain)) as source, av.open(str(path), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                data = bytes(packet)
                changed = av.Packet(data[:2] + segment + data[2:])
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.is_keyframe, changed.stream = True, stream
                sink.mux(changed)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).planes[0].line_size < 0
    assert_same_cells(VideoSource(path), stretched=False)


def assert_same_cells(source: Source, stretched: bool) -> None:
    gate = MotionGate(MOTION)
    plain = {each.index: gate.look(each) for each in source.frames(Sample()) if not isinstance(each, Skipped)}
    items = list(source.watched(Sample(), MOTION))
    taken, _ = numbers(iter(items))
    assert taken == [number for number, look in plain.items() if look.moved]
    assert 0 < len(taken) < len(items)
    for item in items:
        if isinstance(item, Watched):
            cells, expected = (look.cells.astype(int) for look in (item.look, plain[item.frame.index]))
            assert cells.shape == expected.shape
            off = np.abs(cells - expected) / LEVEL
            # A stretched picture is a resampled one: the edges of the square are sharper or softer in it.
            assert np.median(off) <= 0.5
            assert off.max() <= (40 if stretched else 1.25)


def test_any_source_can_be_watched() -> None:
    """A source that has no gate of its own, as pictures of an animation: the gate looks at its pixels."""
    source: Source = FakeSource([passing(number, 320, 192) for number in range(20)] + [None])
    items = list(source.watched(Sample(), MOTION))
    taken, left = numbers(iter(items))
    assert taken == [0, *MOVING, MOVING.stop]
    assert sorted(taken + left) == list(range(20))
    assert isinstance(items[-1], Skipped)
