"""The PDF: archival, accessible, inert, complete, the same every time."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pikepdf
import pytest
import report_builder
import report_example as example
import report_facts

from facerecon.report import pdf, wording
from facerecon.report.content import CaseReport
from facerecon.report.glyphs import printable
from facerecon.report.language import language
from facerecon.report.pdf import render_pdf
from facerecon.report.sections import document
from facerecon.report.typesetting import Typesetter, TypesettingError

GERMAN = language("de")


@pytest.fixture(scope="module")
def full() -> bytes:
    return render_pdf(example.full_case())


@pytest.fixture
def opened(full: bytes) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(full)) as document:
        yield document


def images(document: pikepdf.Pdf) -> list[pikepdf.Stream]:
    return [
        item
        for item in document.objects
        if isinstance(item, pikepdf.Stream)
        and item.get("/Subtype") == "/Image"
        and item.get("/ColorSpace") != "/DeviceGray"
    ]


def leaves(anything: Any) -> Iterator[str]:
    if isinstance(anything, str):
        yield anything
    for item in anything.values() if isinstance(anything, dict) else anything if isinstance(anything, list) else ():
        yield from leaves(item)


def test_it_is_pdf_a_3a_and_pdf_ua(opened: pikepdf.Pdf) -> None:
    intents = opened.Root.OutputIntents
    assert [str(intent.S) for intent in intents] == ["/GTS_PDFA1"]
    assert "/DestOutputProfile" in intents[0]
    with opened.open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert metadata["pdfuaid:part"] == "1"
        assert opened.Root.Lang == "en"
        assert metadata["dc:title"] == "Face examination report: 2024-0417-B"


def test_its_date_is_the_ledgers(opened: pikepdf.Pdf) -> None:
    with opened.open_metadata() as metadata:
        assert metadata["xmp:CreateDate"].startswith("2024-05-02T08:06:00")


def test_it_is_tagged_and_all_its_fonts_are_embedded(opened: pikepdf.Pdf) -> None:
    assert bool(opened.Root.MarkInfo.Marked)
    descriptors = [
        item
        for item in opened.objects
        if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/FontDescriptor"
    ]
    assert descriptors
    for descriptor in descriptors:
        assert {"/FontFile2", "/FontFile3"} & set(descriptor.keys())
        assert re.search("Libertinus|DejaVu", str(descriptor.FontName))


def test_it_holds_no_action_no_script_and_only_the_attachments_it_was_given(opened: pikepdf.Pdf) -> None:
    assert "/OpenAction" not in opened.Root
    assert "/Names" not in opened.Root or not {"/JavaScript", "/EmbeddedFiles"} & set(opened.Root.Names.keys())
    actions = [item.get("/S") for item in opened.objects if isinstance(item, pikepdf.Dictionary) and "/S" in item]
    assert not {"/URI", "/Launch", "/JavaScript"} & {str(action) for action in actions}


def test_pictures_are_embedded_pixel_for_pixel(opened: pikepdf.Pdf) -> None:
    expected = {(picture.width_px, picture.height_px) for picture in document(example.full_case()).pictures}
    found = {(int(image.Width), int(image.Height)) for image in images(opened)}
    assert found == expected
    assert not any(bool(image.get("/Interpolate", False)) for image in images(opened))


def test_equal_content_gives_equal_bytes(full: bytes) -> None:
    assert render_pdf(example.full_case()) == full


@pytest.mark.parametrize("make", [example.no_face_case, example.extract_only_case])
def test_small_cases_render(make: Callable[[], CaseReport]) -> None:
    assert render_pdf(make()).startswith(b"%PDF-")


def test_hostile_names_reach_typst_as_data_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def recorded(setter: Typesetter, template: str, standards: object, date: object) -> None:
        seen.append(((setter.folder / template).read_bytes(), (setter.folder / "report.json").read_text("utf-8")))

    monkeypatch.setattr(Typesetter, "begin", recorded)
    monkeypatch.setattr(Typesetter, "finished", lambda _: b"%PDF-")
    render_pdf(example.hostile_case())
    render_pdf(example.full_case())
    assert seen[0][0] == seen[1][0]
    assert report_facts.SCRIPT not in seen[0][0].decode()
    assert json.dumps(report_facts.TYPST)[1:-1] in seen[0][1]


def test_hostile_names_render_to_an_archival_file() -> None:
    with pikepdf.open(io.BytesIO(render_pdf(example.hostile_case()))) as opened, opened.open_metadata() as metadata:
        assert metadata["pdfaid:part"] == "3"
        assert metadata["dc:title"].endswith(f"{report_facts.TYPST} {printable(report_facts.SCRIPT)}")


def test_marks_that_no_font_can_set_do_not_stop_the_report() -> None:
    # A Libertinus-only letter under a DejaVu-only mark: each is covered, but not together.
    odd = report_facts.info("\ua75b\u0f35 e\u0483\u1ab0.mp4")
    assert render_pdf(report_builder.Builder().report(info=odd)).startswith(b"%PDF-")


def test_a_combination_without_a_glyph_is_set_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    finished, tries = Typesetter.finished, []

    def first_try_fails(setter: Typesetter) -> bytes:
        tries.append((setter.folder / "report.json").read_text("utf-8"))
        if len(tries) == 1:
            raise TypesettingError("the text could not be displayed with font")
        return finished(setter)

    monkeypatch.setattr(Typesetter, "finished", first_try_fails)
    assert render_pdf(example.no_face_case(), GERMAN).startswith(b"%PDF-")
    first, second = (json.loads(each) for each in tries)
    # The second one says that it names letters by number, in the report's language too.
    assert not first["glyph_note"]
    assert second["glyph_note"] == GERMAN.sentences.gettext(wording.GLYPH_NOTE)


def test_another_refusal_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def refused(setter: Typesetter) -> bytes:
        tries.append(setter)
        raise TypesettingError("so not")

    monkeypatch.setattr(Typesetter, "finished", refused)
    with pytest.raises(TypesettingError, match="so not"):
        render_pdf(example.no_face_case())
    assert len(tries) == 1


def test_every_word_of_the_document_reaches_typst() -> None:
    content = document(example.hostile_case())
    given = set(leaves(pdf._data(content, strict=False)))
    for section in content.sections:
        assert printable(section.title) in given
        for block in section.blocks:
            for row in getattr(block, "rows", ()):
                cells = row if isinstance(row, tuple) else (row,)
                assert {printable(getattr(cell, "text", "") or getattr(cell, "value", "")) for cell in cells} <= given


def test_missing_glyphs_are_explained_only_where_there_are_any() -> None:
    assert pdf._data(document(example.full_case()), strict=False)["glyph_note"] == ""
    assert "Unicode number" in pdf._data(document(example.hostile_case()), strict=False)["glyph_note"]


def test_a_large_case_has_a_reasonable_size() -> None:
    made = render_pdf(example.large_case(60))
    assert len(made) < 20_000_000
