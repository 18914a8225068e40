"""What reviewers said of earlier reports of the case. Owns their table; what reviews come to is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from facerecon.report import wording
from facerecon.report.blocks import Cell, Column, Section, Table
from facerecon.report.content import Reviewed
from facerecon.report.notation import DASH, shown, utc


def reviews_section(reviews: Sequence[Reviewed]) -> tuple[Section, ...]:
    """Return the section on the reviews, or nothing when there is none."""
    if not reviews:
        return ()
    columns = (
        Column("Review", "right", weight=0.6),
        Column("Reviewer", weight=1.6),
        Column("Conclusion", weight=1.1),
        Column("When", weight=1.5),
        Column("Of report", weight=1.3),
        Column("Note", weight=2.6),
        Column("Signature", weight=1.2),
    )
    table = Table(wording.REVIEWS_CAPTION, columns, tuple(_row(each) for each in reviews))
    return (Section("reviews", "Reviews", (table,)),)


def _row(review: Reviewed) -> tuple[Cell, ...]:
    record = review.record
    said = f"{record.conclusion} (set back)" if review.superseded else record.conclusion
    return (
        Cell(str(record.number)),
        Cell(shown(record.reviewer), strong=True),
        Cell(said, strong=not review.superseded),
        Cell(utc(review.utc)),
        Cell(record.report.rpartition("/")[2]),
        Cell(shown(record.note) or DASH),
        Cell(f"signed, key {record.key_sha256[:16]}…" if review.signed and record.key_sha256 else "not signed"),
    )
