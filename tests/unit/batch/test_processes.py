"""The engine of worker processes: one outcome for every unit, whatever happens to the workers. Real processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from facerecon.batch.processes import ProcessEngine
from facerecon.batch.units import BEGUN, Note, Opening, Outcome, Progress, Unit
from facerecon.errors import ResourceError, UsageError
from tests.unit.batch.batch_cases import HERE

SCRIPTED = f"{HERE}:Scripted"


def units(*names: str) -> list[Unit]:
    return [Unit(number, f"/evidence/{name}") for number, name in enumerate(names)]


def outcomes(engine: ProcessEngine, given: list[Unit]) -> dict[int, Outcome]:
    found = [event for event in engine.run(given) if isinstance(event, Outcome)]
    assert len({each.number for each in found}) == len(found)
    return {each.number: each for each in found}


def test_every_unit_has_one_outcome_and_a_dead_worker_costs_its_unit_alone() -> None:
    given = units("a", "die", "b", "fail", "kill", "bug", "memory", "c")
    found = outcomes(ProcessEngine(Opening(SCRIPTED), 2), given)
    assert sorted(found) == list(range(len(given)))
    assert [found[n].status for n in sorted(found)] == ["done", "failed", "done", *["failed"] * 4, "done"]
    assert "exit 7" in found[1].reason
    assert found[3].reason == "source fail cannot be read"
    assert "SIGKILL" in found[4].reason
    assert "this is a bug: ZeroDivisionError" in found[5].reason
    assert "batch_cases.py" in found[5].trace
    assert [found[n].exit_code for n in (0, 1, 3, 4, 5, 6)] == [0, 5, 3, 5, 1, 5]


def test_a_worker_is_kept_from_unit_to_unit_and_its_idle_threads_do_not_spin() -> None:
    before = os.environ.get("OMP_WAIT_POLICY")
    found = outcomes(ProcessEngine(Opening(SCRIPTED), 1), units("a", "b", "c"))
    assert len({each.facts["process"] for each in found.values()}) == 1
    assert [found[n].facts["units"] for n in range(3)] == [1, 2, 3]
    assert {each.facts["waits"] for each in found.values()} == {"PASSIVE"}
    assert os.environ.get("OMP_WAIT_POLICY") == before


def test_progress_and_remarks_are_heard_and_a_unit_begins_before_it_ends() -> None:
    events = list(ProcessEngine(Opening(SCRIPTED), 1).run(units("note")))
    assert events[0] == Progress(0, BEGUN, 0, None)
    assert events[1] == Progress(0, "extract", 1, 2)
    assert events[2] == Note("a remark")
    assert isinstance(events[3], Outcome)
    assert len(events) == 4


def test_what_no_worker_can_open_ends_the_whole() -> None:
    with pytest.raises(UsageError, match="the gallery holds nobody"):
        list(ProcessEngine(Opening(SCRIPTED, {"refuse": True}), 2).run(units("a", "b")))
    with pytest.raises(ResourceError, match="before it could begin"):
        list(ProcessEngine(Opening(SCRIPTED, {"die": True}), 1).run(units("a")))


def test_nothing_to_do_starts_nothing() -> None:
    assert list(ProcessEngine(Opening("no.such.module:Runner"), 2).run([])) == []


def test_stopping_interrupts_what_is_under_way_and_gives_nothing_more_out(tmp_path: Path) -> None:
    engine = ProcessEngine(Opening(SCRIPTED, {"folder": str(tmp_path)}), 1)
    found: list[Outcome] = []
    for event in engine.run(units("a", "wait", "b")):
        if isinstance(event, Outcome):
            found.append(event)
        elif event == Progress(1, "extract", 1, 2):
            engine.stop()
    assert [(each.number, each.status) for each in found] == [(0, "done"), (1, "interrupted")]


def test_stopping_twice_kills(tmp_path: Path) -> None:
    engine = ProcessEngine(Opening(SCRIPTED, {"folder": str(tmp_path)}), 1)
    begun = time.monotonic()
    found = []
    for event in engine.run(units("wait")):
        if event == Progress(0, "extract", 1, 2):
            engine.stop()
            engine.stop()
        elif isinstance(event, Outcome):
            found.append(event.status)
    assert found == ["interrupted"]
    assert time.monotonic() - begun < 300
