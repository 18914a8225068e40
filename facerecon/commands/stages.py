"""The stage commands' common path: which stages a case still needs, run in order, each resumable.

What is heavy to import is imported where it is used, so that `--help` and `verify` answer at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facerecon.case import Case
from facerecon.commands.workbench import Workbench, is_case, software
from facerecon.errors import UsageError
from facerecon.stages import operating_point

if TYPE_CHECKING:
    from facerecon.pipeline.enrolment import Gallery
    from facerecon.video import Source


def run_extract(bench: Workbench, case: Case, source: Source) -> None:
    """Extract, unless that is finished."""
    if case.runs("extract"):
        return
    from facerecon.pipeline.extraction import extract

    bench.require_same_profile(case)
    extract(case, source, bench.detector, bench.context)


def run_enhance(bench: Workbench, case: Case) -> None:
    """Enhance the case's best shots."""
    from facerecon.pipeline.enhancement import enhance

    # The face vector judges learned pictures only.
    recognizer = bench.recognizer if bench.restorers or bench.corrector else None
    enhance(case, bench.restorers, recognizer, bench.context, bench.corrector)


def run_render(bench: Workbench, case: Case, kind: Literal["frame", "video"], limit: int | None) -> None:
    """Render whole frames or a video of the case's source, which must still be where and what it was.

    Raises:
        EvidenceError: the source is not there any more.
        IntegrityError: it is not the same file.
    """
    from facerecon.pipeline.rendering import Tools, render

    source = bench.source_of(case)
    upscaler = bench.upscaler(kind)
    faces = next(iter(bench.restorers.values()), None) if bench.profile.output.faces else None
    if faces is not None and not isinstance(upscaler, str) and faces.stamp.id == upscaler.stamp.id:
        # The whole frame goes through that model already.
        faces = None
    render(case, source, kind, Tools(bench.detector, upscaler, faces), limit, bench.context)


def run_enroll(bench: Workbench, gallery: Path) -> Gallery:
    """Open a persistent gallery, or read and enrol a plain one; its refusals are told at once."""
    from facerecon.pipeline.enrolment import open_gallery

    # Before hours of footage are read.
    operating_point(bench.recognizer, bench.profile.recognize.threshold)
    opened = open_gallery(gallery, bench.detector, bench.recognizer, bench.profile, bench.console)
    for record in opened.records:
        if not record.enrolled:
            bench.console.noted(f"gallery: {record.file} refused: {record.reason}")
    return opened


def run_recognize(
    bench: Workbench, case: Case, gallery: Gallery, calibration: Sequence[Path], *, explain: bool = False
) -> None:
    """Compare the case's tracks with an enrolled gallery."""
    from facerecon.pipeline.recognition import Comparers, recognize

    comparers = Comparers(bench.recognizer, bench.detector, bench.calibrations(calibration), explain)
    recognize(case, gallery, comparers, bench.context)


def run_report(bench: Workbench, case: Case, *, pdf: bool, language: str = "en") -> None:
    """Write the case's report in a language, given by its code.

    Raises:
        UsageError: there is no such language.
    """
    from functools import partial

    from facerecon.pipeline.accounts import Context
    from facerecon.pipeline.reporting import report
    from facerecon.report.html import render_html
    from facerecon.report.language import language as spoken
    from facerecon.report.pdf import setting_pdf

    chosen = spoken(language)
    draw_pdf = partial(setting_pdf, language=chosen) if pdf else None
    context = Context(bench.profile, bench.console, software())
    report(case, partial(render_html, language=chosen), draw_pdf, context, chosen.code)


def extracted_case(bench: Workbench, target: Path, root: Path | None, *, enhance: bool = False) -> Case:
    """Return the case that a target means, extracted: a case folder, or a source whose extraction runs first.

    Raises:
        UsageError: --case was given for a target that is a case itself, or the case's extraction is not finished.
    """
    if not is_case(target):
        case, source = bench.case_for(target, root, enhance=enhance)
        run_extract(bench, case, source)
        return case
    if root is not None:
        raise UsageError(f"{target} is a case folder already; leave --case out")
    case = bench.open_case(target)
    if not case.runs("extract"):
        case.close()
        raise UsageError(
            f"the extraction of case {target} is not finished; resume it with "
            f"'facerecon extract {case.info.source.path} --case {target}'"
        )
    return case
