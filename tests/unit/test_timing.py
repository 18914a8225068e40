"""Where the time went: what the ledger tells, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from facerecon.case import Case
from facerecon.commands import timing
from tests.safety.safety_cases import copied


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return copied(tmp_path)


def test_steps_are_those_of_the_ledger_and_each_run_has_a_rest(case: Path) -> None:
    with Case.view(case) as opened:
        steps = timing.steps_of(opened)
        for stage in ("extract", "enhance", "recognize", "report"):
            for run, rest in zip(
                opened.runs(stage), [s for s in steps if s["stage"] == stage and s["step"] == timing.REST], strict=True
            ):
                assert rest["seconds"] >= 0
                recorded = run.details.get("durations_s", {})
                # A stage that ran twice has each of its steps twice.
                assert recorded.items() <= {(s["step"], s["seconds"]) for s in steps if s["stage"] == stage}


def test_what_runs_beside_the_others_has_no_share() -> None:
    steps = [
        {"stage": "extract", "step": "decode", "seconds": 9.0, "beside": True},
        {"stage": "extract", "step": "detect", "seconds": 3.0, "beside": False},
        {"stage": "enhance", "step": "restore", "seconds": 1.0, "beside": False},
    ]
    console = Console(width=80, file=None, record=True)
    with console.capture() as shown:
        console.print(timing.table(steps))
    lines = {line.split()[1]: line.split()[-2:] for line in shown.get().splitlines() if line.strip().startswith("e")}
    assert lines["decode"] == ["9.00", "beside"]
    assert lines["detect"] == ["75", "%"]
    assert lines["restore"] == ["25", "%"]
