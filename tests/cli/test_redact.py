"""`facerecon case redact`: exit codes, the copy as a case like any other, and nothing half-made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pikepdf
import pytest

from facerecon.manifest import verify
from tests.cli.conftest import Program
from tests.unit.pipeline.redacted_cases import APART, BESIDE, HIDDEN, WHY, crowd, files_of

QUIET = ("--no-pdf", "--quiet")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crowd(tmp_path_factory.mktemp("cli-redaction"), explain=False)


def test_the_copy_is_a_case_that_every_command_takes(facerecon: Program, case: Path, tmp_path: Path) -> None:
    before = files_of(case)
    done = facerecon(
        "case", "redact", case, tmp_path / "copy", "--track", HIDDEN, "--reason", WHY, "--operator", "[red]L", *QUIET
    )
    assert done.code == 0, done.err
    copy = tmp_path / "copy"
    assert HIDDEN in done.out
    assert verify(copy).ledger_head in done.out
    assert files_of(case) == before
    assert facerecon("verify", copy).code == 0
    info = facerecon("case", "info", copy, "--json")
    assert info.code == 0
    assert "redacted copy" in info.document["case_id"]
    assert info.document["counts"]["tracks"] == 3
    assert facerecon("case", "export", copy, "--case-uco", tmp_path / "out.jsonld").code == 0
    assert facerecon("case", "package", copy, tmp_path / "out.zip").code == 0
    assert facerecon("report", copy, *QUIET).code == 0
    assert WHY in (copy / "report/report-2.html").read_text()
    assert "[red]L" in (copy / "report/report-2.html").read_text()


def test_diff_shows_what_the_copy_lacks(facerecon: Program, case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert facerecon("case", "redact", case, copy, "--keep", APART, "--reason", WHY, *QUIET).code == 0
    done = facerecon("case", "diff", case, copy, "--json")
    assert done.code == 0, done.err
    outputs = done.document["outputs"]
    assert any(name.startswith(f"faces/{HIDDEN}/") for name in outputs["only_a"])
    assert any(name.startswith(f"faces/{BESIDE}/") for name in outputs["only_a"])
    assert not any(name.startswith(f"faces/{APART}/") for name in (*outputs["only_a"], *outputs["only_b"]))
    assert {"records/detections.jsonl", "records/candidates.jsonl"} <= {each["path"] for each in outputs["different"]}
    assert {each["subject"] for each in done.document["facts"]} == {"case_id", "purpose"}
    assert not done.document["settings"], "what ran is the same"


def test_json_is_one_document_with_the_account(facerecon: Program, case: Path, tmp_path: Path) -> None:
    done = facerecon("case", "redact", case, tmp_path / "copy", "--track", HIDDEN, "--reason", WHY, "--json", *QUIET)
    counts = done.document["counts"]
    assert (done.document["schema"], done.document["tracks"]) == (1, [HIDDEN])
    assert counts["requested"] == counts["copied"] + counts["redacted"] + counts["withheld"]
    assert counts["withheld"] == len(done.document["withheld"]) + sum(
        each["files"] for each in done.document["withheld_unnamed"]
    )


def test_a_pdf_is_of_the_copy_alone(facerecon: Program, case: Path, tmp_path: Path) -> None:
    done = facerecon("case", "redact", case, tmp_path / "copy", "--track", HIDDEN, "--reason", WHY, "--quiet")
    assert done.code == 0, done.err
    with pikepdf.open(tmp_path / "copy/report/report.pdf") as document:
        held = {name: bytes(file.get_file().read_bytes()) for name, file in document.attachments.items()}
    assert b"case.redacted" in held["ledger.jsonl"]
    assert f"faces/{HIDDEN}/".encode() not in held["manifest.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--reason", WHY), "--track"),
        (("--track", "t0009", "--reason", WHY), "t0009"),
        (("--track", HIDDEN, "--keep", APART, "--reason", WHY), "not both"),
        (("--track", HIDDEN, "--reason", " "), "--reason"),
    ],
)
def test_wrong_use_is_exit_2_and_leaves_nothing(
    facerecon: Program, case: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = facerecon("case", "redact", case, tmp_path / "copy", *arguments, *QUIET)
    assert done.code == 2
    assert words in done.error
    assert not list(tmp_path.iterdir())


def test_a_reason_must_be_given(facerecon: Program, case: Path, tmp_path: Path) -> None:
    done = facerecon("case", "redact", case, tmp_path / "copy", "--track", HIDDEN)
    assert done.code == 2
    assert "--reason" in done.err


def test_no_case_is_exit_2_and_a_changed_one_exit_4(facerecon: Program, tmp_path: Path, case: Path) -> None:
    (tmp_path / "none").mkdir()
    wish = ("--track", HIDDEN, "--reason", WHY, *QUIET)
    assert facerecon("case", "redact", tmp_path / "none", tmp_path / "copy", *wish).code == 2
    changed = Path(shutil.copytree(case, tmp_path / "changed"))
    (changed / "extra.txt").write_text("x")
    done = facerecon("case", "redact", changed, tmp_path / "copy", *wish)
    assert done.code == 4
    assert "extra.txt" in done.error
    assert not (tmp_path / "copy").exists()


def test_what_is_there_is_not_touched_and_no_place_is_exit_5(facerecon: Program, case: Path, tmp_path: Path) -> None:
    wish = ("--track", HIDDEN, "--reason", WHY, *QUIET)
    (tmp_path / "copy").write_text("mine")
    assert facerecon("case", "redact", case, tmp_path / "copy", *wish).code == 2
    assert (tmp_path / "copy").read_text() == "mine"
    assert facerecon("case", "redact", case, tmp_path / "no/copy", *wish).code == 5
