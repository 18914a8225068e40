"""The report of a redacted copy: what is hidden counts as hidden, and all is said in the report's language."""

from __future__ import annotations

import pytest
from report_reading import Page
from report_redacted import DECODER, UNFAITHFUL, UNPLACED, WITHHELD, redacted_case

from facerecon.report.blocks import Stats
from facerecon.report.html import render_html
from facerecon.report.language import language, speaking
from facerecon.report.recorded import CLOSE, OPEN, RECORDED, UNCOVERED, recorded
from facerecon.report.sections import document

NOT_COMPARED = "could not be compared"


def summary(*hidden: str) -> tuple[str, Stats]:
    blocks = document(redacted_case(*hidden)).sections[0].blocks
    (found,) = (block.text for block in blocks if block.kind == "text" and block.tone == "result")
    (stats,) = (block for block in blocks if block.kind == "stats")
    return found, stats


def test_hidden_tracks_are_counted_as_hidden_and_not_as_not_compared() -> None:
    found, stats = summary("t0001")
    assert found.startswith("2 tracks found in")
    assert "1 of them is covered in this copy, redacted for disclosure." in found
    assert "about the other one, t0002." in found
    assert NOT_COMPARED not in found
    assert "this track" in found
    assert stats.items[0] == ("2", "tracks, 1 redacted")


def test_what_is_said_of_the_others_does_not_depend_on_what_is_hidden() -> None:
    found, _ = summary("t0002")
    assert found.endswith("For this track the gallery holds at least one candidate above the similarity threshold.")


def test_a_copy_that_hides_everybody_does_not_say_that_nobody_was_found() -> None:
    found, stats = summary("t0001", "t0002")
    assert found.endswith("2 of them are covered in this copy, redacted for disclosure.")
    assert NOT_COMPARED not in found
    assert "No face" not in found
    assert stats.items[0] == ("2", "tracks, 2 redacted")


def test_every_reason_is_a_sentence_that_is_translated() -> None:
    with speaking(language("de")):
        for reason in WITHHELD:
            told = recorded(reason)
            assert told != reason
            assert (OPEN in told) == (DECODER in reason), told
            assert told.replace(OPEN, "").replace(CLOSE, "") != reason
    assert set(WITHHELD) - set(RECORDED) == {each for each in WITHHELD if each.endswith((*UNPLACED, *UNFAITHFUL))}
    assert set(UNFAITHFUL[:-1]) | {UNPLACED[0]} <= set(UNCOVERED)


@pytest.mark.parametrize("hidden", [("t0001",), ("t0001", "t0002")])
def test_a_german_reader_is_told_in_german(hidden: tuple[str, ...]) -> None:
    words = Page(render_html(redacted_case(*hidden), language("de"))).words
    assert "zur Weitergabe unkenntlich gemacht" in words
    assert "von einem unkenntlich gemachten Track" in words
    assert "redacted for disclosure" not in words
