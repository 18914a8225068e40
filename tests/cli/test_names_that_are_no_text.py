"""File names whose bytes are not UTF-8: accepted where no record has to state them, else refused first.

Linux allows them; recorders that write Latin-1 and damaged archives have them. Records, JSON and reports are text.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from facerecon.manifest import verify
from tests.cli.conftest import Outcome, Program, call
from tests.cli.test_contracts import CHEAP

KEPT = Path(__file__).resolve().parents[1] / "data/cases/schema-1"
BAD = os.fsdecode(b"caf\xe9")


def refused(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    assert "\udce9" not in outcome.err + outcome.out
    for word in words:
        assert word in outcome.error


@pytest.fixture
def bad_clip(short_clip: Path, tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    return Path(shutil.copyfile(short_clip, tmp_path / f"archive/{BAD}.mp4"))


@pytest.mark.parametrize("command", ["extract", "enhance", "run", "recognize"])
def test_a_source_is_refused_with_the_way_out_and_nothing_is_made(
    command: str, facerecon: Program, bad_clip: Path, gallery: Path, tmp_path: Path
) -> None:
    more = ("--gallery", gallery) if command == "recognize" else ()
    before = sorted(tmp_path.rglob("*"))
    refused(facerecon(command, bad_clip, *more, "--case", tmp_path / "c", *CHEAP), 3, "not UTF-8", "rename", "ln -s")
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_above_a_source_and_pictures_in_it_count_too(
    facerecon: Program, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / BAD
    above.mkdir()
    shutil.copyfile(short_clip, above / "clip.mp4")
    pictures = tmp_path / "pictures"
    for name in ("fine.png", f"{BAD}.png"):
        pictures.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64)).save(pictures / name, format="PNG")
    refused(facerecon("extract", above / "clip.mp4", "--case", tmp_path / "c"), 3, "not UTF-8")
    refused(facerecon("extract", pictures, "--case", tmp_path / "c"), 3, r"the name of caf\udce9.png")
    refused(facerecon("extract", pictures / f"{BAD}.png", "--case", tmp_path / "c"), 3, "not UTF-8")
    # A case states absolute paths, so the folder counts also where only a name is typed.
    monkeypatch.chdir(above)
    refused(facerecon("extract", "clip.mp4", "--case", tmp_path / "c"), 3, "not UTF-8")
    assert not (tmp_path / "c").exists()


def test_the_way_out_works(facerecon: Program, bad_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").symlink_to(bad_clip)
    outcome = facerecon("extract", tmp_path / "clip.mp4", "--case", tmp_path / "c", *CHEAP)
    assert outcome.code == 0, outcome.err
    verify(tmp_path / "c")


@pytest.mark.parametrize("store", [False, True])
def test_a_gallery_s_path_is_refused_and_a_link_to_it_is_not(
    store: bool, facerecon: Program, gallery: Path, short_clip: Path, tmp_path: Path
) -> None:
    held, link = tmp_path / f"g{BAD}", tmp_path / "link"
    if store:
        assert facerecon("gallery", "enroll", gallery, "--gallery", held, "--quiet").code == 0
    else:
        shutil.copytree(gallery, held)
    link.symlink_to(held)
    refused(facerecon("run", short_clip, "--gallery", held, "--case", tmp_path / "c", *CHEAP), 2, "gallery", "ln -s")
    assert not (tmp_path / "c").exists()
    outcome = facerecon("run", short_clip, "--gallery", link, "--case", tmp_path / "c", "--no-pdf", *CHEAP)
    assert outcome.code == 0, outcome.err
    verify(tmp_path / "c")


def test_pictures_of_a_gallery_are_refused(facerecon: Program, gallery: Path, tmp_path: Path) -> None:
    picture = next(path for path in sorted(gallery.rglob("*")) if path.suffix in (".png", ".jpg"))
    alone = Path(shutil.copyfile(picture, tmp_path / f"{BAD}{picture.suffix}"))
    store = tmp_path / "store"
    refused(facerecon("gallery", "enroll", alone, "--gallery", store, "--name", "Ada", "--quiet"), 2, "rename it")
    for option in ("--name", "--source", "--legal-basis", "--operator"):
        refused(facerecon("gallery", "enroll", picture, "--gallery", store, option, BAD, "--quiet"), 2, option)
    assert not store.exists()


def test_what_is_typed_is_refused(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    for option in ("--operator", "--purpose", "--case-id"):
        refused(facerecon("extract", short_clip, "--case", tmp_path / "c", option, BAD, *CHEAP), 2, option, "UTF-8")
        assert not (tmp_path / "c").exists()


def test_a_case_folder_may_have_such_a_name_but_needs_a_number(
    facerecon: Program, short_clip: Path, tmp_path: Path
) -> None:
    root = tmp_path / f"case{BAD}"
    refused(facerecon("extract", short_clip, "--case", root, *CHEAP), 2, "--case-id")
    assert not root.exists()
    assert facerecon("extract", short_clip, "--case", root, "--case-id", "7", *CHEAP).code == 0
    verify(root)


@pytest.mark.parametrize("name", [f"demo{BAD}", f"{BAD}/demo", f"{BAD}/deep/demo"])
def test_the_demo_refuses_such_a_folder_before_it_makes_anything(
    name: str, facerecon: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(facerecon("demo", "--folder", tmp_path / name, "--quiet"), 2, "not UTF-8", "--folder")
    assert not list(tmp_path.iterdir())
    # Its cases state absolute paths, so the folder that it is started in counts, too.
    (tmp_path / BAD).mkdir()
    monkeypatch.chdir(tmp_path / BAD)
    refused(facerecon("demo", "--quiet"), 2, "not UTF-8", "--folder")
    assert not list((tmp_path / BAD).iterdir())


def test_commands_on_a_case_in_such_a_folder_work_and_show_it_without_acting(tmp_path: Path) -> None:
    root = Path(shutil.copytree(KEPT, tmp_path / BAD))
    package = tmp_path / f"{BAD}.zip"
    for arguments in (
        ("verify", root),
        ("verify", root, "--json"),
        ("case", "info", root),
        ("case", "info", root, "--json"),
        ("case", "diff", root, KEPT, "--exit-code"),
        ("case", "export", root, "--case-uco", tmp_path / f"{BAD}.jsonld"),
        ("case", "package", root, package),
        ("verify", package),
        ("report", root, "--no-pdf", "--quiet", "--json"),
    ):
        outcome = call(*arguments)
        assert outcome.code == 0, (arguments, outcome.err)
        assert "\udce9" not in outcome.out + outcome.err
    verify(root)
