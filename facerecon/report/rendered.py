"""Whole frames and videos that were rendered: one table. The files are named with their digests, not shown."""

from __future__ import annotations

from collections.abc import Iterator

from facerecon.records import RenderedRecord
from facerecon.report import wording
from facerecon.report.blocks import Block, Cell, Column, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.notation import DASH, shown, threshold


def rendered_section(report: CaseReport) -> tuple[Section, ...]:
    """Return the section on whole frames and videos, or nothing when none were rendered."""
    if not report.rendered:
        return ()
    columns = (
        Column("File in the case", weight=1.8),
        Column("Made by", weight=2.2),
        Column("Frames", weight=2.0),
        Column("Faces restored", "right", weight=0.8),
        Column("SHA-256", weight=2.6, mono=True),
    )
    rows = tuple(row for record in report.rendered for row in _rows(record))
    blocks: tuple[Block, ...] = (
        Text(wording.RENDERED),
        Table(wording.RENDERED_CAPTION, columns, rows),
        *_notes(report),
    )
    return (Section("rendered", "Whole frames and video", blocks),)


def _rows(record: RenderedRecord) -> Iterator[tuple[Cell, ...]]:
    steps = ", ".join((*record.steps, f"{record.upscaler} x{record.scale}"))
    made = f"{steps}; faces by {record.face_model}" if record.face_model else steps
    counts = record.frames
    account = f"{counts.requested} = {counts.written} written + {counts.failed} failed + {counts.skipped} skipped"
    faces = str(record.faces.written) if record.face_model else "none"
    files = record.files or {f"{record.place}: no file": DASH}
    for number, (path, digest) in enumerate(files.items()):
        # The account is the rendering's, not a file's.
        told = (account, faces) if number == 0 else ("as above", "as above")
        yield (Cell(shown(path)), Cell(shown(made)), *(Cell(each) for each in told), Cell(digest))


def _notes(report: CaseReport) -> Iterator[Text]:
    for record in report.rendered:
        if record.video is None:
            continue
        for audio in record.video["audio"]:
            if not audio["copied"]:
                yield Text(f"{shown(record.place)}: sound not copied: {shown(audio['note'])}", "note")
        if record.video["times"] != "exact":
            error = threshold(1000 * record.video["largest_time_error_s"])
            yield Text(f"{shown(record.place)}: the container rounds times, by {error} ms at most.", "note")
