"""The HTML page: self-contained, inert, complete, the same every time."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import report_example as example
import report_facts
from report_reading import Page, squeezed, strings

from facerecon.report.blocks import plots_of
from facerecon.report.content import CaseReport
from facerecon.report.html import render_html
from facerecon.report.sections import document

TAGS = (
    "html head meta title style body a div header p h1 h2 h3 bdi dl dt dd strong span nav ol ul li main section figure "
    "figcaption img svg line text tspan rect path circle table caption colgroup col thead tbody tr th td b i details "
    "summary pre wbr footer"
)
ALLOWED = frozenset(TAGS.split())


@pytest.fixture(scope="module", params=list(example.CASES))
def case(request: pytest.FixtureRequest) -> tuple[CaseReport, str, Page]:
    report = example.CASES[request.param]()
    text = render_html(report)
    return report, text, Page(text)


def test_page_holds_only_known_tags_and_no_script(case) -> None:
    _, text, page = case
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert "<script" not in text.lower()
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_page_asks_for_nothing_from_outside(case) -> None:
    _, text, page = case
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert all(
        source.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,")) for source in page.values("src")
    )
    assert all(link.startswith("#") for link in page.values("href"))
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not page.all("link")


def test_links_lead_somewhere_and_ids_are_unique(case) -> None:
    _, _, page = case
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("href")} <= set(ids)
    assert {name for names in page.values("aria-labelledby") for name in names.split()} <= set(ids)


def test_every_word_of_the_document_is_on_the_page(case) -> None:
    report, _, page = case
    words = squeezed(page.words)
    missing = [
        text
        for text in strings(document(report))
        if squeezed(text) not in words and squeezed(text) not in squeezed(" ".join(page.values("aria-label")))
    ]
    dates = {document(report).date_utc}
    assert set(missing) <= dates


def test_pictures_are_embedded_unchanged_and_described(case) -> None:
    report, _, page = case
    images = page.all("img")
    made = document(report)
    known = {report.picture(picture.path) for picture in made.pictures}
    known |= {plot.svg.encode() for plot in plots_of(made.sections)}
    assert {base64.b64decode((image["src"] or "").partition(",")[2]) for image in images} == known
    assert all(image["alt"] for image in images)
    originals = [image for image in images if (image["alt"] or "").startswith("Original")]
    assert all("pixels" in (image.get("class") or "") for image in originals)


def test_comparison_columns_are_in_the_ratio_of_the_pictures() -> None:
    page = Page(render_html(example.full_case()))
    styles = [attributes["style"] or "" for attributes in page.all("div") if attributes.get("class") == "pair"]
    assert len(styles) == 3
    for style in styles:
        left, right = re.findall(r"minmax\(0, ([\d.]+)fr\)", style)
        assert float(left) == float(right)


def test_headings_descend_in_steps_of_one(case) -> None:
    _, _, page = case
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_hostile_names_are_shown_and_do_nothing() -> None:
    text = render_html(example.hostile_case())
    page = Page(text)
    assert report_facts.SCRIPT in page.words
    assert report_facts.TYPST in page.words
    assert report_facts.CHINESE in page.words
    assert report_facts.ARABIC in page.words
    assert "</style><b>" in page.words
    assert "\u202e" not in text


@pytest.mark.parametrize("make", [example.full_case, example.hostile_case])
def test_equal_content_gives_equal_pages(make: Callable[[], CaseReport]) -> None:
    assert render_html(make()) == render_html(make())


def test_a_large_case_is_shown_whole() -> None:
    text = render_html(example.large_case(60))
    assert text.count('class="pair"') == 60


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks_for(scheme: str) -> None:
    text = render_html(example.no_face_case())
    blocks = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[1]))
    for front, back in (
        ("ink", "paper"),
        ("quiet", "paper"),
        ("accent", "paper"),
        ("ink", "panel"),
        ("paper", "ink"),
        ("on-accent", "accent"),
        ("on-mat", "mat"),
    ):
        light, dark = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, front, back)
