"""The parts: comparison figure, timeline, notation, glyphs, history, tables."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import report_builder
import report_calibrations
import report_example as example
import report_facts
import report_ledger
from report_reading import strings

from facerecon.errors import IntegrityError
from facerecon.records import Timestamp
from facerecon.report.blocks import Beside, Cell, Column, Table
from facerecon.report.candidates import ONE_COMPARISON
from facerecon.report.content import CaseReport
from facerecon.report.figures import Album, ComparisonFigure, Picture, png_size
from facerecon.report.glyphs import covered, printable
from facerecon.report.history import stage_history
from facerecon.report.notation import (
    clock_time,
    duration,
    flat,
    integer,
    short,
    shown,
    shown_lines,
    similarity,
    size,
    threshold,
    utc,
)
from facerecon.report.sections import document
from facerecon.report.strength import source_words
from facerecon.report.timeline import Clock, timelines


def picture(width: int, height: int) -> Picture:
    return Picture(f"{width}.png", b"", "0" * 64, width, height, "original", "a face")


# --- R14 --------------------------------------------------------------------------------------------------------------


def test_comparison_figure_needs_both_pictures() -> None:
    with pytest.raises(TypeError):
        ComparisonFigure(original=picture(4, 4), scale=1, content=(4, 4))  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ComparisonFigure(restored=picture(4, 4), scale=1, content=(4, 4))  # type: ignore[call-arg]


@pytest.mark.parametrize(("scale", "content"), [(4, (164, 189)), (4, (163, 188)), (2, (164, 188)), (0, (0, 0))])
def test_comparison_figure_refuses_unequal_sizes(scale: int, content: tuple[int, int]) -> None:
    with pytest.raises(IntegrityError, match="same size"):
        ComparisonFigure(picture(41, 47), picture(164, 220), scale, content)


def test_comparison_figure_refuses_a_restored_file_smaller_than_its_content() -> None:
    with pytest.raises(IntegrityError, match="smaller than the content"):
        ComparisonFigure(picture(41, 47), picture(164, 180), 4, (164, 188))


@pytest.mark.parametrize("restored_width", [164, 200])
def test_both_contents_are_drawn_at_one_size(restored_width: int) -> None:
    figure = ComparisonFigure(picture(41, 47), picture(restored_width, 220), 4, (164, 188))
    assert figure.display_width_px % 41 == 0
    content_share = figure.content[0] / restored_width
    assert figure.restored_display_width_px * content_share == pytest.approx(figure.display_width_px, abs=0.01)


def test_a_large_original_is_never_drawn_smaller_than_its_pixels() -> None:
    figure = ComparisonFigure(picture(900, 1200), picture(900, 1230), 1, (900, 1200))
    assert figure.display_width_px == 900


def test_album_checks_the_size_against_the_record() -> None:
    report = example.full_case()
    chip = report.chips[0].model_copy(update={"size": (40, 47)})
    with pytest.raises(IntegrityError, match="its record says 40 x 47"):
        Album(report.picture).original(chip, "a face")


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + b"\0" * 40, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 20]
)
def test_png_size_refuses_what_is_no_png(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"x\.png"):
        png_size(data, "x.png")


# --- timeline ---------------------------------------------------------------------------------------------------------


def test_timeline_positions_are_percent_of_the_footage() -> None:
    report = example.full_case()
    (line,) = timelines(report, Clock("stream", report.frames), rows_each=20)
    row = line.rows[0]
    end = 239 / 12.5
    assert row.first == pytest.approx(100 * 3.6 / end, abs=0.06)
    assert row.last == pytest.approx(100 * 9.52 / end, abs=0.06)
    assert len(row.ticks) == 38
    assert len(row.shots) == 3
    assert [text for _, text in line.axis] == ["0:00:00", "0:00:05", "0:00:10", "0:00:15"]


def test_timeline_is_cut_into_parts_over_one_axis() -> None:
    report = example.large_case(60)
    parts = timelines(report, Clock("stream", report.frames), rows_each=20)
    assert [len(part.rows) for part in parts] == [20, 20, 20]
    assert len({part.axis for part in parts}) == 1
    assert sum(len(row.ticks) for part in parts for row in part.rows) <= 60 * 1001


def test_a_moment_is_still_visible_and_inside() -> None:
    build = report_builder.Builder()
    build.add_track(1, 239, 239, [(41, 47)])
    build.add_track(2, 0, 0, [(41, 47)])
    report = build.report()
    (line,) = timelines(report, Clock("stream", report.frames), rows_each=20)
    assert all(0 <= row.first < row.last <= 100 for row in line.rows)


@pytest.mark.parametrize("seconds", [0.0, 0.4, 59.0, 3600.0, 40_000.0, 900_000.0])
def test_axis_has_few_marks_at_every_length(seconds: float) -> None:
    build = report_builder.Builder()
    build.frames = [report_facts.frame(0, 0.0), report_facts.frame(1, seconds)]
    report = build.report(tracks=example.full_case().tracks[:0])
    clock = Clock("stream", report.frames)
    build.add_track(1, 0, 1, [(41, 47)])
    build.tracks[0] = build.tracks[0].model_copy(update={"last": report_facts.stamp(seconds)})
    (line,) = timelines(build.report(), clock, rows_each=20)
    assert 2 <= len(line.axis) <= 6
    assert all(0 <= position <= 100 for position, _ in line.axis)


# --- notation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Fraction(0), "0:00:00.000"),
        (Fraction(12345, 1000), "0:00:12.345"),
        (Fraction(-1, 2), "-0:00:00.500"),
        (Fraction(3599999600, 1000000), "1:00:00.000"),
        (Fraction(90061), "25:01:01.000"),
        (Fraction(-1, 10**6), "0:00:00.000"),
    ],
)
def test_clock_time(seconds: Fraction, text: str) -> None:
    assert clock_time(seconds) == text


def test_numbers_have_one_form() -> None:
    assert [similarity(score) for score in (0.4, 0.6134, -0.25)] == ["0.4000", "0.6134", "-0.2500"]
    assert [threshold(score) for score in (0.4, 0.6134, 1.0)] == ["0.40", "0.6134", "1.00"]
    assert [integer(count) for count in (0, 9999, 10_000)] == ["0", "9999", "10\u202f000"]
    assert integer(1_234_567) == "1\u202f234\u202f567"
    assert [duration(took) for took in (0.5, 119.994, 125, 7322)] == ["0.50 s", "119.99 s", "2 min 5 s", "2 h 2 min"]
    assert size(999) == "999 bytes"
    assert size(48_213_977) == "48\u202f213\u202f977 bytes (48.21 MB)"
    assert utc("2024-05-02T08:00:00.123Z") == "2024-05-02 08:00:00 UTC"
    assert utc("yesterday") == "yesterday"
    assert short("ab" * 32) == "abababababab…"


def test_invisible_characters_are_made_visible() -> None:
    assert shown(report_facts.OVERRIDE) == "invoice[U+202E]gpj.exe"
    assert shown("a\tb\nc\x00\ufeff\u200b\udcff") == "a[U+0009]b[U+000A]c[U+0000][U+FEFF][U+200B][U+DCFF]"
    assert (
        shown(report_facts.ARABIC + report_facts.CHINESE + "é😀") == report_facts.ARABIC + report_facts.CHINESE + "é😀"
    )
    assert shown_lines("a: 1\n  b: \u202e2\n") == "a: 1\n  b: [U+202E]2"


def test_nested_data_becomes_dotted_keys() -> None:
    data = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": None}, {"e": True}]}
    assert list(flat(data)) == [("a.b", "1"), ("a.c", "[1, 2]"), ("d.0.e", "none"), ("d.1.e", "yes")]


# --- glyphs -----------------------------------------------------------------------------------------------------------


def test_only_characters_with_a_glyph_are_printed() -> None:
    assert covered("é")
    assert covered("ж")
    assert not covered("王")
    assert printable(report_facts.CYRILLIC + report_facts.ARABIC) == report_facts.CYRILLIC + report_facts.ARABIC
    assert printable("王 x😀") == "[U+738B] x[U+1F600]"
    assert printable("é ж", strict=True) == "é [U+0436]"


def test_long_words_can_break_and_digests_stay_whole() -> None:
    assert printable("5f" * 32) == "5f" * 32
    assert "\u200b" in printable("x" * 40)
    assert printable("x" * 40).replace("\u200b", "") == "x" * 40


# --- history and tables -----------------------------------------------------------------------------------------------


def test_history_takes_the_details_of_the_last_finished_run() -> None:
    lines = report_ledger.ledger(
        ("enhance.started", {}),
        ("enhance.finished", {"seed": 1}),
        ("enhance.started", {}),
        ("enhance.finished", {"seed": 2}),
        ("enhance.started", {}),
        ("enhance.interrupted", {}),
    )
    history = stage_history(lines, "enhance")
    assert (history.state, history.runs, history.details["seed"]) == ("interrupted", 2, 2)


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"counts": 3, "models": "x", "steps": {"a": 1}, "durations_s": []},
        {"counts": {"frames": {"requested": "many"}}, "models": [1], "parameters": None},
    ],
)
def test_history_survives_missing_and_odd_details(details: dict) -> None:
    history = stage_history(report_ledger.ledger(("extract.finished", details)), "extract")
    assert (history.accounts, history.models, history.steps, history.durations) == ((), (), (), {})


def test_tables_refuse_ragged_rows() -> None:
    with pytest.raises(ValueError, match="does not have 2 cells"):
        Table("x", (Column("a"), Column("b")), ((Cell("1"),),))


def test_the_order_clock_counts_pictures_from_one() -> None:
    clock = Clock("order", [report_facts.frame(7, 0.5)])
    assert clock.text(report_facts.stamp(0.5)) == "picture 8"
    assert clock.text(Timestamp(pts=3, time_base=(1, 1))) == "picture 4"
    assert clock.span(Timestamp(pts=3, time_base=(1, 1)), Timestamp(pts=5, time_base=(1, 1))) == "3 pictures"


# --- strength ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pictures", "left_out", "words"),
    [
        (1, 0, ""),
        (3, 0, ", mean over 3 gallery pictures"),
        (2, 1, ", mean over 2 gallery pictures; 1 more outside the calibration"),
        (1, 4, ", by one gallery picture; 4 more outside the calibration"),
    ],
)
def test_gallery_pictures_that_a_ratio_does_not_rest_on_are_told(pictures: int, left_out: int, words: str) -> None:
    (line, *_) = [line for line in example.full_case().candidates if line.strength is not None]
    assert line.strength is not None
    told = source_words(line.strength.model_copy(update={"pictures": pictures, "left_out": left_out}))
    assert told.partition(line.strength.bin)[2] == words


def test_two_ratios_of_one_person_are_called_one_comparison() -> None:
    def told(report: CaseReport) -> bool:
        return ONE_COMPARISON in "\n".join(strings(document(report).sections))

    full = example.full_case()
    assert not told(full)
    fused = next(line for line in full.candidates if line.strength is not None)
    other = report_calibrations.calibration(variant="original")
    assert fused.strength is not None
    second = fused.strength.model_copy(update={"calibration": other.name, "calibration_sha256": other.sha256})
    lines = [
        line.model_copy(update={"strength": second, "no_strength": ""})
        if (line.track, line.variant, line.rank) == (fused.track, "original", 1)
        else line
        for line in full.candidates
    ]
    assert told(replace(full, candidates=tuple(lines), calibrations=(*full.calibrations, other)))


# --- overview and steps -----------------------------------------------------------------------------------------------


def test_a_computed_picture_stands_beside_another_only_with_its_originals_size() -> None:
    restored = replace(picture(164, 220), kind="restored")
    figure = ComparisonFigure(picture(41, 47), restored, 4, (164, 188))
    assert Beside("RESTORED", restored, figure).picture is restored
    with pytest.raises(ValueError, match="without the size of its original"):
        Beside("RESTORED", restored)
    with pytest.raises(ValueError, match="without the size of its original"):
        Beside("RESTORED", replace(restored, path="other.png"), figure)


def test_a_step_that_does_not_fit_its_original_cannot_be_shown() -> None:
    report = example.full_case()
    chip, step = report.chips[0], report.restored[0].steps[0]
    album = Album(report.picture)
    assert album.step(chip, step.path, ("a", "b")).content == chip.size
    with pytest.raises(IntegrityError, match="same size"):
        album.step(chip, report.chips[1].path, ("a", "b"))


def test_the_overview_holds_what_tracks_are_filtered_and_sorted_by() -> None:
    report = example.full_case()
    cards = document(report).sections[0].blocks[2].cards
    assert [card.keys.above_threshold for card in cards] == [True, False]
    assert [card.keys.similarity for card in cards] == [0.5634, 0.3121]
    assert [card.keys.log10_lr is None for card in cards] == [False, True]
    assert [[beside.label for beside in card.beside] for card in cards] == [["FUSED", "GALLERY"], ["ENHANCED"]]
    for card in cards:
        assert card.pictures[0].kind == "original"
        assert all(beside.figure.original.sha256 == card.pictures[0].sha256 for beside in card.beside if beside.figure)


def test_a_source_that_was_copied_is_told_by_where_it_came_from() -> None:
    report = example.full_case()
    details = {"url": "s3://cctv/hall/cam\u202e1.mp4", "size_bytes": 1000, "etag": "ab12", "modified_utc": None}
    copied = report.ledger[-1].model_copy(update={"action": "source.copied", "details": details})
    found = "\n".join(strings(document(replace(report, ledger=(*report.ledger, copied))).sections))
    assert "s3://cctv/hall/cam[U+202E]1.mp4" in found
    assert "1.00 kB" in found
    assert "ETag ab12" in found
    assert "Copied from" not in "\n".join(strings(document(report).sections))
