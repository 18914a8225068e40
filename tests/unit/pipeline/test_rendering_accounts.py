"""Renderings that fail, resume or repeat: an account that adds up, and what the report says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.errors import EvidenceError, IntegrityError
from facerecon.filters.scaling import enlarge
from facerecon.manifest import verify
from facerecon.pipeline.rendering import Kind, Tools
from facerecon.pipeline.summaries import enhance_summary
from facerecon.profiles import Sample
from facerecon.records import RGB, Frame, RenderedRecord, Skipped, TrackRecord
from facerecon.stages import RestorationFailure, RestorationOutcome
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
    words_of,
)
from tests.unit.pipeline.stage_cases import walk

# --- accounts -----------------------------------------------------------------------------------------------------


class Picky(FakeRestorer):
    """Fails on pictures whose top left corner is bright."""

    def enlarge(self, pictures: Sequence[RGB]) -> list[RestorationOutcome]:
        outcomes = super().enlarge(pictures)
        failed = RestorationFailure("not finite, also in fp32")
        return [failed if each[0, 0, 0] > 40 else made for each, made in zip(pictures, outcomes, strict=True)]


def test_failed_frames_are_entries_and_not_in_the_video(tmp_path: Path) -> None:
    frames: list[RGB | None] = [*walk(12)]
    frames[4] = None
    source = FakeSource(frames)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "video", Tools(FakeDetector(), Picky(scale=2), None))
    assert record.frames.requested == record.frames.written + record.frames.failed == 12
    assert [subject for subject, _, _ in omitted(case)] == [f"f{n:06d}" for n in (1, 3, 4, 5, 7, 9, 11)]
    assert {each.stage for each in case.read(Skipped, "render-skipped")} == {"render"}
    written, _ = synthetic.read(case.root / record.place)
    assert [frame.timestamp.seconds for frame in written] == [Fraction(n, 10) for n in (0, 2, 6, 8, 10)]


def test_failed_face_is_an_entry_and_leaves_the_frame(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame", replace(LEARNED, faces=FakeRestorer("fake-faces", fail=True)))
    assert (record.frames.written, record.faces.failed, record.faces.written) == (2, 2, 0)
    assert not any((each == PAINT).all(-1).any() for each in made_of(case, record, (240, 320)))


@pytest.mark.parametrize(
    ("override", "reason"),
    [("enhance.min_inter_eye_px=30", "below-minimum-size"), ("enhance.max_crop_px=40", "large-enough")],
)
def test_refused_faces_have_a_reason(override: str, reason: str, tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame", LEARNED, override)
    assert (record.faces.skipped, record.faces.written) == (2, 0)
    assert case.runs("render")[0].details["skipped"] == {f"face: {reason}": 2}


@pytest.mark.parametrize("kind", ["frame", "video"])
def test_when_every_frame_fails_the_account_is_kept(kind: Kind, tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    with pytest.raises(EvidenceError, match="not one of"):
        rendered(case, source, kind, Tools(FakeDetector(), FakeRestorer(scale=2, fail=True), None))
    (record,) = case.read(RenderedRecord, "rendered")
    assert (record.files, record.frames.written) == ({}, 0)
    assert record.frames.failed == len(omitted(case)) > 0
    assert "no file" in words_of(case)
    verify(case.root)


def test_limit_takes_the_first_frames(tmp_path: Path) -> None:
    source = FakeSource([None, *walk(12)])
    case = case_of(tmp_path / "c", source)
    video = rendered(case, source, "video", limit=5)
    frames, _ = synthetic.read(case.root / video.place)
    assert [frame.timestamp.seconds for frame in frames] == [Fraction(n, 10) for n in range(1, 6)]
    assert (video.frames.requested, video.frames.written, video.frames.failed) == (6, 5, 1)
    assert len(rendered(case, source, "frame", limit=1).files) == 1


def test_only_frames_of_best_shots_are_asked_for(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame")
    assert (record.frames.requested, record.frames.written) == (2, 2)
    assert omitted(case) == []


def test_frame_that_does_not_come_again_is_a_failure(tmp_path: Path) -> None:
    frames: list[RGB | None] = [*walk()]
    case = case_of(tmp_path / "c", FakeSource(frames))
    numbers = [int(Path(path).name[1:7]) for path in rendered(case, FakeSource(frames), "frame").files]
    frames[numbers[0]] = None
    worn = FakeSource(frames)
    worn.record = case.info.source
    record = rendered(case, worn, "frame")
    assert (record.frames.written, record.frames.failed) == (1, 1)
    assert omitted(case, 2) == [(f"f{numbers[0]:06d}", "undecodable", "failed")]


def test_nobody_in_the_footage_is_a_result(tmp_path: Path) -> None:
    source = FakeSource([picture()] * 5)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "frame", LEARNED)
    assert (record.frames.requested, record.files) == (0, {})
    assert rendered(case, source, "video", LEARNED).frames.written == 5


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", [(), (FFV1,)])
def test_two_renderings_are_the_same_bytes(overrides: tuple[str, ...], tmp_path: Path) -> None:
    source = FakeSource(walk())
    digests = []
    for name in ("a", "b"):
        case = case_of(tmp_path / name, source)
        rendered(case, source, "frame", LEARNED, *overrides)
        rendered(case, source, "video", LEARNED, *overrides)
        digests.append({path: digest for path, digest in case.digests().items() if path != "case.json"})
    assert digests[0] == digests[1]
    assert any(path.startswith("video/") for path in digests[0])


def test_second_rendering_is_numbered_and_keeps_the_first(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    first = [rendered(case, source, kind) for kind in ("frame", "video")]
    before = case.digests()
    second = [rendered(case, source, kind, LEARNED) for kind in ("frame", "video")]
    assert before.items() <= case.digests().items()
    assert not {p for each in first for p in each.files} & {p for each in second for p in each.files}
    assert second[1].place == "video/enhanced-4.mp4"
    listed = enhance_summary(case)["rendered"]
    assert [each["kind"] for each in listed] == ["frame", "video", "frame", "video"]
    assert all(Path(path).is_file() for each in listed for path in each["files"])
    assert [each["face_model"] for each in listed] == [None, None, "fake-faces", "fake-faces"]
    verify(case.root)


@pytest.mark.parametrize("kind", ["frame", "video"])
def test_interrupted_rendering_verifies_and_the_same_command_finishes_it(kind: Kind, tmp_path: Path) -> None:
    frames = walk()
    case = case_of(tmp_path / "c", FakeSource(frames))
    with pytest.raises(KeyboardInterrupt):
        rendered(case, FakeSource(frames, interrupt_at=_last_best(case)), kind)
    assert verify(case.root).state == "render.interrupted"
    assert not list(case.root.rglob(".tmp-*"))
    again = rendered(case, FakeSource(frames), kind)
    whole = case_of(tmp_path / "d", FakeSource(frames))
    assert again.files == rendered(whole, FakeSource(frames), kind).files
    verify(case.root)


def test_other_settings_after_an_interrupted_rendering_are_not_in_its_way(tmp_path: Path) -> None:
    frames = walk()
    case = case_of(tmp_path / "c", FakeSource(frames))
    with pytest.raises(KeyboardInterrupt):
        rendered(case, FakeSource(frames, interrupt_at=_last_best(case)), "frame")
    left = list(case.root.glob("frames/*.enhanced.png"))
    assert left
    record = rendered(case, FakeSource(frames), "frame", INTERPOLATED, "output.scale=3")
    assert all(path.endswith(".enhanced-2.png") for path in record.files)
    assert rendered(case, FakeSource(frames), "frame").frames.written == 2
    verify(case.root)


def _last_best(case: Case) -> int:
    (track,) = case.read(TrackRecord, "tracks")
    return max(int(name[-6:]) for name in track.best[:2])


@pytest.mark.parametrize("kind", ["frame", "video"])
def test_source_that_changes_meanwhile_is_an_integrity_error(kind: Kind, tmp_path: Path) -> None:
    frames = walk()
    case = case_of(tmp_path / "c", FakeSource(frames))
    with pytest.raises(IntegrityError, match="changed while it was read"):
        rendered(case, FakeSource(frames, changes=True), kind)
    assert verify(case.root).state == "render.failed"
    assert case.runs("render") == ()


def test_detector_is_named_only_where_it_looked(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    for tools in (INTERPOLATED, LEARNED):
        rendered(case, source, "video", tools, limit=1)
    named = [[model["id"] for model in entry.details["models"]] for entry in case.runs("render")]
    assert named == [[], ["fake-detector", "restorer-unet", "fake-faces"]]


# --- report -----------------------------------------------------------------------------------------------------------


def test_report_names_the_files_with_their_digests(tmp_path: Path) -> None:
    source = FakeSource(walk())
    case = case_of(tmp_path / "c", source)
    records = [rendered(case, source, "video", LEARNED), rendered(case, source, "frame")]
    page = words_of(case)
    for record in records:
        assert all(path in page and digest in page for path, digest in record.files.items())
    assert page.count("20 = 20 written + 0 failed + 0 skipped") == 1
    assert page.count("2 = 2 written + 0 failed + 0 skipped") == 1
    assert "faces by fake-faces" in page


def test_report_says_what_rendered_and_what_is_missing(tmp_path: Path) -> None:
    frames: list[RGB | None] = [*walk(12)]
    frames[4] = None
    source = FakeSource(frames)
    case = case_of(tmp_path / "c", source)
    rendered(case, source, "video", LEARNED, "enhance.steps=[{kind: gamma, gamma: 1.75}]")
    page = words_of(case)
    assert "12 = 11 written + 1 failed + 0 skipped" in page
    assert "frame: undecodable" in page
    assert all(model in page for model in ("fake-detector", "restorer-unet", "fake-faces"))
    assert "gamma 1.75" in page
    assert "1" * 64 in page


def test_report_says_that_matroska_rounds_times(tmp_path: Path) -> None:
    pts = [0, 3000, 6001, 9007]
    video = synthetic.write_video(tmp_path / "v.mp4", frames=4, pts=pts, time_base=Fraction(1, 90000))
    source = open_source(video)
    case = case_of(tmp_path / "c", source)
    exact, rounded = rendered(case, source, "video"), rendered(case, source, "video", INTERPOLATED, FFV1)
    page = words_of(case)
    assert f"{rounded.place}: the container rounds times" in page
    assert f"{exact.place}: the container" not in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"picture": synthetic.woven, "options": {"flags": "+ilme+ildct", "x264-params": "tff=1"}}, "deinterlaced"),
        ({"sample_aspect_ratio": Fraction(16, 11)}, "aspect"),
        ({}, None),
    ],
)
def test_report_says_how_frames_were_prepared(changes: dict[str, Any], words: str | None, tmp_path: Path) -> None:
    video = synthetic.write_video(tmp_path / "v.mp4", frames=20, **changes)
    source = open_source(video, deinterlace="auto", square_pixels=True)
    case = case_of(tmp_path / "c", source)
    record = rendered(case, source, "video", INTERPOLATED, FFV1, limit=1)
    page = words_of(case)
    assert ("all frames were prepared" in page) == (words is not None)
    assert words is None or words in page
    (frame,), _ = synthetic.read(case.root / record.place)
    first = next(each for each in source.frames(Sample()) if isinstance(each, Frame))
    assert np.array_equal(frame.pixels[:192, : 2 * first.pixels.shape[1]], enlarge(first.pixels, 2, "nearest"))
