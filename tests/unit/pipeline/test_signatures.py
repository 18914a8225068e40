"""Signatures and timestamps in a case: the chain, what it fixes, and every way to break it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facerecon.case import Case
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.manifest import verify
from facerecon.pipeline.signatures import attach_timestamp, sign, signatures_of, timestamp_request
from facerecon.signing import Signature
from tests.authority import Authority, needs_openssl
from tests.fakes import FakeSource, picture
from tests.unit.pipeline.stage_cases import new_case, profile
from tests.unit.test_timestamps import RESPONSE

OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes(32))
REVIEWER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
FIRST, SECOND = "signatures/0001-operator.json", "signatures/0002-reviewer.json"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return new_case(tmp_path / "c", FakeSource([picture()]), profile())


def test_two_signatures_are_a_chain(case: Case) -> None:
    before = case.ledger.head
    one, two = sign(case, OPERATOR, "operator", "Olga"), sign(case, REVIEWER, "reviewer", "Rita")
    assert [each.path for each in (one, two)] == [FIRST, SECOND]
    assert one.statement.ledger_head == before
    assert two.statement.ledger_head == one.entry.hash
    assert one.entry.outputs == {FIRST: sha256_bytes((case.root / FIRST).read_bytes())}
    case.close()
    verify(case.root)
    with Case.view(case.root) as again:
        assert signatures_of(again) == (one, two)


def test_earlier_signatures_hold_when_the_case_grows(case: Case) -> None:
    one = sign(case, OPERATOR, "operator", "Olga")
    with case.stage("extract", {}, {}) as run:
        run.write("faces/a.png", b"a")
    assert signatures_of(case) == (one,)
    assert one.statement.ledger_entries == 1 < len(case.ledger.entries)


def test_a_case_without_signatures_has_none(case: Case) -> None:
    assert signatures_of(case) == ()
    with pytest.raises(UsageError, match="not signed"):
        timestamp_request(case)


def put(case: Case, path: str, data: bytes) -> None:
    """Add a file with its ledger line, as somebody would who can write to the case."""
    case.note("case.signed", {}, {}, {path: case.write(path, data)})


def forged(case: Case, changes: dict[str, object]) -> bytes:
    """Return the first signature with another statement, signed anew with the same key."""
    said = signatures_of(case)[0].statement.model_copy(update=changes)
    return Signature.made(said, OPERATOR).to_bytes()


@pytest.mark.parametrize(
    ("path", "changes", "problem"),
    [
        (SECOND, {}, "which its name does not say"),
        ("signatures/0002-operator.json", {}, "does not cover the signature before it"),
        ("signatures/0002-operator.json", {"case_id": "D"}, "about case D"),
        ("signatures/0002-operator.json", {"ledger_head": "a" * 64, "ledger_entries": 2}, "rewritten"),
        ("signatures/0002-operator.json", {"ledger_entries": 99}, "rewritten"),
        ("signatures/0003-operator.json", {}, "number 2 is missing"),
        ("signatures/note.txt", {}, "neither a signature nor"),
    ],
)
def test_signatures_that_do_not_belong_are_refused(
    case: Case, path: str, changes: dict[str, object], problem: str
) -> None:
    sign(case, OPERATOR, "operator", "Olga")
    put(case, path, forged(case, changes))
    with pytest.raises(IntegrityError, match=problem):
        signatures_of(case)


def test_rewriting_the_case_under_a_signature_is_found(case: Case) -> None:
    """Chain and manifest of the forgery hold; only the signature tells."""
    case.note("extract.started", {"seed": 1})
    signed = sign(case, OPERATOR, "operator", "Olga")
    first, _, last = case.ledger.entries
    rewritten = Ledger((first,))
    rewritten.append("extract.started", {"seed": 2})
    rewritten.append(last.action, last.details, last.inputs, last.outputs)
    forgery = Case(case.root, case.info, rewritten, case._manifest, case._lock)
    forgery.note("case.anything", {})
    verify(case.root)
    with pytest.raises(IntegrityError, match="rewritten after it was signed"):
        signatures_of(forgery)
    assert signed.statement.signer == "Olga"


def test_interruption_waits_until_a_signature_is_whole(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Case.write

    def interrupted(self: Case, relative: str, data: bytes) -> str:
        digest = real(self, relative, data)
        os.kill(os.getpid(), signal.SIGINT)
        return digest

    monkeypatch.setattr(Case, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sign(case, OPERATOR, "operator", "Olga")
    monkeypatch.undo()
    verify(case.root)
    assert len(signatures_of(case)) == 1


# --- timestamps -------------------------------------------------------------------------------------------------------


def test_a_response_for_something_else_is_not_attached(case: Case) -> None:
    sign(case, OPERATOR, "operator", "Olga")
    head = case.ledger.head
    with pytest.raises(IntegrityError, match=r"answer.tsr stamps the SHA-256"):
        attach_timestamp(case, RESPONSE, "answer.tsr")
    with pytest.raises(UsageError, match=r"answer.tsr is not a timestamp response"):
        attach_timestamp(case, b"<html>", "answer.tsr")
    assert case.ledger.head == head


def test_a_response_that_was_put_there_for_something_else_is_found(case: Case) -> None:
    sign(case, OPERATOR, "operator", "Olga")
    put(case, "signatures/0001-timestamp-01.tsr", RESPONSE)
    with pytest.raises(IntegrityError, match="stamps the SHA-256"):
        signatures_of(case)


def test_a_timestamp_without_its_signature_is_found(case: Case) -> None:
    put(case, "signatures/0001-timestamp-01.tsr", RESPONSE)
    with pytest.raises(IntegrityError, match="neither a signature nor"):
        signatures_of(case)


@needs_openssl
def test_timestamps_belong_to_the_newest_signature_and_are_covered_by_the_next(case: Case, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tsa")
    sign(case, OPERATOR, "operator", "Olga")
    path, request = timestamp_request(case)
    assert path == FIRST
    attached = [attach_timestamp(case, authority.answer(request), "answer.tsr") for _ in range(2)]
    assert [each.path for each in attached] == [f"signatures/0001-timestamp-0{n}.tsr" for n in (1, 2)]
    two = sign(case, REVIEWER, "reviewer", "Rita")
    assert timestamp_request(case)[0] == SECOND
    found = signatures_of(case)
    assert found[0].stamps == tuple(attached)
    assert found[1] == two
    assert two.statement.ledger_entries == len(case.ledger.entries) - 1
    verify(case.root)
