"""Which runs a replay can do again, and when its outcome is near enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.changes import Change
from facerecon.pipeline.differences import Differences
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.measurement import measure
from facerecon.pipeline.outputs import FileDifference, PictureDifference, RecordsDifference
from facerecon.pipeline.replaying import judge, plan
from facerecon.profiles import Profile
from facerecon.stages import Silent
from tests.fakes import FakeRestorer
from tests.unit.pipeline.stage_cases import compare_again, compared, extracted, profile, walk

# --- plan -------------------------------------------------------------------------------------------------------------


def enhance_with(case: Case, settings: Profile) -> None:
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(settings, Silent()))


def test_every_run_is_planned_in_order_with_its_own_profile(tmp_path: Path) -> None:
    case = compared(tmp_path)
    enhance_with(case, profile("enhance.shots=1"))
    planned = plan(case)
    assert [each.name for each in planned.reruns] == ["extract", "enhance", "recognize", "enhance 2"]
    assert [each.profile.enhance.shots for each in planned.reruns] == [2, 2, 2, 1]
    assert [each.profile.digest for each in planned.reruns] == [
        each.entry.details["profile_sha256"] for each in planned.reruns
    ]
    assert not planned.left_out
    assert planned.pdf is None
    assert not planned.cuda


def test_a_profile_that_is_nowhere_leaves_the_run_out_until_it_is_given(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk(8))
    other = profile("recognize.top=7", "enhance.shots=1")
    enhance_with(case, other)
    planned = plan(case)
    assert [each.name for each in planned.reruns] == ["extract"]
    assert [(each.key, "--profile" in each.reason) for each in planned.left_out] == [(("enhance", 1), True)]
    assert [each.profile for each in plan(case, [other]).reruns][1] == other


def test_what_builds_on_a_run_that_is_left_out_is_left_out(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk(8))
    enhance_with(case, profile("recognize.top=7"))
    enhance_with(case, profile("enhance.shots=1"))
    compare_again(case, tmp_path / "g", profile())
    planned = plan(case)
    assert [each.name for each in planned.reruns] == ["extract"]
    assert [each.document()["run"] for each in planned.left_out] == ["enhance", "enhance 2", "recognize"]
    assert "carry another number" in planned.left_out[1].reason
    assert "enhance made" in planned.left_out[2].reason


def test_a_gallery_that_is_not_there_leaves_out_its_comparison_and_the_later_ones(tmp_path: Path) -> None:
    case = compared(tmp_path)
    compare_again(case, tmp_path / "gallery", profile())
    planned = plan(case).without({("recognize", 1): "gone"})
    assert [each.name for each in planned.reruns] == ["extract", "enhance"]
    assert [each.key for each in planned.left_out] == [("recognize", 1), ("recognize", 2)]


def test_a_measurement_against_a_truth_cannot_be_replayed(tmp_path: Path) -> None:
    frames = walk(8)
    case = extracted(tmp_path / "c", frames)
    enhance_with(case, profile())
    measure(case, lambda index, scale: frames[index].repeat(scale, 0).repeat(scale, 1), "the drawing")
    assert [(each.key, each.reason) for each in plan(case).left_out] == [
        (("measure", 1), "it needs the known truth, which the case does not hold")
    ]


# --- judgement --------------------------------------------------------------------------------------------------------

NOTHING = Differences((), (), (), (), (), (), (), (), (), 5)
TORCH = Change("torch", "2.6", "2.7", ("enhance",))


def of_file(path: str, measured: PictureDifference | RecordsDifference | None) -> FileDifference:
    return FileDifference(path, "a" * 64, "b" * 64, measured)


def of_candidates(apart: float) -> FileDifference:
    return of_file("records/candidates.jsonl", RecordsDifference(2, 2, (), (), 1, (), 0, apart))


def test_nothing_different_is_identical_also_elsewhere() -> None:
    for changes in ((), (TORCH,)):
        verdict = judge(replace(NOTHING, versions=changes))
        assert verdict.identical
        assert not verdict.outside


@pytest.mark.parametrize("measured", [PictureDifference(psnr_db=99.0), PictureDifference()])
def test_on_the_same_machine_one_other_bit_is_outside(measured: PictureDifference) -> None:
    verdict = judge(replace(NOTHING, files=(of_file("faces/x.png", measured),)))
    assert not verdict.identical
    assert verdict.tolerance is None
    assert len(verdict.outside) == 1


@pytest.mark.parametrize("subject", ["facerecon", "python"])
def test_another_version_of_the_tool_is_no_excuse(subject: str) -> None:
    files = (of_file("faces/x.png", PictureDifference(psnr_db=99.0)),)
    assert judge(replace(NOTHING, files=files, versions=(Change(subject, "1", "2"),))).outside


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("versions", "torch"),
        ("versions", "devices.1"),
        ("versions", "ffmpeg.version"),
        ("versions", "platform"),
        ("models", "detection x.device"),
        ("models", "detection x.precision"),
    ],
)
def test_another_machine_brings_the_tolerance(kind: str, subject: str) -> None:
    files = (of_file("faces/x.png", PictureDifference(psnr_db=45.0)), of_candidates(0.01))
    verdict = judge(replace(NOTHING, files=files, **{kind: (Change(subject, "1", "2"),)}))
    assert verdict.tolerance == {"min_psnr_db": 45.0, "max_similarity_apart": 0.01}
    assert not verdict.outside
    assert not verdict.identical


@pytest.mark.parametrize(
    "file",
    [
        of_file("faces/x.png", PictureDifference(psnr_db=44.9)),
        of_file("faces/x.png", PictureDifference(problem="4x4 and 4x2 pixels")),
        of_file("calibrations/x.json", None),
        of_file("records/tracks.jsonl", RecordsDifference(2, 1, ("t2",), (), 0, (), 0)),
        of_candidates(0.0101),
    ],
    ids=lambda each: f"{each.path}",
)
def test_beyond_the_tolerance_is_outside_and_named(file: FileDifference) -> None:
    (problem,) = judge(replace(NOTHING, files=(file,), versions=(TORCH,))).outside
    assert problem.startswith(file.path)


def test_a_missing_and_a_new_output_are_outside_everywhere() -> None:
    found = replace(NOTHING, only_a=("a.png",), only_b=("b.png",), versions=(TORCH,))
    assert judge(found).outside == ("a.png is missing", "b.png is new")


def test_a_profile_that_is_changed_after_the_case_was_opened_is_refused(tmp_path: Path) -> None:
    with extracted(tmp_path / "case", walk()) as case:
        path = case.root / "profile.yaml"
        path.write_bytes(path.read_bytes().replace(b"seed: 0", b"seed: 1"))
        with pytest.raises(IntegrityError, match=r"profile\.yaml"):
            plan(case)
