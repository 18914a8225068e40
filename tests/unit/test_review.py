"""Reviews: what they add up to, and that nobody reviews their own work or twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facerecon.errors import UsageError
from facerecon.ledger import Ledger
from facerecon.records import ReviewRecord
from facerecon.review import STATES, is_superseded, person, require_independent, require_operator, review_state

CONCLUSIONS = ("agree", "disagree", "inconclusive")


def record(number: int = 1, **changes: Any) -> ReviewRecord:
    fields = {
        "number": number,
        "reviewer": f"Reviewer {chr(ord('A') + number % 26)}",
        "conclusion": "agree",
        "report": "report/report.html",
        "report_sha256": "a" * 64,
        "ledger_entries": 3,
        "ledger_head": "b" * 64,
    }
    return ReviewRecord.model_validate(fields | changes)


def ledger(*actions: str) -> Ledger:
    made = Ledger()
    for action in ("case.created", "extract.finished", "report.finished", *actions):
        made.append(action, {})
    return made


def concluded(*conclusions: str) -> str:
    records = [record(number, conclusion=each) for number, each in enumerate(conclusions, start=1)]
    return review_state(records, ledger().entries)


@pytest.mark.parametrize(
    ("conclusions", "state"),
    [
        ((), "UNREVIEWED"),
        (("agree",), "ONE REVIEW"),
        (("inconclusive",), "ONE REVIEW"),
        (("disagree",), "DISAGREED"),
        (("agree", "agree"), "REVIEWED"),
        (("agree", "disagree"), "DISAGREED"),
        (("agree", "inconclusive"), "DISAGREED"),
        (("inconclusive", "inconclusive"), "DISAGREED"),
        (("agree", "agree", "agree"), "REVIEWED"),
        (("agree", "agree", "disagree"), "DISAGREED"),
    ],
)
def test_state_of_conclusions(conclusions: tuple[str, ...], state: str) -> None:
    assert concluded(*conclusions) == state


@given(st.lists(st.sampled_from(CONCLUSIONS), max_size=5))
def test_state_depends_on_no_order_and_only_agreement_clears(conclusions: list[str]) -> None:
    states = {concluded(*order) for order in itertools.permutations(conclusions)}
    assert len(states) == 1
    (state,) = states
    assert state in STATES
    assert (state == "REVIEWED") == (len(conclusions) >= 2 and set(conclusions) == {"agree"})
    assert "disagree" not in conclusions or state == "DISAGREED"


def test_a_review_counts_for_the_findings_it_saw() -> None:
    seen = [record(1), record(2)]
    same = ledger("case.reviewed", "report.started", "report.finished", "case.signed", "recognize.started")
    assert review_state(seen, same.entries) == "REVIEWED"
    assert review_state(seen, ledger("recognize.finished").entries) == "UNREVIEWED"
    later = ledger("recognize.finished", "report.finished")
    fresh = record(3, ledger_entries=5)
    assert [is_superseded(each, later.entries) for each in (*seen, fresh)] == [True, True, False]
    assert review_state([*seen, fresh], later.entries) == "ONE REVIEW"


@pytest.mark.parametrize(
    "other", ["jane doe", "JANE  DOE", "Jane\u00a0Doe", "J\u200bane Doe", "\uff2aane Doe", "Jane-Doe", "jane doe."]
)
def test_spellings_of_one_name_are_one_person(other: str) -> None:
    assert person(other) == person("Jane Doe")


@pytest.mark.parametrize("other", ["Jane Dow", "John Doe", "Jane D.", "Jané Doe", "..."])
def test_other_names_are_other_persons(other: str) -> None:
    assert person(other) != person("Jane Doe")


def require(review: ReviewRecord, *earlier: ReviewRecord, keys: tuple[str, ...] = ()) -> None:
    require_independent(review, earlier, ledger().entries, ["Op"], keys)


def test_two_persons_may_review() -> None:
    require(record(2, key_sha256="c" * 64), record(1, key_sha256="d" * 64), keys=("e" * 64,))


def test_nobody_reviews_their_own_work_or_twice() -> None:
    with pytest.raises(UsageError, match="operator of this case"):
        require(record(1, reviewer="OP"))
    with pytest.raises(UsageError, match="signed this case as operator"):
        require(record(1, key_sha256="e" * 64), keys=("e" * 64,))
    with pytest.raises(UsageError, match="has reviewed this case already"):
        require(record(2, reviewer="reviewerB"), record(1))
    with pytest.raises(UsageError, match="a key of their own"):
        require(record(2, key_sha256="c" * 64), record(1, key_sha256="c" * 64))


def test_new_findings_may_be_reviewed_by_the_same_person_with_the_same_key_only() -> None:
    changed = ledger("recognize.finished", "report.finished").entries
    old = record(1, key_sha256="c" * 64)
    again = record(2, reviewer=old.reviewer, key_sha256="c" * 64, ledger_entries=5)
    require_independent(again, [old], changed, ["Op"], [])
    with pytest.raises(UsageError, match="a key of their own"):
        require_independent(record(2, key_sha256="c" * 64, ledger_entries=5), [old], changed, ["Op"], [])


def test_a_reviewer_cannot_sign_as_operator() -> None:
    require_operator("Op", "d" * 64, [record(1, key_sha256="c" * 64)])
    require_operator("Op", "d" * 64, [record(1)])
    for name, key in (("reviewer B", "d" * 64), ("Op", "c" * 64)):
        with pytest.raises(UsageError, match="reviewed this case"):
            require_operator(name, key, [record(1, key_sha256="c" * 64)])


@pytest.mark.parametrize(
    "change",
    [
        {"reviewer": "x" * 201},
        {"reviewer": "a\x00b"},
        {"reviewer": "a\u2028b"},
        {"reviewer": " padded"},
        {"note": "x" * 4001},
        {"note": "a\x1b[31m"},
        {"note": "a\u202eb"},
        {"conclusion": "maybe"},
        {"number": 0},
        {"number": 100},
        {"report": "report/../case.json"},
        {"report": "report/report.html\n"},
        {"report": "/report/report.html"},
        {"ledger_entries": 0},
        {"key_sha256": "zz"},
        {"more": 1},
    ],
)
def test_records_are_bounded(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        record(**change)


def test_a_note_of_several_lines_is_kept() -> None:
    assert record(note="one\ntwo").note == "one\ntwo"
