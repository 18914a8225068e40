"""The processing record: each stage's parameters, steps, models, software and durations (R09, R10). Owns its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from facerecon.records import RestoredRecord
from facerecon.report.blocks import Block, Cell, Column, Fact, Facts, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.history import STATES, StageHistory, mapping
from facerecon.report.language import message, tr, trc
from facerecon.report.notation import DASH, duration, flat, shown, utc, value
from facerecon.report.recorded import recorded

_STEP_KEYS = ("name", "description", "reference", "parameters", "learned")
_MODEL_FACTS = (
    ("role", message("Role")),
    ("architecture", message("Architecture")),
    ("provider", message("Provider")),
    ("source", message("Source")),
    ("source_sha256", message("Source SHA-256")),
    ("weights_sha256", message("Weights SHA-256")),
    ("licence", message("Licence")),
    ("training_data", message("Training data")),
    ("reference", message("Reference")),
    ("device", message("Device")),
    ("precision", message("Precision")),
)


def processing_section(report: CaseReport, stages: Mapping[str, StageHistory]) -> Section:
    """Return the section that says what was done, with what, and after which reference."""
    children = tuple(_stage(history, report) for history in stages.values() if history.name != "report")
    return Section("processing", tr("Processing record"), (_settings(report), *_software(stages)), children)


def _settings(report: CaseReport) -> Facts:
    return Facts(
        (
            Fact(
                tr("Profile"), tr("{profile}, printed in full in the appendix", profile=shown(report.info.profile_name))
            ),
            Fact(tr("Profile SHA-256"), report.info.profile_sha256, mono=True),
        )
    )


def _software(stages: Mapping[str, StageHistory]) -> Iterator[Block]:
    """Yield the software of all stages; one table when it is the same for all that ran."""
    runtimes = {history.name: dict(flat(mapping(history.details.get("runtime")))) for history in stages.values()}
    ran = {name: runtime for name, runtime in runtimes.items() if runtime}
    if not ran:
        yield Text(tr("The ledger does not say which software ran."), "note")
        return
    columns = (Column(tr("Software"), weight=1), Column(tr("Version"), weight=2), Column(tr("Stages"), weight=1.4))
    versions: dict[tuple[str, str], list[str]] = {}
    for name, runtime in ran.items():
        for pair in runtime.items():
            versions.setdefault(pair, []).append(name)
    rows = tuple(
        (Cell(key), Cell(text), Cell(trc("stages", "all") if len(names) == len(ran) else ", ".join(names)))
        for (key, text), names in versions.items()
    )
    yield Table(tr("Software and hardware in use."), columns, rows)


# --- a stage ----------------------------------------------------------------------------------------------------------


def _stage(history: StageHistory, report: CaseReport) -> Section:
    blocks: list[Block] = []
    if history.state == "not run":
        blocks.append(Text(tr("Not run.")))
    else:
        blocks.append(Facts(tuple(_stage_facts(history))))
        blocks += _steps(history, report.restored if history.name == "enhance" else ())
        blocks += _parameters(history)
        blocks += _models(history)
    return Section(f"stage-{history.name}", tr("Stage {name}", name=history.name), tuple(blocks))


def _stage_facts(history: StageHistory) -> Iterator[Fact]:
    yield Fact(tr("State"), tr(STATES[history.state]) + (f": {recorded(history.reason)}" if history.reason else ""))
    yield Fact(tr("Began"), utc(history.started_utc) or tr("not recorded"))
    yield Fact(tr("Ended"), utc(history.ended_utc) or tr("not recorded"))
    yield Fact(tr("Runs finished"), str(history.runs))
    if "seed" in history.details:
        yield Fact(tr("Seed"), value(history.details["seed"]))
    if history.durations:
        parts = (f"{shown(name)} {duration(took)}" for name, took in history.durations.items())
        yield Fact(tr("Time spent"), ", ".join(parts))
    for key, label in (
        ("gallery", message("Gallery")),
        ("gallery_folder", message("Gallery")),
        ("threshold", message("Threshold")),
    ):
        if key in history.details:
            yield Fact(tr(label), value(history.details[key]))


def _parameters(history: StageHistory) -> Iterator[Table]:
    pairs = [pair for pair in flat(mapping(history.details.get("parameters"))) if ".steps." not in pair[0]]
    if pairs:
        columns = (Column(tr("Parameter"), weight=1), Column(tr("Value"), weight=1.4))
        rows = tuple((Cell(key), Cell(text)) for key, text in pairs)
        yield Table(tr("Parameters of stage {name}.", name=history.name), columns, rows)


def _steps(history: StageHistory, restored: tuple[RestoredRecord, ...]) -> Iterator[Table]:
    steps = enhancement_steps(history, restored)
    if not steps:
        return
    columns = (
        Column(tr("Step"), weight=1.1),
        Column(tr("What it does"), weight=2.4),
        Column(tr("Reference"), weight=1.7),
        Column(tr("Parameters"), weight=1.5),
        Column(tr("Learned"), weight=0.7),
    )
    rows = tuple(_step_row(number, step) for number, step in enumerate(steps, start=1))
    yield Table(tr("Processing steps in order, the same for every enhanced picture."), columns, rows)


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
        Cell(recorded(step.get("description", DASH))),
        Cell(shown(step.get("reference", "")) or DASH),
        Cell(parameters or DASH),
        Cell(tr("yes") if learned else tr("no"), strong=learned),
    )


def _told(key: str, text: str) -> str:
    return recorded(text) if key == "training_data" else text


def _models(history: StageHistory) -> Iterator[Block]:
    for model in history.models:
        yield Text(tr("Model {name}", name=shown(model.get("id", tr("without a name")))), "lead")
        yield Facts(
            tuple(
                Fact(tr(label), _told(key, value(model[key])), mono=key.endswith("sha256"))
                for key, label in _MODEL_FACTS
                if key in model
            )
        )
