"""`facerecon batch`: the whole job on whole archives, unattended, resumable, with an account of every file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facerecon import __version__
from facerecon.batch import budget, journal, planning, probing
from facerecon.batch.completeness import gallery_inputs, lacking
from facerecon.batch.processes import ProcessEngine
from facerecon.batch.since import since_s
from facerecon.batch.units import Engine, Opening
from facerecon.batch.walking import Omitted, Walk, walk
from facerecon.batch.working import Work, line
from facerecon.commands import batch_views, options
from facerecon.commands.batch_worker import OPENING
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench
from facerecon.console import Console
from facerecon.errors import BatchError, Interrupted, ResourceError, UsageError
from facerecon.report.language import language as require_language

Archives = Annotated[
    list[Path] | None,
    typer.Argument(help="Videos, pictures, folders, and quoted patterns like 'cam*/*.mp4'.", show_default=False),
]
Cases = Annotated[
    Path, typer.Option("--cases", help="Folder of the cases, the journal and the index.", show_default=False)
]
FilesFrom = Annotated[
    str | None,
    typer.Option("--files-from", help="Also the paths in this file, one a line; - reads stdin.", show_default=False),
]
Null = Annotated[bool, typer.Option("--null", "-0", help="The paths of --files-from end with NUL bytes.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, max=256, help="Workers at a time.", show_default="by cores and free memory"),
]
MemoryGb = Annotated[
    float | None,
    typer.Option("--memory-gb", min=0.1, help="Memory for all workers.", show_default="80 % of what is free"),
]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Also try again what failed in an earlier call.")]
Halt = Annotated[bool, typer.Option("--halt-on-error", help="Stop at the first failure; the others stay pending.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", help="Only files changed since 2026-11-01, or within 7d (s, m, h, d, w).", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, with an estimate; make nothing.")]
EngineName = Annotated[Literal["processes"], typer.Option("--engine", help="Who works: processes of this machine.")]
Lines = Annotated[
    bool,
    typer.Option("--json", help="Print JSON lines (schema 1): one for every source, then the summary."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("batch")(batch)


def batch(
    archives: Archives = None,
    cases: Cases = Path("cases"),
    gallery: options.OptionalGallery = None,
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile name (see 'facerecon profiles list') or YAML file.")
    ] = "standard",
    set_: options.SetOption = None,
    files_from: FilesFrom = None,
    null: Null = False,
    jobs: Jobs = None,
    memory_gb: MemoryGb = None,
    engine: EngineName = "processes",
    retry_failed: Retry = False,
    halt_on_error: Halt = False,
    since: Since = None,
    dry_run: DryRun = False,
    calibration: options.CalibrationOption = None,
    explain: options.ExplainOption = False,
    device: options.DeviceOption = "auto",
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    pdf: options.PdfOption = True,
    language: options.LanguageOption = "en",
    as_json: Lines = False,
    quiet: options.QuietOption = False,
) -> None:
    """Do the whole job on whole archives: one case per source, then one index over all. The same command resumes.

    What is finished is never done again. Exit 6 when sources failed; each is listed, and the others are done.
    """
    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device, Facts(None, operator, purpose))
    given = {
        "profile": str(Path(profile).absolute()) if Path(profile).is_file() else profile,
        "set": list(set_ or ()),
        "device": device,
        "gallery": None if gallery is None else str(gallery.absolute()),
        "calibration": [str(each.absolute()) for each in calibration or ()],
        "explain": explain,
        "operator": operator,
        "purpose": purpose,
        "pdf": pdf,
        "language": language,
    }
    staff = budget.staff(jobs, memory_gb)
    job = Job(console, bench, cases, given, staff, ENGINES[engine], OPENING)
    job.require()
    listed = list_of(files_from, null=null)
    now = datetime.now().astimezone()
    with contextlib.nullcontext() if dry_run else journal.locked(cases):
        walked = walk(archives or (), cases, listed=listed, since_s=None if since is None else since_s(since, now))
        plan, history = job.plan(walked, retry_failed=retry_failed)
        if dry_run:
            job.tell(plan, history)
        else:
            job.work(plan, halt_on_error=halt_on_error)


# --- engines ----------------------------------------------------------------------------------------------------------

MakeEngine = Callable[[Opening, int], Engine]
ENGINES: Mapping[str, MakeEngine] = {"processes": ProcessEngine}
"""How an engine is made from what its workers open, and how many they are."""


# --- a batch ----------------------------------------------------------------------------------------------------------


@dataclass
class Job:
    """One call: plan, work, tell. `factory` names what a worker opens."""

    console: Console
    bench: Workbench
    cases: Path
    given: Mapping[str, Any]
    staff: budget.Staff
    make_engine: MakeEngine
    factory: str
    _gallery: Mapping[str, str] | None = None

    def require(self) -> None:
        """Find out what is wrong with the call itself, before anything is made.

        Raises:
            UsageError: an option cannot work, or a model is unknown.
            ResourceError: weights are not here.
        """
        require_language(self.given["language"])
        options.require_text(operator=self.given["operator"], purpose=self.given["purpose"])
        gallery = self.given["gallery"]
        if gallery is not None:
            options.require_text(gallery=gallery)
            self._gallery = gallery_inputs(Path(gallery))
        self.bench.require_weights(enhance=True, recognize=gallery is not None)

    def plan(self, walked: Walk, *, retry_failed: bool) -> tuple[planning.Plan, journal.History]:
        """Return what is to be done, and what the journal knows.

        Raises:
            UsageError: there is nothing to do it with.
        """
        history = journal.read_history(self.cases)
        if history.torn:
            self.console.noted(f"{history.torn} line(s) of the journal are not whole (a crash); they are passed over")
        if walked.found:
            self.console.noted(f"{len(walked.found)} file(s) reached; looking at the headers of those that are new")
        done = planning.finished(lambda case: lacking(case, self._gallery), self.bench.profile.digest)
        prober = self.make_engine(Opening(probing.OPENING), 1)
        refused = planning.other_profile(self.bench.profile.digest)
        made = planning.plan(walked, self.cases, history, done, prober, retry_failed=retry_failed, refused=refused)
        if not made.items and not made.unread:
            told = ", ".join(f"{reason} {count}" for reason, count in batch_views.reasons(made.left_out).items())
            raise UsageError(f"no footage was found ({told or 'nothing was given'}); give files, folders or patterns")
        return made, history

    def tell(self, plan: planning.Plan, history: journal.History) -> None:
        """Show what would be done."""
        for item in plan.items if self.console.as_json else ():
            self.console.line(line(item))
        footage = sum(item.footage_s or 0.0 for item in plan.of("pending"))
        jobs = max(1, min(self.staff.jobs, len(plan.of("pending"))))
        estimate = batch_views.estimate_s(history, footage, jobs)
        self._summary(plan, None, dry_run=True, footage_pending_s=footage, estimate_s=estimate)
        self.console.show(batch_views.planned(plan, history, jobs))
        self.console.show(batch_views.totals(plan, None))

    def work(self, plan: planning.Plan, *, halt_on_error: bool) -> None:
        """Work through the plan, write the index, and tell what became of every source.

        Raises:
            BatchError: sources failed.
            Interrupted: the batch was stopped.
            FacereconError: no worker could be opened, or the journal or the index could not be written.
        """
        for item in plan.items:
            if item.state != "pending":
                self._line(item)
        for unread in plan.unread if self.console.as_json else ():
            self.console.line(unread_line(unread))
        with journal.opened(self.cases) as written:
            written.write("begun", schema=journal.SCHEMA, tool_version=__version__, jobs=self.staff.jobs, **self.given)
            pass_ = self._passed(plan, written, halt_on_error=halt_on_error)
            index = None if pass_.interrupted else self._index(plan)
            written.write("ended", totals=plan.totals, interrupted=pass_.interrupted, halted=pass_.halted)
        for item in plan.of("pending"):
            self._line(item)
        self._summary(plan, index, interrupted=pass_.interrupted, halted=pass_.halted)
        self.console.show(batch_views.totals(plan, index))
        _judge(plan, pass_)

    def _passed(self, plan: planning.Plan, written: journal.Journal, *, halt_on_error: bool) -> Work:
        engine = self.make_engine(Opening(self.factory, self.given), self.staff.jobs)
        work = Work(plan, written, engine, halt_on_error=halt_on_error)
        waiting = plan.of("pending")
        if not waiting:
            self.console.noted("nothing is left to do")
            return work
        self._staffed(len(waiting))
        said: set[str] = set()

        def noted(text: str) -> None:
            # The workers read one gallery; each would tell the same of it.
            if text not in said:
                said.add(text)
                self.console.noted(text)

        self.console.started("batch", len(waiting))
        for item in work.ended(lambda: self.console.described("batch", work.progress.text()), noted):
            if item.state != "pending":
                self._line(item)
                self.console.advanced("batch")
            self.console.noted(batch_views.ended(item, work.progress.text()))
        self.console.finished("batch")
        return work

    def _staffed(self, waiting: int) -> None:
        staff = self.staff
        self.console.noted(f"{waiting} source(s) to do; {staff.jobs} worker(s) ({staff.why})")
        if staff.short_of_memory:
            self.console.warn("so many workers may need more memory than there is; fewer --jobs are safe")

    def _index(self, plan: planning.Plan) -> str:
        from facerecon.batch.archive import write_index

        self.console.noted("writing the index of the archive")
        return str(write_index(self.cases, plan, self.given["language"]))

    def _line(self, item: planning.Item) -> None:
        if self.console.as_json:
            self.console.line(line(item))

    def _summary(self, plan: planning.Plan, index: str | None, **more: Any) -> None:
        if self.console.as_json:
            left_out = batch_views.reasons(plan.left_out)
            self.console.line({"kind": "summary", "totals": plan.totals, "left_out": left_out, "index": index, **more})


def unread_line(unread: Omitted) -> dict[str, Any]:
    """Return what scripts are told of a path that could not be looked into."""
    return {
        "kind": "source",
        "source": str(unread.path.absolute()),
        **dict.fromkeys(("name", "case")),
        "status": "failed",
        "earlier": False,
        "exit_code": 3,
        "reason": unread.reason,
        **dict.fromkeys(("footage_s", "seconds", "counts", "ledger_head")),
    }


def _judge(plan: planning.Plan, work: Work) -> None:
    totals = plan.totals
    every = totals["requested"] - totals["left_out"]
    if work.interrupted:
        raise Interrupted(
            f"interrupted; {totals['done']} of {every} sources are done, and the same command goes on with the others"
        )
    if work.halted:
        raise BatchError(
            f"stopped at the first failure; {totals['pending']} of {every} sources are pending, and the same command "
            "goes on with them"
        )
    if totals["failed"]:
        raise BatchError(
            f"{totals['failed']} of {every} sources failed, each with its reason above and in the index; "
            "--retry-failed tries them again"
        )


# --- lists ------------------------------------------------------------------------------------------------------------


def list_of(name: str | None, *, null: bool) -> list[Path]:
    """Read the paths of --files-from; names may hold any byte but the one that ends them.

    Raises:
        UsageError: -0 without a list.
        ResourceError: the list cannot be read.
    """
    if name is None:
        if null:
            raise UsageError("--null is about a list of paths; give --files-from, for example --files-from -")
        return []
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ResourceError(f"the list {name} cannot be read: {error.strerror}") from error
    return [Path(os.fsdecode(each)) for each in _pieces(data, b"\0" if null else b"\n")]


def _pieces(data: bytes, end: bytes) -> Iterator[bytes]:
    yield from (piece for piece in data.split(end) if piece)
