"""The page in German: it fits a small window, its controls speak German and work, and no English control is left."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from report_messages import SOURCES

from facerecon.report.html import said_in

SAID = said_in((SOURCES / "templates" / "report.js").read_text(encoding="utf-8"))
SAME = {"Text"}
"""What the script says in the same word in both languages."""


@pytest.mark.parametrize("name", ["full", "hostile", "varied", "doubted"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_window(opened, name: str, width: int) -> None:
    page = opened(name, code="de", viewport={"width": width, "height": 900})
    page.locator("[aria-expanded=false]").evaluate_all("all => all.forEach(one => one.click())")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_speaks_german(opened) -> None:
    page = opened("doubted", code="de", reduced_motion="reduce")
    page.locator("[aria-expanded=false]").evaluate_all("all => all.forEach(one => one.click())")
    page.locator(".viewer").first.locator("select").nth(1).select_option(index=1)
    texts = page.locator("button, option, optgroup, label span, .viewer .note, .filter p, .order-note").evaluate_all(
        "all => all.flatMap(one => [one.label ?? '', one.getAttribute('aria-label') ?? '', one.textContent])"
    )
    english = [said for said in SAID if "{" not in said and said not in SAME]
    assert [text for text in texts if text.strip() in english] == []
    for part in ("Reihenfolge", "Nebeneinander", "Ohne Interpolation", "Eine Karte besteht aus Farben"):
        assert any(part in text for text in texts)


def test_filter_and_order_work_and_are_told_in_german(opened) -> None:
    page = opened("varied", code="de")
    page.get_by_label("Kandidat", exact=True).select_option(label="Kandidat über der Schwelle")
    expect(page.locator(".filter p")).to_have_text("2 von 4 Tracks werden gezeigt; 2 durch den Filter ausgeblendet.")
    page.get_by_role("button", name="Alle Tracks zeigen").click()
    page.get_by_label("Reihenfolge", exact=True).select_option(label="beste Qualität zuerst")
    expect(page.locator(".order-note")).to_contain_text("Reihenfolge der Tracks: beste Qualität zuerst.")
    first = page.locator("#tracks > section").first
    expect(first).to_have_attribute("id", "track-t0002")


def test_the_comparison_works_in_german(opened) -> None:
    page = opened("doubted", code="de", reduced_motion="reduce")
    figure = page.locator(".compare").first
    figure.get_by_role("button", name="Vergleichen: Schieben, Blinken, Vergrößern").click()
    view = figure.locator(".viewer")
    view.get_by_label("Mit", exact=True).select_option(label="KARTE: Fehler, den das Modell erwartet")
    expect(view.locator(".pane .badge")).to_have_text(["ORIGINAL", "KARTE: Fehler, den das Modell erwartet"])
    view.get_by_role("button", name="Schieben").click()
    expect(view.locator(".slider")).to_be_visible()
    expect(view).to_contain_text(re.compile(r"was sie bedeuten, steht unter Abbildung \d+\."))


def test_it_is_a_plain_document_in_german_without_script(opened) -> None:
    page = opened("full", code="de", java_script_enabled=False)
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.locator("button, select, input").count() == 0
    expect(page.locator("#summary > .title")).to_contain_text("Zusammenfassung")
