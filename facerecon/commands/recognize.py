"""`facerecon recognize`: ranked candidates from a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from facerecon.commands import options, views
from facerecon.commands.stages import extracted_case, run_enhance, run_enroll, run_recognize
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench, is_case
from facerecon.console import Console
from facerecon.errors import BatchError, FacereconError, UsageError
from facerecon.pipeline.summaries import recognize_summary

if TYPE_CHECKING:
    from facerecon.pipeline.enrolment import Gallery

Targets = Annotated[
    list[Path],
    typer.Argument(
        help="Case folders; or videos, images or folders of images, for which the earlier stages run first.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recognize")(recognize)


def recognize(
    targets: Targets,
    gallery: options.GalleryOption,
    case: options.CaseOption = None,
    calibration: options.CalibrationOption = None,
    explain: options.ExplainOption = False,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    case_id: options.CaseIdOption = None,
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Rank a gallery's persons for each track by similarity, and say how strong that is where a calibration holds.

    Candidates are for an expert, not a statement of who it is. With several cases: exit 6 when one of them failed.
    """
    console = Console(quiet=quiet, as_json=as_json)
    if len(targets) > 1 and case is not None:
        raise UsageError("--case names one case, and several targets were given; leave it out")
    tools = (profile, tuple(set_ or ()), device, Facts(case_id, operator, purpose))
    request = _Request(console, gallery, case, tuple(calibration or ()), explain, tools)
    if len(targets) == 1:
        document = request.run(targets[0])
        if as_json:
            console.result(document)
        _show(console, document)
        return
    documents, failures = _each(request, targets)
    if as_json:
        console.result({"cases": documents, "failures": failures})
    if failures:
        listed = "; ".join(f"{each['target']}: {each['reason']}" for each in failures)
        raise BatchError(f"{len(failures)} of {len(targets)} failed: {listed}")


class _Request:
    """One command's wishes; each target gets its own workbench, since a case may bring its own profile."""

    def __init__(
        self,
        console: Console,
        gallery: Path,
        case: Path | None,
        calibration: tuple[Path, ...],
        explain: bool,
        tools: tuple[str | None, tuple[str, ...], str, Facts],
    ) -> None:
        self.console, self.gallery, self.case = console, gallery, case
        self.calibration, self.explain = calibration, explain
        self._tools = tools
        self._benches: dict[str, Workbench] = {}
        self._enrolled: dict[str, Gallery] = {}

    def run(self, target: Path) -> dict[str, Any]:
        """Compare one case, or one source after its earlier stages."""
        bench = Workbench(self.console, *self._tools)
        if not is_case(target):
            # What is wrong with gallery or calibration is told before hours of footage are read.
            self._known(bench).calibrations(self.calibration)
            self._gallery(bench)
        with extracted_case(bench, target, self.case) as opened:
            if not is_case(target) and not opened.runs("enhance"):
                run_enhance(bench, opened)
            run_recognize(self._known(bench), opened, self._gallery(bench), self.calibration, explain=self.explain)
            return recognize_summary(opened)

    def _known(self, bench: Workbench) -> Workbench:
        """Return the first workbench of this profile: cases of one profile share its models."""
        return self._benches.setdefault(bench.profile.digest, bench)

    def _gallery(self, bench: Workbench) -> Gallery:
        """Enrol once per profile."""
        key = bench.profile.digest
        if key not in self._enrolled:
            self._enrolled[key] = run_enroll(self._known(bench), self.gallery)
        return self._enrolled[key]


def _each(request: _Request, targets: Sequence[Path]) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    documents: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    for target in targets:
        try:
            document = request.run(target)
        except FacereconError as error:
            request.console.noted(f"{target}: {error}")
            failures.append({"target": str(target), "reason": str(error)})
            continue
        documents.append(document)
        _show(request.console, document)
    return documents, failures


def _show(console: Console, document: dict[str, Any]) -> None:
    console.show(views.candidates(document))
    console.show(f"Case: {escape(str(document['case']))}")
