"""The index of an archive in a browser: nothing is asked for, nothing overflows a telephone, all words can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from test_contrast import SCHEMES, measured, weak

from facerecon.report.archive import (
    ArchiveReport,
    CaptureEntry,
    CaseEntry,
    MissingTime,
    Sighting,
    Thumbnail,
    render_archive,
)
from facerecon.report.language import language

Shown = Callable[..., Page]
LONG = "cam17/" + "a-name-without-any-place-to-break-it" * 4 + ".mp4"
# A grey picture of 1 x 1 px.
GREY = bytes.fromhex("474946383961010001008000008080800000002c00000000010001000002024401003b")


def report() -> ArchiveReport:
    """Everything that an index can show but candidates, with names that are long."""
    picture = Thumbnail(GREY, 40, 40)
    captured = tuple(
        Sighting(f"t{n:04d}", 4000.0 + n, 4003.0 + n, picture, "2026-11-22 06:30:12 UTC") for n in range(1, 6)
    )
    cases = (
        CaseEntry(LONG, LONG, 9.0, 36, captured, "report/report.html", "a" * 64, "b" * 64, "fast", origin_s=4000.0),
        CaseEntry("spoilt.mp4", "spoilt.mp4", problem=f"{LONG} was changed"),
    )
    gap = MissingTime("2026-11-22T06:30:01.600Z", "2026-11-22T06:30:11.000Z", 9.4, "stall")
    captures = (
        CaptureEntry(f"/{LONG}", "running", (gap,)),
        CaptureEntry("/b", "stopped"),
        CaptureEntry("/c", problem="x"),
    )
    totals = {"requested": 5, "done": 2, "failed": 1, "left_out": 1, "pending": 1}
    return ArchiveReport(
        LONG, totals, 9.0, cases, (), ((LONG, LONG),), {"hidden": (LONG,)}, (LONG,), "0", captures
    )  # fmt: skip


@pytest.fixture
def index(browser: Browser, tmp_path: Path) -> Iterator[Shown]:
    """Opens the index; the page must end without a message, an error, or a request."""
    contexts, seen = [], []

    def opens(code: str = "en", **settings: Any) -> Page:
        path = tmp_path / f"{code}.html"
        path.write_text(render_archive(report(), language(code)), encoding="utf-8")
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(("data:", path.as_uri())) else seen.append(asked.url),
        )
        page.goto(path.as_uri())
        return page

    yield opens
    for context in contexts:
        context.close()
    assert seen == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("code", ["en", "de"])
def test_all_words_can_be_read_and_nothing_overflows(index: Shown, width: int, scheme: Any, code: str) -> None:
    page = index(code, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.get_by_text("hidden", exact=False).first.click()
    assert len(measured(page)) > 40
    assert weak(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_bars_of_a_captured_segment_lie_within_its_length(index: Shown) -> None:
    bars = index().locator("svg.when rect.span")
    lefts = [float(str(bars.nth(n).get_attribute("x")).rstrip("%")) for n in range(bars.count())]
    assert len(lefts) == 5
    assert lefts == sorted(set(lefts))
    assert lefts[-1] < 60
