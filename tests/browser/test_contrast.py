"""What is read on the page has the contrast that WCAG 2.2 AA asks for, as the browser draws it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

MEASURE = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
SCHEMES = ("light", "dark")


def measured(page: Page) -> list[tuple[float, float, str, str]]:
    """Ratio, what is needed, the words, and where, of all text and all edges of controls that can be seen."""
    return [tuple(each) for each in page.evaluate(MEASURE)]


def weak(page: Page) -> list[str]:
    found = (each for each in measured(page) if each[0] < each[1])
    return [f"{ratio:.2f} < {needed}: {words} ({where})" for ratio, needed, words, where in found]


def everything_open(page: Page) -> None:
    for name in ("Compare", "Slide", "Landmarks"):
        page.get_by_role("button", name=name).first.click()


PAGES = [(name, 1280) for name in ("full", "doubted", "varied", "redacted", "reviewed", "extract-only")]


# What is narrow is laid out otherwise, in the same colours: one page of it shows that.
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("name", "width"), [*PAGES, ("full", 390)])
def test_all_words_and_controls_can_be_read(opened: Any, name: str, scheme: str, width: int) -> None:
    page = opened(name, color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    if name != "extract-only":
        everything_open(page)
    if name == "varied":
        page.get_by_label("Quality at least", exact=True).fill("0.7")
    assert len(measured(page)) > 150
    assert weak(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_pointed_at_or_pressed_can_be_read(opened: Any, scheme: str) -> None:
    page = opened("full", color_scheme=scheme)
    everything_open(page)
    pressed = ".viewer [aria-pressed=true]"
    for place in (".colours", pressed, ".compare [aria-expanded]", ".contents a", ".timeline li", ".overview a"):
        page.locator(place).first.hover()
        assert weak(page) == []


def test_paper_can_be_read_whatever_the_screen_s_colours(opened: Any) -> None:
    page = opened("full", color_scheme="dark")
    page.emulate_media(media="print")
    assert weak(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "style", ["color: light-dark(#8a8a8a, #666)", "opacity: .4", "background: light-dark(#666, #999)"]
)
def test_the_measure_finds_what_cannot_be_read(opened: Any, scheme: str, style: str) -> None:
    page = opened("extract-only", color_scheme=scheme)
    page.evaluate("style => document.querySelector('h1').insertAdjacentHTML('afterend', `<p id='x'>pale</p>`)", style)
    page.evaluate("style => { document.getElementById('x').style.cssText = style; }", style)
    (found,) = weak(page)
    assert "pale" in found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_known_colours_give_the_known_ratio(opened: Any, scheme: str) -> None:
    page = opened("extract-only", color_scheme=scheme)
    page.evaluate(
        """() => { const made = document.createElement("p");
          made.textContent = "known";
          made.style.cssText = "color: #777; background: #fff";
          document.body.append(made); }"""
    )
    ((ratio, needed, _, where),) = [each for each in measured(page) if each[2] == "known"]
    assert ratio == pytest.approx(4.478, abs=0.001)
    assert (needed, where) == (4.5, "p")
