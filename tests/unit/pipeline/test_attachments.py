"""What a report's PDF carries is the case as it stood: same ledger head, whole manifest, an export that names both."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.manifest import Manifest, verify
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.attachments import attachments
from facerecon.pipeline.reporting import Printing, collect, report
from facerecon.pipeline.reviews import review
from facerecon.report.content import Attachment, CaseReport
from facerecon.stages import Silent
from tests.unit.pipeline.stage_cases import extracted, profile, walk


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return extracted(tmp_path / "c", walk(6))


def by_name(attached: tuple[Attachment, ...]) -> dict[str, Attachment]:
    return {each.name: each for each in attached}


def reported(case: Case, *, pdf: bool = True) -> CaseReport:
    """Report a case; return what its renderer was given."""
    seen: list[CaseReport] = []
    given: list[CaseReport] = []

    def page(content: CaseReport) -> str:
        seen.append(content)
        return f"<p>{content.review_state}"

    def paper(content: CaseReport) -> Printing:
        given.append(content)
        return contextlib.nullcontext(lambda: b"%PDF" + content.ledger_head.encode())

    report(case, page, paper if pdf else None, Context(profile(), Silent()))
    assert all(content is seen[-1] for content in given)
    return seen[-1]


def test_manifest_and_ledger_are_the_cases_own_bytes_at_the_head_that_the_report_prints(case: Case) -> None:
    before = {name: (case.root / name).read_bytes() for name in ("manifest.json", "ledger.jsonl")}
    content = reported(case)
    attached = by_name(content.attachments)
    assert {name: attached[name].data for name in before} == before
    assert Manifest.parse(attached["manifest.json"].data).ledger_head == content.ledger_head
    assert Ledger.parse(attached["ledger.jsonl"].data, Path("x")).head == content.ledger_head
    assert (case.root / "ledger.jsonl").read_bytes().startswith(before["ledger.jsonl"])
    verify(case.root)


def test_the_export_states_that_head_and_its_description_too(case: Case) -> None:
    content = reported(case)
    export = by_name(content.attachments)["case.jsonld"]
    assert content.ledger_head in export.data.decode()
    assert content.ledger_head in export.description
    assert "@graph" in json.loads(export.data)


def test_equal_cases_give_equal_attachments_and_the_case_is_not_changed(case: Case) -> None:
    before = sorted((path, path.read_bytes()) for path in case.root.rglob("*") if path.is_file())
    assert attachments(case) == attachments(case)
    assert sorted((path, path.read_bytes()) for path in case.root.rglob("*") if path.is_file()) == before


def test_the_ledger_names_what_was_attached(case: Case) -> None:
    content = reported(case)
    details = case.runs("report")[-1].details
    assert details["attached"] == {each.name: sha256_bytes(each.data) for each in content.attachments}
    assert details["review_state_in_report"] == "UNREVIEWED"


def test_a_report_without_a_pdf_attaches_nothing(case: Case) -> None:
    assert reported(case, pdf=False).attachments == ()
    assert "attached" not in case.runs("report")[-1].details


def test_a_changed_file_is_refused_before_the_report_begins(case: Case) -> None:
    picture = next(case.root.rglob("*.original.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    with pytest.raises(IntegrityError):
        reported(case)
    assert case.ledger.entries[-1].action == "extract.finished"


def test_a_ledger_that_another_has_gone_on_with_is_refused(case: Case) -> None:
    other = Case.view(case.root)
    case.note("case.recovered", {"removed": {}})
    with pytest.raises(IntegrityError, match="ends at ledger head"):
        attachments(other)


def test_a_report_after_a_review_shows_it(case: Case) -> None:
    reported(case)
    review(case, "A. Second", "agree", "I see the same.")
    content = reported(case)
    assert content.review_state == "ONE REVIEW"
    assert [each.record.reviewer for each in content.reviews] == ["A. Second"]
    assert case.runs("report")[-1].details["review_state_in_report"] == "ONE REVIEW"
    assert content.reviews == collect(case).reviews
