"""The reviews of a case: added and read back, with the report each was about. Owns records/review-N.json."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from facerecon.case import Case
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import canonical_json
from facerecon.interruption import undivided
from facerecon.ledger import LedgerEntry
from facerecon.pipeline.signatures import CaseSignature, sign, signatures_of, stating
from facerecon.records import MOST_REVIEWS, Conclusion, PersonName, ReviewRecord
from facerecon.review import ReviewState, is_superseded, require_independent, require_operator, review_state
from facerecon.signing import fingerprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_REVIEW = re.compile(r"records/review-([1-9]\d?)\.json")


@dataclass(frozen=True)
class CaseReview:
    """A review as it lies in a case. `utc` is the ledger's; `signature` is None when the reviewer did not sign."""

    path: str
    record: ReviewRecord
    utc: str
    superseded: bool
    signature: CaseSignature | None


@dataclass(frozen=True)
class ReviewedReport:
    """A finished report of the case, and the ledger right after it was written."""

    path: str
    sha256: str
    ledger_entries: int
    ledger_head: str


# --- reading ----------------------------------------------------------------------------------------------------------


def reviews_of(case: Case) -> tuple[CaseReview, ...]:
    """Return the reviews of a case, oldest first, each checked: form, number, report, independence, signature.

    Raises:
        IntegrityError: one is not what `review` writes.
    """
    signatures = signatures_of(case)
    reviews: list[CaseReview] = []
    for number, path in enumerate(_paths(case), start=1):
        record = _record(case, path, number)
        _require_allowed(case, record, [each.record for each in reviews], signatures)
        entry = stating(case, path)
        signature = _signature(record, entry, signatures)
        reviews.append(CaseReview(path, record, entry.utc, is_superseded(record, case.ledger.entries), signature))
    return tuple(reviews)


def state_of(case: Case) -> ReviewState:
    """Return what the reviews of a case add up to; see `facerecon.review.review_state`."""
    return review_state([each.record for each in reviews_of(case)], case.ledger.entries)


def _paths(case: Case) -> list[str]:
    numbered: dict[int, str] = {}
    for path in case.digests("records/review-"):
        found = _REVIEW.fullmatch(path)
        if found is None:
            raise IntegrityError(f"{path} is not named like a review")
        numbered[int(found[1])] = path
    return [numbered[number] for number in sorted(numbered)]


def _record(case: Case, path: str, number: int) -> ReviewRecord:
    data = case.bytes_of(path)
    try:
        record = ReviewRecord.model_validate(json.loads(data))
    except (ValueError, RecursionError, ValidationError):
        raise IntegrityError(f"{path} is not a review of schema 1") from None
    if (record.number, _bytes(record)) != (number, data):
        raise IntegrityError(f"{path} is not review {number} in canonical form")
    return record


def _require_allowed(
    case: Case, record: ReviewRecord, earlier: list[ReviewRecord], signatures: tuple[CaseSignature, ...]
) -> None:
    """Hold a stored review to the rules for a new one, as the case was then."""
    entries = case.ledger.entries[: stating(case, f"records/review-{record.number}.json").seq]
    reports = {each.path: each for each in _reports(case, len(entries))}
    said = ReviewedReport(record.report, record.report_sha256, record.ledger_entries, record.ledger_head)
    if reports.get(record.report) != said:
        raise IntegrityError(f"review {record.number} is about a report that this case did not have then")
    before = [each for each in signatures if each.entry.seq < len(entries)]
    names, keys = _operators(case, before)
    try:
        require_independent(record, earlier, entries, names, keys)
    except UsageError as error:
        raise IntegrityError(f"review {record.number} is not independent: {error}") from None


def _operators(case: Case, signatures: list[CaseSignature]) -> tuple[list[str], list[str]]:
    said = [each.statement for each in signatures if each.statement.role == "operator"]
    return [case.info.operator, *(each.signer for each in said)], [each.key_sha256 for each in said]


def _signature(record: ReviewRecord, entry: LedgerEntry, signatures: tuple[CaseSignature, ...]) -> CaseSignature | None:
    for each in signatures:
        said = each.statement
        if said.role == "reviewer" and said.key_sha256 == record.key_sha256 and said.ledger_entries == entry.seq + 1:
            return each
    return None


def _reports(case: Case, entries: int) -> list[ReviewedReport]:
    """Return the reports that were finished within the first `entries` ledger entries, oldest first."""
    return [
        ReviewedReport(path, digest, entry.seq + 1, entry.hash)
        for entry in case.runs("report")
        if entry.seq < entries
        for path, digest in entry.outputs.items()
        if path.endswith(".html")
    ]


# --- adding -----------------------------------------------------------------------------------------------------------


def review(
    case: Case,
    reviewer: str,
    conclusion: Conclusion,
    note: str = "",
    report: str | None = None,
    key: Ed25519PrivateKey | None = None,
) -> CaseReview:
    """Add a review to a case: records/review-N.json, noted as `case.reviewed`, and signed at once if there is a key.

    Args:
        case: open for writing.
        reviewer: who reviewed; neither the operator nor one who has reviewed these findings.
        conclusion: agree, disagree or inconclusive.
        note: why; at most 4000 characters.
        report: which report they looked at, as a path within the case; None for the newest.
        key: the reviewer's key.

    Raises:
        UsageError: not independent, no such report, or a text that is not allowed.
    """
    earlier = [each.record for each in reviews_of(case)]
    subject = _subject(case, report)
    record = _new(
        number=len(earlier) + 1,
        reviewer=reviewer.strip(),
        conclusion=conclusion,
        note=note.replace("\r\n", "\n"),
        report=subject.path,
        report_sha256=subject.sha256,
        ledger_entries=subject.ledger_entries,
        ledger_head=subject.ledger_head,
        key_sha256=None if key is None else fingerprint(key.public_key()),
    )
    names, keys = _operators(case, list(signatures_of(case)))
    require_independent(record, earlier, case.ledger.entries, names, keys)
    path = f"records/review-{record.number}.json"
    with undivided():
        digest = case.write(path, _bytes(record))
        details = record.model_dump(mode="json", include={"number", "reviewer", "conclusion", "ledger_head"})
        entry = case.note("case.reviewed", details, {subject.path: subject.sha256}, {path: digest})
        signature = None if key is None else sign(case, key, "reviewer", record.reviewer)
    return CaseReview(path, record, entry.utc, is_superseded(record, case.ledger.entries), signature)


def require_signer(case: Case, key: Ed25519PrivateKey, signer: str) -> str:
    """Return the name that an operator's signature will bear, made sure that its name and key reviewed nothing.

    Raises:
        UsageError: the name is not one, or a reviewer's; or the key is.
    """
    try:
        name = TypeAdapter(PersonName).validate_python(signer.strip())
    except ValidationError as error:
        raise UsageError(f"--signer: {_said(error)}") from None
    require_operator(name, fingerprint(key.public_key()), [each.record for each in reviews_of(case)])
    return name


def _subject(case: Case, report: str | None) -> ReviewedReport:
    reports = _reports(case, len(case.ledger.entries))
    if not reports:
        raise UsageError(f"case {case.root} has no report to review; write one with 'facerecon report {case.root}'")
    if report is None:
        return reports[-1]
    for each in reports:
        if report in (each.path, each.path.rpartition("/")[2]):
            return each
    known = ", ".join(each.path for each in reports)
    raise UsageError(f"{report} is no report of this case; it has {known}")


def _new(**fields: object) -> ReviewRecord:
    try:
        return ReviewRecord.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("number",):
            raise UsageError(f"a case holds at most {MOST_REVIEWS} reviews") from None
        raise UsageError(f"--{first['loc'][0]}: {_said(error)}") from None


def _said(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")


def _bytes(record: ReviewRecord) -> bytes:
    return canonical_json(record.model_dump(mode="json")) + b"\n"
