"""Interlacing: found by flags and by content, not where there is none; combing goes, times and the account stay."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped
from facerecon.video import open_source
from facerecon.video.interlacing import FieldsFromContent, FieldsFromHeader, decide
from tests.synthetic import (
    Pixels,
    numbered,
    packet_places,
    passing,
    read,
    told,
    vfr_pts,
    woven,
    write_gif,
    write_video,
    zeroed,
)

SIZE = (240, 144)
COUNT = 24
MOVING = np.s_[40:104, 8:]
STILL = np.s_[:32]
FLAGS = {"tff": {"x264-params": "tff=1:weightp=0"}, "bff": {"x264-params": "bff=1:weightp=0"}, "none": {}}
FAST = {"preset": "ultrafast"}
SAMPLES = [Sample(), Sample(mode="every", value=5), Sample(mode="fps", value=4.0), Sample(mode="keyframes")]


def write_woven(path: Path, order: str = "tff", flags: str = "none", **changes: Any) -> Path:
    picture = partial(woven, top_first=order == "tff")
    options = {"crf": "8", **FLAGS[flags]}
    return write_video(path, picture=picture, size=SIZE, frames=COUNT, options=options, **changes)


def true_frame(index: int) -> Pixels:
    return passing(2 * index, *SIZE)


def combing(pixels: Pixels) -> float:
    """Return how much a line differs from the mean of its two neighbours, in levels; upright bars alone give none."""
    grey = pixels[MOVING].astype(float).mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean())


def psnr_db(one: Pixels, other: Pixels) -> float:
    return 10 * math.log10(255**2 / float(np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("flagged", [True, False])
def test_woven_fields_are_found(tmp_path: Path, order: str, flagged: bool) -> None:
    source = open_source(write_woven(tmp_path / "a.mkv", order, order if flagged else "none"), deinterlace="auto")
    found = source.probe["interlacing"]
    assert (found["interlaced"], found["field_order"], found["decided_by"]) == (True, order, "content")
    assert found["from_header"]["field_order"] == (order if flagged else "progressive")
    assert (found["from_header"]["interlaced_frames"] > 0) == flagged
    assert found["from_content"][order] > 0.8 * sum(found["from_content"].values())
    assert len(source.preparation) == 1
    assert f"field order {order}" in source.preparation[0]


def noisy(number: int, width: int, height: int) -> Pixels:
    noise = np.random.default_rng(number).normal(0, 12, (height, width, 1))
    return np.clip(true_frame(number) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "picture", [numbered, lambda number, *_: true_frame(number), noisy], ids=["numbered", "clean", "noisy"]
)
def test_progressive_video_is_left_alone(tmp_path: Path, picture: Any) -> None:
    path = write_video(tmp_path / "a.mkv", picture=picture, size=SIZE, frames=COUNT)
    source = open_source(path, deinterlace="auto")
    assert not source.probe["interlacing"]["interlaced"]
    assert source.preparation == ()
    for one, other in zip(read(path)[0], source.frames(Sample()), strict=True):
        assert isinstance(other, Frame)
        assert np.array_equal(one.pixels, other.pixels)


def test_a_still_scene_is_judged_by_its_header(tmp_path: Path) -> None:
    still = {"picture": lambda *_: true_frame(3), "size": SIZE, "frames": COUNT}
    flagged = write_video(tmp_path / "a.mkv", options=FLAGS["bff"], **still)
    silent = write_video(tmp_path / "b.mkv", **still)
    one, other = (open_source(path, deinterlace="auto").probe["interlacing"] for path in (flagged, silent))
    assert (one["interlaced"], one["field_order"], one["decided_by"]) == (True, "bff", "header")
    assert (other["interlaced"], other["decided_by"]) == (False, "header")


@pytest.mark.parametrize("gop", [10, 250])
def test_the_search_is_bounded_and_reaches_beyond_the_start(tmp_path: Path, gop: int) -> None:
    def later(number: int, width: int, height: int) -> Pixels:
        return woven(number, width, height) if number >= 35 else true_frame(0)

    path = write_video(tmp_path / "a.mkv", picture=later, size=SIZE, frames=200, gop=gop, options=FAST)
    found = open_source(path, deinterlace="auto").probe["interlacing"]
    assert found["frames_looked_at"] <= 70
    assert (found["interlaced"], found["field_order"]) == (True, "tff")


@pytest.mark.parametrize(
    ("flagged", "content", "expected"),
    [
        (20, (0, 0, 20, 0), (False, "content")),
        (20, (1, 1, 2, 16), (True, "header")),
        (0, (9, 8, 0, 3), (False, "header")),
        (0, (3, 0, 0, 17), (False, "header")),
        (0, (8, 1, 2, 9), (True, "content")),
    ],
)
def test_content_outweighs_the_header_only_where_it_is_clear(
    flagged: int, content: tuple[int, int, int, int], expected: tuple[bool, str]
) -> None:
    kinds = ("tff", "bff", "progressive", "undetermined")
    header = FieldsFromHeader(field_order="tff" if flagged else "progressive", interlaced_frames=flagged)
    found = decide(header, FieldsFromContent(**dict(zip(kinds, content, strict=True))), 20)
    assert (found.interlaced, found.decided_by) == expected


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_combing_is_removed_and_the_frame_comes_closer_to_the_truth(tmp_path: Path, order: str) -> None:
    path = write_woven(tmp_path / "a.mkv", order)
    before, _ = read(path)
    after, _ = read(path, deinterlace="auto")
    assert len(after) == COUNT
    for raw, done in zip(before, after, strict=True):
        truth = true_frame(raw.index)
        assert combing(done.pixels) < combing(raw.pixels) / 5
        assert psnr_db(done.pixels, truth) > psnr_db(raw.pixels, truth) + 6
        assert np.abs(done.pixels[STILL].astype(int) - raw.pixels[STILL]).mean() < 0.5


def test_the_wrong_field_order_shows_the_other_time(tmp_path: Path) -> None:
    """The first field is kept, so the order decides which of the two times a frame shows."""
    after, _ = read(write_woven(tmp_path / "a.mkv", "bff"), deinterlace="auto")
    own, other = (psnr_db(after[7].pixels, passing(time, *SIZE)) for time in (14, 15))
    assert own > other + 6


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.h264"])
def test_times_numbers_and_key_frames_do_not_change(tmp_path: Path, name: str, sample: Sample) -> None:
    vfr = {} if name in ("a.ts", "a.h264") else {"pts": vfr_pts(COUNT), "time_base": Fraction(1, 90000)}
    path = write_woven(tmp_path / name, "tff", "tff", b_frames=2, **vfr)
    before, after = read(path, sample), read(path, sample, deinterlace="always")
    assert [facts(each) for each in after[0]] == [facts(each) for each in before[0]]
    assert told(after[1]) == told(before[1])
    assert after[0]


def facts(frame: Frame) -> tuple[Any, ...]:
    return frame.index, frame.timestamp, frame.keyframe, frame.pixels.shape


def test_damage_is_accounted_for_and_does_not_spread(tmp_path: Path) -> None:
    whole = write_woven(tmp_path / "a.mp4")
    place, size = packet_places(whole)[14]
    path = zeroed(whole, tmp_path / "b.mp4", place, size)
    before, after = read(path), read(path, deinterlace="always")
    assert (
        told(after[1])
        == told(before[1])
        == [("f000014", "undecodable", 1), ("f000015-f000019", "reference-damaged", 5)]
    )
    assert [facts(each) for each in after[0]] == [facts(each) for each in before[0]]
    for frame in after[0]:
        assert psnr_db(frame.pixels, true_frame(frame.index)) > 24
        assert combing(frame.pixels) < 6


def test_frames_without_neighbours_are_deinterlaced_too(tmp_path: Path) -> None:
    path = write_woven(tmp_path / "a.mkv")
    before, _ = read(path, Sample(mode="keyframes"))
    after, _ = read(path, Sample(mode="keyframes"), deinterlace="always")
    assert [each.index for each in after] == [0, 10, 20]
    assert all(combing(done.pixels) < combing(raw.pixels) / 5 for raw, done in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "spec",
    [
        {"codec": "mjpeg", "pixel_format": "yuvj420p"},
        {"codec": "ffv1", "pixel_format": "yuv422p10le", "colorspace": 1, "color_range": 1},
        {"codec": "ffv1", "pixel_format": "gray"},
        {"codec": "ffv1", "pixel_format": "bgr0"},
        {"codec": "rawvideo", "pixel_format": "yuyv422"},
        {"codec": "libx264", "color_range": 2, "colorspace": 1},
    ],
    ids=str,
)
def test_colours_do_not_change(tmp_path: Path, spec: dict[str, Any]) -> None:
    """Rows that are equal in both fields have nothing to interpolate between, whatever the pixel format."""
    flat = np.full((SIZE[1], SIZE[0], 3), (200, 90, 40), np.uint8)
    path = write_video(tmp_path / "a.mkv", picture=lambda *_: flat, size=SIZE, frames=4, **spec)
    for raw, done in zip(read(path)[0], read(path, deinterlace="always")[0], strict=True):
        assert np.abs(raw.pixels.astype(int) - done.pixels).max() <= 1


def test_rotation_survives(tmp_path: Path) -> None:
    path = write_woven(tmp_path / "a.mp4", rotation=90)
    after, _ = read(path, deinterlace="always")
    assert psnr_db(np.rot90(after[5].pixels, -1), true_frame(5)) > 24


def test_twice_is_bit_identical(tmp_path: Path) -> None:
    path = write_woven(tmp_path / "a.mkv")
    one, two = (read(path, deinterlace="always")[0] for _ in range(2))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, two, strict=True))


def test_off_is_the_default_and_looks_at_nothing(tmp_path: Path) -> None:
    source = open_source(write_woven(tmp_path / "a.mkv", "tff", "tff"))
    assert source.preparation == ()
    assert source.probe["interlacing"] is None


def test_pictures_have_no_fields(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "a.webp", [40, 40, 40])
    source = open_source(path, deinterlace="always", square_pixels=True)
    items: list[Frame | Skipped] = list(source.frames(Sample()))
    assert source.preparation == ()
    assert len(items) == 3
