"""Strength of evidence in a report: no ratio without its calibration, words that fit the scale, both renderers."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from typing import Any

import pikepdf
import pytest
import report_builder
import report_calibrations
import report_example as example
import report_facts
from report_reading import Page, squeezed, strings

from facerecon.errors import IntegrityError
from facerecon.likelihood import verbal_support
from facerecon.records import Candidate, ExplanationRecord, Strength
from facerecon.report.blocks import Cards, Document, Plot, Section, Table, Text, plots_of
from facerecon.report.calibrations import SELECTED, impostor_words
from facerecon.report.content import CaseReport
from facerecon.report.html import render_html
from facerecon.report.pdf import render_pdf
from facerecon.report.sections import document
from facerecon.report.strength import SCALE, likelihood_words, ratio, strength_words, support_words

RATIO = re.compile(r"likelihood ratio:? 1?/?\d|[\d.]+( \(limited\))?, (\w+ )+support")


def every(part: Document | Section) -> list[Section]:
    found = [] if isinstance(part, Document) else [part]
    for child in part.sections if isinstance(part, Document) else part.children:
        found += every(child)
    return found


def section(made: Document, name: str) -> Section:
    return next(part for part in every(made) if part.id == name)


def words(made: Document) -> str:
    return "\n".join(strings((made.head, made.sections)))


def with_strength(report: CaseReport, **changes: Any) -> CaseReport:
    """The case with its first candidate's strength changed."""
    first = report.candidates[0]
    assert first.strength is not None
    strength = first.strength.model_copy(update=changes)
    return replace(report, candidates=(first.model_copy(update={"strength": strength}), *report.candidates[1:]))


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("likelihood_ratio", "text"),
    [
        (1.0, "1"),
        (1.6, "1.6"),
        (9.96, "9.9"),
        (40.0, "40"),
        (1234.0, "1200"),
        (200_000.0, "200\u202f000"),
        (0.999, "1"),
        (0.625, "1/1.6"),
        (0.04, "1/25"),
        (0.00005, "1/20\u202f000"),
    ],
)
def test_a_ratio_has_two_digits_and_is_a_fraction_below_one(likelihood_ratio: float, text: str) -> None:
    assert ratio(likelihood_ratio) == text


@pytest.mark.parametrize("log10", [-6.5, -3.2, -1.0, -0.4, 0.0, 0.31, 1.5, 2.0, 5.9, 7.0])
def test_short_words_say_what_the_sentence_says(log10: float) -> None:
    support, short = verbal_support(log10), support_words(log10)
    if support.direction == "neither":
        assert short == "no support either way"
        return
    strength, _, proposition = short.partition(" support ")
    assert f"gives {strength} support" in support.sentence
    supported, against = re.findall("same person|different persons", support.sentence)
    assert proposition == f"({supported})"
    assert against not in short


def test_a_cut_ratio_is_called_limited() -> None:
    assert strength_words(40.0, 1.602, limited=False) == "40, moderate support (same person)"
    assert strength_words(0.04, -1.398, limited=True) == "1/25 (limited), moderate support (different persons)"


def test_the_printed_scale_is_the_one_that_is_used() -> None:
    assert [low for low, _, _ in SCALE] == [1, *(high for _, high, _ in SCALE if high is not None)]
    for low, high, word in SCALE:
        last = (low * 10 if high is None else high) * 0.999
        for log10 in (math.log10(low), math.log10(last), -math.log10(low), -math.log10(last)):
            assert verbal_support(log10).strength == word


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (report_facts.NOT_CALIBRATED, "not calibrated"),
        (report_facts.TOO_SMALL, "outside the calibration"),
        ("", "not calibrated"),
    ],
)
def test_without_a_ratio_the_reason_stands_in_its_place(reason: str, expected: str) -> None:
    update = {"strength": None, "no_strength": reason}
    line: Candidate = example.full_case().candidates[0].model_copy(update=update)
    assert likelihood_words(line) == expected


# --- R23, R24: no ratio without its calibration -----------------------------------------------------------------------


def test_no_calibration_no_ratio_anywhere() -> None:
    case = example.full_case()
    bare = tuple(
        line.model_copy(update={"strength": None, "no_strength": report_facts.NOT_CALIBRATED})
        for line in case.candidates
    )
    made = document(replace(case, candidates=bare, calibrations=(), explanations=()))
    assert not RATIO.search(words(made))
    assert not plots_of(made.sections)
    assert "strength" not in [part.id for part in every(made)]
    assert "No likelihood ratio is given" in words(made)
    assert RATIO.search(words(document(case)))


@pytest.mark.parametrize("render", [document, render_html, render_pdf])
def test_a_ratio_whose_calibration_is_missing_stops_the_report(render: Any) -> None:
    with pytest.raises(IntegrityError, match="by calibration cctv-2024, which the case lacks"):
        render(replace(example.full_case(), calibrations=()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration": "another"}, "by calibration another, which the case lacks"),
        ({"calibration_sha256": "0" * 64}, "by calibration cctv-2024, which the case lacks"),
        ({"bin": "24 px and more"}, "names the bin 24 px and more"),
        ({"bin": "12 to 24 px between the eyes, "}, "names the bin"),
    ],
)
def test_a_ratio_that_cannot_be_traced_stops_the_report(changes: dict[str, str], message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        document(with_strength(example.full_case(), **changes))


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"primary": False, "variant": "restored"}, "must have none"),
        ({"variant": "original"}, "was made for dlib-resnet, fused"),
        ({"model": "arcface"}, "was made for dlib-resnet, fused"),
    ],
)
def test_a_ratio_of_something_else_stops_the_report(update: dict[str, Any], message: str) -> None:
    case = example.full_case()
    lines = (case.candidates[0].model_copy(update=update), *case.candidates[1:])
    with pytest.raises(IntegrityError, match=message):
        document(replace(case, candidates=lines))


def test_the_facts_of_the_calibration_stand_in_the_report() -> None:
    by = report_calibrations.calibration()
    made = document(example.full_case())
    text = "\n".join(strings(section(made, "strength-1")))
    for fact in (by.name, by.sha256, by.model, by.treatment, by.dataset, by.protocol, *by.degradations, "2024-04-30"):
        assert fact in text
    for part in by.bins:
        metrics = part.metrics
        assert part.id in text
        for value in (metrics.cllr.value, metrics.cllr_min.value, metrics.cllr_validation):
            assert f"{value:.3f}" in text
        assert metrics.cllr.interval is not None
        assert "({:.3f} to {:.3f})".format(*metrics.cllr.interval) in text
        assert f"{100 * metrics.eer.value:.1f} %" in text
        assert f"{100 * metrics.tar_at_far_1pct.value:.1f} %" in text
        assert f"{ratio(10**part.log10_lower)} to {ratio(10**part.log10_upper)}" in text
    assert "12 of 412" in text


def test_used_bins_are_marked_and_counted() -> None:
    case = example.full_case()
    bins = next(block for block in section(document(case), "strength-1").blocks if isinstance(block, Table))
    strengths = [line.strength for line in case.candidates if line.strength is not None]
    assert strengths
    for row in bins.rows:
        used = sum(each.bin == row[0].text for each in strengths)
        assert row[-1].text == (str(used) if used else "–")
        assert row[0].strong == (used > 0)


def test_the_scale_and_what_a_ratio_is_not_are_told() -> None:
    blocks = section(document(example.full_case()), "strength").blocks
    text = "\n".join(strings(blocks))
    assert all(term in text for term in ("prior odds", "transposed conditional", "not the probability", "ENFSI"))
    assert SELECTED in text
    (scale,) = [block for block in blocks if isinstance(block, Table)]
    assert len(scale.rows) == len(SCALE)


def test_the_leading_card_has_the_sentence_and_the_table_the_short_words() -> None:
    case = example.full_case()
    first = case.candidates[0].strength
    assert first is not None
    part = section(document(case), "track-t0001")
    pairs = next(
        block for block in part.blocks if isinstance(block, Cards) and block.cards[0].strong.startswith("Candidate")
    )
    assert first.support in pairs.cards[0].lines
    assert f"calibration {first.calibration}, bin {first.bin}" in pairs.cards[0].lines
    table = next(block for block in part.blocks if isinstance(block, Table) and block.columns[0].heading == "Rank")
    assert table.rows[0][5].text == strength_words(first.likelihood_ratio, first.log10, first.limited)
    assert first.calibration in table.caption


def test_a_limited_ratio_is_explained() -> None:
    made = document(with_strength(example.full_case(), limited=True))
    part = section(made, "track-t0001")
    table = next(block for block in part.blocks if isinstance(block, Table) and block.columns[0].heading == "Rank")
    assert "(limited)" in table.rows[0][5].text
    assert "cut to the most that its calibration can support" in table.caption
    assert "(limited)" not in words(document(example.full_case()))


def test_reasons_for_no_ratio_are_told_in_full() -> None:
    made = document(example.full_case())
    captions = [block.caption for block in section(made, "track-t0002").blocks if isinstance(block, Table)]
    assert any(report_facts.TOO_SMALL in caption for caption in captions)
    summary = "\n".join(block.text for block in made.sections[0].blocks if isinstance(block, Text))
    assert "6 of 8 comparisons without a ratio:" in summary
    assert report_facts.TOO_SMALL in summary


def test_calibrations_that_hold_for_nothing_are_still_shown() -> None:
    case = example.full_case()
    bare = tuple(
        line.model_copy(update={"strength": None, "no_strength": report_facts.TOO_SMALL}) for line in case.candidates
    )
    made = document(replace(case, candidates=bare, explanations=()))
    assert "no comparison of this case lies in the conditions" in words(made)
    assert report_calibrations.calibration().sha256 in words(made)
    assert not plots_of(made.sections)


# --- plots ------------------------------------------------------------------------------------------------------------


def test_the_leading_candidates_plot_stands_with_its_track_and_is_marked() -> None:
    case = example.full_case()
    first = case.candidates[0].strength
    assert first is not None
    (plot,) = [block for block in section(document(case), "track-t0001").blocks if isinstance(block, Plot)]
    assert f"this comparison: {first.log10:.1f}" in plot.svg
    assert f"likelihood ratio {ratio(first.likelihood_ratio)}" in plot.caption
    assert "upright line" in plot.caption
    assert not [block for block in section(document(case), "strength-1").blocks if isinstance(block, Plot)]


def test_bins_that_no_leading_candidate_uses_are_drawn_without_a_mark() -> None:
    case = example.full_case()
    second = case.candidates[1]
    moved: Strength = report_calibrations.strength(second.similarity, 9.0, report_calibrations.calibration())
    lines = (case.candidates[0], second.model_copy(update={"strength": moved}), *case.candidates[2:])
    (plot,) = [
        block
        for block in section(document(replace(case, candidates=lines)), "strength-1").blocks
        if isinstance(block, Plot)
    ]
    assert "8 to 12 px" in plot.alt
    assert "this comparison" not in plot.svg


def test_several_bins_of_one_ratio_are_all_drawn() -> None:
    both = ", ".join(part.id for part in report_calibrations.calibration().bins)
    made = document(with_strength(example.full_case(), bin=both, pictures=2))
    drawn = [block.alt for block in section(made, "track-t0001").blocks if isinstance(block, Plot)]
    assert len(drawn) == 2
    assert "mean over 2 gallery pictures" in words(made)


@pytest.mark.parametrize("similarity", [0.2, 0.35, 0.45, 0.55, 0.9])
def test_the_shares_in_the_caption_are_those_of_the_curves(similarity: float) -> None:
    by = report_calibrations.calibration()
    part = by.bins[1]
    strength = report_calibrations.strength(similarity, 14.8, by)
    case = example.full_case()
    first = case.candidates[0].model_copy(update={"strength": strength, "similarity": similarity})
    made = document(replace(case, candidates=(first, *case.candidates[1:])))
    caption = next(block for block in section(made, "track-t0001").blocks if isinstance(block, Plot)).caption
    same, different = re.findall(r"(?:about )?(all|none|less than 1 %|\d+ %) of", caption)
    assert ("at least this ratio" in caption) == (strength.log10 >= 0)
    for told, curve in ((same, part.curves.tippett_same), (different, part.curves.tippett_different)):
        beyond = [each >= strength.log10 if strength.log10 >= 0 else each <= strength.log10 for each in curve]
        share = sum(beyond) / len(beyond)
        assert share == pytest.approx(SHARES.get(told) if told in SHARES else float(told[:-2]) / 100, abs=0.011)


SHARES = {"all": 1.0, "none": 0.0, "less than 1 %": 0.005}


def test_plots_are_in_the_page_and_in_the_pdf() -> None:
    case = example.full_case()
    page = Page(render_html(case))
    drawn = [image for image in page.all("img") if (image["src"] or "").startswith("data:image/svg+xml")]
    assert len(drawn) == len(plots_of(document(case).sections)) == 1
    assert "Tippett" in (drawn[0]["alt"] or "")
    with pikepdf.open(io.BytesIO(render_pdf(case))) as opened:
        alts = [str(item.Alt) for item in opened.objects if isinstance(item, pikepdf.Dictionary) and "/Alt" in item]
    assert any(alt.replace("\u200b", "").startswith("Tippett plot of bin 12 to 24 px") for alt in alts)


def test_hostile_names_of_calibrations_do_nothing() -> None:
    build = report_builder.Builder()
    track = build.add_track(1, 45, 119, [(41, 47)])
    build.add_gallery("A", "a.jpg")
    name = f"{report_facts.SCRIPT} {report_facts.TYPST} {report_facts.OVERRIDE}"
    part = report_calibrations.calibration().bins[1].model_copy(update={"id": f"<b>&{name}\x00"})
    by = report_calibrations.calibration().model_copy(
        update={"name": name, "dataset": report_facts.CHINESE, "bins": (part,)}
    )
    build.compare(track, "fused", [0.55], by=by)
    report = build.report()
    text = render_html(report)
    assert report_facts.SCRIPT in Page(text).words
    assert "\u202e" not in text
    assert render_pdf(report).startswith(b"%PDF-")


# --- explanations -----------------------------------------------------------------------------------------------------


def test_an_explained_pair_stands_beside_its_maps() -> None:
    part = section(document(example.full_case()), "track-t0001")
    figure = next(block for block in part.blocks if isinstance(block, Cards) and "MAPS over" in block.caption)
    pair, maps = figure.cards
    assert [picture.kind for picture in pair.pictures] == ["original", "gallery"]
    assert [picture.kind for picture in maps.pictures] == ["map", "map"]
    assert maps.title.startswith("MAPS, not pictures")
    assert "no evidence themselves" in figure.caption


def test_the_parts_of_the_face_come_largest_first() -> None:
    part = section(document(example.full_case()), "track-t0001")
    table = next(
        block for block in part.blocks if isinstance(block, Table) and block.columns[0].heading == "Part of the face"
    )
    shares = [row[1].bar or 0.0 for row in table.rows]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"low": 12, "high": 14, "of": 3_100_000}, "12 to 14 were at least as similar"),
        ({"low": 1, "high": 1, "of": 4000}, "1 was at least as similar"),
        ({"low": 0, "high": 0, "of": 4000}, "0 were at least as similar"),
    ],
)
def test_counts_of_other_persons_are_told_as_exactly_as_they_are_known(counts: dict[str, int], expected: str) -> None:
    told = impostor_words(0.61, counts, (0.6, 0.59))
    assert expected in told
    assert "0.6000, 0.5900" in told


def test_without_a_calibration_nothing_is_said_of_other_persons() -> None:
    told = impostor_words(0.61, None, ())
    assert told.startswith("No calibration holds")
    assert not re.search(r"\d", told)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"probe_map_sha256": "0" * 64}, "digest"),
        ({"gallery_map_sha256": "0" * 64}, "digest"),
        ({"chip": "t0001/f999999"}, "lacks its original"),
    ],
)
def test_a_map_that_is_not_the_recorded_one_stops_the_report(update: dict[str, str], message: str) -> None:
    case = example.full_case()
    record: ExplanationRecord = case.explanations[0].model_copy(update=update)
    with pytest.raises(IntegrityError, match=message):
        document(replace(case, explanations=(record,)))


def test_every_word_on_strength_is_on_the_page() -> None:
    case = example.full_case()
    shown = squeezed(Page(render_html(case)).words)
    for text in strings((section(document(case), "strength").blocks, section(document(case), "strength-1").blocks)):
        assert squeezed(text) in shown
