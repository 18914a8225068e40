"""The HTML page: self-contained, inert, complete, the same every time."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import report_builder
import report_example as example
import report_facts
import report_ledger
from report_reading import Page, squeezed, strings

import facerecon.report
from facerecon.records import ReviewRecord
from facerecon.report.blocks import Comparison, Text, plots_of
from facerecon.report.content import CaseReport, Reviewed
from facerecon.report.history import STAGES, stage_history
from facerecon.report.html import gathered, render_html
from facerecon.report.quality import Limits, limits_of
from facerecon.report.sections import document
from facerecon.review import STATES, ReviewState

TEMPLATES = Path(facerecon.report.__file__).parent / "templates"

TAGS = (
    "html head meta title style body a div header p h1 h2 h3 bdi dl dt dd strong span nav ol ul li main section figure "
    "figcaption img svg line text tspan rect path circle table caption colgroup col thead tbody tr th td b i details "
    "summary pre wbr footer script"
)
ALLOWED = frozenset(TAGS.split())


@pytest.fixture(scope="module", params=list(example.CASES))
def case(request: pytest.FixtureRequest) -> tuple[CaseReport, str, Page]:
    report = example.CASES[request.param]()
    text = render_html(report)
    return report, text, Page(text)


def test_page_holds_only_known_tags_and_the_one_script_of_the_package(case) -> None:
    _, text, page = case
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert page.all("script") == [{}]
    assert text.lower().count("<script") == text.lower().count("</script") == 1
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    assert f"<script>{script}</script>" in text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_the_policy_lets_only_that_script_run_and_asks_for_nothing(case) -> None:
    _, text, page = case
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_the_script_sets_words_only_as_text_and_keeps_and_sends_nothing() -> None:
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "sendBeacon",
        "localStorage",
        "sessionStorage",
        "cookie",
        "import(",
    ):
        assert word not in script


def test_page_asks_for_nothing_from_outside(case) -> None:
    _, text, page = case
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


def test_every_picture_of_a_comparison_is_drawn_at_the_size_of_its_original() -> None:
    build = report_builder.Builder()
    build.fuse(build.add_track(1, 45, 119, [(41, 47), (36, 44), (28, 34)], enhanced=1))
    page = Page(render_html(build.report()))
    views = [attributes for attributes in page.all("figure") if attributes.get("class") == "view"]
    assert [view["data-view"] for view in views] == ["original", "step", "computed", "computed"]
    shares = [attributes["style"] for attributes in page.all("div") if attributes.get("class") == "sheet"]
    assert shares == ["--share: 1.0"] * 4


def test_comparisons_of_one_original_are_put_together_and_no_others() -> None:
    made = document(example.full_case())
    comparisons = [
        block for part in made.sections[2].children for block in part.blocks if isinstance(block, Comparison)
    ]
    restored, fused, corrected, enhanced = comparisons
    groups = gathered((Text("a"), Text("b"), restored, fused, corrected, enhanced, Text("c"), fused))
    assert [len(group) for group in groups] == [1, 1, 3, 1, 1, 1]


def test_a_track_is_told_and_linked_in_overview_timeline_contents_and_table(case) -> None:
    report, _, page = case
    for track in report.tracks:
        marked = [tag for tag, attributes in page.tags if attributes.get("data-track") == f"track-{track.id}"]
        assert sorted(marked) == ["li", "li", "li", "tr"]
        assert page.values("href").count(f"#track-{track.id}") >= 4


def test_limits_of_the_profile_are_marked_on_the_quality_bars() -> None:
    report = example.full_case()
    page = Page(render_html(report))
    marks = [attributes["style"] for attributes in page.all("b") if "left" in (attributes.get("style") or "")]
    shots = sum(len(track.best) for track in report.tracks)
    assert marks == ["left: 80.0%"] * shots
    assert "detector score 0.80 to begin a track" in page.words


@pytest.mark.parametrize("parameters", [None, 3, {"shots": 1}, {"detect": {"min_score": "high"}}])
def test_a_ledger_that_does_not_tell_limits_gives_none(parameters: object) -> None:
    lines = report_ledger.ledger(("extract.finished", {"parameters": parameters}))
    stages = {name: stage_history(lines, name) for name in STAGES}
    assert limits_of(stages) == Limits({}, ())


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_review_stands_first_and_on_every_printed_page(state: ReviewState) -> None:
    text = render_html(replace(example.full_case(), review_state=state))
    page = Page(text)
    assert page.words.index(state) < page.words.index("Operator")
    assert f'@top-right {{ content: "{state}"' in text


def test_reviews_are_told_with_who_when_and_what() -> None:
    record = ReviewRecord(
        number=1,
        reviewer="Second Examiner",
        conclusion="disagree",
        note=report_facts.SCRIPT,
        report="report/report-2.html",
        report_sha256="1" * 64,
        ledger_entries=7,
        ledger_head="2" * 64,
    )
    reviews = (Reviewed(record, "2024-05-03T10:00:00.000Z", superseded=False, signed=False),)
    report = replace(example.full_case(), reviews=reviews, review_state="DISAGREED")
    page = Page(render_html(report))
    for told in (
        "Second Examiner",
        "disagree",
        report_facts.SCRIPT,
        "2024-05-03 10:00:00 UTC",
        "report-2.html",
        "not signed",
    ):
        assert told in page.words
    assert "reviews" in page.values("id")
    assert "reviews" not in Page(render_html(example.full_case())).values("id")


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
    assert text.count('class="block compare"') == 60
