"""Colours: text and controls have the contrast that WCAG 2.2 AA asks for, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import facerecon.report

CSS = (Path(facerecon.report.__file__).parent / "templates/report.css").read_text(encoding="utf-8")
PAIRS = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
SCHEMES = {
    "light": {name: light for name, light, _ in PAIRS},
    "dark": {name: dark for name, _, dark in PAIRS},
}
TEXT = (
    ("ink", "paper"),
    ("quiet", "paper"),
    ("accent", "paper"),
    ("ink", "panel"),
    ("quiet", "panel"),
    ("accent", "panel"),
    ("paper", "ink"),
    ("on-accent", "accent"),
    ("on-mat", "mat"),
)
# 1.4.11: the edges of controls, marks and bars that carry a meaning.
SHAPES = (
    ("edge", "paper"),
    ("edge", "panel"),
    ("accent", "paper"),
    ("accent", "hair"),
    ("accent", "accent-soft"),
    ("caution", "paper"),
    ("ink", "hair"),
)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_gives_the_known_extremes() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_can_be_read(scheme: str, front: str, back: str) -> None:
    assert contrast(SCHEMES[scheme][front], SCHEMES[scheme][back]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("front", "back"), SHAPES)
def test_shapes_that_mean_something_can_be_seen(scheme: str, front: str, back: str) -> None:
    assert contrast(SCHEMES[scheme][front], SCHEMES[scheme][back]) >= 3


def test_every_colour_of_the_page_is_a_named_one_of_both_schemes() -> None:
    rules = CSS[CSS.index("*, *::before") :]
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", re.sub(r"@page.*?\n}", "", rules, flags=re.DOTALL))) <= {
        "#000",
        "#fff",
        "#ffe14d",
    }
    assert {name for name in re.findall(r"var\(--([a-z-]+)", rules) if name in SCHEMES["light"]} <= set(SCHEMES["dark"])


def test_the_landmarks_can_be_seen_on_any_picture() -> None:
    assert contrast("#ffe14d", "#000000") >= 3
