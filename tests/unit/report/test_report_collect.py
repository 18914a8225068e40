"""What a report takes from a case of the strength of evidence, and what terminal and JSON say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_calibrations
import report_example as example
import report_facts
from rich.console import Console

from facerecon.case import Case
from facerecon.commands import views
from facerecon.errors import IntegrityError
from facerecon.likelihood import Calibration, calibration_bytes
from facerecon.pipeline.reporting import collect
from facerecon.pipeline.summaries import recognize_summary
from facerecon.profiles import load_profile
from facerecon.report.html import render_html
from facerecon.report.sections import document


def compared(
    folder: Path, calibrations: Mapping[str, Calibration], explained: bool = False, runs: int = 1
) -> tuple[Case, Any]:
    """A case whose comparison has run, with calibrations at the given paths; and the report that it came from."""
    report = example.full_case()
    case = Case.create(folder / "case", report_facts.info(), load_profile("standard"), {})
    for _ in range(runs):
        with case.stage("recognize", {"skipped": {}}, {}) as run:
            run.declare("gallery", "embeddings", "recognize-skipped")
            run.record("candidates", *report.candidates)
            for path, by in calibrations.items():
                run.write(path, calibration_bytes(by))
            if explained:
                run.record("explanations", *report.explanations)
    return case, report


def at(by: Calibration) -> str:
    return f"calibrations/{by.sha256[:16]}.json"


def shown(case: Case) -> str:
    console = Console(width=220, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(views.candidates(recognize_summary(case)))
    return capture.get()


@pytest.mark.parametrize("runs", [1, 2])
def test_calibrations_and_explanations_of_the_latest_comparison_are_read(tmp_path: Path, runs: int) -> None:
    one, other = report_calibrations.calibration(), report_calibrations.calibration(variant="original")
    case, report = compared(tmp_path, {at(one): one, at(other): other}, explained=True, runs=runs)
    content = collect(case)
    assert content.calibrations == (one, other)
    assert content.explanations == report.explanations
    assert content.candidates == report.candidates


def test_a_case_without_calibrations_or_explanations_has_none(tmp_path: Path) -> None:
    content = collect(compared(tmp_path, {})[0])
    assert (content.calibrations, content.explanations) == ((), ())
    with pytest.raises(IntegrityError, match="which the case lacks"):
        document(content)


def test_a_calibration_under_anothers_name_stops_the_report(tmp_path: Path) -> None:
    one, other = report_calibrations.calibration(), report_calibrations.calibration(variant="original")
    case, _ = compared(tmp_path, {at(one): other})
    with pytest.raises(IntegrityError, match="not the calibration that its name says"):
        collect(case)


@pytest.mark.parametrize("content", [b"[]", b"[1]", b"{", b"{}", b"\xff"])
def test_a_file_that_is_no_calibration_stops_the_report(tmp_path: Path, content: bytes) -> None:
    case = Case.create(tmp_path / "case", report_facts.info(), load_profile("standard"), {})
    with case.stage("recognize", {}, {}) as run:
        run.declare("gallery", "embeddings", "candidates", "recognize-skipped")
        run.write("calibrations/0123456789abcdef.json", content)
    with pytest.raises(IntegrityError, match="not a calibration that this version reads"):
        collect(case)


def test_json_names_the_calibration_or_the_reason(tmp_path: Path) -> None:
    by = report_calibrations.calibration()
    case, report = compared(tmp_path, {at(by): by})
    listed = recognize_summary(case)["candidates"]
    assert len(listed) == len(report.candidates)
    for line, candidate in zip(listed, report.candidates, strict=True):
        given = ("likelihood_ratio", "support", "calibration_sha256", "limited", "bin")
        if candidate.strength is None:
            assert [line[key] for key in given] == [None] * len(given)
            assert line["calibration"] == candidate.no_strength
        else:
            assert line["likelihood_ratio"] == candidate.strength.likelihood_ratio
            assert line["support"] == candidate.strength.support
            assert (line["calibration"], line["calibration_sha256"]) == (by.name, by.sha256)
            assert by.find(line["bin"])
            assert line["limited"] is False


def test_the_terminal_shows_ratio_and_word_and_each_reason_once(tmp_path: Path) -> None:
    by = report_calibrations.calibration()
    text = shown(compared(tmp_path, {at(by): by})[0])
    assert re.search(r"49 +moderate \(same\)", text)
    assert re.search(r"1/4.3 +weak \(different\)", text)
    for reason in (report_facts.NOT_CALIBRATED, report_facts.TOO_SMALL, report_facts.SECONDARY):
        assert text.count(reason) == 1
    assert text.count("moderate") == 1


def test_many_reasons_are_counted_on_the_terminal(tmp_path: Path) -> None:
    line = recognize_summary(compared(tmp_path, {})[0])["candidates"][-1]
    found = {"candidates": [{**line, "calibration": f"outside: {'x' * n} px"} for n in range(9)], "skipped": {}}
    console = Console(width=220)
    with console.capture() as capture:
        console.print(views.candidates(found))
    assert capture.get().count("outside: ") == 5
    assert "4 more reasons" in capture.get()


def test_reasons_that_differ_in_figures_are_told_once_and_no_name_is_cut(tmp_path: Path) -> None:
    (first, *_) = recognize_summary(compared(tmp_path, {})[0])["candidates"]
    name = "Maximiliana-Theodora von und zu Hohenstein-Lichtenberg (alias)"
    lines = [
        {
            **first,
            "likelihood_ratio": None,
            "rank": n,
            "identity": name,
            "calibration": f"outside: 4{n}.5 px between the eyes",
        }
        for n in range(3)
    ]
    console = Console(width=80)
    with console.capture() as capture:
        console.print(views.candidates({"candidates": lines, "skipped": {}}))
    text = capture.get()
    assert text.count("outside: ") == 1
    assert "one of 3 that differ" in " ".join(text.split())
    assert "…" not in text
    assert set(name.replace("-", " ").split()) <= set(text.replace("-", " ").split())


def test_the_page_of_a_real_case_is_drawn_from_what_was_kept(tmp_path: Path) -> None:
    by = report_calibrations.calibration()
    case, report = compared(tmp_path, {at(by): by})
    bare = {"candidates": (), "explanations": ()}
    page = render_html(replace(report, **bare, calibrations=collect(case).calibrations))
    assert by.sha256 in page
