"""The plots: self-contained, well-formed, repeatable, and in the right places."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from likelihood_samples import small_bin

from facerecon.errors import UsageError
from facerecon.likelihood.plots import det_svg, ece_svg, tippett_svg

BIN = small_bin("24 px <street> & yard")
SVG = "{http://www.w3.org/2000/svg}"
PLOTS = {"tippett": tippett_svg(BIN, 0.8), "ece": ece_svg(BIN), "det": det_svg([BIN])}


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_a_plot_is_well_formed_and_needs_nothing_else(name: str) -> None:
    root = ET.fromstring(PLOTS[name])
    assert (root.get("width"), root.get("height")) == ("480", "320")
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "rect", "path", "polyline", "text"}
    assert "http" not in PLOTS[name].replace("http://www.w3.org/2000/svg", "")
    assert "24 px <street> & yard" in (root.findtext(f"{SVG}title") or "")


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_curves_stay_in_the_picture_and_differ_without_colour(name: str) -> None:
    lines = ET.fromstring(PLOTS[name]).findall(f"{SVG}polyline")
    dashes = [line.get("stroke-dasharray", "") for line in lines]
    assert len(set(dashes)) == len(lines)
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in (line.get("points") or "").split()]
        assert len(points) > 10
        assert all(0 <= x <= 480 and 0 <= y <= 320 for x, y in points)


@pytest.mark.parametrize("name", ["tippett", "det"])
def test_these_curves_fall(name: str) -> None:
    for line in ET.fromstring(PLOTS[name]).findall(f"{SVG}polyline"):
        heights = [float(point.split(",")[1]) for point in (line.get("points") or "").split()]
        assert heights == sorted(heights)


def test_the_mark_stands_where_the_lr_is() -> None:
    def place(log10_lr: float) -> float:
        line = r'<path d="M([\d.]+) [^"]*" stroke="#222222" stroke-width="1.4"/>'
        found = re.search(line, tippett_svg(BIN, log10_lr))
        assert found
        return float(found[1])

    assert place(-0.5) < place(0.0) < place(0.5)
    assert place(0.5) - place(0.0) == pytest.approx(place(0.0) - place(-0.5), abs=0.2)
    assert "this comparison" not in tippett_svg(BIN)


def test_same_input_same_bytes() -> None:
    assert tippett_svg(small_bin(), 0.8) == tippett_svg(small_bin(), 0.8)


def test_several_bins_up_to_four() -> None:
    assert det_svg([small_bin(str(number)) for number in range(4)]).count("<polyline") == 4
    lone = det_svg([small_bin("6 to 9 px, detail 0.023 to 0.054")])
    assert "(EER" in lone[lone.index("<polyline") :]
    assert "…" not in lone
    with pytest.raises(UsageError, match="1 to 4"):
        det_svg([])
