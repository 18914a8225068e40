"""Whole frames and video through the program, with classical filters only (`enhance TARGET --output frame|video`)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from facerecon.pictures import decode_picture
from tests import synthetic
from tests.cli.conftest import Program, call
from tests.unit.report.report_reading import Page

EVIDENTIAL = ("--profile", "evidential", "--set", "extract.sample={every: 4}", "--set", "shots.best=2")


@pytest.fixture(scope="module")
def finished(short_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of the short clip, of which nothing was rendered."""
    case = tmp_path_factory.mktemp("outputs") / "case"
    outcome = call("extract", short_clip, "--case", case, *EVIDENTIAL, "--quiet")
    assert outcome.code == 0, outcome.err
    return case


@pytest.fixture
def case(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "case")


def test_video_has_the_source_s_times_and_the_original_beside(facerecon: Program, case: Path, short_clip: Path) -> None:
    outcome = facerecon("enhance", case, "--output", "video", "--limit", 12, "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    (made,) = outcome.document["rendered"]
    assert {"kind", "files", "frames", "faces", "upscaler", "face_model", "skipped"} == set(made)
    assert (made["kind"], made["upscaler"], made["face_model"]) == ("video", "lanczos", None)
    assert made["frames"] == {"requested": 12, "written": 12, "failed": 0, "skipped": 0}
    (path,) = made["files"]
    originals, frames = synthetic.read(short_clip)[0][:12], synthetic.read(Path(path))[0]
    assert len(frames) == 12
    for original, frame in zip(originals, frames, strict=True):
        # Matroska counts milliseconds.
        assert abs(frame.timestamp.seconds - original.timestamp.seconds) * 2000 <= 1
        height, width = original.pixels.shape[:2]
        assert np.array_equal(frame.pixels[: 2 * height : 2, : 2 * width : 2], original.pixels)
        assert frame.pixels.shape[0] > 2 * height
    assert facerecon("verify", case).code == 0


def test_h264_keeps_times_tick_for_tick(facerecon: Program, case: Path, short_clip: Path) -> None:
    arguments = ("--output", "video", "--limit", 8, "--set", "output.codec=h264", "--json", "--quiet")
    (path,) = facerecon("enhance", case, *arguments).document["rendered"][0]["files"]
    originals, frames = synthetic.read(short_clip)[0][:8], synthetic.read(Path(path))[0]
    assert [each.timestamp.seconds for each in frames] == [each.timestamp.seconds for each in originals]


def test_frames_stand_beside_their_originals(facerecon: Program, case: Path, short_clip: Path) -> None:
    outcome = facerecon("enhance", case, "--output", "frame", "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    (made,) = outcome.document["rendered"]
    assert made["frames"]["written"] == len(made["files"]) > 0
    frames = {f"f{frame.index:06d}": frame.pixels for frame in synthetic.read(short_clip)[0]}
    for path in map(Path, made["files"]):
        original = path.with_name(path.name.replace("enhanced", "original"))
        assert np.array_equal(decode_picture(original.read_bytes(), "o"), frames[path.name[:7]])
        assert b"No learned model" in path.read_bytes()


def test_renderings_add_up_and_the_report_names_them(facerecon: Program, case: Path) -> None:
    for kind, count in (("video", 1), ("video", 2), ("frame", 3)):
        outcome = facerecon("enhance", case, "--output", kind, "--limit", 2, "--json", "--quiet")
        assert outcome.code == 0, outcome.err
        assert len(outcome.document["rendered"]) == count
    assert {path.name for path in (case / "video").iterdir()} == {"enhanced.mkv", "enhanced-2.mkv"}
    assert facerecon("report", case, "--no-pdf", "--quiet").code == 0
    words = Page((case / "report/report.html").read_text()).words
    for path in outcome.document["rendered"]:
        assert all(str(Path(each).relative_to(case)) in words for each in path["files"])
    assert facerecon("verify", case).code == 0


def test_people_are_told_where_the_files_are(facerecon: Program, case: Path) -> None:
    out = facerecon("enhance", case, "--output", "video", "--limit", 3, "--quiet").out
    assert f"{case}/video/enhanced.mkv" in out
    assert "3 = 3 written + 0 failed + 0 skipped" in out


def test_one_command_from_a_video_extracts_first(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    arguments = ("--case", tmp_path / "c", *EVIDENTIAL, "--quiet", "--json")
    outcome = facerecon("enhance", short_clip, "--output", "video", "--limit", 2, *arguments)
    assert outcome.code == 0, outcome.err
    assert outcome.document["restored"] == []
    again = facerecon("enhance", short_clip, "--output", "frame", "--limit", 1, *arguments)
    assert [each["kind"] for each in again.document["rendered"]] == ["video", "frame"]


def test_two_runs_give_the_same_bytes(facerecon: Program, finished: Path, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        case = shutil.copytree(finished, tmp_path / name)
        for kind in ("video", "frame"):
            assert facerecon("enhance", case, "--output", kind, "--limit", 4, "--quiet").code == 0
        paths = [*(case / "video").iterdir(), *(case / "frames").iterdir(), *(case / "records").iterdir()]
        made.append({path.relative_to(case): path.read_bytes() for path in paths})
    assert made[0] == made[1]


def test_folder_of_stills(facerecon: Program, tmp_path: Path) -> None:
    folder = synthetic.write_pictures(tmp_path / "stills", ["a.png", "b.png"])
    arguments = ("--case", tmp_path / "c", "--profile", "evidential", "--quiet")
    refused = facerecon("enhance", folder, "--output", "video", *arguments)
    assert refused.code == 2
    assert "--output frame" in refused.error
    outcome = facerecon("enhance", folder, "--output", "frame", "--json", *arguments)
    assert outcome.code == 0, outcome.err
    files = outcome.document["rendered"][0]["files"]
    assert [synthetic.number_in(decode_picture(Path(each).read_bytes(), each)[:192]) for each in files] == [0, 1]
    assert facerecon("verify", tmp_path / "c").code == 0


def test_source_that_moved_is_exit_3_and_one_that_changed_exit_4(facerecon: Program, tmp_path: Path) -> None:
    video, case = synthetic.write_video(tmp_path / "v.mp4", frames=5), tmp_path / "c"
    assert facerecon("extract", video, "--case", case, *EVIDENTIAL, "--quiet").code == 0
    moved = video.rename(tmp_path / "w.mp4")
    outcome = facerecon("enhance", case, "--output", "video", "--quiet")
    assert (outcome.code, "v.mp4" in outcome.error) == (3, True)
    video.write_bytes(moved.read_bytes() + b"\0")
    outcome = facerecon("enhance", case, "--output", "video", "--quiet")
    assert (outcome.code, "is not the file that case" in outcome.error) == (4, True)
    moved.replace(video)
    assert facerecon("enhance", case, "--output", "video", "--quiet").code == 0
    assert facerecon("verify", case).code == 0


def test_limit_is_for_whole_frames(facerecon: Program, case: Path) -> None:
    outcome = facerecon("enhance", case, "--limit", 3)
    assert outcome.code == 2
    assert "--output" in outcome.error
