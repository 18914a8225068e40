"""Stage 4: the report of a case as it stands. Earlier reports are kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.likelihood import Calibration
from facerecon.pipeline.accounts import Context, Stopwatch
from facerecon.pipeline.attachments import attachments
from facerecon.pipeline.corrected import fused_restored_of
from facerecon.pipeline.reviews import reviews_of
from facerecon.records import (
    Candidate,
    ChipRecord,
    DetectionRecord,
    EmbeddingRecord,
    ExplanationRecord,
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
from facerecon.report.content import CaseReport, Reviewed
from facerecon.review import review_state

R = TypeVar("R", bound=Record)
Printing = contextlib.AbstractContextManager[Callable[[], bytes]]
"""A PDF that is being set; what the block is given waits for it and returns it."""


def report(
    case: Case,
    html: Callable[[CaseReport], str],
    pdf: Callable[[CaseReport], Printing] | None,
    context: Context,
    language: str = "en",
) -> tuple[str, str | None]:
    """Render the report into the case.

    Args:
        case: the case; whatever stages have run are shown, the others are said not to have run.
        html: renders the page.
        pdf: begins the PDF, in which manifest, ledger and CASE/UCO export are embedded; None for a case without one.
        context: listener and software.
        language: the code of the language in which `html` and `pdf` render, for the ledger.

    Returns:
        The paths of page and PDF within the case.

    Raises:
        IntegrityError: the case does not verify.
    """
    content = collect(case)
    if pdf is not None:
        content = replace(content, attachments=attachments(case))
    watch = Stopwatch()
    context.listener.started("report", 1 if pdf is None else 2)
    # Stated from the start: a run with another head makes another report, and does not continue this one.
    details = {"runtime": dict(context.runtime), "ledger_head_in_report": content.ledger_head}
    with case.stage("report", details, case.digests()) as run:
        page, document = f"report/report{run.suffix}.html", f"report/report{run.suffix}.pdf"
        with contextlib.ExitStack() as stack:
            finished = None
            if pdf is not None:
                # Set by a process of its own, while the page is rendered here.
                with watch.measure("pdf"):
                    finished = stack.enter_context(pdf(content))
            with watch.measure("html"):
                run.write(page, html(content).encode())
            context.listener.advanced("report")
            if finished is not None:
                with watch.measure("pdf"):
                    run.write(document, finished())
                context.listener.advanced("report")
        run.details["durations_s"] = watch.seconds
        run.details["language"] = language
        run.details["review_state_in_report"] = content.review_state
        if content.attachments:
            run.details["attached"] = {each.name: sha256_bytes(each.data) for each in content.attachments}
    context.listener.finished("report")
    return page, document if pdf is not None else None


def language_of(case: Case) -> str:
    """Return the code of the language of a case's latest report; English where none or an older one is."""
    runs = case.runs("report")
    return str(runs[-1].details.get("language", "en")) if runs else "en"


def _probe(case: Case) -> dict[str, Any]:
    try:
        return dict(json.loads(case.bytes_of("records/probe.json")))
    except (ValueError, TypeError, RecursionError):
        raise IntegrityError(f"{case.root / 'records/probe.json'} is not a probe that this tool writes") from None


def _text(case: Case, name: str) -> str:
    try:
        return case.bytes_of(name).decode()
    except UnicodeDecodeError:
        raise IntegrityError(f"{case.root / name} is not UTF-8") from None


def collect(case: Case) -> CaseReport:
    """Gather what a report shows from a case, everything verified on reading."""
    reviews = _reviews(case)
    return CaseReport(
        info=case.info,
        probe=_probe(case),
        profile_yaml=_text(case, "profile.yaml"),
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
        fused_restored=fused_restored_of(case),
        embeddings=_latest(case, EmbeddingRecord, "embeddings", "recognize"),
        calibrations=_calibrations(case),
        explanations=_explanations(case),
        ledger=case.ledger.entries,
        ledger_head=case.ledger.head,
        picture=case.bytes_of,
        reviews=reviews,
        review_state=review_state([each.record for each in reviews], case.ledger.entries),
    )


def _reviews(case: Case) -> tuple[Reviewed, ...]:
    return tuple(
        Reviewed(each.record, each.utc, each.superseded, each.signature is not None) for each in reviews_of(case)
    )


def _calibrations(case: Case) -> tuple[Calibration, ...]:
    """Read the calibrations that the latest comparison used, in order of name and variant.

    Raises:
        IntegrityError: one is not a calibration, or not the one that its path names.
    """
    runs = case.runs("recognize")
    paths = [path for path in runs[-1].outputs if path.startswith("calibrations/")] if runs else []
    return tuple(sorted((_calibration(case, path) for path in paths), key=lambda each: (each.name, each.variant)))


def _calibration(case: Case, path: str) -> Calibration:
    content = case.bytes_of(path)
    try:
        document = {key: part for key, part in dict(json.loads(content)).items() if key != "sha256"}
        found = Calibration.model_validate_json(canonical_json(document), strict=True)
    except (ValueError, TypeError):
        raise IntegrityError(f"{case.root / path} is not a calibration that this version reads") from None
    if path != f"calibrations/{found.sha256[:16]}.json":
        raise IntegrityError(f"{case.root / path} is not the calibration that its name says, but {found.sha256}")
    return found


def _explanations(case: Case) -> tuple[ExplanationRecord, ...]:
    """Read what carries the similarities, where the latest comparison was asked for it."""
    runs = case.runs("recognize")
    asked_for = bool(runs) and any(name.startswith("records/explanations") for name in runs[-1].outputs)
    return _latest(case, ExplanationRecord, "explanations", "recognize") if asked_for else ()


def _all(case: Case, kind: type[R], name: str, stage: str) -> tuple[R, ...]:
    return tuple(record for run, _ in enumerate(case.runs(stage), start=1) for record in case.read(kind, name, run))


def _latest(case: Case, kind: type[R], name: str, stage: str) -> tuple[R, ...]:
    runs = len(case.runs(stage))
    return tuple(case.read(kind, name, runs)) if runs else ()
