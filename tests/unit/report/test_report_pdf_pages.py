"""The PDF's pages and what it carries: footers, state of review, contents, tags, and the embedded files."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pikepdf
import pytest
import report_example as example
from report_pdf_reading import pages_words

from facerecon.report import pdf
from facerecon.report.blocks import Comparison, Document, Section
from facerecon.report.content import Attachment, CaseReport
from facerecon.report.pdf import render_pdf
from facerecon.report.sections import document
from facerecon.review import STATES

ATTACHED = (
    Attachment("manifest.json", b'{"schema": 1}\n', "application/json", "supplement", "Manifest."),
    Attachment("ledger.jsonl", b'{"seq": 0}\n{"seq": 1}\n', "application/jsonl", "data", "Ledger, two entries."),
    # Not text, and larger than one block of a compressor.
    Attachment("case.jsonld", bytes(range(256)) * 400, "application/ld+json", "alternative", "Export <script>."),
)


def carrying() -> CaseReport:
    return replace(example.full_case(), attachments=ATTACHED)


@pytest.fixture(scope="module")
def full() -> bytes:
    return render_pdf(carrying())


@pytest.fixture
def opened(full: bytes) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(full)) as document:
        yield document


def read(content: bytes) -> list[str]:
    with pikepdf.open(io.BytesIO(content)) as document:
        return pages_words(document)


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]+", " ", text)


def every(part: Document | Section) -> Iterator[Section]:
    for child in part.sections if isinstance(part, Document) else part.children:
        yield child
        yield from every(child)


def headings(part: Document) -> list[tuple[str, str]]:
    return [(section.number, section.title) for section in every(part)]


# --- pages ------------------------------------------------------------------------------------------------------------


def test_every_page_says_its_number_the_case_and_the_ledger_head(full: bytes) -> None:
    report, pages = carrying(), read(full)
    assert len(pages) > 5
    for number, words in enumerate(pages, start=1):
        foot = squeezed(words[-200:])
        assert foot.endswith(f"Page {number} of {len(pages)}")
        assert f"Case {report.info.case_id} " in foot
        assert f"Ledger head {report.ledger_head[:16]} " in foot


def test_the_first_page_has_the_whole_ledger_head_and_every_section_is_in_the_contents(full: bytes) -> None:
    first = squeezed(read(full)[0])
    assert carrying().ledger_head in first
    contents = first.partition("Contents")[2]
    for number, title in headings(document(carrying())):
        assert re.search(rf"\b{re.escape(number)} {re.escape(title)}", contents), title


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_review_stands_on_every_page_and_no_other_state_does(state: Any) -> None:
    pages = read(render_pdf(replace(example.extract_only_case(), review_state=state)))
    for words in pages:
        lines = [line.strip() for line in words.splitlines()]
        assert state in lines
        assert not set(lines) & (set(STATES) - {state})


def test_bookmarks_are_the_numbered_sections(opened: pikepdf.Pdf) -> None:
    def titles(items: Any) -> Iterator[str]:
        for item in items:
            yield squeezed(item.title)
            yield from titles(item.children)

    with opened.open_outline() as outline:
        found = list(titles(outline.root))
    expected = [
        f"{'Appendix ' if number.isalpha() else ''}{number} {title}" for number, title in headings(document(carrying()))
    ]
    assert found == expected


def test_links_to_sections_name_their_number(full: bytes) -> None:
    made = document(carrying())
    tracks = next(part for part in made.sections if part.id == "tracks")
    for track in tracks.children:
        assert f"({track.number})" in squeezed(" ".join(read(full)))


def test_figures_are_tagged_with_words_for_who_cannot_see_them(opened: pikepdf.Pdf) -> None:
    elements = [item for item in opened.objects if isinstance(item, pikepdf.Dictionary) and "/S" in item]
    figures = [item for item in elements if item.S == "/Figure"]
    assert figures
    assert all(str(figure.get("/Alt", "")).strip() for figure in figures)
    kinds = {str(item.S) for item in elements}
    assert {"/H1", "/Table", "/TH", "/TD", "/TOC"} <= kinds


def test_a_comparison_draws_original_kept_steps_and_result_by_the_width_of_their_content() -> None:
    made = document(example.full_case())
    blocks = [block for part in every(made) for block in part.blocks if isinstance(block, Comparison)]
    assert any(block.steps for block in blocks)
    for block in blocks:
        drawn = pdf._comparison(block, strict=False)
        figures = [*(step.figure for step in block.steps), block.figure]
        assert drawn["original"]["share"] == 1
        assert drawn["original"]["picture"]["name"] == block.figure.original.name
        for view, figure in zip([*drawn["steps"], drawn["restored"]], figures, strict=True):
            assert view["picture"]["name"] == figure.restored.name
            assert view["share"] * figure.original.width_px * figure.scale == pytest.approx(figure.restored.width_px)
            assert not view["original"]


# --- attachments ------------------------------------------------------------------------------------------------------


def test_attachments_are_embedded_byte_for_byte(opened: pikepdf.Pdf) -> None:
    assert sorted(opened.attachments) == sorted(each.name for each in ATTACHED)
    for each in ATTACHED:
        assert opened.attachments[each.name].get_file().read_bytes() == each.data


def test_attachments_are_associated_files_of_the_document(opened: pikepdf.Pdf) -> None:
    # ISO 19005-3, 6.8: names, relationship and MIME type are required; /AF ties them to the document.
    specified = {str(spec.UF): spec for spec in opened.Root.AF}
    assert set(specified) == {each.name for each in ATTACHED}
    for each in ATTACHED:
        spec = specified[each.name]
        assert (str(spec.F), str(spec.Desc)) == (each.name, each.description)
        assert str(spec.AFRelationship) == f"/{each.relationship.capitalize()}"
        assert str(spec.EF.F.Subtype) == f"/{each.mime_type}"
        assert int(spec.EF.F.Params.Size) == len(each.data)
        assert str(spec.EF.F.Params.ModDate).startswith("D:20240502080600")


def test_attachments_are_listed_with_their_digests(full: bytes) -> None:
    words = squeezed(" ".join(read(full)))
    for each in ATTACHED:
        assert each.description in words
        assert hashlib.sha256(each.data).hexdigest() in words


def test_with_attachments_too_equal_content_gives_equal_bytes(full: bytes) -> None:
    assert render_pdf(carrying()) == full


def test_a_report_without_attachments_carries_none_and_says_nothing_of_them() -> None:
    content = render_pdf(example.extract_only_case())
    with pikepdf.open(io.BytesIO(content)) as opened:
        assert len(opened.attachments) == 0
        assert (
            "embedded" not in squeezed(" ".join(pages_words(opened))).partition("Integrity")[2].partition("Profile")[0]
        )
