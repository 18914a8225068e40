"""The map of how far fused frames differ: what its colours say, in every case alike, and what a case keeps of it."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydantic import ValidationError

from facerecon.case import Case
from facerecon.fusion import Fused, fuse
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.fusing import DEVIATION_MIN_COUNT, DEVIATION_SCALE_LEVELS, count_map, deviation_map
from facerecon.pipeline.invention import FULL_SCALE_LEVELS, summarize_doubt
from facerecon.records import RGB, FaceView, FusedRecord, Landmarks5
from facerecon.report.scales import LEVELS, deviation_scale, frames_scale, levels_scale
from facerecon.stages import Silent
from tests.fakes import FakeRestorer
from tests.unit.pipeline.stage_cases import extracted, profile, walk

SCALE = 4
POINTS: Landmarks5 = ((14.0, 16.0), (26.0, 16.0), (20.0, 22.0), (15.0, 27.0), (25.0, 27.0))
PLACE = np.s_[26:32, 6:14]
"""Where a frame differs; `FINE` is that on the fine grid, `APART` what neither its blur nor the border reaches."""
FINE = np.s_[26 * SCALE : 32 * SCALE, 6 * SCALE : 14 * SCALE]
APART = np.s_[3 * SCALE : 20 * SCALE, 20 * SCALE : 37 * SCALE]
LEFT_LEVELS = 3.5
"""What registration to a fraction of a pixel leaves at steep edges, a tenth of the scale."""


def measured(levels: npt.ArrayLike, count: float = 5.0) -> Fused:
    """A fused picture of five frames that differ by so many levels, per pixel."""
    deviation = np.atleast_2d(np.asarray(levels, np.float32))
    blank = np.zeros((*deviation.shape, 3), np.uint8)
    return Fused(blank, SCALE, (0.2,) * 5, (), np.full(deviation.shape, count, np.float32), deviation)


def levels_of(colours: RGB) -> npt.NDArray[np.float64]:
    """Read a map: the grey levels that each pixel's colour stands for; NaN where it says nothing."""
    steps = np.linspace(0, DEVIATION_SCALE_LEVELS, 256)
    key = {tuple(colour): step for colour, step in zip(deviation_map(measured(steps))[0].tolist(), steps, strict=True)}
    key[200, 200, 200] = np.nan
    return np.array([[key[tuple(pixel)] for pixel in row] for row in colours.tolist()])


def face(seed: int = 0, noise: float = 0.0) -> RGB:
    """A textured picture of 40 x 40 px, as it is or with noise of its own."""
    texture = np.random.default_rng(5).uniform(50, 200, (10, 10, 3)).astype(np.float32)
    large = cv2.resize(texture, (40, 40), interpolation=cv2.INTER_CUBIC)
    return np.clip(large + np.random.default_rng(seed).normal(0, noise, large.shape), 0, 255).astype(np.uint8)


def fused(*pictures: RGB) -> Fused:
    return fuse([FaceView(each, POINTS) for each in pictures], [1.0] * len(pictures), scale=SCALE)


def changed(by: int) -> RGB:
    """The picture, brighter in one place."""
    pixels = face().astype(int)
    pixels[PLACE] += by
    return np.clip(pixels, 0, 255).astype(np.uint8)


# --- what the colours say ---------------------------------------------------------------------------------------------


def test_colours_grow_lighter_with_the_levels_and_stop_at_the_end_of_the_scale() -> None:
    colours = deviation_map(measured(np.linspace(0, 2 * DEVIATION_SCALE_LEVELS, 129)))
    light = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)[0].astype(int)
    assert light[0] < 4
    assert light[64] > 235
    assert (np.diff(light[:65]) > 0).all()
    assert (colours[0, 64:] == colours[0, 64]).all(), "32 levels or more are one colour"
    assert tuple(colours[0, 62]) != tuple(colours[0, 64])


def test_a_level_has_one_colour_whatever_else_is_in_the_picture() -> None:
    small, large = deviation_map(measured([7.0, 8.0])), deviation_map(measured([7.0, 200.0]))
    assert tuple(small[0, 0]) == tuple(large[0, 0])
    few, many = deviation_map(measured([7.0], count=2)), deviation_map(measured([7.0], count=5))
    assert tuple(few[0, 0]) == tuple(many[0, 0])


def test_one_frame_agrees_with_nobody_so_it_is_not_drawn_as_agreement() -> None:
    alone = deviation_map(measured([0.0, 20.0], count=1.0))[0]
    assert tuple(alone[0]) == tuple(alone[1]) == (200, 200, 200)
    ramp = deviation_map(measured(np.linspace(0, 40, 500), count=DEVIATION_MIN_COUNT))[0]
    assert np.abs(ramp.astype(int) - alone[0]).max(axis=1).min() > 40, "no level looks like it"


def test_the_colours_are_not_those_of_the_map_of_frames_but_for_the_darkest_third() -> None:
    of_frames = [count_map(measured([0.0], count=each))[0, 0].astype(int) for each in np.linspace(1, 5, 40)]
    own = deviation_map(measured(np.linspace(DEVIATION_SCALE_LEVELS / 3, DEVIATION_SCALE_LEVELS, 200)))[0].astype(int)
    assert np.abs(own - np.array(of_frames)[:, None]).max(axis=2).min() > 35


def test_the_report_s_scale_has_the_colours_of_the_map() -> None:
    scale = deviation_scale(DEVIATION_SCALE_LEVELS)
    even = deviation_map(measured(np.linspace(0, DEVIATION_SCALE_LEVELS, len(scale.stops))))[0]
    for stop, colour in zip(scale.stops, even.astype(int), strict=True):
        assert np.abs(np.array(stop) - colour).max() <= 4
    assert scale.apart_colour == tuple(deviation_map(measured([0.0], count=1.0))[0, 0])
    assert scale.high.startswith("32 ")
    counts = frames_scale(5)
    ramp = [count_map(measured([0.0], count=each))[0, 0].astype(int) for each in np.linspace(1, 5, len(counts.stops))]
    assert np.abs(np.array(counts.stops) - ramp).max() <= 4
    assert (counts.low, counts.high) == ("1", "5 frames")
    levels = levels_scale()
    doubt = summarize_doubt(np.linspace(0, FULL_SCALE_LEVELS, len(levels.stops), dtype=np.float32)[None]).map[0]
    assert np.abs(np.array(levels.stops) - doubt.astype(int)).max() <= 4
    assert FULL_SCALE_LEVELS == LEVELS


# --- frames -----------------------------------------------------------------------------------------------------------


def test_frames_that_agree_are_dark_everywhere() -> None:
    assert levels_of(deviation_map(fused(*[face()] * 5))).max() <= LEFT_LEVELS


def test_a_place_where_two_frames_differ_is_bright_and_no_other() -> None:
    before, after = (levels_of(deviation_map(fused(face(), each))) for each in (face(), changed(30)))
    assert np.median(after[FINE]) == pytest.approx(15, abs=2), "both are 15 levels off their mean"
    assert before.max() <= LEFT_LEVELS
    assert after[APART].max() <= LEFT_LEVELS


def test_what_is_left_out_of_the_mean_is_left_out_of_the_map_and_seen_in_the_map_of_frames() -> None:
    made = fused(*[face()] * 4, changed(60))
    assert np.median(levels_of(deviation_map(made))[FINE]) <= LEFT_LEVELS
    assert made.count[FINE].mean() < 4.2 < 4.8 < made.count[APART].mean()
    shown = count_map(made).astype(int).sum(axis=2)
    assert shown[FINE].mean() < shown[APART].mean()


def test_more_noise_is_brighter_and_is_read_as_its_size() -> None:
    found = [
        float(np.median(levels_of(deviation_map(fused(*(face(seed, noise) for seed in range(6)))))))
        for noise in (2.0, 6.0, 12.0)
    ]
    assert found == sorted(found)
    assert found[2] > 3 * found[0]
    # Noise of each channel is averaged in lightness, and a little by the finer grid.
    assert 0.3 * 12 < found[2] < 12


# --- the case ---------------------------------------------------------------------------------------------------------


def enhanced(root: Path) -> Case:
    case = extracted(root, walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
    return case


def test_the_case_keeps_the_map_with_its_digest_and_its_scale(tmp_path: Path) -> None:
    with enhanced(tmp_path / "c") as case:
        (record,) = case.read(FusedRecord, "fused")
        assert record.deviation_path == "faces/t0001/fused-deviation.png"
        assert case.digests()[record.deviation_path] == record.deviation_sha256
        assert record.deviation_scale_levels == DEVIATION_SCALE_LEVELS
        assert record.deviation_path in case.runs("enhance")[0].outputs
        data = case.bytes_of(record.deviation_path)
        assert decode_picture(data, "map").shape[:2] == record.content[::-1]
    told = Image.open(io.BytesIO(data)).info
    assert str(told["Title"]).startswith("MAP: how far the frames")
    assert all(words in told["Title"] for words in (record.path, "Black", "32 of 255 grey levels", "light grey"))
    verify(case.root)


def test_equal_footage_gives_the_same_map_and_a_second_run_another_file(tmp_path: Path) -> None:
    with enhanced(tmp_path / "a") as one, enhanced(tmp_path / "b") as two:
        path = "faces/t0001/fused-deviation.png"
        assert one.bytes_of(path) == two.bytes_of(path)
        enhance(one, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
        (again,) = one.read(FusedRecord, "fused", 2)
        assert again.deviation_path == "faces/t0001/fused-deviation-2.png"
    verify(one.root)


def test_records_of_earlier_versions_are_still_read_and_half_a_map_is_refused(tmp_path: Path) -> None:
    with enhanced(tmp_path / "c") as case:
        (record,) = case.read(FusedRecord, "fused")
    fields = ("deviation_path", "deviation_sha256", "deviation_scale_levels")
    old = record.model_dump(mode="json", exclude=set(fields))
    assert [getattr(FusedRecord.model_validate(old), field) for field in fields] == [None] * 3
    for field in fields:
        with pytest.raises(ValidationError, match="go together"):
            FusedRecord.model_validate({**old, field: record.model_dump(mode="json")[field]})
