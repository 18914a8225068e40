"""Reviews in a case: what is recorded, that they bind to a report, and that stored ones are held to the same rules."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facerecon.case import Case
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import canonical_json
from facerecon.manifest import verify
from facerecon.pipeline.reviews import require_signer, review, reviews_of, state_of
from facerecon.pipeline.signatures import sign, signatures_of
from facerecon.signing import fingerprint
from tests.fakes import FakeSource, picture
from tests.unit.pipeline.stage_cases import new_case, profile

OPERATOR, RITA, TOM = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in range(3))


def finish(case: Case, stage: str, path: str, data: bytes = b"page") -> None:
    with case.stage(stage, {}, {}) as run:
        run.write(path, data)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = new_case(tmp_path / "c", FakeSource([picture()]), profile())
    finish(made, "report", "report/report.html")
    return made


def test_two_reviews_make_a_reviewed_case(case: Case) -> None:
    assert state_of(case) == "UNREVIEWED"
    head = case.ledger.head
    one = review(case, " Rita ", "agree", "Looked at\r\nall of it")
    assert (one.record.reviewer, one.record.note, one.record.ledger_head) == ("Rita", "Looked at\nall of it", head)
    assert state_of(case) == "ONE REVIEW"
    two = review(case, "Tom", "agree")
    assert state_of(case) == "REVIEWED"
    assert reviews_of(case) == (one, two)
    assert [each.utc for each in (one, two)] == [e.utc for e in case.ledger.entries if e.action == "case.reviewed"]
    case.close()
    verify(case.root)


def test_a_review_names_the_report_that_was_looked_at(case: Case) -> None:
    finish(case, "report", "report/report-2.html", b"second")
    assert review(case, "Rita", "agree").record.report == "report/report-2.html"
    older = review(case, "Tom", "agree", report="report.html").record
    assert older.report == "report/report.html"
    assert older.report_sha256 == case.digests()["report/report.html"]
    assert case.ledger.entries[older.ledger_entries - 1].hash == older.ledger_head
    with pytest.raises(UsageError, match=r"report-9.html is no report of this case; it has report/report.html, "):
        review(case, "Zoe", "agree", report="report-9.html")


def test_a_case_without_a_report_cannot_be_reviewed(tmp_path: Path) -> None:
    case = new_case(tmp_path / "c", FakeSource([picture()]), profile())
    with pytest.raises(UsageError, match="no report to review"):
        review(case, "Rita", "agree")


def test_later_findings_need_new_reviews(case: Case) -> None:
    review(case, "Rita", "agree")
    review(case, "Tom", "agree")
    finish(case, "enhance", "faces/a.png")
    assert state_of(case) == "UNREVIEWED"
    assert all(each.superseded for each in reviews_of(case))
    finish(case, "report", "report/report-2.html", b"second")
    review(case, "Rita", "disagree")
    assert state_of(case) == "DISAGREED"


def test_refused_reviews_leave_the_case_as_it_was(case: Case) -> None:
    review(case, "Rita", "agree", key=RITA)
    head = case.ledger.head
    for name, note, problem in (
        ("o", "", "operator of this case"),
        ("RITA", "", "has reviewed this case already"),
        ("", "", "--reviewer: "),
        ("a\x00", "", r"--reviewer: the character U\+0000"),
        ("Tom", "x" * 4001, "--note: "),
    ):
        with pytest.raises(UsageError, match=problem):
            review(case, name, "agree", note)
    with pytest.raises(UsageError, match="a key of their own"):
        review(case, "Tom", "agree", key=RITA)
    assert case.ledger.head == head


def test_operators_are_also_those_who_signed_as_such(case: Case) -> None:
    sign(case, OPERATOR, "operator", "Olga")
    with pytest.raises(UsageError, match="operator of this case"):
        review(case, "olga", "agree")
    with pytest.raises(UsageError, match="signed this case as operator"):
        review(case, "Rita", "agree", key=OPERATOR)


def test_a_reviewer_cannot_become_the_operator(case: Case) -> None:
    review(case, "Rita", "agree", key=RITA)
    assert require_signer(case, OPERATOR, " Olga ") == "Olga"
    for key, name in ((OPERATOR, "rita"), (RITA, "Olga")):
        with pytest.raises(UsageError, match="reviewed this case"):
            require_signer(case, key, name)
    with pytest.raises(UsageError, match="--signer: "):
        require_signer(case, OPERATOR, "")


def test_a_signed_review_is_covered_by_its_signature(case: Case) -> None:
    signed, plain = review(case, "Rita", "agree", key=RITA), review(case, "Tom", "agree")
    assert signed.signature is not None
    assert signed.record.key_sha256 == fingerprint(RITA.public_key())
    covered = case.ledger.entries[: signed.signature.statement.ledger_entries]
    assert covered[-1].outputs == {signed.path: case.digests()[signed.path]}
    assert signatures_of(case) == (signed.signature,)
    assert plain.signature is None


def test_interruption_never_parts_a_review_from_its_signature(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Case.write

    def interrupted(self: Case, relative: str, data: bytes) -> str:
        digest = real(self, relative, data)
        os.kill(os.getpid(), signal.SIGINT)
        return digest

    monkeypatch.setattr(Case, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        review(case, "Rita", "agree", key=RITA)
    monkeypatch.undo()
    verify(case.root)
    assert [each.signature is not None for each in reviews_of(case)] == [True]


def put(case: Case, file: int, changes: dict[str, Any]) -> None:
    """Add a review file as somebody would who can write to the case."""
    document = json.loads(case.bytes_of("records/review-1.json")) | {"number": file} | changes
    path = f"records/review-{file}.json"
    case.note("case.reviewed", {}, {}, {path: case.write(path, canonical_json(document) + b"\n")})


@pytest.mark.parametrize(
    ("number", "changes", "problem"),
    [
        (2, {"reviewer": "rita"}, "not independent"),
        (2, {"reviewer": "O"}, "not independent"),
        (2, {"reviewer": "Tom", "report_sha256": "a" * 64}, "did not have then"),
        (2, {"reviewer": "Tom", "ledger_head": "a" * 64}, "did not have then"),
        (2, {"reviewer": "Tom", "report": "report/report-2.html"}, "did not have then"),
        (2, {"reviewer": "Tom", "conclusion": "perhaps"}, "not a review"),
        (2, {"reviewer": "T\u202eom"}, "not a review"),
        (2, {"reviewer": "Tom", "number": 7}, "not review 2"),
        (3, {"reviewer": "Tom"}, "not review 2"),
        (100, {"reviewer": "Tom"}, "not named like a review"),
    ],
)
def test_stored_reviews_are_held_to_the_same_rules(
    case: Case, number: int, changes: dict[str, Any], problem: str
) -> None:
    review(case, "Rita", "agree")
    put(case, number, changes)
    with pytest.raises(IntegrityError, match=problem):
        reviews_of(case)
