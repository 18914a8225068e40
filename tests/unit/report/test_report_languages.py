"""Catalogues are complete and careful; reports speak one language each, and English is what it was."""

from __future__ import annotations

import re
import string
import threading
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from report_example import full_case
from report_messages import SOURCES, Said, said

from facerecon.errors import UsageError
from facerecon.filters.catalogue import DESCRIPTIONS
from facerecon.likelihood import verbal_support
from facerecon.likelihood.quantities import as_measured
from facerecon.report.html import render_html
from facerecon.report.language import ENGLISH, language, languages, speaking, spoken, tr
from facerecon.report.measured import load_figures
from facerecon.report.notation import plural
from facerecon.report.recorded import CLOSE, FILTERS, MEASURED, OPEN, QUANTITIES, RECORDED, bare, known, recorded
from facerecon.report.strength import SCALE, SUPPORT

CATALOGUES = sorted((SOURCES / "languages").glob("*.po"))
FORBIDDEN = {
    "en": r"\bmatch(es|ed|ing)?\b|\bidentified\b|\bconfirmed\b|\bhits?\b",
    "de": r"übereinstimm|stimm\w* (\w+ )?überein|\btreffer|identifizier|bestätig|\bmatch|zweifelsfrei",
}


def catalogue(path: Path) -> Catalog:
    with path.open("rb") as stream:
        return read_po(stream, abort_invalid=True)


def entries(path: Path) -> dict[Said, tuple[str, ...]]:
    """The translations of a catalogue by their message; one for each plural form."""
    found = {}
    for entry in catalogue(path):
        one, several = entry.id if isinstance(entry.id, tuple) else (entry.id, "")
        if one:
            forms = entry.string if isinstance(entry.string, tuple) else (entry.string,)
            found[Said(one, several, entry.context or "")] = forms
    return found


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.fixture(params=CATALOGUES, ids=[path.stem for path in CATALOGUES])
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


# --- catalogues -------------------------------------------------------------------------------------------------------


def test_there_is_german() -> None:
    assert {"de", "en"} <= set(languages())
    assert list(languages()) == sorted(languages())


def test_a_catalogue_holds_every_sentence_and_no_other(path: Path) -> None:
    assert set(entries(path)) == set(said())


def test_every_sentence_is_translated_with_the_same_placeholders(path: Path) -> None:
    wrong = [
        message.text
        for message, forms in entries(path).items()
        if not all(form and fields(form) <= fields(message.text) | fields(message.plural) for form in forms)
        or fields(forms[-1]) != fields(message.plural or message.text)
    ]
    assert wrong == []


def test_translations_begin_and_end_with_the_same_space(path: Path) -> None:
    def edges(text: str) -> tuple[bool, bool]:
        return text[:1].isspace(), text[-1:].isspace()

    assert [m.text for m, forms in entries(path).items() if any(edges(form) != edges(m.text) for form in forms)] == []


def test_a_catalogue_names_its_language_and_has_no_doubtful_entry(path: Path) -> None:
    assert str(catalogue(path).locale).replace("_", "-") == path.stem
    assert not any(entry.fuzzy for entry in catalogue(path) if entry.id)
    assert not catalogue(path).obsolete


def test_no_catalogue_states_an_identity(path: Path) -> None:
    forbidden = re.compile(FORBIDDEN[path.stem], re.IGNORECASE)
    assert [form for forms in entries(path).values() for form in forms if forbidden.search(form)] == []


def test_the_sentences_themselves_state_no_identity() -> None:
    forbidden = re.compile(FORBIDDEN["en"], re.IGNORECASE)
    assert [message.text for message in said() if forbidden.search(f"{message.text} {message.plural}")] == []


def test_german_has_its_careful_words() -> None:
    german = language("de").sentences
    assert german.gettext("Candidate") == "Kandidat"
    assert german.gettext("Similarity") == "Ähnlichkeit"
    words = [german.gettext(SUPPORT[word]) for _, _, word in SCALE[1:]]
    assert words == [
        f"{word} Unterstützung"
        for word in ("leichte", "mäßige", "mäßig starke", "starke", "sehr starke", "extrem starke")
    ]


def test_german_quotes_are_typographic() -> None:
    forms = [form for forms in entries(SOURCES / "languages" / "de.po").values() for form in forms]
    assert [form for form in forms if '"' in form or "'" in form or form.count("„") != form.count("“")] == []


# --- one language for one rendering -----------------------------------------------------------------------------------


def test_an_unknown_language_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=f"language 'xx'; there are: {', '.join(languages())}"):
        language("xx")


@pytest.mark.parametrize("code", ["../de", "de.po", "", "DE", "de\n"])
def test_a_code_is_never_a_path(code: str) -> None:
    with pytest.raises(UsageError):
        language(code)


def test_outside_of_a_rendering_all_is_english() -> None:
    with speaking(language("de")):
        assert tr("Summary") == "Zusammenfassung"
    assert spoken() is ENGLISH
    assert tr("Summary") == "Summary"


def test_a_failed_rendering_leaves_english() -> None:
    with pytest.raises(ValueError, match="stop"), speaking(language("de")):
        raise ValueError("stop")
    assert tr("Summary") == "Summary"


def test_two_renderings_at_once_do_not_disturb_each_other() -> None:
    both, heard = threading.Barrier(2, timeout=10), {}

    def render(code: str) -> None:
        with speaking(language(code)):
            both.wait()
            heard[code] = tr("Summary")
            both.wait()

    threads = [threading.Thread(target=render, args=(code,)) for code in ("de", "en")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"de": "Zusammenfassung", "en": "Summary"}


def test_numbers_choose_the_plural_form_of_the_language() -> None:
    with speaking(language("de")):
        told = [plural("{count} comparison", "{count} comparisons", count) for count in (0, 1, 2, 40_000)]
    assert told == ["0 Vergleiche", "1 Vergleich", "2 Vergleiche", "40\u202f000 Vergleiche"]


def test_braces_in_a_name_are_no_placeholder() -> None:
    with speaking(language("de")):
        assert tr("Candidate: {name}", name="{x} {0}") == "Kandidat: {x} {0}"


def test_an_english_report_is_the_same_with_and_without_its_language() -> None:
    assert render_html(full_case()) == render_html(full_case(), language("en"))


def test_a_german_report_is_the_same_twice() -> None:
    assert render_html(full_case(), language("de")) == render_html(full_case(), language("de"))


# --- recorded text ----------------------------------------------------------------------------------------------------


def test_recorded_sentences_are_those_that_the_program_writes() -> None:
    assert set(FILTERS) == {text.description for text in DESCRIPTIONS.values()}
    names = ("inter_eye_px", "sharpness", "fine_detail", "brightness", "contrast", "yaw_deg", "pitch_deg", "frames")
    assert set(QUANTITIES) == {as_measured(name, None) for name in names}
    with speaking(language("de")):
        for log10 in (-7, -5, -3.5, -2.5, -1.5, -0.5, 0.1, 0.5, 1.5, 2.5, 3.5, 5, 7):
            sentence = verbal_support(log10).sentence
            assert "Hypothese" in recorded(sentence)
            assert not re.search(r"\b(weak|moderate|strong|extremely)\b", recorded(sentence))


def test_shipped_figures_are_told_in_the_report_s_language() -> None:
    with speaking(language("de")):
        for table in load_figures().tables:
            for text in (table.title, table.sample, *table.measures):
                assert known(text, MEASURED) != text or text == "Cllr_min"
            assert OPEN not in recorded(table.note, MEASURED)


def test_unknown_recorded_text_is_marked_and_known_text_keeps_its_values() -> None:
    with speaking(language("de")):
        assert recorded("some old words") == f"{OPEN}some old words{CLOSE}"
        assert recorded("12 / 34") == "12 / 34"
        assert recorded("quality 0.20 is under 0.4") == "die Qualität 0.20 liegt unter 0.4"
        assert bare(recorded("some old words")) == "some old words"
    assert recorded("some old words") == "some old words"


def test_text_from_outside_cannot_forge_a_mark() -> None:
    with speaking(language("de")):
        assert recorded(f"a{OPEN}b{CLOSE}") == f"{OPEN}a[U+E000]b[U+E001]{CLOSE}"


def test_no_recorded_sentence_is_so_general_that_it_fits_any_text() -> None:
    for sentence in RECORDED:
        words = re.sub(r"\{\w+\}", "", sentence)
        assert len(re.findall(r"[A-Za-z]{3,}", words)) >= 1
