"""What reviews add up to, and who may review. Pure rules over records; never reads or writes a case.

Names are what people typed: the rules stop one person from standing in twice by a slip of spelling, not by a false
name. Only a signature whose key was checked by other means binds a review to a person.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from facerecon.errors import UsageError
from facerecon.ledger import LedgerEntry
from facerecon.records import ReviewRecord

ReviewState = Literal["UNREVIEWED", "ONE REVIEW", "REVIEWED", "DISAGREED"]
STATES: tuple[ReviewState, ...] = get_args(ReviewState)
REVIEWERS = 2
"""How many persons must agree before a report counts as reviewed."""


def review_state(reviews: Sequence[ReviewRecord], ledger: Sequence[LedgerEntry]) -> ReviewState:
    """Return what the reviews of a case add up to.

    Only reviews of the case's present findings count (see `is_superseded`). REVIEWED: at least two persons, and all of
    them agree with the report. ONE REVIEW: one person, who did not disagree. DISAGREED: somebody disagrees, or of two
    and more persons not all agree; two who find it inconclusive do not clear a report either.
    """
    conclusions = [each.conclusion for each in reviews if not is_superseded(each, ledger)]
    if not conclusions:
        return "UNREVIEWED"
    if "disagree" in conclusions:
        return "DISAGREED"
    if len(conclusions) < REVIEWERS:
        return "ONE REVIEW"
    return "REVIEWED" if set(conclusions) == {"agree"} else "DISAGREED"


def is_superseded(review: ReviewRecord, ledger: Sequence[LedgerEntry]) -> bool:
    """Tell whether a stage other than the report ended after the reviewed report was written.

    The reviewer has not seen what it found. The review stays in the case, and the same person may review again.
    """
    return any(
        entry.action.endswith(".finished") and entry.action != "report.finished"
        for entry in ledger[review.ledger_entries :]
    )


def person(name: str) -> str:
    """Return a name in the form in which persons are compared: NFKC, case folded, letters, digits and marks alone.

    Unicode Standard, section 3.13, D147 (NFKC_Casefold), and beyond it without spaces, punctuation and hidden
    characters: R. Viewer is r viewer. A name of nothing else stays as it is.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LMN") or folded


def require_independent(
    review: ReviewRecord,
    earlier: Iterable[ReviewRecord],
    ledger: Sequence[LedgerEntry],
    operators: Iterable[str],
    operator_keys: Iterable[str],
) -> None:
    """Refuse a review by somebody who worked on the case, or has reviewed its present findings; by name and by key.

    Args:
        review: the new review.
        earlier: all reviews before it.
        ledger: the case's, as it is when the review is made.
        operators: names of those who made the case or signed as its operator.
        operator_keys: fingerprints of the keys that signed as operator.

    Raises:
        UsageError: it is not independent; the message says of whom.
    """
    for name in operators:
        if person(name) == person(review.reviewer):
            raise UsageError(
                f"{review.reviewer} is the operator of this case ({name}); a reviewer must be somebody else"
            )
    if review.key_sha256 in set(operator_keys):
        raise UsageError(f"key {review.key_sha256} signed this case as operator; a reviewer needs a key of their own")
    for other in earlier:
        _require_another(review, other, same_findings=not is_superseded(other, ledger))


def _require_another(review: ReviewRecord, other: ReviewRecord, *, same_findings: bool) -> None:
    same_person = person(other.reviewer) == person(review.reviewer)
    if same_person and same_findings:
        raise UsageError(
            f"{review.reviewer} has reviewed this case already (review {other.number}, by {other.reviewer}); "
            "the other review must be by another person"
        )
    if review.key_sha256 is not None and review.key_sha256 == other.key_sha256 and not same_person:
        raise UsageError(
            f"key {review.key_sha256} signed review {other.number} by {other.reviewer}; "
            "every reviewer needs a key of their own"
        )


def require_operator(signer: str, key_sha256: str, reviews: Iterable[ReviewRecord]) -> None:
    """Refuse an operator's signature by somebody who reviewed the case.

    Raises:
        UsageError: the name or the key is a reviewer's.
    """
    for each in reviews:
        if person(each.reviewer) == person(signer) or each.key_sha256 == key_sha256:
            raise UsageError(
                f"{each.reviewer} reviewed this case (review {each.number}), so that name and that key cannot "
                "sign it as operator"
            )
