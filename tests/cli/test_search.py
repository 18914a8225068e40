"""`search` and `cluster` on real cases, and `recognize` on several: documents, sheets, and what is wrong is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Program, Sample


@pytest.fixture(scope="module")
def cases(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demo's case twice: as Monday's and as Tuesday's."""
    folder = tmp_path_factory.mktemp("cases")
    for name in ("monday", "tuesday"):
        shutil.copytree(sample.case, folder / name)
    return [folder / "monday", folder / "tuesday"]


def portrait(sample: Sample) -> Path:
    return next(path for path in sorted(sample.gallery.rglob("*.png")) if "astronaut" in str(path))


def test_a_photo_finds_its_tracks_in_all_cases(
    facerecon: Program, sample: Sample, cases: list[Path], tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    done = facerecon("search", portrait(sample), *cases, "--sheet", sheet, "--json", "-q")
    assert done.code == 0, done.err
    document = done.document
    assert document["searched"] == {"cases": 2, "tracks": 2}
    assert [hit["case"] for hit in document["hits"]] == [str(case) for case in cases]
    recorded = {c["variant"]: c for c in sample.document["recognize"]["candidates"] if c["identity"] == "astronaut"}
    assert document["hits"][0]["similarity"] == recorded["fused"]["similarity"]
    assert document["hits"][0]["likelihood_ratio"] == recorded["fused"]["likelihood_ratio"]
    assert Path(document["hits"][0]["picture"]).is_file()
    with Image.open(sheet) as picture:
        assert picture.size[0] > 900
    again = facerecon("search", portrait(sample), *cases, "--sheet", sheet)
    assert (again.code, "exists already" in again.error) == (2, True)


def test_a_track_finds_the_other_day_and_not_itself(facerecon: Program, cases: list[Path]) -> None:
    done = facerecon("search", f"{cases[0]}:t0001", *cases)
    assert done.code == 0, done.err
    assert cases[1].name in done.out
    assert cases[0].name not in done.out
    assert "both sides are footage" in done.out
    assert "not a statement of who" in done.out


@pytest.mark.parametrize(
    ("probe", "problem"),
    [
        ("{case}", "name a track in it"),
        ("{case}:t0077", "has no track t0077"),
        ("nothing.jpg", "neither a photo nor CASE:TRACK"),
        ("{wall}", "no face was found"),
    ],
)
def test_what_cannot_be_searched_for_is_said(
    probe: str, problem: str, facerecon: Program, cases: list[Path], tmp_path: Path
) -> None:
    wall = tmp_path / "wall.png"
    Image.new("RGB", (200, 200), (90, 90, 90)).save(wall)
    done = facerecon("search", probe.format(case=cases[0], wall=wall), *cases)
    assert (done.code, problem in done.error) == (2, True), done.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--face", 1, "--largest"), "give one of them"),
        (("--face", 1), "are about a photo"),
        (("--calibration", "c.json"), "compares footage with a photo"),
        (("--sheet", "no/folder/sheet.png"), "is not a folder"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    options: tuple[object, ...], problem: str, facerecon: Program, cases: list[Path]
) -> None:
    done = facerecon("search", f"{cases[0]}:t0001", *cases, *options)
    assert (done.code, problem in done.error) == (2, True), done.err


def test_clusters_join_the_same_face_and_a_broken_case_is_listed(
    facerecon: Program, cases: list[Path], tmp_path: Path
) -> None:
    done = facerecon("cluster", *cases, tmp_path / "none", "--json", "--sheet", tmp_path / "groups.png")
    assert done.code == 6
    document = json.loads(done.out)
    assert [len(each["tracks"]) for each in document["groups"]] == [2]
    assert document["groups"][0]["smallest_similarity"] == 1.0
    assert document["failures"][0]["case"] == str(tmp_path / "none")
    assert "not a case folder" in done.error
    assert (tmp_path / "groups.png").is_file()
    apart = facerecon("cluster", *cases, "--min-similarity", "1.0", "--json", "-q")
    assert apart.code == 0


def test_several_cases_are_compared_and_one_that_fails_does_not_stop_the_others(
    facerecon: Program, sample: Sample, cases: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facerecon.likelihood import documents

    parsed: list[object] = []
    real = documents._parsed
    monkeypatch.setattr(documents, "_parsed", lambda *given: parsed.append(given[0]) or real(*given))
    done = facerecon("recognize", *cases, tmp_path / "none.mp4", "--gallery", sample.gallery, "--json", "-q")
    assert len(parsed) == len(set(parsed)) > 0
    assert done.code == 6
    document = json.loads(done.out)
    assert [each["case"] for each in document["cases"]] == [str(case) for case in cases]
    assert document["failures"][0]["target"] == str(tmp_path / "none.mp4")
    assert all(each["candidates"][0]["identity"] == "astronaut" for each in document["cases"])
    for case in cases:
        assert facerecon("verify", case).code == 0
    one = facerecon("recognize", *cases, "--gallery", sample.gallery, "--case", tmp_path / "x")
    assert (one.code, "--case names one case" in one.error) == (2, True)
