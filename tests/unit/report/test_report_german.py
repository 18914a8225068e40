"""A report in German: the page and the PDF say so, say it in German, and tag what stays English."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace

import pikepdf
import pytest
from report_example import CASES, full_case
from report_pdf_reading import pages_words
from report_reading import Page, squeezed, strings

from facerecon.likelihood.plots import tippett_svg
from facerecon.report.blocks import plots_of
from facerecon.report.content import CaseReport
from facerecon.report.html import render_html
from facerecon.report.language import language, speaking
from facerecon.report.pdf import render_pdf
from facerecon.report.recorded import CLOSE, OPEN, bare
from facerecon.report.sections import document
from facerecon.review import STATES

GERMAN = language("de")
ODD = "a sentence that no catalogue knows"


def with_odd_text() -> CaseReport:
    """The full case with recorded text that is no sentence of this version."""
    case = full_case()
    restored = tuple(record.model_copy(update={"warnings": (ODD,)}) for record in case.restored)
    return replace(case, restored=restored)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_html(with_odd_text(), GERMAN))


@pytest.fixture(scope="module")
def printed() -> bytes:
    return render_pdf(with_odd_text(), GERMAN)


@pytest.fixture
def opened(printed: bytes) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        yield pdf


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_names_its_language_and_says_how_text_stands(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "de"
    assert "Deutsch (de)" in page.words
    assert "mit Dezimalpunkt" in squeezed(page.words)


def test_an_english_page_says_nothing_of_languages() -> None:
    words = Page(render_html(full_case())).words
    assert "English (en)" not in words
    assert "Text that was recorded in this case" not in words


@pytest.mark.parametrize("name", list(CASES))
def test_every_word_of_the_german_document_is_on_the_page(name: str) -> None:
    page = Page(render_html(CASES[name](), GERMAN))
    with speaking(GERMAN):
        made = document(CASES[name]())
    seen = squeezed(page.words) + squeezed(" ".join(page.values("aria-label")))
    missing = [text for text in strings(made) if squeezed(bare(text)) not in seen]
    assert set(missing) <= {made.date_utc}


def test_unknown_recorded_text_is_tagged_as_english(page: Page) -> None:
    text = render_html(with_odd_text(), GERMAN)
    assert f'Warnung: <span lang="en">{ODD}</span>' in text
    assert f"Warning: {ODD}" in render_html(with_odd_text())
    assert 'lang="en"' not in render_html(full_case()).replace('<html lang="en">', "").replace('[lang="en"]', "")


@pytest.mark.parametrize("name", list(CASES))
def test_no_mark_is_left_on_the_page(name: str) -> None:
    text = render_html(CASES[name](), GERMAN)
    assert OPEN not in text
    assert CLOSE not in text


def test_candidates_and_support_are_told_with_the_careful_words(page: Page) -> None:
    words = squeezed(page.words)
    for told in (
        "Kandidat: Eileen Collins",
        "Ähnlichkeit 0.5634, Schwelle 0.40",
        "49, mäßige Unterstützung (dieselbe Person)",
        "Der Vergleich ergibt mäßige Unterstützung für die Hypothese, dass beide Bilder dieselbe Person zeigen",
        "schließt niemanden aus",
    ):
        assert told in words
    assert not re.search(r"übereinstimm|treffer|identifizier", words, re.IGNORECASE)


def test_figures_stay_as_recorded(page: Page) -> None:
    numbers = re.compile(r"\d+\.\d+")
    english = Page(render_html(with_odd_text())).words
    assert set(numbers.findall(page.words)) == set(numbers.findall(english))


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_review_is_german_on_every_printed_page(state: str) -> None:
    text = render_html(replace(full_case(), review_state=state), GERMAN)
    assert state not in squeezed(Page(text).words).split()
    told = re.search(r'@top-right \{ content: "([^"]+)"', text)[1]
    assert told.isupper()
    assert told in Page(text).words


def test_plots_are_german_and_english_ones_unchanged() -> None:
    with speaking(GERMAN):
        german = [plot.svg for plot in plots_of(document(full_case()).sections)]
    english = [plot.svg for plot in plots_of(document(full_case()).sections)]
    assert all("Anteil mit mindestens diesem LQ" in svg for svg in german)
    assert all("share with at least" not in svg for svg in german)
    part = full_case().calibrations[0].bins[1]
    assert english[0].count("<") == german[0].count("<") == tippett_svg(part, 1.0).count("<")


def test_pictures_are_described_in_german(page: Page) -> None:
    alts = [image["alt"] or "" for image in page.all("img")]
    german = re.compile(
        r"Original|Nach Schritt|Restauriert|Aufber|Fusion|Karte|Galerie|Einzel|Tippett|Was das Modell|Fehler, den"
    )
    assert [alt for alt in alts if not german.match(alt)] == []


# --- the PDF ----------------------------------------------------------------------------------------------------------


def test_the_pdf_is_archival_and_german(opened: pikepdf.Pdf) -> None:
    with opened.open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Bericht über eine Gesichtsuntersuchung: 2024-0417-B"
        assert metadata["dc:language"] in ("de", ["de"], {"de"})
    assert opened.Root.Lang == "de"


def test_the_pdf_says_the_german_titles(opened: pikepdf.Pdf) -> None:
    pages = [squeezed(words).replace("\u200b", "") for words in pages_words(opened)]
    whole = " ".join(pages)
    for title in ("Inhalt", "Zusammenfassung", "Zeitachse", "Verfahren", "Grenzen dieses Berichts", "Anhang A"):
        assert title in whole
    for number, words in enumerate(pages, start=1):
        assert f"Seite {number} von {len(pages)}" in words
        assert "UNGEPRÜFT" in words.replace(" ", "")
    assert "Warnung: " in whole


def test_english_text_is_tagged_in_the_pdf(opened: pikepdf.Pdf) -> None:
    tagged = [item for item in opened.objects if isinstance(item, pikepdf.Dictionary) and item.get("/Lang") == "en"]
    assert tagged
    assert not any(OPEN in words or "U+E000" in words for words in pages_words(opened))


def test_the_german_pdf_is_the_same_twice(printed: bytes) -> None:
    assert render_pdf(with_odd_text(), GERMAN) == printed


@pytest.mark.parametrize("name", ["hostile", "no-face", "extract-only"])
def test_the_pdf_is_made_of_every_case(name: str) -> None:
    with pikepdf.open(io.BytesIO(render_pdf(CASES[name](), GERMAN))) as pdf:
        assert pdf.Root.Lang == "de"
