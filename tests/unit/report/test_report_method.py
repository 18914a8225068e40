"""The Method section says what ran, with what, after which paper, where it fails; figures stand in documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_example as example
import report_ledger
from report_reading import strings

from facerecon.errors import ResourceError
from facerecon.filters.catalogue import DESCRIPTIONS
from facerecon.profiles import load_profile, shipped_profiles
from facerecon.report import method
from facerecon.report.blocks import Section, Table
from facerecon.report.content import CaseReport
from facerecon.report.history import stage_history
from facerecon.report.measured import FigureTable, load_figures
from facerecon.report.method import method_section
from facerecon.weights import load_registry

ROOT = Path(__file__).parents[3]
TABLES = load_figures().tables
LOWLIGHT = "Enhanced pictures against their truth"


def made(report: CaseReport) -> Section:
    stages = {name: stage_history(report.ledger, name) for name in ("extract", "enhance", "recognize", "report")}
    return method_section(report, stages)


def words(section: Section) -> str:
    return "\n".join(strings(section))


def children(section: Section) -> dict[str, Section]:
    return {child.id: child for child in section.children}


def with_details(stage: str, **changes: Any) -> CaseReport:
    """The full case, whose line on a finished stage says something else."""
    lines = [
        (entry.action, {**entry.details, **(changes if entry.action == f"{stage}.finished" else {})})
        for entry in report_ledger.LEDGER
    ]
    entries = report_ledger.ledger(*lines)
    return replace(example.full_case(), ledger=entries, ledger_head=entries[-1].hash)


# --- what ran ---------------------------------------------------------------------------------------------------------


def test_only_stages_that_ran_are_described() -> None:
    assert set(children(made(example.extract_only_case()))) == {"method-extract"}
    assert set(children(made(example.full_case()))) == {
        "method-extract",
        "method-enhance",
        "method-recognize",
        "method-figures",
    }
    assert not made(replace(example.full_case(), ledger=report_ledger.ledger(report_ledger.CREATED))).children


def test_every_step_has_plain_words_and_known_limits() -> None:
    for child in made(example.full_case()).children[:-1]:
        names = [block for block in child.blocks if getattr(block, "tone", "") == "lead"]
        facts = [block for block in child.blocks if block.kind == "facts"]
        assert names
        assert len(names) == len(facts)
        for block in facts:
            found = {fact.label: fact.value for fact in block.rows}
            assert len(found["What it does"]) > 20
            assert len(found["Known limits"]) > 20


def test_steps_are_the_ledgers_with_parameters_reference_and_weights() -> None:
    text = words(children(made(example.full_case()))["method-enhance"])
    for step in report_ledger.ENHANCED["steps"]:
        assert step["description"] in text
        assert step["reference"] in text
    assert "gamma 1.6" in text
    assert report_ledger.MODEL["weights_sha256"] in text


def test_glances_at_large_frames_are_told_where_there_were_any() -> None:
    seen = {"searched_percent": 35.6, "searched_again": 0}
    without = words(children(made(with_details("extract", search=seen)))["method-extract"])
    with_some = words(children(made(with_details("extract", search={**seen, "glanced": 354})))["method-extract"])
    assert "reduced" not in without
    assert "Looking at large frames reduced" in with_some
    assert with_some.count("glanced 354") == 1


def test_a_changed_parameter_changes_the_words() -> None:
    changed = {**report_ledger.EXTRACTED["parameters"]}
    changed["extract"] = {"sample": {"mode": "every", "value": 7}, "motion": {"enabled": True, "block_px": 24}}
    before, after = words(made(example.full_case())), words(made(with_details("extract", parameters=changed)))
    assert "multiple of 7" in after
    assert "block_px 24" in after
    assert "multiple of 7" not in before
    assert "Leaving out still frames" not in before


def test_every_kind_of_step_has_known_limits() -> None:
    assert set(DESCRIPTIONS) | {"fusion", "restore"} == set(method._LIMITS)


def test_a_ledger_with_odd_details_is_described_all_the_same() -> None:
    for odd in (None, [], "x", {"extract": [1], "detect": None, "shots": 3}):
        report = with_details("extract", parameters=odd, models=odd, preparation=odd)
        assert "Tracking" in words(made(report))


# --- figures ----------------------------------------------------------------------------------------------------------


def cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip()[1:-1].split("|")]


def documented(table: FigureTable) -> Iterator[dict[str, str]]:
    """The rows of the document's section; a row of two cells is the condition and the sample of those below it."""
    text = (ROOT / table.document).read_text(encoding="utf-8")
    title = re.search(rf"^#+ {re.escape(table.section)}$", text, re.MULTILINE)
    assert title, f"{table.document} has no section '{table.section}'"
    section = re.split(r"^#", text[title.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    head, _, *lines = [cells(line) for line in section.splitlines() if line.startswith("|")]
    group: dict[str, str] = {}
    for line in lines:
        if len(line) == 2:
            group = {"condition": line[0], "sample": line[1]}
        else:
            # Of headings that are the same (empty ones), the first counts.
            yield {**dict(reversed(list(zip(head, line, strict=True)))), **group}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.title}, {table.rows[0].of}")
def test_every_figure_stands_in_its_document(table: FigureTable) -> None:
    rows = list(documented(table))
    for row in table.rows:
        assert any(
            tuple(found[column] for column in table.columns) == row.values
            and {row.condition, row.sample} <= set(found.values())
            and (table.concerns != "profile" or row.of in found.values() or f"`{row.of}`" in table.section)
            for found in rows
        ), (row.of, row.condition)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.title}, {table.rows[0].of}")
def test_every_command_and_date_stands_in_its_document(table: FigureTable) -> None:
    text = re.sub(r"\s+", " ", (ROOT / table.document).read_text(encoding="utf-8"))
    assert table.command in text
    assert f"Measured on {table.measured}" in text


def test_figures_are_of_profiles_and_recognizers_that_exist() -> None:
    known = {
        "profile": set(shipped_profiles()),
        "fusion": {"fusion"},
        "recognizer": {entry.id for entry in load_registry().weights if entry.role == "recognition"},
    }
    for table in TABLES:
        assert {row.of for row in table.rows} <= known[table.concerns]


def test_the_section_shows_the_figures_of_the_cases_profile_and_model_only() -> None:
    figures = children(made(example.full_case()))["method-figures"]
    shown = [block for block in figures.blocks if isinstance(block, Table)]
    conditions = {row[0].text for table in shown if table.caption.startswith(LOWLIGHT) for row in table.rows}
    assert conditions == {"dark", "dark and noisy"}
    assert any("dlib-resnet" in table.caption for table in shown)
    assert not any("dlib-lq" in table.caption for table in shown)
    for table in shown:
        assert "docs/" in table.caption
        assert "python" in table.caption or "facerecon evaluate" in table.caption


def test_a_changed_profile_is_said_to_be_one() -> None:
    warning = "not profile lowlight as this version"
    report = example.full_case()
    assert warning in words(made(report))
    shipped = report.info.model_copy(update={"profile_sha256": load_profile("lowlight").digest})
    assert warning not in words(made(replace(report, info=shipped)))


def test_a_profile_without_figures_gets_none_and_its_name_is_no_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("not: a profile")
    report = example.full_case()
    named = report.info.model_copy(update={"profile_name": str(path)})
    assert f"No figures were published for profile {path}." in words(made(replace(report, info=named)))


@pytest.mark.parametrize(
    "content",
    [
        "schema: 2\ntables: []\n",
        "schema: 1\ntables: [{title: x}]\n",
        "[",
        "schema: 1\ntables:\n- {title: t, concerns: profile, document: d, section: s, command: c, measured: m, "
        "note: n, sample: s, measures: [a], columns: [a], "
        "rows: [{of: o, condition: c, sample: s, values: ['1', '2']}]}\n",
    ],
)
def test_a_broken_figures_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "figures.yaml"
    path.write_text(content)
    with pytest.raises(ResourceError, match=re.escape(str(path))):
        load_figures(path)
