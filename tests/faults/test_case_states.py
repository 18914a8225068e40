"""A case through any sequence of stages, failures, interruptions and crashes: reopened, nothing finished is lost.

A crash is a real one: a copy of this process works on the case and ends in the middle of a file's replacement.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from facerecon.case import Case
from facerecon.errors import EvidenceError, UsageError
from facerecon.ledger import LedgerEntry
from facerecon.manifest import verify
from facerecon.profiles import load_profile
from facerecon.records import Measurement
from tests.fakes import case_info

PROFILE = load_profile("standard")
STAGES = st.sampled_from(("extract", "enhance", "recognize"))
FILES = st.integers(0, 4)
CRASHED, WENT_THROUGH = 9, 0


def work(case: Case, stage: str, files: int, ending: BaseException | None = None) -> None:
    """Run a stage that writes some files and a record; what it writes depends on its place alone, as real stages do."""
    with case.stage(stage, {"seed": 0}, {}) as run:
        for number in range(files):
            run.write(f"faces/{stage}{run.number}/{number}.png", f"{stage} {run.number} {number}".encode() * 50)
        measured = Measurement(
            subject=stage, variant="bicubic", metric="PSNR", value=run.number, unit="dB", reference="none"
        )
        run.record(f"{stage}-figures", measured)
        if ending is not None:
            raise ending


def in_a_process_that_crashes(action: Callable[[], None], replacements: int, before: bool) -> int:
    """Do something in a copy of this process, which ends at its n-th replacement of a file; return its exit status."""
    pid = os.fork()
    if pid == 0:
        replace, count = os.replace, [replacements]

        def crashing(*arguments: Any, **options: Any) -> None:
            count[0] -= 1
            if count[0] == 0 and before:
                os._exit(CRASHED)
            replace(*arguments, **options)
            if count[0] == 0:
                os._exit(CRASHED)

        os.replace = crashing
        try:
            action()
            os._exit(WENT_THROUGH)
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Cases(RuleBasedStateMachine):
    """A case folder, and what of it must never be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="facerecon-states-"))
        self.root = self.folder / "case"
        self.case: Case | None = None
        self.entries: tuple[LedgerEntry, ...] = ()
        self.kept: dict[str, str] = {}

    def teardown(self) -> None:
        if self.case is not None:
            self.case.close()
        shutil.rmtree(self.folder)

    def _make(self) -> Case:
        return Case.create(self.root, case_info(PROFILE), PROFILE, {"format": "test"})

    @initialize(replacements=st.integers(0, 12), before=st.booleans())
    def created(self, replacements: int, before: bool) -> None:
        """Make the case, perhaps after a first try crashed."""
        if replacements:
            in_a_process_that_crashes(lambda: self._make().close(), replacements, before)
        try:
            self.case = Case.open(self.root)
        except UsageError:
            # It was never made to its end: whoever makes it starts it anew.
            self.case = self._make()

    @property
    def _open(self) -> Case:
        if self.case is None:
            self.case = Case.open(self.root)
        return self.case

    @rule(stage=STAGES, files=FILES)
    def finish(self, stage: str, files: int) -> None:
        work(self._open, stage, files)
        run = self._open.runs(stage)[-1]
        self.kept |= run.outputs

    @rule(stage=STAGES, files=FILES, interrupted=st.booleans())
    def end_badly(self, stage: str, files: int, interrupted: bool) -> None:
        ending = KeyboardInterrupt() if interrupted else EvidenceError("a reason")
        with pytest.raises(type(ending)):
            work(self._open, stage, files, ending)

    @rule()
    def note(self) -> None:
        self._open.note("reviewed", {})

    @rule(stage=STAGES, files=FILES, replacements=st.integers(1, 10), before=st.booleans())
    def crash(self, stage: str, files: int, replacements: int, before: bool) -> None:
        self.close()

        def worked() -> None:
            work(Case.open(self.root), stage, files)

        status = in_a_process_that_crashes(worked, replacements, before)
        assert status in (CRASHED, WENT_THROUGH)
        if status == WENT_THROUGH:
            self.kept |= self._open.runs(stage)[-1].outputs

    @precondition(lambda self: self.case is not None)
    @rule()
    def close(self) -> None:
        if self.case is not None:
            self.case.close()
        self.case = None

    @rule()
    def open_twice(self) -> None:
        assert self._open.root == self.root
        with pytest.raises(UsageError):
            Case.open(self.root)

    @invariant()
    def all_is_there(self) -> None:
        case = self._open
        verify(self.root)
        assert case.ledger.entries[: len(self.entries)] == self.entries
        self.entries = case.ledger.entries
        digests = case.digests()
        assert {name: digests.get(name) for name in self.kept} == self.kept
        for name in self.kept:
            assert case.bytes_of(name)
        on_disk = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}
        assert not [name for name in on_disk if ".tmp" in name]
        strangers = on_disk - set(digests) - {"ledger.jsonl", "manifest.json"}
        assert not [name for name in strangers if not Path(name).name.startswith(".")], strangers


TestCases = Cases.TestCase
TestCases.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
