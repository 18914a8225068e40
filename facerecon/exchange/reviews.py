"""What second examiners stated on a report. Owns the wording of it; the rules of reviews are `facerecon.review`'s."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from facerecon.errors import IntegrityError
from facerecon.exchange.actions import action_id
from facerecon.exchange.contents import REVIEW, Contents
from facerecon.exchange.graph import Node, digest, node, ref, refs, result_facet
from facerecon.exchange.tools import Tools
from facerecon.records import ReviewRecord
from facerecon.review import is_superseded, review_state


def reviews(contents: Contents) -> tuple[tuple[str, ReviewRecord], ...]:
    """Return path and record of each review of the case, in order of their numbers.

    Raises:
        IntegrityError: a file that is named like a review is none.
    """
    paths = [path for path in contents.manifest.files if REVIEW.fullmatch(path)]
    return tuple(sorted(((path, _record(contents, path)) for path in paths), key=lambda pair: pair[1].number))


def _record(contents: Contents, path: str) -> ReviewRecord:
    try:
        return ReviewRecord.model_validate_json(contents.case.bytes_of(path))
    except ValidationError:
        raise IntegrityError(f"{contents.case.root / path} is not a review of schema 1") from None


def review_sentence(contents: Contents) -> str:
    """Return what the reviews of the case's present findings add up to, in one sentence."""
    state = review_state([record for _, record in reviews(contents)], contents.ledger)
    return f"State of review: {state}."


def review_nodes(contents: Contents, tools: Tools) -> Iterator[Node]:
    """Yield each review: the result of a person's analysis, and an annotation of the report that it is about."""
    for path, record in reviews(contents):
        identifier = contents.names.of("review", path)
        superseded = is_superseded(record, contents.ledger)
        held = result_facet(
            identifier,
            "facerecon:ReviewFacet",
            facerecon__conclusion=record.conclusion,
            facerecon__superseded=superseded,
            facerecon__reviewedLedgerHead=digest(record.ledger_head),
            facerecon__keyFingerprint=digest(record.key_sha256) if record.key_sha256 else None,
        )
        run = contents.bringing(path)
        late = " Stages have run since, so it is not about the present findings." if superseded else ""
        yield node(
            identifier,
            ["uco-core:Annotation", "uco-analysis:AnalyticResult"],
            uco_core__name=f"review {record.number}",
            uco_core__createdBy=ref(tools.identity(record.reviewer)),
            uco_core__statement=[f"Review {record.number} by {record.reviewer}: {record.conclusion}.{late}"],
            uco_core__description=record.note,
            uco_core__object=[ref(contents.file_id(record.report))],
            uco_analysis__originatingAnalysis=ref(action_id(contents, run)) if run else None,
            uco_analysis__resultContent=refs([contents.file_id(path)]),
            uco_core__hasFacet=[held],
        )
