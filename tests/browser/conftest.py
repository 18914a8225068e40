"""A real browser for the report: skipped with a reason where there is none; REQUIRE_BROWSER=1 makes that a failure.

Playwright talks to its driver and the driver to the browser through pipes, so sockets stay blocked. Every page that a
test opens must end without a console message, an error, a dialog, or a request for anything but itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_cases import CASES
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright

from facerecon.report.html import render_html
from facerecon.report.language import language

SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(driver: Playwright) -> Iterator[Browser]:
    launched = _launched(driver)
    yield launched
    launched.close()


def _launched(driver: Playwright) -> Browser:
    paths = [driver.chromium.executable_path, *filter(None, map(shutil.which, SYSTEM))]
    found = next((path for path in paths if Path(path).exists()), None)
    try:
        if found is None:
            raise FileNotFoundError("no Chromium: neither Playwright's own nor one on the path")
        return driver.chromium.launch(executable_path=found)
    except (Error, FileNotFoundError) as error:
        reason = str(error).splitlines()[0]
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(f"REQUIRE_BROWSER=1, but: {reason}")
        pytest.skip(f"no browser: {reason}")


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("reports")

    def rendered(name: str, code: str = "en") -> Path:
        path = folder / f"{name}.{code}.html"
        if not path.exists():
            path.write_text(render_html(CASES[name](), language(code)), encoding="utf-8")
        return path

    return rendered


@pytest.fixture
def opened(browser: Browser, pages: Callable[..., Path]) -> Iterator[Open]:
    """Opens the report of a case by name, in a language; settings are a context's, `clock` stops the time."""
    contexts, seen = [], []

    def opens(name: str, clock: bool = False, code: str = "en", **settings: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        address = pages(name, code).as_uri()
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: _asked(request.url, address, seen))
        if clock:
            page.clock.install(time=0)
        page.goto(address)
        if clock:
            page.clock.pause_at(3_600_000)
        return page

    yield opens
    for context in contexts:
        context.close()
    assert seen == []


def _asked(url: str, address: str, seen: list[str]) -> None:
    if not url.startswith("data:") and url.partition("#")[0] != address:
        seen.append(f"request: {url}")
