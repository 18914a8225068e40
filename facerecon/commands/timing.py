"""Where the time of a case went, by stage and step: `--profile-time`. Reads the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.table import Table

from facerecon.case import Case
from facerecon.ledger import LedgerEntry

BESIDE = {
    "extract": frozenset({"decode", "motion", "hash", "wait for frames", "journal", "detect", "track"}),
    "enhance": frozenset({"fuse"}),
}
"""Steps of each stage that run in threads of their own, beside the others; "motion" only in older cases."""
REST = "writing, hashing and the rest"


def steps_of(case: Case) -> list[dict[str, Any]]:
    """Return the steps of every finished run of a stage, in the ledger's order; each run's rest comes last.

    Returns:
        {stage, step, seconds, beside}: seconds of wall clock, and whether it ran beside the others.
    """
    found: list[dict[str, Any]] = []
    begun: dict[str, LedgerEntry] = {}
    for entry in case.ledger.entries:
        stage, _, ending = entry.action.partition(".")
        if ending == "started":
            begun[stage] = entry
        elif ending == "finished" and stage in begun:
            found += _steps(stage, begun[stage], entry)
    return found


def _steps(stage: str, began: LedgerEntry, ended: LedgerEntry) -> Iterator[dict[str, Any]]:
    known = 0.0
    for name, seconds in dict(ended.details.get("durations_s", {})).items():
        beside = name in BESIDE.get(stage, ())
        known += 0.0 if beside else seconds
        yield {"stage": stage, "step": name, "seconds": seconds, "beside": beside}
    resumed = ended.details.get("resumed", {})
    for what, unit in (("frames_from_journal", "frames"), ("parts_from_journal", "parts")):
        if isinstance(resumed, Mapping) and resumed.get(what):
            text = f"{resumed[what]} {unit} of an interrupted run, not done again"
            yield {"stage": stage, "step": text, "seconds": 0.0, "beside": False}
    whole = (datetime.fromisoformat(ended.utc) - datetime.fromisoformat(began.utc)).total_seconds()
    yield {"stage": stage, "step": REST, "seconds": round(max(whole - known, 0.0), 3), "beside": False}


def table(steps: Sequence[Mapping[str, Any]]) -> Table:
    """Return the steps for people, with each one's share of all that ran one after the other."""
    whole = sum(step["seconds"] for step in steps if not step["beside"])
    shown = Table("stage", "step", box=box.SIMPLE_HEAD, title="Where the time went", title_justify="left")
    shown.add_column("seconds", justify="right")
    shown.add_column("share", justify="right")
    for step in steps:
        share = "beside" if step["beside"] else f"{100 * step['seconds'] / max(whole, 1e-9):.0f} %"
        shown.add_row(step["stage"], step["step"], f"{step['seconds']:.2f}", share)
    return shown
