"""`--language`: recorded in the ledger, kept by a review, and refused before anything is done where it is unknown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from facerecon.report.language import languages

KNOWN = f"there are: {', '.join(languages())}"
FAST = ("--no-pdf", "--quiet", "--json")


@pytest.fixture
def case(sample, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample.case, tmp_path / "case"))


def last(case: Path) -> dict:
    return json.loads((case / "ledger.jsonl").read_text(encoding="utf-8").splitlines()[-1])


def test_a_report_is_english_unless_asked_otherwise(facerecon, case) -> None:
    outcome = facerecon("report", case, *FAST)
    assert outcome.code == 0
    assert '<html lang="en">' in Path(outcome.document["html"]).read_text(encoding="utf-8")
    assert last(case)["details"]["language"] == "en"


def test_a_german_report_is_recorded_as_one_and_verifies(facerecon, case) -> None:
    outcome = facerecon("report", case, "--language", "de", *FAST)
    assert outcome.code == 0
    text = Path(outcome.document["html"]).read_text(encoding="utf-8")
    assert '<html lang="de">' in text
    assert "Zusammenfassung" in text
    assert last(case)["action"] == "report.finished"
    assert last(case)["details"]["language"] == "de"
    assert facerecon("verify", case).code == 0


@pytest.mark.parametrize("code", ["xx", "../de", "DE", ""])
def test_an_unknown_language_is_a_usage_error_and_nothing_is_written(facerecon, case, code: str) -> None:
    before = sorted(path.name for path in case.rglob("*"))
    outcome = facerecon("report", case, "--language", code, *FAST)
    assert outcome.code == 2
    assert KNOWN in outcome.error
    assert sorted(path.name for path in case.rglob("*")) == before


def test_run_refuses_an_unknown_language_before_it_begins(facerecon, short_clip, tmp_path: Path) -> None:
    outcome = facerecon("run", short_clip, "--case", tmp_path / "new", "--language", "xx")
    assert outcome.code == 2
    assert KNOWN in outcome.error
    assert not (tmp_path / "new").exists()


def test_a_review_keeps_the_language_of_the_newest_report(facerecon, case) -> None:
    facerecon("report", case, "--language", "de", *FAST)
    given = ("--reviewer", "B. Reviewer", "--conclusion", "agree")
    outcome = facerecon("report", "review", case, *given, *FAST)
    assert outcome.code == 0, outcome.err
    text = Path(outcome.document["html"]).read_text(encoding="utf-8")
    assert "EINMAL GEPRÜFT" in text
    assert last(case)["details"]["language"] == "de"


def test_a_review_refuses_an_unknown_language_and_adds_nothing(facerecon, case) -> None:
    before = (case / "ledger.jsonl").read_bytes()
    given = ("--reviewer", "B. Reviewer", "--conclusion", "agree", "--language", "xx")
    assert facerecon("report", "review", case, *given, *FAST).code == 2
    assert (case / "ledger.jsonl").read_bytes() == before
