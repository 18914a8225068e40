"""A fused picture that a model corrected, in the report: after the fused one, beside the original, with its maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import report_example as example
from report_reading import Page, strings

from facerecon.errors import IntegrityError
from facerecon.report import wording
from facerecon.report.blocks import Card, Cards, Comparison, Document, Section
from facerecon.report.content import CaseReport
from facerecon.report.html import render_html
from facerecon.report.sections import document

PICTURE = "faces/t0001/fused-restored-restorer-unet.png"
CHANGE, DOUBT = "faces/t0001/fused-restored-change.png", "faces/t0001/fused-restored-uncertainty.png"


def without() -> CaseReport:
    """The case of a profile that leaves fused pictures alone, or of an earlier version."""
    return replace(example.full_case(), fused_restored=())


def comparisons(part: Document | Section) -> Iterator[Comparison]:
    children = part.sections if isinstance(part, Document) else part.children
    yield from (block for block in getattr(part, "blocks", ()) if isinstance(block, Comparison))
    for child in children:
        yield from comparisons(child)


def map_cards(part: Document | Section) -> list[Card]:
    children = part.sections if isinstance(part, Document) else part.children
    own = [card for block in getattr(part, "blocks", ()) if isinstance(block, Cards) for card in block.cards]
    return [card for card in own if card.map_of] + [card for child in children for card in map_cards(child)]


def words(report: CaseReport) -> str:
    made = document(report)
    return "\n".join(strings((made.head, made.sections)))


def test_it_comes_right_after_the_fused_picture_beside_the_same_original() -> None:
    found = [*comparisons(document(example.full_case()))]
    place = next(number for number, each in enumerate(found) if each.figure.restored.path == PICTURE)
    fused, corrected = found[place - 1], found[place]
    assert (fused.restored_label, corrected.restored_label) == ("FUSED", "FUSED and RESTORED")
    assert corrected.figure.original.path == fused.figure.original.path
    assert (corrected.figure.scale, corrected.figure.content) == (fused.figure.scale, fused.figure.content)
    assert corrected.landmarks == fused.landmarks
    assert corrected.warnings == (
        "reduced to the recorded size it differs from the fused picture: PSNR 23.1 dB, limit 24 dB",
    )


def test_its_words_name_the_model_and_what_was_measured() -> None:
    (caption,) = (
        each.restored_caption
        for each in comparisons(document(example.full_case()))
        if each.figure.restored.path == PICTURE
    )
    assert caption.startswith(wording.CORRECTED_NOTE)
    for told in ("restorer-unet, strength 0.75", "bf16", "6.0 grey levels", "23.1 dB", "3.4 grey levels", "0.12"):
        assert told in caption
    assert "no learned model" not in caption
    assert "invent" in wording.CORRECTED_NOTE


def test_its_two_maps_lie_over_the_same_original_each_with_name_and_scale() -> None:
    found = {card.pictures[0].path: card for card in map_cards(document(example.full_case()))}
    original = example.full_case().fused[0].reference_path
    for path, name in ((CHANGE, wording.CHANGE_MAP), (DOUBT, wording.FUSED_DOUBT_MAP)):
        assert (found[path].map_of, found[path].map_name) == (original, name)
        assert found[path].scale is not None
        assert found[path].scale.high == "24 grey levels or more"
    told = words(example.full_case())
    assert wording.CHANGE_CAPTION in told
    assert wording.UNCERTAINTY_CAPTION in told


def test_method_and_digests_tell_of_the_step() -> None:
    told = words(example.full_case())
    method = told[told.index("Restoration of the fused picture") :]
    assert "a map shows all that the model changed" in method
    assert "compared with no gallery" in method
    assert "t0001/fused-restored-restorer-unet" in told
    assert "records/fused-restored.jsonl" in told


def test_the_page_shows_it_as_a_layer_of_the_same_figure() -> None:
    """Pictures of one original are put together: what lies between fused and corrected is no other figure."""
    html = render_html(example.full_case())
    corrected = html.index('badge computed">FUSED and RESTORED<')
    restored, fused = (html.rindex(f'badge computed">{label}<', 0, corrected) for label in ("RESTORED", "FUSED"))
    assert restored < fused < corrected
    assert 'class="figcaption"' in html
    assert 'class="figcaption"' not in html[restored:corrected], "it ends a figure"


def test_the_overview_keeps_the_picture_that_no_model_made() -> None:
    cards = [
        card
        for section in document(example.full_case()).sections
        for block in section.blocks
        if isinstance(block, Cards)
        for card in block.cards
    ]
    labels = [beside.label for card in cards for beside in card.beside]
    assert "FUSED" in labels
    assert "FUSED and RESTORED" not in labels


def test_without_it_nothing_is_said_of_it() -> None:
    told = words(without())
    for later in ("FUSED and RESTORED", wording.CHANGE_CAPTION, "Restoration of the fused picture", "fused-restored"):
        assert later not in told
        assert later not in Page(render_html(without())).words
    assert "FUSED" in told


def test_a_corrected_picture_that_is_not_the_record_s_is_refused() -> None:
    report = example.full_case()
    other = report.fused[0].path
    with pytest.raises(IntegrityError, match=r"fused-restored-restorer-unet\.png: its digest"):
        render_html(replace(report, picture=lambda path: report.picture(other if path == PICTURE else path)))
