"""`facerecon gallery`: the documents, the exit codes, and a stored gallery where a plain one could be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from facerecon.commands import workbench
from facerecon.errors import Interrupted
from facerecon.pipeline import enrolment, galleries
from facerecon.records import Embedding, FaceView
from tests.cli.conftest import Program
from tests.fakes import OTHER, SKIN, FakeDetector, FakeRecognizer, picture
from tests.unit.gallery.test_gallery_reading import save

STATED = ("--source", "archive", "--legal-basis", "case 12", "--operator", "me", "--quiet")


class Stopped(FakeRecognizer):
    """Is interrupted at its second batch."""

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        if "used" in self.__dict__:
            raise Interrupted("stopped")
        self.__dict__["used"] = True
        return super().embed(faces)


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench.Workbench, "detector", FakeDetector())
    monkeypatch.setattr(workbench.Workbench, "recognizer", FakeRecognizer())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    save(folder / "Ada [red]/1.png", picture(faces=[(40, 20, 80)]))
    save(folder / "Bob/1.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    save(folder / "crowd.png", picture(240, 120, [(10, 20, 60), (130, 20, 80)], [SKIN, OTHER]))
    (folder / "copy.png").write_bytes((folder / "Bob/1.png").read_bytes())
    (folder / "suspects.json").write_text('[{"name": "Bob", "id": 17, "status": "wanted"}]')
    return folder


@pytest.fixture
def stored(facerecon: Program, source: Path, tmp_path: Path) -> Path:
    assert facerecon("gallery", "enroll", source, "--gallery", tmp_path / "g", *STATED).code == 0
    return tmp_path / "g"


def test_enrolment_document(facerecon: Program, source: Path, tmp_path: Path) -> None:
    done = facerecon("gallery", "enroll", source, "--gallery", tmp_path / "g", "--json", *STATED)
    assert done.code == 0, done.err
    document = done.document
    counts = document["counts"]
    assert document["schema"] == 1
    assert document["requested"] == sum(counts.values()) == 4
    assert counts == {"enrolled": 2, "refused": 1, "duplicates": 1}
    assert [each["identity"] for each in document["enrolled"]] == ["Ada [red]", "Bob"]
    assert document["enrolled"][1]["person_id"] == "17"
    assert "--face N" in document["refused"][0]["reason"]
    assert document["duplicates"][0]["duplicate_of_file"] == "Bob/1.png"
    assert [each["kind"] for each in document["warnings"]] == ["same-file", "alike"]
    assert "warning: copy.png (copy) and Bob/1.png (Bob) are one file" in done.err
    assert document["notes"] == []


def test_what_was_not_stated_is_noted(facerecon: Program, source: Path, tmp_path: Path) -> None:
    done = facerecon("gallery", "enroll", source, "--gallery", tmp_path / "g", "--source", "archive", "--json", "-q")
    assert ["legal basis not stated" in note for note in done.document["notes"]] == [True]
    assert done.document["enrolled"][0]["legal_basis"] == "not stated"


def test_tables_show_names_as_they_are(facerecon: Program, source: Path, tmp_path: Path) -> None:
    out = facerecon("gallery", "enroll", source, "--gallery", tmp_path / "g").out
    assert "Pictures: 4 = 2 enrolled + 1 refused + 1 duplicates" in out
    assert "Ada [red]" in out
    listed = facerecon("gallery", "list", tmp_path / "g").out
    assert "Ada [red]" in listed
    assert "wanted" in listed
    shown = facerecon("gallery", "show", tmp_path / "g", "Bob").out
    assert "not stated" in shown
    assert "px between the eyes" in shown
    assert not any(word in out + listed + shown for word in ("match", "identified", "confirmed"))


def test_one_face_of_two_is_taken_when_it_is_named(facerecon: Program, source: Path, tmp_path: Path) -> None:
    common = ("gallery", "enroll", source / "crowd.png", "--gallery", tmp_path / "g", "--name", "Cyd", "--json")
    refused = facerecon(*common, *STATED)
    assert refused.code == 2
    assert "2 faces" in refused.error
    assert not (tmp_path / "g").exists()
    taken = facerecon(*common, "--face", 2, *STATED).document["enrolled"][0]
    assert taken["chosen"] == "face 2 of 2 from the left"
    assert taken["identity"] == "Cyd"
    both = facerecon(*common, "--face", 1, "--largest", *STATED)
    assert both.code == 2
    assert "--largest and --face" in both.error


def test_list_and_show_documents(facerecon: Program, stored: Path) -> None:
    listed = facerecon("gallery", "list", stored, "--json").document
    assert [(each["identity"], each["pictures"]) for each in listed["persons"]] == [("Ada [red]", 1), ("Bob", 1)]
    assert listed["entries"] == 2
    assert listed["recognizer"]["treatment"] == "fake"
    shown = facerecon("gallery", "show", stored, "Bob", "--json").document
    assert shown["entries"][0]["source"] == "archive"
    assert {"score", "sharpness", "inter_eye_px"} <= set(shown["entries"][0]["quality"])
    absent = facerecon("gallery", "show", stored, "Zoe")
    assert absent.code == 2
    assert "gallery list" in absent.error


def test_show_checks_the_kept_picture(facerecon: Program, stored: Path) -> None:
    for path in (stored / "pictures").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")
    assert facerecon("gallery", "show", stored, "Bob").code == 4


def test_remove_and_purge(facerecon: Program, stored: Path) -> None:
    assert facerecon("gallery", "remove", stored).code == 2
    removed = facerecon("gallery", "remove", stored, "Bob", "--json").document
    assert [each["identity"] for each in removed["removed"]] == ["Bob"]
    assert not any(b"Bob" in path.read_bytes() for path in stored.rglob("*") if path.is_file())
    young = facerecon("gallery", "purge", stored, "--older-than", "1d", "--json").document
    assert (young["removed"], young["entries"]) == ([], 1)
    assert facerecon("gallery", "purge", stored, "--older-than", "soon").code == 2


def test_refresh_after_another_treatment(facerecon: Program, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench.Workbench, "recognizer", FakeRecognizer(treatment="other"))
    done = facerecon("gallery", "refresh", stored, "--json", "-q").document
    assert (done["before"]["treatment"], done["recognizer"]["treatment"]) == ("fake", "other")
    assert facerecon("gallery", "list", stored, "--json").document["recognizer"] == done["recognizer"]


@pytest.mark.parametrize("command", [("list",), ("show", "Bob"), ("remove", "Bob"), ("refresh",)])
def test_plain_folder_is_no_stored_gallery(command: tuple[str, ...], facerecon: Program, source: Path) -> None:
    verb, *rest = command
    outcome = facerecon("gallery", verb, source, *rest)
    assert outcome.code == 2
    assert "gallery enroll" in outcome.error


def test_damaged_gallery_is_exit_4(facerecon: Program, stored: Path) -> None:
    content = bytearray((stored / "vectors.npy").read_bytes())
    content[-1] ^= 1
    (stored / "vectors.npy").write_bytes(content)
    outcome = facerecon("gallery", "list", stored)
    assert outcome.code == 4
    assert "vectors.npy" in outcome.error


def test_an_enrolment_that_goes_on_after_one_that_was_cut_off_says_so(
    facerecon: Program, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (enrolment, galleries):
        monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(galleries, "PART", 1)
    arguments = ("gallery", "enroll", source, "--gallery", tmp_path / "g", "--json", *STATED)
    with monkeypatch.context() as patch:
        patch.setattr(workbench.Workbench, "recognizer", Stopped())
        assert facerecon(*arguments).code == 130
    assert facerecon("gallery", "list", tmp_path / "g", "--json").document["entries"] == 1
    done = facerecon(*arguments)
    assert done.code == 0, done.err
    assert done.document["counts"] == {"enrolled": 1, "refused": 1, "duplicates": 2}
    assert ["was cut off; what it had enrolled is kept" in note for note in done.document["notes"]] == [True]
