"""What a worker of a batch does with one source: the whole job, as `facerecon run` does it. Named by `OPENING`.

Models, calibrations and the gallery are kept from one source to the next. Prints nothing: what is to be said is heard.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerecon.batch.addresses import Address, parse
from facerecon.batch.completeness import lacking
from facerecon.batch.origin import is_of, note
from facerecon.batch.staging import Copy, Staging
from facerecon.batch.stores import Stated, require
from facerecon.batch.units import Hear, Note, Progress, Unit
from facerecon.case import Case
from facerecon.characters import is_text
from facerecon.commands.run import Wanted, complete
from facerecon.commands.stages import run_enroll
from facerecon.commands.workbench import Facts, Workbench
from facerecon.console import Console
from facerecon.errors import AnotherSourceError, FacereconError, IntegrityError
from facerecon.locks import is_held
from facerecon.records import Candidate

if TYPE_CHECKING:
    from facerecon.pipeline.enrolment import Gallery
    from facerecon.video import Source

OPENING = "facerecon.commands.batch_worker:CaseRunner"
_HEARD_EVERY_S = 1.0
_LONGEST_WAIT_S = 120.0
_MOST_NOTES = 20


class CaseRunner:
    """Makes, or goes on with, the case of each source."""

    def __init__(self, options: Mapping[str, Any], hear: Hear) -> None:
        """Open what every source needs; `options` are those of `facerecon batch`, see `facerecon.commands.batch`.

        Raises:
            UsageError: the gallery or a calibration cannot be used, or a package for URLs is missing.
            IntegrityError: a weight, the gallery or a calibration was changed.
            ResourceError: a model's weights are not here.
        """
        self._console = _Relay(hear)
        self._facts = options["operator"], options["purpose"]
        self._bench = Workbench(self._console, options["profile"], tuple(options["set"]), options["device"])
        self._wanted = Wanted(
            options["pdf"],
            options["language"],
            tuple(Path(each) for each in options["calibration"]),
            options["explain"],
        )
        self._staging = _staging(options.get("remote"))
        self._gallery: Gallery | None = None
        if options["gallery"] is not None:
            self._bench.calibrations(self._wanted.calibration)
            self._gallery = run_enroll(self._bench, Path(options["gallery"]))

    def run(self, unit: Unit) -> Mapping[str, Any]:
        """Finish one case and return {counts, ledger_head, whole}; `whole`: nothing of it was there before."""
        root = Path(unit.case)
        self._console.number = unit.number
        self._bench.facts = Facts(unit.case_id if is_text(unit.case_id) else None, *self._facts)
        new = not (root / "case.json").exists()
        if not new:
            _wait_for_others(root)
        with contextlib.ExitStack() as held:
            held.enter_context(self._named(unit))
            opened, evidence = self._opened(unit, root, held)
            self._bench.require_same_profile(opened)
            if lacking(opened, None if self._gallery is None else self._gallery.inputs):
                complete(self._bench, opened, evidence, self._gallery, self._wanted)
            facts = {"counts": counts(opened), "ledger_head": opened.ledger.head, "whole": new}
            return facts if unit.stated is None else {**facts, "footage_s": footage_s(opened)}

    def _opened(self, unit: Unit, root: Path, held: contextlib.ExitStack) -> tuple[Case, Source | None]:
        """Open a unit's case and source until `held` ends; no source where the case needs no footage any more."""
        if unit.stated is None:
            case, source = self._case_for(unit, Path(unit.source), root)
            held.callback(case.close)
            return case, source
        address, stated = parse(unit.source), Stated(**unit.stated)
        if _is_extracted(root, unit.source, stated):
            return held.enter_context(self._bench.open_case(root)), None
        copy = held.enter_context(self._copied(address, stated))
        case, source = self._case_for(unit, copy.path, root)
        held.callback(case.close)
        if source.record.sha256 != copy.sha256:
            raise IntegrityError(
                f"the local copy {copy.path} is not what was read from {unit.source}; look at that disk"
            )
        if not case.runs("extract"):
            note(case, copy)
        return case, source

    @contextlib.contextmanager
    def _named(self, unit: Unit) -> Iterator[None]:
        """Let what goes wrong inside the block speak of the object, not of its copy, which is gone then."""
        try:
            yield
        except FacereconError as error:
            if unit.stated is not None and self._staging is not None:
                copy = str(self._staging.place(parse(unit.source)))
                error.args = tuple(
                    each.replace(copy, unit.source) if isinstance(each, str) else each for each in error.args
                )
            raise

    @contextlib.contextmanager
    def _copied(self, address: Address, stated: Stated) -> Iterator[Copy]:
        assert self._staging is not None
        self._console.started("copy", stated.size_bytes)

        def heard(count: int) -> None:
            self._console.advanced("copy", count)

        with self._staging.copied(address, stated, heard, self._console.noted) as copy:
            yield copy

    def _case_for(self, unit: Unit, path: Path, root: Path) -> tuple[Case, Source]:
        try:
            return self._bench.case_for(path, root, enhance=True, recognize=self._gallery is not None)
        except AnotherSourceError as error:
            raise IntegrityError(
                f"{error.args[0].partition(';')[0]}: {unit.source} was changed or replaced since; keep that case, move "
                "its folder away, and run again"
            ) from None


def _staging(remote: Mapping[str, Any] | None) -> Staging | None:
    """Return where objects of a store are copied to, cleared of what killed workers left.

    Raises:
        UsageError: a package is missing here.
    """
    if remote is None:
        return None
    for scheme in remote["schemes"]:
        require(scheme)
    staging = Staging(Path(remote["staging"]), remote["min_free_gb"])
    staging.clear()
    return staging


def _is_extracted(root: Path, url: str, stated: Stated) -> bool:
    """Tell whether all footage of this version of an object was examined; the case needs no copy of it then."""
    if not (root / "case.json").is_file():
        return False
    try:
        with Case.view(root) as case:
            return bool(case.runs("extract")) and is_of(case, url, stated)
    except FacereconError:
        # Whoever opens the case says what is wrong with it.
        return False


def footage_s(case: Case) -> float | None:
    """Return the seconds of footage of a case as the source's header says, 0 for a picture; None: it does not say."""
    if case.info.source.kind == "image":
        return 0.0
    microseconds = json.loads(case.bytes_of("records/probe.json")).get("duration_us_from_header")
    return microseconds / 1e6 if isinstance(microseconds, int) and microseconds > 0 else None


def counts(case: Case) -> dict[str, int | None]:
    """Return {frames, faces, tracks, candidates} of a case.

    `candidates`: pairs of a track and a person above the threshold, by original pixels; None: not compared.
    """
    details = case.runs("extract")[-1].details
    runs = len(case.runs("recognize"))
    found = case.read(Candidate, "candidates", runs) if runs else []
    leads = {(each.track, each.identity, each.person_id) for each in found if each.primary and each.above_threshold}
    return {
        "frames": details["counts"]["frames"]["requested"],
        "faces": details["counts"]["faces"]["written"],
        "tracks": details["tracks"],
        "candidates": len(leads) if runs else None,
    }


def _wait_for_others(root: Path) -> None:
    """Wait until nobody works on a case any more: the workers of a batch that was killed put their work away first."""
    until = time.monotonic() + _LONGEST_WAIT_S
    while time.monotonic() < until and is_held(root):
        time.sleep(0.2)


class _Relay(Console):
    """A console that shows nothing: progress and remarks are told to whoever started the worker."""

    def __init__(self, hear: Hear) -> None:
        super().__init__(quiet=True)
        self.number = -1
        self._hear, self._notes = hear, 0
        self._stage, self._done = "", 0
        self._total: int | None = None
        self._heard = 0.0

    def started(self, stage: str, total: int | None) -> None:
        self._stage, self._done, self._total = stage, 0, total

    def advanced(self, stage: str, count: int = 1) -> None:
        self._done += count if stage == self._stage else 0
        if self.number >= 0 and time.monotonic() - self._heard >= _HEARD_EVERY_S:
            self._heard = time.monotonic()
            self._hear(Progress(self.number, self._stage, self._done, self._total))

    def finished(self, stage: str) -> None:
        del stage

    def noted(self, message: str) -> None:
        self._notes += 1
        # A large gallery can refuse thousands of pictures.
        if self.number >= 0 or self._notes <= _MOST_NOTES:
            self._hear(Note(message, self.number))

    def warn(self, message: str) -> None:
        self._hear(Note(f"warning: {message}", self.number))
