"""Stage 4: the report of a case as it stands. Earlier reports are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from facerecon.case import Case
from facerecon.pipeline.accounts import Context, Stopwatch
from facerecon.records import (
    Candidate,
    ChipRecord,
    DetectionRecord,
    EmbeddingRecord,
    FrameRecord,
    FusedRecord,
    GalleryRecord,
    Measurement,
    Record,
    RenderedRecord,
    RestoredRecord,
    Skipped,
    TrackRecord,
)
from facerecon.report.content import CaseReport

R = TypeVar("R", bound=Record)


def report(
    case: Case, html: Callable[[CaseReport], str], pdf: Callable[[CaseReport], bytes] | None, context: Context
) -> tuple[str, str | None]:
    """Render the report into the case.

    Args:
        case: the case; whatever stages have run are shown, the others are said not to have run.
        html: renders the page.
        pdf: renders the PDF; None for a case without one.
        context: listener and software.

    Returns:
        The paths of page and PDF within the case.
    """
    content = collect(case)
    watch = Stopwatch()
    context.listener.started("report", 1 if pdf is None else 2)
    with case.stage("report", {"runtime": dict(context.runtime)}, case.digests()) as run:
        page, document = f"report/report{run.suffix}.html", f"report/report{run.suffix}.pdf"
        with watch.measure("html"):
            run.write(page, html(content).encode())
        context.listener.advanced("report")
        if pdf is not None:
            with watch.measure("pdf"):
                run.write(document, pdf(content))
            context.listener.advanced("report")
        run.details["durations_s"] = watch.seconds
        run.details["ledger_head_in_report"] = content.ledger_head
    context.listener.finished("report")
    return page, document if pdf is not None else None


def collect(case: Case) -> CaseReport:
    """Gather what a report shows from a case, everything verified on reading."""
    return CaseReport(
        info=case.info,
        probe=json.loads(case.bytes_of("records/probe.json")),
        profile_yaml=case.bytes_of("profile.yaml").decode(),
        frames=_latest(case, FrameRecord, "frames", "extract"),
        detections=_latest(case, DetectionRecord, "detections", "extract"),
        tracks=_latest(case, TrackRecord, "tracks", "extract"),
        chips=_latest(case, ChipRecord, "chips", "extract"),
        restored=_latest(case, RestoredRecord, "restored", "enhance"),
        candidates=_latest(case, Candidate, "candidates", "recognize"),
        gallery=_latest(case, GalleryRecord, "gallery", "recognize"),
        skipped=tuple(
            skipped
            for stage in ("extract", "enhance", "recognize")
            for skipped in _latest(case, Skipped, f"{stage}-skipped", stage)
        )
        + _all(case, Skipped, "render-skipped", "render"),
        measurements=_latest(case, Measurement, "measurements", "measure"),
        rendered=_all(case, RenderedRecord, "rendered", "render"),
        fused=_latest(case, FusedRecord, "fused", "enhance"),
        embeddings=_latest(case, EmbeddingRecord, "embeddings", "recognize"),
        ledger=case.ledger.entries,
        ledger_head=case.ledger.head,
        picture=case.bytes_of,
    )


def _all(case: Case, kind: type[R], name: str, stage: str) -> tuple[R, ...]:
    return tuple(record for run, _ in enumerate(case.runs(stage), start=1) for record in case.read(kind, name, run))


def _latest(case: Case, kind: type[R], name: str, stage: str) -> tuple[R, ...]:
    runs = len(case.runs(stage))
    return tuple(case.read(kind, name, runs)) if runs else ()
