"""The map of how far fused frames differ: beside the map of frames, with its scale; absent where a case has none."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest
import report_example as example
from report_reading import Page, strings

from facerecon.errors import IntegrityError
from facerecon.report import wording
from facerecon.report.blocks import Card, Cards, Document, Section
from facerecon.report.content import CaseReport
from facerecon.report.html import render_html
from facerecon.report.sections import document

TITLE, MAP = "How far the fused frames differ", "faces/t0001/fused-deviation.png"
METHOD = "Maps of the fused picture"
NUMBERED = re.compile(r"\d+\. ")
"""The steps of the method, which count on."""


def changed_records(report: CaseReport, **changes: object) -> CaseReport:
    return replace(report, fused=tuple(record.model_copy(update=changes) for record in report.fused))


def of_an_earlier_version() -> CaseReport:
    return changed_records(example.full_case(), deviation_path=None, deviation_sha256=None, deviation_scale_levels=None)


def cards(part: Document | Section) -> list[Card]:
    children = part.sections if isinstance(part, Document) else part.children
    own = () if isinstance(part, Document) else part.blocks
    found = [card for block in own if isinstance(block, Cards) for card in block.cards]
    return found + [card for child in children for card in cards(child)]


def words(report: CaseReport) -> str:
    made = document(report)
    return "\n".join(strings((made.head, made.sections)))


def test_it_stands_right_after_the_map_of_frames_and_lies_over_the_same_original() -> None:
    found = cards(document(example.full_case()))
    place = next(index for index, card in enumerate(found) if card.title == TITLE)
    before, card = found[place - 1], found[place]
    assert before.title == "Frames behind the fused picture"
    assert [picture.path for picture in card.pictures] == [MAP]
    assert card.map_of == before.map_of == example.full_case().fused[0].reference_path
    assert card.map_name == wording.DEVIATION_MAP
    assert "faces/t0001/fused.png" in card.pictures[0].alt


@pytest.mark.parametrize("levels", [32.0, 24.5])
def test_scale_caption_and_method_say_the_levels_that_the_record_has(levels: float) -> None:
    report = changed_records(example.full_case(), deviation_scale_levels=levels)
    (card,) = (card for card in cards(document(report)) if card.title == TITLE)
    assert card.scale is not None
    assert (card.scale.low, card.scale.high) == ("0", f"{levels:g} grey levels or more")
    found = words(report)
    assert f"nearly white for {levels:g} grey levels or more" in found
    assert f"from 0 to {levels:g} of 255 grey levels" in found


def test_its_limits_are_told_where_it_is_shown_and_in_the_method() -> None:
    found = words(example.full_case())
    for cause in ("Noise", "movement", "expression", "compression"):
        assert cause in wording.DEVIATION_CAPTION
        assert cause in found[found.index(METHOD) :]
    assert "A dark place is no proof" in found
    assert "Frames that agree can be wrong together" in found


def test_the_page_draws_the_map_and_its_scale() -> None:
    report = example.full_case()
    page = Page(render_html(report))
    drawn = base64.b64encode(report.picture(MAP)).decode()
    assert sum(drawn in source for source in page.values("src")) == 1
    scales = [value for value in page.values("style") if "linear-gradient" in value]
    (scale,) = (value for value in scales if "rgb(183 55 121)" in value)
    assert scale.index("rgb(0 0 4)") < scale.index("rgb(183 55 121)") < scale.index("rgb(252 253 191)")
    maps = [card for card in cards(document(report)) if card.map_of]
    assert len(scales) == len(maps) > 2
    assert all(card.scale for card in maps)
    assert sum("background-color: rgb(200 200 200)" in value for value in page.values("style")) == 1


def test_a_case_of_an_earlier_version_is_told_as_before() -> None:
    found, page = words(of_an_earlier_version()), render_html(of_an_earlier_version())
    assert "Frames behind the fused picture" in found
    for later in (TITLE, METHOD, "nearly white", "hardly more than one"):
        assert later not in found
        assert later not in Page(page).words
    assert "rgb(183 55 121)" not in page
    assert page.count('class="scale"') == render_html(example.full_case()).count('class="scale"') - 1
    later_lines = set(words(example.full_case()).splitlines())
    others = [line for line in found.splitlines() if line not in later_lines]
    assert all(line.startswith("MAPS, not pictures") or NUMBERED.match(line) for line in others), "nothing else changed"


def test_a_map_that_is_not_the_record_s_is_refused() -> None:
    report = example.full_case()
    count = report.fused[0].count_path
    with pytest.raises(IntegrityError, match=r"fused-deviation\.png: its digest"):
        render_html(replace(report, picture=lambda path: report.picture(count if path == MAP else path)))
