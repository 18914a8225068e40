"""`facerecon case replay`: do the stages of a case again, from its profile and source, and compare the outcome."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facerecon.batch.origin import came_from
from facerecon.case import Case
from facerecon.commands import case_views, options, stages
from facerecon.commands.workbench import NOT_STATED, Facts, Workbench
from facerecon.console import Console
from facerecon.errors import EvidenceError, FacereconError, IntegrityError, UsageError
from facerecon.locks import is_empty
from facerecon.manifest import verify
from facerecon.profiles import Profile, load_profile

if TYPE_CHECKING:
    from facerecon.pipeline.differences import Differences, Key
    from facerecon.pipeline.enrolment import Gallery
    from facerecon.pipeline.replaying import Plan, Rerun, Verdict
    from facerecon.video import Source

DONE = "case.replayed"
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="Case folder to make.", show_default="./cases/<name of the case>-replay"),
]
SourceOption = Annotated[
    Path | None,
    typer.Option("--source", help="The source, if it is not where it was; its SHA-256 must be the recorded one."),
]
GalleryOption = Annotated[
    Path | None,
    typer.Option("--gallery", help="The gallery, if it is not where it was; its digest must be the recorded one."),
]
ProfilesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--profile",
        "-p",
        help="Profile file, if a stage had another than the case. Repeatable.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", show_default="as recorded")
]


def register(group: typer.Typer) -> None:
    """Add the command to the group `case`."""
    group.command("replay")(replay)


def replay(
    case: options.CaseFolder,
    output: OutputOption = None,
    source: SourceOption = None,
    gallery: GalleryOption = None,
    profile: ProfilesOption = None,
    device: DeviceOption = None,
    operator: options.OperatorOption = NOT_STATED,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Do every stage of a case again in a new case, from the recorded profile, settings and source, and compare.

    On the same machine with the same versions every output must be bit-identical. Where processor, device, driver,
    operating system, torch, ONNX Runtime, OpenCV or FFmpeg differ, pictures need a PSNR of 45 dB and similarities may
    be 0.01 off. Exit 4 outside of that. Stages that cannot be done again (the gallery is not there) are named, and do
    not count.
    """
    console = Console(quiet=quiet, as_json=as_json)
    verify(case)
    profiles = [load_profile(str(path)) for path in profile or ()]
    wishes = _Wishes(output or Path("cases") / f"{case.resolve().name}-replay", source, gallery, device, operator)
    with Case.view(case) as original, tempfile.TemporaryDirectory(prefix="facerecon-") as folder:
        job = _Replay(console, original, wishes, profiles, Path(folder))
        document = job.run()
    if as_json:
        console.result(document)
    console.show(case_views.replay(document))
    if document["outside"]:
        first, count = document["outside"][0], len(document["outside"])
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise IntegrityError(f"the replay of case {case} is not what was recorded: {first}{more}")


@dataclass(frozen=True)
class _Wishes:
    output: Path
    source: Path | None
    gallery: Path | None
    device: str | None
    operator: str


@dataclass
class _Replay:
    """One replay: prepared as far as possible before hours of footage are read, then run, compared and noted."""

    console: Console
    original: Case
    wishes: _Wishes
    profiles: Sequence[Profile]
    folder: Path
    device: str = "auto"
    _benches: dict[str, Workbench] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Return the JSON document of the outcome."""
        from facerecon.pipeline.differences import differences
        from facerecon.pipeline.replaying import judge, plan

        source = self._source()
        planned = plan(self.original, self.profiles)
        if not planned.reruns:
            raise UsageError(f"case {self.original.root} has no stage that can be done again")
        self.device = self.wishes.device or ("auto" if planned.cuda else "cpu")
        self._require_place()
        planned, galleries = self._with_galleries(planned)
        with self._new_case(planned, source) as (case, evidence):
            self._stages(case, evidence, planned, galleries)
            found = differences(self.original, case, [each.key for each in planned.reruns])
            verdict = judge(found)
            self._note(case, planned, verdict)
            return self._document(case, planned, found, verdict)

    # --- preparation --------------------------------------------------------------------------------------------------

    def _source(self) -> Path:
        """Return where the source is.

        Raises:
            UsageError: it is not where it was, and --source was not given.
            IntegrityError: it is not the source that was recorded.
        """
        from facerecon.video.opening import reader_for, source_digest, strictest

        record = self.original.info.source
        path = (self.wishes.source or Path(record.path)).absolute()
        if not path.exists():
            came = None if self.wishes.source else came_from(self.original)
            if came is not None:
                raise UsageError(
                    f"the source was a copy of {came['url']}, which was removed; copy the object again, and give the "
                    "file with --source"
                )
            raise UsageError(f"the source {path} is not there; give {record.name} with --source")
        now = source_digest(path, reader_for(strictest()))
        if now != record.sha256:
            raise IntegrityError(
                f"{path} is not the source of case {self.original.root}: sha256 then {record.sha256}, now {now}; "
                "give the right file with --source"
            )
        return path

    def _require_place(self) -> None:
        output, root = self.wishes.output, self.original.root
        if output.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"--output {output} lies in the case itself; give another folder")
        if (output / "case.json").is_file():
            return
        if output.exists() and (not output.is_dir() or not is_empty(output)):
            raise UsageError(f"{output} exists already and is not an empty folder; give another --output")

    def _with_galleries(self, planned: Plan) -> tuple[Plan, dict[Key, Gallery]]:
        """Open the gallery of every comparison; comparisons whose gallery is not there are left out of the plan.

        Raises:
            IntegrityError: the gallery of --gallery is none of those that were recorded.
        """
        found: dict[Key, Gallery] = {}
        problems: dict[Key, FacereconError] = {}
        for each in planned.reruns:
            if each.key[0] == "recognize":
                try:
                    found[each.key] = self._gallery(each)
                except (UsageError, EvidenceError, IntegrityError) as problem:
                    problems[each.key] = problem
        if self.wishes.gallery is not None and not found:
            for each_problem in problems.values():
                raise each_problem
        return planned.without({key: str(problem) for key, problem in problems.items()}), found

    def _gallery(self, rerun: Rerun) -> Gallery:
        folder = self.wishes.gallery or Path(str(rerun.entry.details.get("gallery")))
        if not folder.is_dir():
            raise UsageError(f"its gallery {folder} is not there; give it with --gallery")
        bench = self._bench(rerun.profile)
        bench.calibrations(self._calibrations(rerun))
        opened = stages.run_enroll(bench, folder)
        if opened.digest != (then := rerun.entry.details.get("gallery_sha256")):
            raise IntegrityError(
                f"{folder} is not the gallery that was compared with: sha256 then {then}, now {opened.digest}; "
                "give the right one with --gallery"
            )
        return opened

    def _calibrations(self, rerun: Rerun) -> tuple[Path, ...]:
        return tuple(self.original.root / name for name in rerun.calibrations)

    def _bench(self, profile: Profile) -> Workbench:
        """Return the workbench of a profile: its models are loaded once."""
        if profile.digest not in self._benches:
            path = self.folder / f"{profile.digest}.yaml"
            path.write_text(profile.to_yaml(), encoding="utf-8")
            facts = Facts(self.original.info.case_id, self.wishes.operator, self._purpose)
            self._benches[profile.digest] = Workbench(self.console, str(path), (), self.device, facts)
        return self._benches[profile.digest]

    @property
    def _purpose(self) -> str:
        return f"replay of case {self.original.info.case_id} with ledger head {self.original.ledger.head}"

    # --- the stages ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _new_case(self, planned: Plan, source: Path) -> Iterator[tuple[Case, Source]]:
        """Make the new case, or go on with one that was interrupted.

        Raises:
            UsageError: what is there is another case, or a finished replay.
        """
        kinds = {each.key[0] for each in planned.reruns}
        bench = self._bench(planned.reruns[0].profile)
        for each in planned.reruns[1:]:
            self._bench(each.profile).require_weights(enhance=each.key[0] == "enhance", recognize=False)
        case, evidence = bench.case_for(
            source, self.wishes.output, enhance="enhance" in kinds, recognize="recognize" in kinds
        )
        with case:
            if case.info.purpose != self._purpose:
                raise UsageError(f"case {case.root} is no replay of {self.original.root}; give another --output")
            if any(entry.action == DONE for entry in case.ledger.entries):
                raise UsageError(
                    f"case {case.root} is a finished replay, and nothing was changed; compare with 'facerecon case "
                    f"diff {self.original.root} {case.root}', or give another --output"
                )
            yield case, evidence

    def _stages(self, case: Case, source: Source, planned: Plan, galleries: Mapping[Key, Gallery]) -> None:
        """Run what the new case does not have yet, in the order of the original's ledger."""
        for each in planned.reruns:
            stage, number = each.key
            if len(case.runs(stage)) >= number:
                continue
            try:
                self._stage(case, source, each, galleries)
            except EvidenceError:
                # Too many frames failed, and all the same the original went on with what there was.
                if len(case.runs(stage)) < number:
                    raise
        if planned.pdf is not None and not case.runs("report"):
            from facerecon.pipeline.reporting import language_of

            bench, language = self._bench(planned.reruns[0].profile), language_of(self.original)
            stages.run_report(bench, case, pdf=planned.pdf, language=language)

    def _stage(self, case: Case, source: Source, rerun: Rerun, galleries: Mapping[Key, Gallery]) -> None:
        bench, details = self._bench(rerun.profile), rerun.entry.details
        stage = rerun.key[0]
        if stage == "extract":
            stages.run_extract(bench, case, source)
        elif stage == "enhance":
            stages.run_enhance(bench, case)
        elif stage == "render":
            stages.run_render(bench, case, details["kind"], details["limit"])
        else:
            calibrations = self._calibrations(rerun)
            stages.run_recognize(bench, case, galleries[rerun.key], calibrations, explain=rerun.explained)

    # --- outcome ------------------------------------------------------------------------------------------------------

    def _note(self, case: Case, planned: Plan, verdict: Verdict) -> None:
        details = {
            "case_id": self.original.info.case_id,
            "ledger_head": self.original.ledger.head,
            "replayed": [each.name for each in planned.reruns],
            "not_replayed": [each.document() for each in planned.left_out],
            "bit_identical": verdict.identical,
            "outside": list(verdict.outside),
        }
        case.note(DONE, details, {"case": self.original.ledger.head})

    def _document(self, case: Case, planned: Plan, found: Differences, verdict: Verdict) -> dict[str, Any]:
        return {
            "case": str(self.original.root),
            "replay": str(case.root),
            "replayed": [each.name for each in planned.reruns],
            "not_replayed": [each.document() for each in planned.left_out],
            "bit_identical": verdict.identical,
            "elsewhere": list(verdict.elsewhere),
            "tolerance": verdict.tolerance,
            "outside": list(verdict.outside),
            "differences": found.document(),
            "ledger_head": case.ledger.head,
        }
