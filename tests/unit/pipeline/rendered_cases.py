"""Cases whose frames were rendered with fake engines: what the tests of rendering start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facerecon.case import Case
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.rendering import Kind, Tools, render
from facerecon.pipeline.reporting import collect
from facerecon.profiles import Profile
from facerecon.records import RGB, RenderedRecord, Skipped
from facerecon.report.html import render_html
from facerecon.stages import Silent
from facerecon.video import Source
from tests.fakes import FakeDetector, FakeRestorer
from tests.unit.pipeline.stage_cases import new_case, profile
from tests.unit.report.report_reading import Page

INTERPOLATED = Tools(FakeDetector(), "nearest", None)
LEARNED = Tools(FakeDetector(), FakeRestorer(scale=2), FakeRestorer("fake-faces"))
FFV1 = "output.codec=ffv1"


def case_of(root: Path, source: Any, settings: Profile | None = None) -> Case:
    settings = settings or profile()
    case = new_case(root, source, settings)
    extract(case, source, FakeDetector(), Context(settings, Silent()))
    return case


def rendered(
    case: Case, source: Source, kind: Kind, tools: Tools = INTERPOLATED, *overrides: str, limit: int | None = None
) -> RenderedRecord:
    return render(case, source, kind, tools, limit, Context(profile(*overrides), Silent()))


def made_of(case: Case, record: RenderedRecord, content: Sequence[int]) -> list[RGB]:
    """Return the pictures of a rendering without their label strips, in the order of their names."""
    pictures = [decode_picture(case.bytes_of(path), path) for path in sorted(record.files)]
    return [each[: content[0], : content[1]] for each in pictures]


def words_of(case: Case) -> str:
    """Return the words of the case's report."""
    return Page(render_html(collect(case))).words


def omitted(case: Case, run: int = 1) -> list[tuple[str, str, str]]:
    return [(each.subject, each.reason, each.outcome) for each in case.read(Skipped, "render-skipped", run)]
