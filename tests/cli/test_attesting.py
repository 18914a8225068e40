"""Keys, signatures, reviews and timestamps as a user meets them."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from tests.authority import Authority, needs_openssl
from tests.cli.conftest import Outcome, Program, call
from tests.unit.pipeline.stage_cases import compared

QUICK = ("--no-pdf", "--quiet")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with results, by fake engines, and three keys; its operator is O."""
    folder = tmp_path_factory.mktemp("signing")
    compared(folder).close()
    for name in ("olga", "rita", "tom"):
        assert call("keys", "new", folder / name).code == 0
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "w")
    return tmp_path / "w"


def review(work: Path, name: str, conclusion: str = "agree", *more: object) -> Outcome:
    return call("report", "review", work / "c", "--reviewer", name, "--conclusion", conclusion, *QUICK, *more)


def signed(work: Path) -> Outcome:
    return call("report", work / "c", "--sign", work / "olga.pem", "--json", *QUICK)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_made_shown_and_not_overwritten(facerecon: Program, tmp_path: Path) -> None:
    made = facerecon("keys", "new", tmp_path / "me.pem", "--json").document
    assert made["private"] == str(tmp_path / "me.pem")
    assert stat.S_IMODE((tmp_path / "me.pem").stat().st_mode) == 0o600
    shown = [facerecon("keys", "show", tmp_path / name, "--json").document for name in ("me.pem", "me.pub.pem")]
    assert [each["sha256"] for each in shown] == [made["sha256"]] * 2
    assert [each["kind"] for each in shown] == ["private", "public"]
    assert "PRIVATE" not in facerecon("keys", "show", tmp_path / "me.pem", "--json").out
    again = facerecon("keys", "new", tmp_path / "me")
    assert again.code == 2
    assert "no key is ever overwritten" in again.error


def test_passphrase_comes_from_the_environment(facerecon: Program, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "correct horse")
    assert facerecon("keys", "new", work / "p", "--passphrase-env", "SECRET", "--json").document["encrypted"]
    arguments = ("report", work / "c", "--sign", work / "p.pem", *QUICK)
    missing = facerecon(*arguments)
    assert missing.code == 2
    assert "--passphrase-env" in missing.error
    assert facerecon(*arguments, "--passphrase-env", "NOT_SET").code == 2
    monkeypatch.setenv("WRONG", "battery")
    assert "passphrase is wrong" in facerecon(*arguments, "--passphrase-env", "WRONG").error
    assert not (work / "c/report").exists()
    assert facerecon(*arguments, "--passphrase-env", "SECRET").code == 0
    assert facerecon("verify", work / "c", "--key", work / "p.pub.pem").code == 0


def test_keys_and_requests_are_not_written_into_a_case(facerecon: Program, work: Path) -> None:
    signed(work)
    for arguments in (
        ("keys", "new", work / "c/me"),
        ("keys", "new", work / "c/faces/me"),
        ("report", "timestamp", work / "c", "--request", work / "c/out.tsq"),
    ):
        outcome = facerecon(*arguments)
        assert outcome.code == 2
        assert "would lie in case" in outcome.error
    assert facerecon("verify", work / "c").code == 0


def test_a_key_that_others_can_read_is_warned_of(facerecon: Program, work: Path) -> None:
    (work / "olga.pem").chmod(0o644)
    assert "chmod 600" in signed(work).err


# --- the group --------------------------------------------------------------------------------------------------------


def test_report_still_takes_a_case_first_or_last(facerecon: Program, work: Path) -> None:
    assert facerecon("report", work / "c", *QUICK).code == 0
    assert facerecon("report", *QUICK, work / "c").code == 0
    assert set(facerecon("report", work / "c", "--json", *QUICK).document) == {
        "schema", "case", "html", "pdf", "ledger_head",
    }  # fmt: skip
    assert (work / "c/report/report-3.html").is_file()


def test_a_case_named_like_a_sub_command_is_reached_by_its_path(
    facerecon: Program, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "c").rename(work / "review")
    monkeypatch.chdir(work)
    assert facerecon("report", "review").code == 2
    assert facerecon("report", "./review", *QUICK).code == 0


def test_help_and_errors_name_what_is_typed(facerecon: Program) -> None:
    page = facerecon("report", "--help")
    assert page.code == 0
    assert "facerecon report [OPTIONS]" in page.out
    assert "report review" in page.out
    for arguments in ((), ("--bogus", "x")):
        outcome = facerecon("report", *arguments)
        assert outcome.code == 2
        assert "facerecon report [OPTIONS]" in outcome.err
    assert facerecon("report", "/nowhere").code == 2


# --- signing ----------------------------------------------------------------------------------------------------------


def test_report_is_signed_by_the_operator_and_covered(facerecon: Program, work: Path) -> None:
    document = signed(work).document
    assert document["signature"]["signer"] == "O"
    assert document["signature"]["role"] == "operator"
    assert document["signature"]["not_covered"] == []
    found = facerecon("verify", work / "c", "--json").document
    assert found["ledger_head"] == document["ledger_head"]
    (one,) = found["signatures"]
    assert (one["key_checked"], one["covers"], one["ledger_entries"]) == (
        False,
        found["ledger_entries"] - 1,
        one["covers"] + 1,
    )
    out = facerecon("verify", work / "c").out
    assert f"signed by O (operator), key {one['key_sha256'][:12]}..., covers {one['covers']} of" in out
    assert "the key itself was not checked" in out


def test_required_keys_must_have_signed(facerecon: Program, work: Path) -> None:
    signed(work)
    good = facerecon("verify", work / "c", "--key", work / "olga.pub.pem", "--json").document
    assert good["signatures"][0]["key_checked"]
    bad = facerecon("verify", work / "c", "--key", work / "olga.pub.pem", "--key", work / "tom.pub.pem", "--json")
    assert bad.code == 4
    assert "tom.pub.pem" in bad.error
    assert bad.document["problems"] == [bad.error.partition("does not verify: ")[2]]
    for wrong in ("olga.pem", "missing.pem", "c/case.json"):
        assert facerecon("verify", work / "c", "--key", work / wrong).code == 2


def test_unsigned_case_verifies_but_not_with_a_key(facerecon: Program, work: Path) -> None:
    document = facerecon("verify", work / "c", "--json").document
    assert (document["signatures"], document["reviews"], document["review_state"]) == ([], [], "UNREVIEWED")
    assert facerecon("verify", work / "c", "--key", work / "olga.pub.pem").code == 4


def test_what_came_after_a_signature_is_told(facerecon: Program, work: Path) -> None:
    signed(work)
    assert facerecon("report", work / "c", *QUICK).code == 0
    outcome = facerecon("verify", work / "c", "--key", work / "olga.pub.pem")
    assert outcome.code == 0
    assert "not covered: report.started, report.finished" in outcome.out


def test_any_changed_file_of_a_signed_case_is_found(facerecon: Program, work: Path) -> None:
    signed(work)
    for path in sorted(path for path in (work / "c").rglob("*") if path.is_file()):
        content = path.read_bytes()
        changed = bytearray(content)
        changed[len(content) // 3] ^= 4
        path.write_bytes(changed)
        assert facerecon("verify", work / "c").code == 4, path
        path.write_bytes(content)
    assert facerecon("verify", work / "c", "--key", work / "olga.pub.pem").code == 0


def test_refused_signing_writes_nothing(facerecon: Program, work: Path) -> None:
    head = facerecon("verify", work / "c", "--json").document["ledger_head"]
    for arguments in (
        ("--sign", work / "olga.pub.pem"),
        ("--sign", work / "missing.pem"),
        ("--signer", "Olga"),
        ("--passphrase-env", "X"),
        ("--sign", work / "olga.pem", "--signer", "O\x1b[2J"),
    ):
        assert facerecon("report", work / "c", *arguments, *QUICK).code == 2
    assert facerecon("verify", work / "c", "--json").document["ledger_head"] == head


# --- reviews ----------------------------------------------------------------------------------------------------------


def test_two_reviewers_and_three_keys(facerecon: Program, work: Path) -> None:
    signed(work)
    first = review(work, "Rita", "agree", "--note", "All tracks", "--sign", work / "rita.pem", "--json")
    assert first.document["review_state"] == "ONE REVIEW"
    assert first.document["html"].endswith("report-2.html")
    second = review(work, "Tom", "agree", "--sign", work / "tom.pem", "--json")
    assert second.document["review_state"] == "REVIEWED"
    assert [each["signed"] for each in second.document["reviews"]] == [True, True]
    keys = [argument for name in ("olga", "rita", "tom") for argument in ("--key", work / f"{name}.pub.pem")]
    found = facerecon("verify", work / "c", *keys, "--json").document
    assert [each["role"] for each in found["signatures"]] == ["operator", *["reviewer"] * 4]
    assert found["signatures"][-1]["not_covered"] == []
    assert all((work / "c/report" / name).is_file() for name in ("report.html", "report-2.html", "report-3.html"))
    assert "1. Rita: agree, on report/report.html" in facerecon("verify", work / "c").out


def test_reviewers_are_two_other_persons(facerecon: Program, work: Path) -> None:
    assert "no report to review" in review(work, "Rita").error
    signed(work)
    assert review(work, "Rita", "disagree", "--sign", work / "rita.pem").code == 0
    for name, more in (
        ("RITA ", ()),
        ("o", ()),
        ("Tom", ("--sign", work / "rita.pem")),
        ("Tom", ("--sign", work / "olga.pem")),
        ("Tom", ("--report", "report-7.html")),
        ("Tom", ("--passphrase-env", "X")),
    ):
        outcome = review(work, name, "agree", *more)
        assert outcome.code == 2, (name, more)
    assert review(work, "Tom", "perhaps").code == 2
    assert facerecon("verify", work / "c", "--json").document["review_state"] == "DISAGREED"
    # Neither the reviewer nor her key may sign as operator afterwards.
    for arguments in (("--sign", work / "rita.pem"), ("--sign", work / "tom.pem", "--signer", "rita")):
        assert "reviewed this case" in facerecon("report", work / "c", *arguments, *QUICK).error


def test_names_are_shown_as_text_not_as_markup(facerecon: Program, work: Path) -> None:
    signed(work)
    assert review(work, "Rita [red]R[/red]").code == 0
    assert "Rita [red]R[/red]: agree" in facerecon("verify", work / "c").out


# --- timestamps -------------------------------------------------------------------------------------------------------


def test_timestamp_needs_a_signature_and_one_of_two_things(facerecon: Program, work: Path) -> None:
    assert "is not signed" in facerecon("report", "timestamp", work / "c", "--request", work / "out.tsq").error
    signed(work)
    assert facerecon("report", "timestamp", work / "c").code == 2
    assert facerecon("report", "timestamp", work / "c", work / "olga.pem").code == 2
    assert facerecon("report", "timestamp", work / "c", work / "missing.tsr").code == 2
    assert facerecon("report", "timestamp", work / "c", "--request", work / "out.tsq").code == 0
    assert facerecon("report", "timestamp", work / "c", "--request", work / "out.tsq").code == 5
    data = Path(__file__).parent.parent / "data/timestamps"
    other = facerecon("report", "timestamp", work / "c", data / "response.tsr")
    assert other.code == 4
    assert "stamps the SHA-256" in other.error
    roots = facerecon("verify", work / "c", "--tsa-roots", data / "root.pem")
    assert roots.code == 4
    assert "no timestamp is attached" in roots.error


@needs_openssl
def test_timestamp_is_attached_and_verified_offline(facerecon: Program, work: Path) -> None:
    signed(work)
    asked = facerecon("report", "timestamp", work / "c", "--request", work / "out.tsq", "--json").document
    assert asked["signature"] == "signatures/0001-operator.json"
    authority = Authority(work / "tsa")
    (work / "in.tsr").write_bytes(authority.answer((work / "out.tsq").read_bytes()))
    attached = facerecon("report", "timestamp", work / "c", work / "in.tsr", "--json").document
    assert attached["timestamp"] == "signatures/0001-timestamp-01.tsr"
    plain = facerecon("verify", work / "c")
    assert (plain.code, "the authority was not checked" in plain.out) == (0, True)
    checked = facerecon("verify", work / "c", "--tsa-roots", authority.root, "--json").document
    assert checked["signatures"][0]["timestamps"] == [
        {"file": attached["timestamp"], "utc": attached["utc"], "authority_checked": True}
    ]
    other = Path(__file__).parent.parent / "data/timestamps/root.pem"
    refused = facerecon("verify", work / "c", "--tsa-roots", other, "--json")
    assert refused.code == 4
    assert "0001-timestamp-01.tsr" in refused.document["problems"][0]
    assert facerecon("verify", work / "c", "--tsa-roots", work / "olga.pem").code == 2
