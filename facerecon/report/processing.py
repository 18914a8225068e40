"""The processing record: each stage's parameters, steps, models, software and durations (R09, R10). Owns its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from facerecon.records import RestoredRecord
from facerecon.report.blocks import Block, Cell, Column, Fact, Facts, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.history import StageHistory, mapping
from facerecon.report.notation import DASH, duration, flat, shown, utc, value

_STEP_KEYS = ("name", "description", "reference", "parameters", "learned")
_MODEL_FACTS = (
    ("role", "Role"),
    ("architecture", "Architecture"),
    ("provider", "Provider"),
    ("source", "Source"),
    ("source_sha256", "Source SHA-256"),
    ("weights_sha256", "Weights SHA-256"),
    ("licence", "Licence"),
    ("training_data", "Training data"),
    ("reference", "Reference"),
    ("device", "Device"),
    ("precision", "Precision"),
)


def processing_section(report: CaseReport, stages: Mapping[str, StageHistory]) -> Section:
    """Return the section that says what was done, with what, and after which reference."""
    children = tuple(_stage(history, report) for history in stages.values() if history.name != "report")
    return Section("processing", "Processing record", (_settings(report), *_software(stages)), children)


def _settings(report: CaseReport) -> Facts:
    return Facts(
        (
            Fact("Profile", f"{shown(report.info.profile_name)}, printed in full in the appendix"),
            Fact("Profile SHA-256", report.info.profile_sha256, mono=True),
        )
    )


def _software(stages: Mapping[str, StageHistory]) -> Iterator[Block]:
    """Yield the software of all stages; one table when it is the same for all that ran."""
    runtimes = {history.name: dict(flat(mapping(history.details.get("runtime")))) for history in stages.values()}
    ran = {name: runtime for name, runtime in runtimes.items() if runtime}
    if not ran:
        yield Text("The ledger does not say which software ran.", "note")
        return
    columns = (Column("Software", weight=1), Column("Version", weight=2), Column("Stages", weight=1.4))
    versions: dict[tuple[str, str], list[str]] = {}
    for name, runtime in ran.items():
        for pair in runtime.items():
            versions.setdefault(pair, []).append(name)
    rows = tuple(
        (Cell(key), Cell(text), Cell("all" if len(names) == len(ran) else ", ".join(names)))
        for (key, text), names in versions.items()
    )
    yield Table("Software and hardware in use.", columns, rows)


# --- a stage ----------------------------------------------------------------------------------------------------------


def _stage(history: StageHistory, report: CaseReport) -> Section:
    blocks: list[Block] = []
    if history.state == "not run":
        blocks.append(Text("Not run."))
    else:
        blocks.append(Facts(tuple(_stage_facts(history))))
        blocks += _steps(history, report.restored if history.name == "enhance" else ())
        blocks += _parameters(history)
        blocks += _models(history)
    return Section(f"stage-{history.name}", f"Stage {history.name}", tuple(blocks))


def _stage_facts(history: StageHistory) -> Iterator[Fact]:
    yield Fact("State", history.state + (f": {shown(history.reason)}" if history.reason else ""))
    yield Fact("Began", utc(history.started_utc) or "not recorded")
    yield Fact("Ended", utc(history.ended_utc) or "not recorded")
    yield Fact("Runs finished", str(history.runs))
    if "seed" in history.details:
        yield Fact("Seed", value(history.details["seed"]))
    if history.durations:
        parts = (f"{shown(name)} {duration(took)}" for name, took in history.durations.items())
        yield Fact("Time spent", ", ".join(parts))
    for key, label in (("gallery", "Gallery"), ("gallery_folder", "Gallery"), ("threshold", "Threshold")):
        if key in history.details:
            yield Fact(label, value(history.details[key]))


def _parameters(history: StageHistory) -> Iterator[Table]:
    pairs = [pair for pair in flat(mapping(history.details.get("parameters"))) if ".steps." not in pair[0]]
    if pairs:
        columns = (Column("Parameter", weight=1), Column("Value", weight=1.4))
        rows = tuple((Cell(key), Cell(text)) for key, text in pairs)
        yield Table(f"Parameters of stage {history.name}.", columns, rows)


def _steps(history: StageHistory, restored: tuple[RestoredRecord, ...]) -> Iterator[Table]:
    steps = enhancement_steps(history, restored)
    if not steps:
        return
    columns = (
        Column("Step", weight=1.1),
        Column("What it does", weight=2.4),
        Column("Reference", weight=1.7),
        Column("Parameters", weight=1.5),
        Column("Learned", weight=0.7),
    )
    rows = tuple(_step_row(number, step) for number, step in enumerate(steps, start=1))
    yield Table("Processing steps in order, the same for every enhanced picture.", columns, rows)


def enhancement_steps(history: StageHistory, restored: tuple[RestoredRecord, ...]) -> tuple[Mapping[str, Any], ...]:
    """Return the steps of a stage, as its ledger lines list them, else as the pictures' records do."""
    return history.steps or tuple(_steps_of(restored))


def _steps_of(restored: tuple[RestoredRecord, ...]) -> Iterator[Mapping[str, Any]]:
    seen = set()
    for record in restored:
        for step in record.steps:
            plain = step.model_dump(mode="json", include=set(_STEP_KEYS))
            key = json.dumps(plain, sort_keys=True)
            if key not in seen:
                seen.add(key)
                yield plain


def _step_row(number: int, step: Mapping[str, Any]) -> tuple[Cell, ...]:
    parameters = "; ".join(f"{key} {text}" for key, text in flat(mapping(step.get("parameters"))))
    learned = bool(step.get("learned"))
    return (
        Cell(f"{number}. {shown(step.get('name', DASH))}", strong=True),
        Cell(shown(step.get("description", DASH))),
        Cell(shown(step.get("reference", "")) or DASH),
        Cell(parameters or DASH),
        Cell("yes" if learned else "no", strong=learned),
    )


def _models(history: StageHistory) -> Iterator[Block]:
    for model in history.models:
        yield Text(f"Model {shown(model.get('id', 'without a name'))}", "lead")
        yield Facts(
            tuple(
                Fact(label, value(model[key]), mono=key.endswith("sha256"))
                for key, label in _MODEL_FACTS
                if key in model
            )
        )
