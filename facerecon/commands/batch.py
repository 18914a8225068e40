"""`facerecon batch`: the whole job on whole archives, unattended, resumable, with an account of every file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from facerecon import __version__
from facerecon.batch import budget, journal, planning, probing
from facerecon.batch.completeness import gallery_inputs, lacking
from facerecon.batch.following import Follower
from facerecon.batch.found import Walk
from facerecon.batch.processes import ProcessEngine
from facerecon.batch.reserve import Reserve
from facerecon.batch.since import since_s
from facerecon.batch.units import Opening, Unit
from facerecon.batch.working import Work, line
from facerecon.commands import batch_views, options
from facerecon.commands.batch_cluster import Asked, Crew, MakeEngine, joined
from facerecon.commands.batch_following import Follow, FollowFor, Following, MinFreeGb, Poll, following
from facerecon.commands.batch_options import (
    Address,
    Cases,
    DryRun,
    EngineName,
    FilesFrom,
    GpuJobs,
    Halt,
    Jobs,
    Lines,
    MemoryGb,
    Null,
    Retry,
    Since,
    WorkerCpus,
    isolated,
)
from facerecon.commands.batch_sources import Archives, Sources, StagingOption, list_of
from facerecon.commands.batch_worker import OPENING
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench
from facerecon.console import Console
from facerecon.errors import BatchError, Interrupted, UsageError
from facerecon.report.language import language as require_language


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
    address: Address = "auto",
    worker_cpus: WorkerCpus = None,
    gpu_jobs: GpuJobs = 1,
    retry_failed: Retry = False,
    halt_on_error: Halt = False,
    since: Since = None,
    dry_run: DryRun = False,
    follow: Follow = False,
    follow_for: FollowFor = None,
    poll: Poll = "2s",
    staging: StagingOption = None,
    min_free_gb: MinFreeGb = 0.5,
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
    overrides = [*isolated(), *(set_ or ())]
    sources = Sources.of(archives or (), list_of(files_from, null=null), cases, staging)
    bench = Workbench(console, profile, tuple(overrides), device, Facts(None, operator, purpose))
    given = {
        "profile": str(Path(profile).absolute()) if Path(profile).is_file() else profile,
        "set": overrides,
        "device": device,
        "gallery": None if gallery is None else str(gallery.absolute()),
        "calibration": [str(each.absolute()) for each in calibration or ()],
        "explain": explain,
        "operator": operator,
        "purpose": purpose,
        "pdf": pdf,
        "language": language,
        "remote": sources.remote(min_free_gb),
    }
    asked = Asked(address, worker_cpus, gpu_jobs, jobs, memory_gb, cases)
    now = datetime.now().astimezone()
    followed = following(follow, follow_for, poll, engine, dry_run=dry_run, urls=bool(sources.schemes))
    since_time_s = None if since is None else since_s(since, now)

    def reached() -> Walk:
        return sources.walk(cases, since_time_s)

    with _crew(engine, asked, given, console) as crew, contextlib.ExitStack() as held:
        job = Job(console, bench, cases, crew.given, crew.staff, crew.make_engine, OPENING)
        job.require()
        if not dry_run:
            held.enter_context(journal.locked(cases))
            sources.clear()
        reserve = Reserve(cases, min_free_gb)
        if followed is not None:
            reserve.require()
            job.follow(followed, reached, reserve, retry_failed=retry_failed, halt_on_error=halt_on_error)
            return
        plan, history = job.plan(reached(), retry_failed=retry_failed)
        if dry_run:
            job.tell(plan, history)
        else:
            reserve.require()
            job.work(plan, reserve, halt_on_error=halt_on_error)


# --- engines ----------------------------------------------------------------------------------------------------------

ENGINES: Mapping[str, MakeEngine] = {"processes": ProcessEngine}
"""How an engine is made from what its workers open, and how many they are; for Ray see `batch_cluster`."""


@contextlib.contextmanager
def _crew(engine: str, asked: Asked, given: Mapping[str, Any], console: Console) -> Iterator[Crew]:
    if engine in ENGINES:
        if asked != Asked(jobs=asked.jobs, memory_gb=asked.memory_gb, cases=asked.cases):
            raise UsageError("--address, --worker-cpus and --gpu-jobs are about a cluster; add --engine ray")
        yield Crew(budget.staff(asked.jobs, asked.memory_gb), ENGINES[engine], given)
        return
    with joined(asked, given, console) as crew:
        yield crew


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
    _follower: Follower | None = None
    _following: Following | None = None

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
        history = self._history()
        if walked.found:
            self.console.noted(f"{len(walked.found)} file(s) reached; looking at the headers of those that are new")
        made = self._planned(walked, history, retry_failed=retry_failed)
        if not made.items and not made.unread:
            told = ", ".join(f"{reason} {count}" for reason, count in batch_views.reasons(made.left_out).items())
            raise UsageError(f"no footage was found ({told or 'nothing was given'}); give files, folders or patterns")
        return made, history

    def follow(
        self,
        following: Following,
        reached: Callable[[], Walk],
        reserve: Reserve,
        *,
        retry_failed: bool,
        halt_on_error: bool,
    ) -> None:
        """Work through what is there and what comes; see `work`."""
        history, plan = self._history(), planning.Plan()

        def planned(walked: Walk) -> planning.Plan:
            made = self._planned(walked, history, retry_failed=retry_failed)
            for item in made.items:
                # What comes later must not get this one's name.
                unknown = journal.Remembered(item.name, "begun", None, None, {})
                history.sources.setdefault(item.source, unknown)
            return made

        self._follower = following.follower(plan, reached, planned)
        self._following = following
        self.work(plan, reserve, halt_on_error=halt_on_error)

    def _history(self) -> journal.History:
        history = journal.read_history(self.cases)
        if history.torn:
            self.console.noted(f"{history.torn} line(s) of the journal are not whole (a crash); they are passed over")
        return history

    def _planned(self, walked: Walk, history: journal.History, *, retry_failed: bool) -> planning.Plan:
        done = planning.finished(lambda case: lacking(case, self._gallery), self.bench.profile.digest)
        # Headers are read on this machine, whoever works.
        extract = self.bench.profile.extract
        how = {"isolation": extract.isolation, "decoder_timeout_s": extract.decoder_timeout_s}
        prober = ENGINES["processes"](Opening(probing.OPENING, how), 1)
        refused = planning.other_profile(self.bench.profile.digest)
        return planning.plan(walked, self.cases, history, done, prober, retry_failed=retry_failed, refused=refused)

    def tell(self, plan: planning.Plan, history: journal.History) -> None:
        """Show what would be done."""
        for item in plan.items if self.console.as_json else ():
            self.console.line(line(item))
        waiting = plan.of("pending")
        footage = sum(item.footage_s or 0.0 for item in waiting)
        jobs = max(1, min(self.staff.jobs, len(waiting)))
        estimate = batch_views.estimate_s(history, waiting, jobs)
        self._summary(plan, None, dry_run=True, footage_pending_s=footage, estimate_s=estimate)
        self.console.show(batch_views.planned(plan, history, jobs))
        self.console.show(batch_views.totals(plan, None))

    def work(self, plan: planning.Plan, reserve: Reserve, *, halt_on_error: bool) -> None:
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
            self.console.line(batch_views.unread_line(unread))
        with journal.opened(self.cases) as written:
            written.write("begun", schema=journal.SCHEMA, tool_version=__version__, jobs=self.staff.jobs, **self.given)
            pass_ = self._passed(plan, written, reserve, halt_on_error=halt_on_error)
            index = None if pass_.interrupted or pass_.short_of_space else self._index(plan)
            written.write("ended", totals=plan.totals, interrupted=pass_.interrupted, halted=pass_.halted)
        for item in plan.of("pending"):
            self._line(item)
        self._summary(plan, index, interrupted=pass_.interrupted, halted=pass_.halted)
        self.console.show(batch_views.totals(plan, index))
        if pass_.short_of_space:
            left = (
                f"{plan.totals['pending']} of {plan.totals['requested'] - plan.totals['left_out']} sources are pending"
            )
            raise reserve.error(left)
        _judge(plan, pass_)

    def _passed(self, plan: planning.Plan, written: journal.Journal, reserve: Reserve, *, halt_on_error: bool) -> Work:
        opening = Opening(self.factory, self.given)
        if self._following is not None:
            engine = self._following.made(opening, self.staff.jobs, lambda: self._more(work))
        else:
            engine = self.make_engine(opening, self.staff.jobs)
        work = Work(plan, written, engine, halt_on_error=halt_on_error, reserve=reserve)
        waiting = plan.of("pending")
        if not waiting and self._following is None:
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
            if self._following is not None:
                self._following.ended(item)
        self.console.finished("batch")
        if self._following is not None and self._following.length_s is None and not plan.of("pending"):
            # Following without an end is ended so; nothing was broken off.
            work.interrupted = False
        return work

    def _more(self, work: Work) -> list[Unit] | None:
        """Look for more, and keep the index up to date."""
        assert self._follower is not None
        assert self._following is not None
        items = self._follower.look()
        for item in items or ():
            if item.state != "pending":
                self._line(item)
                self._following.ended(item)
        plan = self._follower.plan
        self._following.refresh(lambda: self._write_index(plan))
        return None if items is None else work.units([item for item in items if item.state == "pending"])

    def _staffed(self, waiting: int) -> None:
        staff = self.staff
        what = f"{waiting} source(s) to do" if self._following is None else "following; Ctrl-C ends it"
        self.console.noted(f"{what}; {staff.jobs} worker(s) ({staff.why})")
        if staff.short_of_memory:
            self.console.warn("so many workers may need more memory than there is; fewer --jobs are safe")

    def _index(self, plan: planning.Plan) -> str:
        self.console.noted("writing the index of the archive")
        return self._write_index(plan)

    def _write_index(self, plan: planning.Plan) -> str:
        from facerecon.batch.archive import write_index

        return str(write_index(self.cases, plan, self.given["language"]))

    def _line(self, item: planning.Item) -> None:
        if self.console.as_json:
            self.console.line(line(item))

    def _summary(self, plan: planning.Plan, index: str | None, **more: Any) -> None:
        if self.console.as_json:
            left_out = batch_views.reasons(plan.left_out)
            self.console.line({"kind": "summary", "totals": plan.totals, "left_out": left_out, "index": index, **more})


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
