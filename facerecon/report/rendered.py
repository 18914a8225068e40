"""Whole frames and videos that were rendered: the files with their digests, what made them, and what is missing.

Every rendering of the case is told, not only the latest. No picture is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facerecon.records import RenderedRecord
from facerecon.report import wording
from facerecon.report.blocks import Block, Cell, Column, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.history import mapping, mappings
from facerecon.report.language import tr, trc
from facerecon.report.notation import DASH, flat, integer, shown, threshold, value
from facerecon.report.recorded import recorded

_MODEL_KEYS = ("id", "role", "licence", "training_data", "precision", "weights_sha256")


def rendered_section(report: CaseReport) -> tuple[Section, ...]:
    """Return the section on whole frames and videos, or nothing when none were rendered."""
    if not report.rendered:
        return ()
    columns = (
        Column(tr("File in the case"), weight=2.4),
        Column(tr("Made by"), weight=2.0),
        Column(tr("Frames"), weight=1.8),
        Column(tr("Faces restored"), "right", weight=0.8),
        Column("SHA-256", weight=2.6, mono=True),
    )
    rows = tuple(row for record in report.rendered for row in _rows(record))
    blocks: tuple[Block, ...] = (
        Text(tr(wording.RENDERED)),
        Table(tr(wording.RENDERED_CAPTION), columns, rows),
        *_notes(report),
        *_omissions(report),
        *_steps(report),
        *_models(report),
    )
    return (Section("rendered", tr("Whole frames and video"), blocks),)


def _rows(record: RenderedRecord) -> Iterator[tuple[Cell, ...]]:
    steps = ", ".join((*record.steps, f"{record.upscaler} x{record.scale}"))
    made = tr("{steps}; faces by {model}", steps=steps, model=record.face_model) if record.face_model else steps
    counts = record.frames
    account = tr(
        "{requested} = {written} written + {failed} failed + {skipped} skipped",
        requested=counts.requested,
        written=counts.written,
        failed=counts.failed,
        skipped=counts.skipped,
    )
    faces = str(record.faces.written) if record.face_model else trc("faces", "none")
    files = record.files or {tr("{place}: no file", place=record.place): DASH}
    for number, (path, digest) in enumerate(files.items()):
        # The account is the rendering's, not a file's.
        told = (account, faces) if number == 0 else (tr("as above"), tr("as above"))
        yield (Cell(shown(path)), Cell(shown(made)), *(Cell(each) for each in told), Cell(digest))


def _notes(report: CaseReport) -> Iterator[Text]:
    for record in report.rendered:
        if record.video is None:
            continue
        for audio in record.video["audio"]:
            if not audio["copied"]:
                why = recorded(audio["note"])
                yield Text(tr("{place}: sound not copied: {why}", place=shown(record.place), why=why), "note")
        if record.video["times"] != "exact":
            error = threshold(1000 * record.video["largest_time_error_s"])
            rounds = tr(
                "{place}: the container rounds times, by {error} ms at most.", place=shown(record.place), error=error
            )
            yield Text(rounds, "note")


# --- from the ledger --------------------------------------------------------------------------------------------------


def _details(report: CaseReport) -> list[Mapping[str, Any]]:
    """Return what the ledger says of each finished rendering, oldest first, as the records are."""
    return [entry.details for entry in report.ledger if entry.action == "render.finished"]


def _omissions(report: CaseReport) -> Iterator[Table]:
    rows = [
        (Cell(shown(record.place)), Cell(recorded(reason)), Cell(integer(count)))
        for record, details in zip(report.rendered, _details(report), strict=False)
        for reason, count in mapping(details.get("skipped")).items()
    ]
    if rows:
        columns = (
            Column(tr("Rendering"), weight=1.5),
            Column(tr("Why"), weight=3),
            Column(tr("Count"), "right", weight=0.6),
        )
        yield Table(
            tr("Frames that are not in these files, and faces in them that were left as they were."),
            columns,
            tuple(rows),
        )


def _steps(report: CaseReport) -> Iterator[Table]:
    steps = _distinct(step for details in _details(report) for step in mappings(details.get("steps")))
    columns = (
        Column(tr("Step"), weight=1.1),
        Column(tr("What it does"), weight=2.6),
        Column(tr("Reference"), weight=1.8),
        Column(tr("Parameters"), weight=1.5),
    )
    rows = tuple(
        (
            Cell(shown(step.get("name")) or DASH),
            Cell(recorded(step.get("description")) or DASH),
            Cell(shown(step.get("reference")) or DASH),
            Cell(_parameters(step) or DASH),
        )
        for step in steps
    )
    if rows:
        yield Table(tr("Filters before the enlargement, on whole frames."), columns, rows)


def _parameters(step: Mapping[str, Any]) -> str:
    return "; ".join(f"{key} {text}" for key, text in flat(mapping(step.get("parameters"))))


def _models(report: CaseReport) -> Iterator[Table]:
    models = _distinct(model for details in _details(report) for model in mappings(details.get("models")))
    rows = tuple(tuple(Cell(value(model.get(key))) for key in _MODEL_KEYS) for model in models)
    if rows:
        yield Table(tr("Models that took part in rendering."), _model_columns(), rows)


def _model_columns() -> tuple[Column, ...]:
    return (
        Column(tr("Model"), weight=1.2),
        Column(tr("Role"), weight=1.1),
        Column(tr("Licence"), weight=1.3),
        Column(tr("Training data"), weight=1.8),
        Column(tr("Precision"), weight=0.7),
        Column(tr("Weights SHA-256"), weight=2.2, mono=True),
    )


def _distinct(items: Iterator[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for item in items:
        told = {key: text for key, text in item.items() if key != "frames_acted_on"}
        if told not in found:
            found.append(told)
    return found
