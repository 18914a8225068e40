"""`facerecon case`: what a case is, how two differ, doing one again, and one as a zip. The engines are fakes."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from facerecon.commands import workbench
from facerecon.hashing import sha256_file
from facerecon.manifest import verify
from facerecon.pipeline.overview import overview
from facerecon.records import RGB
from facerecon.stages import Restoration, RestorationOutcome
from tests.cli.conftest import Program, call
from tests.fakes import OTHER, FakeDetector, FakeRecognizer, FakeRestorer, picture
from tests.unit.pipeline.stage_cases import save

SETTINGS = ("--set", "extract.motion.enabled=false", "--set", "enhance.fuse.enabled=false", "--no-pdf", "--quiet")
RUNTIME = {"facerecon": "0.1.0", "python": "3.11", "torch": "2.6", "platform": "Linux", "cpu": "x86_64"}


class Nearly(FakeRestorer):
    """Is off by one level in one pixel."""

    def enlarge(self, pictures: Sequence[RGB]) -> list[RestorationOutcome]:
        made = super().enlarge(pictures)
        for each in made:
            assert isinstance(each, Restoration)
            each.pixels[0, 0, 0] ^= 1
        return made


def use_fakes(patch: pytest.MonkeyPatch, runtime: Mapping[str, object] = RUNTIME, scale: int = 4) -> None:
    patch.setattr(workbench.Workbench, "detector", FakeDetector())
    patch.setattr(workbench.Workbench, "recognizer", FakeRecognizer())
    patch.setattr(workbench.Workbench, "restorers", {"restorer-unet": FakeRestorer(scale=scale)})
    patch.setattr(workbench.Workbench, "_runtime", dict(runtime))


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a gallery, and the case made from them."""
    folder = tmp_path_factory.mktemp("made")
    for number in range(3):
        save(folder / f"footage/{number}.png", picture(faces=[(20 + 5 * number, 30, 50)]))
    save(folder / "gallery/Ada [red].png", picture(faces=[(40, 20, 80)]))
    save(folder / "gallery/Bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    with pytest.MonkeyPatch.context() as patch:
        use_fakes(patch)
        arguments = (
            "--case",
            folder / "case",
            "--gallery",
            folder / "gallery",
            "--operator",
            "[bold]Kim[/]",
            *SETTINGS,
        )
        done = call("run", folder / "footage", *arguments)
    assert done.code == 0, done.err
    return folder


def files_of(case: Path) -> dict[str, bytes]:
    return {path.relative_to(case).as_posix(): path.read_bytes() for path in case.rglob("*") if path.is_file()}


# --- info -------------------------------------------------------------------------------------------------------------


def test_info_says_who_what_with_what_and_how_much_and_changes_nothing(facerecon: Program, made: Path) -> None:
    before = files_of(made / "case")
    done = facerecon("case", "info", made / "case", "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document["schema"] == 1
    assert (document["operator"], document["verifies"], document["problems"]) == ("[bold]Kim[/]", True, [])
    assert document["source"]["kind"] == "folder"
    assert document["source"]["pictures"] == 3
    assert [each["stage"] for each in document["runs"]] == ["extract", "enhance", "recognize", "report"]
    assert {each["outcome"] for each in document["runs"]} == {"finished"}
    assert document["runs"][1]["models"][0]["weights_sha256"] == "1" * 64
    assert document["runs"][0]["versions"]["torch"] == "2.6"
    assert document["counts"]["frames"]["written"] == document["counts"]["tracks"] == 3
    assert document["counts"]["candidates"] == len((made / "case/records/candidates.jsonl").read_bytes().splitlines())
    assert document["ledger"]["head"] == facerecon("verify", made / "case", "--json").document["ledger_head"]
    assert (document["review_state"], document["signatures"]) == ("UNREVIEWED", [])
    assert files_of(made / "case") == before


def test_info_for_people_fits_a_screen_and_shows_names_as_they_are(facerecon: Program, made: Path) -> None:
    out = facerecon("case", "info", made / "case").out
    assert "[bold]Kim[/]" in out
    assert "Verifies:    yes" in out
    assert len(out.splitlines()) < 40
    head = facerecon("case", "info", made / "case", "--json").document["ledger"]["head"]
    assert head in out


def test_info_of_a_changed_case_says_so_and_is_exit_4(facerecon: Program, made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made / "case", tmp_path / "copy"))
    (copy / "extra.txt").write_text("x")
    done = facerecon("case", "info", copy, "--json")
    assert done.code == 4
    assert not done.document["verifies"]
    assert any("extra.txt" in problem for problem in done.document["problems"])
    assert done.document["case_id"] == "case"
    assert "extra.txt" in done.error


def test_an_interrupted_stage_is_told_with_its_reason(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made / "case", tmp_path / "copy"))
    with workbench.Case.open(copy) as case, pytest.raises(KeyboardInterrupt), case.stage("enhance", {}, {}):
        raise KeyboardInterrupt
    last = overview(copy)["runs"][-1]
    assert (last["stage"], last["outcome"], last["reason"]) == ("enhance", "interrupted", "KeyboardInterrupt")


@pytest.mark.parametrize("arguments", ["info no", "diff no no", "replay no", "package no o.zip"])
def test_what_is_no_case_is_exit_2(facerecon: Program, tmp_path: Path, arguments: str) -> None:
    name, case, *rest = arguments.split()
    done = facerecon("case", name, tmp_path / case, *(tmp_path / each for each in rest))
    assert done.code == 2
    assert "not a case folder" in done.error


# --- diff -------------------------------------------------------------------------------------------------------------


def test_diff_of_a_case_and_its_copy_is_nothing(facerecon: Program, made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made / "case", tmp_path / "copy")
    done = facerecon("case", "diff", made / "case", copy, "--json", "--exit-code")
    assert done.code == 0
    assert done.document["nothing_differs"]
    assert "Nothing differs" in facerecon("case", "diff", made / "case", copy).out


def test_diff_is_a_result_and_exit_4_only_when_asked(facerecon: Program, made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    arguments = ("--set", "enhance.shots=1", "--set", "shots.margin=0.8", *SETTINGS)
    assert facerecon("run", made / "footage", "--case", other, *arguments).code == 0
    done = facerecon("case", "diff", made / "case", other, "--json")
    assert done.code == 0
    document = done.document
    assert document["schema"] == 1
    assert {each["subject"] for each in document["profile"]} == {"enhance.shots", "shots.margin"}
    assert document["outputs"]["only_a"]
    assert any("times of day" in each for each in document["left_out"])
    assert not [each for each in document["outputs"]["different"] if each["path"].startswith("report/")]
    failed = facerecon("case", "diff", made / "case", other, "--exit-code")
    assert failed.code == 4
    assert "px" not in failed.error
    assert "shots.margin: " in failed.out


# --- replay -----------------------------------------------------------------------------------------------------------


def replayed(facerecon: Program, made: Path, *arguments: object) -> object:
    return facerecon("case", "replay", made / "case", "--json", "--quiet", *arguments)


def test_replay_is_bit_identical_and_a_case_of_its_own(facerecon: Program, made: Path, tmp_path: Path) -> None:
    before = files_of(made / "case")
    done = replayed(facerecon, made, "--output", tmp_path / "again", "--operator", "Lee")
    assert done.code == 0, done.err
    document = done.document
    assert document["bit_identical"]
    assert document["replayed"] == ["extract", "enhance", "recognize"]
    assert document["differences"]["outputs"]["equal"] > 20
    assert files_of(made / "case") == before
    verify(tmp_path / "again")
    info = json.loads((tmp_path / "again/case.json").read_bytes())
    assert info["operator"] == "Lee"
    assert overview(made / "case")["ledger"]["head"] in info["purpose"]
    assert (tmp_path / "again/report/report.html").is_file()
    assert not list((tmp_path / "again/report").glob("*.pdf"))


def test_replay_says_so_in_words(facerecon: Program, made: Path, tmp_path: Path) -> None:
    done = facerecon("case", "replay", made / "case", "--output", tmp_path / "again", "--quiet")
    assert "replayed: bit-identical" in done.out


def test_replay_repeats_a_stage_that_ran_with_other_settings(facerecon: Program, made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made / "case", tmp_path / "copy"))
    assert facerecon("enhance", copy, "--set", "enhance.keep_steps=false", "--quiet").code == 0
    frames = (
        "--output",
        "frame",
        "--limit",
        2,
        "--set",
        "output.frame_upscaler=nearest",
        "--set",
        "output.faces=false",
    )
    assert facerecon("enhance", copy, *frames, "--quiet").code == 0
    done = facerecon("case", "replay", copy, "--output", tmp_path / "again", "--json", "--quiet")
    assert done.code == 0, done.err
    assert done.document["replayed"][-2:] == ["enhance 2", "render"]
    assert len(list((tmp_path / "again/frames").glob("*.enhanced.png"))) == 2
    assert (tmp_path / "again/records/restored-2.jsonl").read_bytes() == (
        copy / "records/restored-2.jsonl"
    ).read_bytes()


def test_replay_of_other_pixels_is_exit_4_on_the_same_machine(
    facerecon: Program, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fakes(monkeypatch, scale=2)
    done = replayed(facerecon, made, "--output", tmp_path / "again")
    assert done.code == 4
    assert done.document["tolerance"] is None
    assert any("restored" in each for each in done.document["outside"])
    verify(tmp_path / "again")


def test_replay_elsewhere_within_the_tolerance_is_a_result(
    facerecon: Program, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fakes(monkeypatch, {**RUNTIME, "torch": "2.7"})
    restorer = Nearly()
    restorer.stamp = restorer.stamp.model_copy(update={"device": "cuda:0"})
    monkeypatch.setattr(workbench.Workbench, "restorers", {"restorer-unet": restorer})
    done = replayed(facerecon, made, "--output", tmp_path / "again")
    assert done.code == 0, done.err
    assert done.document["elsewhere"] == ["torch", "super-resolution restorer-unet.device"]
    assert not done.document["bit_identical"]
    assert done.document["outside"] == []
    pictures = [each for each in done.document["differences"]["outputs"]["different"] if each["kind"] == "picture"]
    assert min(each["measured"]["psnr_db"] for each in pictures if each["measured"]["psnr_db"]) > 45
    assert done.document["tolerance"] == {"min_psnr_db": 45.0, "max_similarity_apart": 0.01}


def test_replay_needs_the_recorded_source(facerecon: Program, made: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(made, tmp_path / "moved"))
    (moved / "footage").rename(moved / "elsewhere")
    document = json.loads((moved / "case/case.json").read_bytes())
    assert document["source"]["path"] == str(made / "footage")
    with_source = replayed(facerecon, made, "--source", moved / "elsewhere", "--output", tmp_path / "again")
    assert with_source.code == 0, with_source.err
    save(moved / "elsewhere/1.png", picture(faces=[(99, 30, 50)]))
    wrong = replayed(facerecon, made, "--source", moved / "elsewhere", "--output", tmp_path / "wrong")
    assert wrong.code == 4
    assert document["source"]["sha256"] in wrong.error
    gone = replayed(facerecon, made, "--source", tmp_path / "gone", "--output", tmp_path / "wrong")
    assert gone.code == 2
    assert "--source" in gone.error
    assert not (tmp_path / "wrong").exists()


def test_replay_without_the_gallery_leaves_the_comparison_out_and_says_so(
    facerecon: Program, made: Path, tmp_path: Path
) -> None:
    hidden = (made / "gallery").rename(made / "hidden")
    try:
        done = replayed(facerecon, made, "--output", tmp_path / "a")
        given = replayed(facerecon, made, "--output", tmp_path / "b", "--gallery", hidden)
        words = facerecon("case", "replay", made / "case", "--quiet", "--output", tmp_path / "c").out
    finally:
        hidden.rename(made / "gallery")
    assert done.code == 0, done.err
    assert [each["run"] for each in done.document["not_replayed"]] == ["recognize"]
    assert "--gallery" in done.document["not_replayed"][0]["reason"]
    assert not (tmp_path / "a/records/candidates.jsonl").exists()
    assert "not replayed: recognize" in words
    assert given.code == 0, given.err
    assert given.document["not_replayed"] == []


def test_replay_with_another_gallery_is_exit_4(facerecon: Program, made: Path, tmp_path: Path) -> None:
    save(tmp_path / "g/Ada [red].png", picture(faces=[(50, 20, 80)]))
    done = replayed(facerecon, made, "--gallery", tmp_path / "g", "--output", tmp_path / "again")
    assert done.code == 4
    assert "not the gallery" in done.error
    assert not (tmp_path / "again").exists()


def test_replay_goes_nowhere_near_what_is_there(facerecon: Program, made: Path, tmp_path: Path) -> None:
    before = files_of(made / "case")
    (tmp_path / "mine.txt").write_text("x")
    for place in (made / "case", made / "case/again", tmp_path):
        done = replayed(facerecon, made, "--output", place)
        assert done.code == 2, place
        assert "--output" in done.error
    assert replayed(facerecon, made, "--output", tmp_path / "again").code == 0
    again = replayed(facerecon, made, "--output", tmp_path / "again")
    assert again.code == 2
    assert "finished replay" in again.error
    assert files_of(made / "case") == before


def test_an_interrupted_replay_is_resumed_by_the_same_command(
    facerecon: Program, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(workbench.Workbench, "restorers", property(lambda _: (_ for _ in ()).throw(KeyboardInterrupt)))
        assert replayed(facerecon, made, "--output", tmp_path / "again").code == 130
    done = replayed(facerecon, made, "--output", tmp_path / "again")
    assert done.code == 0, done.err
    assert done.document["bit_identical"]
    assert [each["stage"] for each in overview(tmp_path / "again")["runs"]].count("extract") == 1


def test_a_case_that_does_not_verify_is_neither_replayed_nor_packed_nor_compared(
    facerecon: Program, made: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(made / "case", tmp_path / "copy"))
    (copy / "records/tracks.jsonl").write_bytes(b"{}\n")
    for arguments in (
        ("replay", copy, "--output", tmp_path / "r"),
        ("package", copy, tmp_path / "p.zip"),
        ("diff", copy, made / "case"),
    ):
        assert facerecon("case", *arguments).code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


# --- package ----------------------------------------------------------------------------------------------------------


def test_package_prints_the_digest_and_holds_a_case_that_verifies(
    facerecon: Program, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.zip"
    done = facerecon("case", "package", made / "case", out, "--json")
    assert done.code == 0, done.err
    assert done.document["sha256"] == sha256_file(out)
    assert done.document["signature"] is None
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "x")
    assert facerecon("verify", tmp_path / "x/case", "--json").document["ledger_head"] == done.document["ledger_head"]
    assert facerecon("case", "package", made / "case", out).code == 2


def test_package_is_signed_with_a_key(facerecon: Program, made: Path, tmp_path: Path) -> None:
    from facerecon.signing import read_public_key

    assert facerecon("keys", "new", tmp_path / "kim").code == 0
    done = facerecon("case", "package", made / "case", tmp_path / "o.zip", "--sign", tmp_path / "kim.pem", "--json")
    assert done.code == 0, done.err
    line = tmp_path / "o.zip.sha256"
    assert line.read_text().split() == [done.document["sha256"], "o.zip"]
    read_public_key(tmp_path / "kim.pub.pem").verify((tmp_path / "o.zip.sig").read_bytes(), line.read_bytes())


def test_package_with_a_wrong_key_writes_nothing(facerecon: Program, made: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no key")
    done = facerecon("case", "package", made / "case", tmp_path / "o.zip", "--sign", tmp_path / "no.pem")
    assert done.code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no.pem"]
