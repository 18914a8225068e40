"""What reviewers said of earlier reports of the case. Owns their table; what reviews come to is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from facerecon.records import Conclusion
from facerecon.report import wording
from facerecon.report.blocks import Cell, Column, Section, Table
from facerecon.report.content import Reviewed
from facerecon.report.language import message, tr
from facerecon.report.notation import DASH, shown, utc

_CONCLUSIONS: dict[Conclusion, str] = {
    "agree": message("agree"),
    "disagree": message("disagree"),
    "inconclusive": message("inconclusive"),
}


def reviews_section(reviews: Sequence[Reviewed]) -> tuple[Section, ...]:
    """Return the section on the reviews, or nothing when there is none."""
    if not reviews:
        return ()
    columns = (
        Column(tr("Review"), "right", weight=0.6),
        Column(tr("Reviewer"), weight=1.6),
        Column(tr("Conclusion"), weight=1.1),
        Column(tr("When"), weight=1.5),
        Column(tr("Of report"), weight=1.3),
        Column(tr("Note"), weight=2.6),
        Column(tr("Signature"), weight=1.2),
    )
    table = Table(tr(wording.REVIEWS_CAPTION), columns, tuple(_row(each) for each in reviews))
    return (Section("reviews", tr("Reviews"), (table,)),)


def _row(review: Reviewed) -> tuple[Cell, ...]:
    record = review.record
    said = tr(_CONCLUSIONS[record.conclusion])
    if review.superseded:
        said = tr("{conclusion} (set back)", conclusion=said)
    return (
        Cell(str(record.number)),
        Cell(shown(record.reviewer), strong=True),
        Cell(said, strong=not review.superseded),
        Cell(utc(review.utc)),
        Cell(record.report.rpartition("/")[2]),
        Cell(shown(record.note) or DASH),
        Cell(
            tr("signed, key {key}", key=f"{record.key_sha256[:16]}…")
            if review.signed and record.key_sha256
            else tr("not signed")
        ),
    )
