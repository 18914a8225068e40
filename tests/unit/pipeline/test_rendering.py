"""Whole frames and video: exact times, untouched surroundings, and labels in the pixels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import UsageError
from facerecon.filters.scaling import enlarge
from facerecon.manifest import verify
from facerecon.pictures import decode_picture, with_label
from facerecon.pipeline.rendering import Tools
from facerecon.video import open_source
from tests import synthetic
from tests.fakes import PAINT, FakeDetector, FakeRestorer, FakeSource, picture
from tests.unit.pipeline.rendered_cases import (
    FFV1,
    INTERPOLATED,
    LEARNED,
    case_of,
    made_of,
    omitted,
    rendered,
)
from tests.unit.pipeline.stage_cases import walk

# --- pixels -------------------------------------------------------------------------------------------------------


def test_outside_the_faces_the_pixels_are_the_upscalers(tmp_path: Path) -> None:
    frames = walk()
    source = FakeSource(frames)
    case = case_of(tmp_path / "c", source)
    plain = rendered(case, source, "frame", replace(LEARNED, faces=None))
    faced = rendered(case, source, "frame", LEARNED)
    assert len(plain.files) == len(faced.files) == 2
    for before, after in zip(made_of(case, plain, (240, 320)), made_of(case, faced, (240, 320)), strict=True):
        painted = (after == PAINT).all(-1)
        assert painted.any()
        assert np.array_equal(after[~painted], before[~painted])
    assert (plain.faces.written, faced.faces.written) == (0, 2)


def test_picture_without_faces_is_the_interpolation_exactly(tmp_path: Path) -> None:
    frames = walk()
    source = FakeSource(frames)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame", Tools(FakeDetector(), "lanczos", None), "output.scale=3")
    numbers = [int(Path(path).name[1:7]) for path in sorted(record.files)]
    for number, pixels in zip(numbers, made_of(case, record, (360, 480)), strict=True):
        assert np.array_equal(pixels, enlarge(frames[number], 3, "lanczos"))
    assert (record.learned, record.upscaler, record.scale) == (False, "lanczos", 3)


def test_originals_stand_beside_and_are_the_frames(tmp_path: Path) -> None:
    frames = walk()
    source = FakeSource(frames)
    case = case_of(tmp_path / "c", source)
    for path in rendered(case, source, "frame").files:
        original = path.replace(".enhanced.", ".original.")
        assert np.array_equal(decode_picture(case.bytes_of(original), "o"), frames[int(Path(path).name[1:7])])


def test_label_is_in_the_pixels_and_in_the_metadata(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    for tools, words in ((INTERPOLATED, b"No learned model"), (LEARNED, b"may invent detail")):
        record = rendered(case, source, "frame", tools)
        for path in record.files:
            data = case.bytes_of(path)
            strip = decode_picture(data, path)[240 * record.scale // 2 :]
            assert strip.shape[0] > 10
            assert strip[..., 0].max() > 200 > strip[..., 2].max()
            assert words in data
            assert b"not original pixels" in data


def test_label_grows_with_the_picture(tmp_path: Path) -> None:
    source = FakeSource([picture(1601, 120, [(100 + 4 * n, 30, 40)]) for n in range(5)])
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame", INTERPOLATED, "output.scale=4")
    for path in record.files:
        whole = decode_picture(case.bytes_of(path), path)
        strip = whole[480:]
        assert whole.shape[1] == 6404
        assert strip.shape[0] >= 0.015 * whole.shape[1]
        lit = strip[..., 0] > 100
        assert lit.any(0).sum() > 6404 // 6


def test_frame_in_which_no_face_was_restored_does_not_claim_it(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    faced = Tools(FakeDetector(), "nearest", FakeRestorer("fake-faces"))
    for override, words in (
        ("enhance.max_crop_px=40", b"No learned model"),
        ("enhance.max_crop_px=256", b"fake-faces"),
    ):
        for path in rendered(case, source, "frame", faced, override).files:
            assert words in case.bytes_of(path)
            assert (b"faces by" in case.bytes_of(path)) == (words == b"fake-faces")


def test_label_is_below_every_frame_of_the_video(tmp_path: Path) -> None:
    video = synthetic.write_video(tmp_path / "v.mp4", frames=6)
    case, source = case_of(tmp_path / "c", open_source(video)), open_source(video)
    record = rendered(case, source, "video", INTERPOLATED, FFV1, "output.layout=enhanced")
    originals, (frames, _) = synthetic.read(video)[0], synthetic.read(case.root / record.place)
    title = "ENHANCED by nearest: not original pixels. No learned model."
    for original, frame in zip(originals, frames, strict=True):
        assert np.array_equal(frame.pixels, with_label(enlarge(original.pixels, 2, "nearest"), title))


def test_side_by_side_video_holds_the_original_on_the_left(tmp_path: Path) -> None:
    video = synthetic.write_video(tmp_path / "v.mp4", frames=5)
    source = open_source(video)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "video", Tools(FakeDetector(), "lanczos", None), FFV1)
    originals, (frames, _) = synthetic.read(video)[0], synthetic.read(case.root / record.place)
    for original, frame in zip(originals, frames, strict=True):
        assert np.array_equal(frame.pixels[:192, :320], original.pixels.repeat(2, 0).repeat(2, 1))
        assert np.array_equal(frame.pixels[:192, 320:], enlarge(original.pixels, 2, "lanczos"))
        assert frame.pixels.shape[0] > 192


def test_step_that_never_acted_is_not_claimed(tmp_path: Path) -> None:
    source = FakeSource([picture(faces=[(20 + n, 30, 40)]) for n in range(6)])
    settings = "enhance.steps=[{kind: gamma, gamma: 2}, {kind: deblur-motion}]"
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame", INTERPOLATED, settings)
    assert record.steps[0] == "gamma"
    assert record.steps[1].startswith("deblur-motion (acted on 0 of")
    assert case.runs("render")[0].details["steps"][1]["frames_acted_on"] == 0


# --- times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 90000)])
def test_video_keeps_every_time_tick_for_tick(base: Fraction, tmp_path: Path) -> None:
    pts = synthetic.vfr_pts(12) if base == Fraction(1, 90000) else list(range(12))
    video = synthetic.write_video(tmp_path / "v.mp4", frames=12, pts=pts, time_base=base)
    source = open_source(video)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "video")
    before, after = synthetic.read(video)[0], synthetic.read(case.root / record.place)[0]
    assert [frame.timestamp.seconds for frame in after] == [frame.timestamp.seconds for frame in before]
    assert [synthetic.number_in(frame.pixels[:192, :320]) for frame in after] == list(range(12))
    assert record.video is not None
    assert (record.video["times"], record.video["largest_time_error_s"]) == ("exact", 0)


def test_sound_is_copied_and_ends_with_the_limit(tmp_path: Path) -> None:
    silent = synthetic.write_video(tmp_path / "s.mp4", frames=25)
    video = synthetic.write_with_sound(tmp_path / "v.mp4", silent)
    source = open_source(video)
    case = case_of(tmp_path / "c", source)
    whole = rendered(case, source, "video")
    part = rendered(case, source, "video", limit=5)
    given = synthetic.audio_packets(video)
    assert synthetic.audio_packets(case.root / whole.place) == given
    kept = synthetic.audio_packets(case.root / part.place)
    assert 0 < len(kept) < len(given)
    assert kept == given[: len(kept)]


def test_frames_too_close_for_the_container_are_failures_not_a_crash(tmp_path: Path) -> None:
    pts = [0, 3600, 3610, 7200]
    video = synthetic.write_video(tmp_path / "v.mp4", frames=4, pts=pts, time_base=Fraction(1, 90000))
    source = open_source(video)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "video", INTERPOLATED, FFV1)
    assert (record.frames.requested, record.frames.written, record.frames.failed) == (4, 3, 1)
    assert omitted(case) == [("f000002", "not-encodable", "failed")]
    frames, _ = synthetic.read(case.root / record.place)
    assert [synthetic.number_in(frame.pixels[:192, :320]) for frame in frames] == [0, 1, 3]


# --- pictures without times -----------------------------------------------------------------------------------------


def test_folder_of_stills_gives_frames_and_no_video(tmp_path: Path) -> None:
    folder = synthetic.write_pictures(tmp_path / "f", ["a.png", "b.png", "c.png"])
    source = open_source(folder)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame")
    assert record.frames.written == 3
    assert [synthetic.number_in(each) for each in made_of(case, record, (192, 320))] == [0, 1, 2]
    assert len(rendered(case, source, "frame", limit=2).files) == 2
    with pytest.raises(UsageError, match="use --output frame"):
        rendered(case, source, "video")
    assert verify(case.root).state == "render.finished"
