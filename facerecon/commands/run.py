"""`facerecon run`: the four stages in a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from facerecon.batch.completeness import lacking
from facerecon.case import STAGES, Case
from facerecon.commands import options, timing, views
from facerecon.commands.stages import run_enhance, run_enroll, run_extract, run_recognize, run_report
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench
from facerecon.console import Console
from facerecon.errors import UsageError
from facerecon.pipeline import summaries
from facerecon.report.language import language as require_language

if TYPE_CHECKING:
    from facerecon.pipeline.enrolment import Gallery
    from facerecon.video import Source


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    source: options.Media,
    gallery: options.OptionalGallery = None,
    case: options.CaseOption = None,
    calibration: options.CalibrationOption = None,
    explain: options.ExplainOption = False,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    case_id: options.CaseIdOption = None,
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    pdf: options.PdfOption = True,
    language: options.LanguageOption = "en",
    profile_time: options.ProfileTimeOption = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Do the whole job: extract, enhance, recognize, report. An interrupted run is resumed by the same command."""
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device, Facts(case_id, operator, purpose))
    document = whole_job(
        bench,
        source,
        gallery,
        case,
        pdf=pdf,
        language=language,
        calibration=tuple(calibration or ()),
        explain=explain,
    )
    if profile_time:
        with Case.view(Path(document["case"])) as made:
            document["time"] = timing.steps_of(made)
    if as_json:
        console.result(document)
    show(console, document)


def whole_job(
    bench: Workbench,
    source: Path,
    gallery: Path | None,
    root: Path | None,
    *,
    pdf: bool,
    language: str = "en",
    calibration: tuple[Path, ...] = (),
    explain: bool = False,
) -> dict[str, Any]:
    """Run what the case still needs of the four stages and return the combined document."""
    require_language(language)
    if gallery is not None:
        from facerecon.pipeline.enrolment import require_folder

        require_folder(gallery)
    opened, evidence = bench.case_for(source, root, enhance=True, recognize=gallery is not None)
    with opened:
        _refuse_finished(opened, with_gallery=gallery is not None)
        if gallery is not None:
            bench.calibrations(calibration)
        enrolled = run_enroll(bench, gallery) if gallery is not None else None
        complete(bench, opened, evidence, enrolled, Wanted(pdf, language, calibration, explain))
        return whole_document(opened)


@dataclass(frozen=True)
class Wanted:
    """How a whole job is done, beside its profile and gallery."""

    pdf: bool = True
    language: str = "en"
    calibration: tuple[Path, ...] = ()
    explain: bool = False


def complete(
    bench: Workbench, case: Case, source: Source | None, gallery: Gallery | None, wanted: Wanted
) -> tuple[str, ...]:
    """Run the stages that an open case still lacks, and return which they were; only an extraction needs the source.

    A case that was compared with another gallery is compared again, and reported again; what was there stays.
    """
    needed = lacking(case, None if gallery is None else gallery.inputs)
    if "extract" in needed:
        assert source is not None
        run_extract(bench, case, source)
    if "enhance" in needed:
        run_enhance(bench, case)
    if gallery is not None and "recognize" in needed:
        run_recognize(bench, case, gallery, wanted.calibration, explain=wanted.explain)
    if "report" in needed:
        run_report(bench, case, pdf=wanted.pdf, language=wanted.language)
    return needed


def whole_document(case: Case) -> dict[str, Any]:
    """Return the four stages' documents under their names."""
    return {
        "case": str(case.root),
        "extract": summaries.extract_summary(case),
        "enhance": summaries.enhance_summary(case),
        "recognize": summaries.recognize_summary(case),
        "report": summaries.report_summary(case),
    }


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the combined result for people."""
    console.show(views.extraction(document["extract"]))
    console.show(views.enhancement(document["enhance"]))
    console.show(views.candidates(document["recognize"]))
    console.show(views.report_files(document["report"]))
    if "time" in document:
        console.show(timing.table(document["time"]))


def _refuse_finished(case: Case, *, with_gallery: bool) -> None:
    needed = [stage for stage in STAGES if stage != "recognize" or with_gallery]
    if all(case.runs(stage) for stage in needed):
        raise UsageError(
            f"case {case.root} is finished, and nothing was changed; choose another --case, or re-run one "
            "stage on the case folder (enhance, recognize, report)"
        )
