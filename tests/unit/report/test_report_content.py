"""What a report says: counts, careful words, what was not run, what is refused."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import report_builder
import report_example as example
import report_facts
import report_ledger
from report_reading import as_text, strings

from facerecon.errors import IntegrityError
from facerecon.report.blocks import Comparison, Document, Section, Table, Timelines
from facerecon.report.content import CaseReport
from facerecon.report.sections import document

GOLDEN = Path(__file__).parents[2] / "golden" / "report.txt"
CLAIMS = re.compile(r"\b(match\w*|identif\w*|confirm\w*|proven|guilty|same person)\b", re.IGNORECASE)


def every(part: Document | Section) -> list[Section]:
    found = [] if isinstance(part, Document) else [part]
    for child in part.sections if isinstance(part, Document) else part.children:
        found += every(child)
    return found


def blocks(made: Document, kind: type) -> list:
    return [block for section in every(made) for block in section.blocks if isinstance(block, kind)]


def words(made: Document) -> str:
    return "\n".join(strings((made.head, made.sections)))


def section(made: Document, name: str) -> Section:
    return next(part for part in every(made) if part.id == name)


def row_texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_the_wording_of_a_report_is_the_golden_one() -> None:
    text = as_text(document(example.full_case()))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), "wording changed: UPDATE_GOLDEN=1, and a line under Results"


@pytest.mark.parametrize("make", [example.full_case, example.no_face_case, example.extract_only_case])
def test_words_are_careful(make) -> None:
    found = [hit[0].lower() for hit in CLAIMS.finditer(words(document(make())))]
    # The report may speak of the same person only to say that this is not known.
    assert set(found) <= {"same person"}
    assert "The same person may appear in several tracks" in words(document(make())) or not found


def test_head_says_who_what_why_and_that_nobody_reviewed_it() -> None:
    head = document(example.full_case()).head
    assert head.state == "UNREVIEWED"
    assert len(head.reviewers) == 2
    facts = {fact.label: fact.value for fact in head.facts}
    assert facts["Operator"] == "A. Examiner"
    assert facts["Purpose"] == "Who enters by the rear door?"
    assert facts["Source SHA-256"] == report_facts.SOURCE_SHA
    assert facts["Report date"].startswith("2024-05-02 08:06:00 UTC")


def test_sections_come_in_the_order_in_which_they_are_read() -> None:
    made = document(example.full_case())
    assert [(part.number, part.id) for part in made.sections] == [
        ("1", "summary"),
        ("2", "timeline"),
        ("3", "tracks"),
        ("4", "strength"),
        ("5", "omissions"),
        ("6", "truth"),
        ("7", "method"),
        ("8", "processing"),
        ("9", "source"),
        ("10", "limits"),
        ("11", "integrity"),
        ("A", "profile"),
        ("B", "probe"),
        ("C", "steps"),
        ("D", "pictures"),
    ]


def test_figures_and_tables_are_numbered_through() -> None:
    made = document(example.full_case())
    labels = [block.label for part in every(made) for block in part.blocks if hasattr(block, "label")]
    for kind in ("Figure", "Table"):
        mine = [label for label in labels if label.startswith(kind)]
        assert mine == [f"{kind} {number}" for number in range(1, len(mine) + 1)]


def test_every_restored_picture_stands_beside_its_original() -> None:
    made = document(example.full_case())
    figures = blocks(made, Comparison)
    case = example.full_case()
    assert len(figures) == len(case.restored) + len(case.fused) + len(case.fused_restored)
    labels = [figure.restored_label for figure in figures]
    assert labels == ["RESTORED", "FUSED", "FUSED and RESTORED", "ENHANCED"]
    shown_restored = [picture for picture in made.pictures if picture.kind == "restored"]
    assert {picture.path for picture in shown_restored} == {figure.figure.restored.path for figure in figures}


def test_all_counts_are_shown_and_add_up() -> None:
    table = next(
        block
        for block in section(document(example.full_case()), "omissions").blocks
        if isinstance(block, Table) and block.caption.startswith("Account")
    )
    assert ["extract", "frames", "300", "240", "2", "58"] in row_texts(table)
    assert len(table.rows) == 7
    for row in row_texts(table):
        assert int(row[2]) == sum(map(int, row[3:]))


def test_an_account_that_does_not_add_up_is_denounced() -> None:
    details = {
        **report_ledger.EXTRACTED,
        "counts": {"frames": {"requested": 9, "written": 1, "failed": 1, "skipped": 1}},
    }
    lines = report_ledger.ledger(report_ledger.CREATED, ("extract.started", {}), ("extract.finished", details))
    assert "These accounts do NOT add up: extract frames." in words(
        document(replace(example.full_case(), ledger=lines, ledger_head=lines[-1].hash))
    )


def test_omissions_are_gathered_by_reason_with_examples() -> None:
    table = next(
        block
        for block in section(document(example.full_case()), "omissions").blocks
        if isinstance(block, Table) and block.caption.startswith("Skipped")
    )
    assert row_texts(table)[0] == [
        "extract",
        "frame",
        "skipped",
        "nothing-moved",
        "58",
        "f000003-f000044; f000120-f000135",
    ]
    assert sum(int(row[4]) for row in row_texts(table)) == sum(item.count for item in report_ledger.SKIPPED)


def test_no_face_is_a_plain_result() -> None:
    made = document(example.no_face_case())
    assert made.sections[0].blocks[0].text.startswith("No face was found in 240 analysed frames. This is a result")
    assert "does not exclude that persons appear" in words(made)
    assert "tracks" not in [part.id for part in made.sections]


def test_a_case_with_only_extract_says_what_was_not_run() -> None:
    text = words(document(example.extract_only_case()))
    assert "Enhancement was not run." in text
    assert "Comparison with a gallery was not run." in text
    assert "not run" in text


def test_a_case_without_any_stage_still_renders() -> None:
    lines = report_ledger.ledger(report_ledger.CREATED)
    empty = replace(example.no_face_case(), frames=(), ledger=lines, ledger_head=lines[-1].hash)
    assert "Nothing has been examined yet" in words(document(empty))


def test_failed_and_killed_stages_are_named_with_the_reason() -> None:
    lines = report_ledger.ledger(
        *report_ledger.EXTRACT_LINES,
        ("enhance.started", {}),
        ("enhance.failed", {"reason": "disk full"}),
        ("recognize.started", {}),
    )
    text = words(document(replace(example.extract_only_case(), ledger=lines, ledger_head=lines[-1].hash)))
    assert "failed: disk full" in text
    assert "the ledger holds no end" in text


def test_no_candidate_excludes_nobody() -> None:
    build = report_builder.Builder()
    track = build.add_track(1, 45, 119, [(41, 47)])
    build.add_gallery("A", "a.jpg")
    build.compare(track, "fused", [0.2])
    made = document(build.report())
    assert "No candidate above the threshold does not exclude anyone." in made.sections[0].blocks[0].text
    assert "A" not in [card.strong for card in made.sections[0].blocks[2].cards]


def test_scores_of_restored_pictures_are_secondary_and_last() -> None:
    part = section(document(example.full_case()), "track-t0001")
    ranked = [block for block in part.blocks if isinstance(block, Table) and block.columns[0].heading == "Rank"]
    captions = [block.caption for block in ranked]
    assert [caption.split(":")[0].split(".")[0] for caption in captions] == [
        "Fused track",
        "Single best original frame",
        "Picture fused from several frames",
        "Restored picture",
    ]
    secondary = [block for block in part.blocks if isinstance(block, Table) and block.quiet]
    assert secondary == ranked[2:]
    for table in secondary:
        assert "not for decision" in table.caption
        assert not any(cell.strong for row in table.rows for cell in row)


def test_the_strongest_candidate_is_never_taken_from_a_restored_picture() -> None:
    build = report_builder.Builder()
    track = build.add_track(1, 45, 119, [(41, 47)])
    build.add_gallery("Original Choice", "a.jpg")
    build.compare(track, "restored", [0.99])
    build.compare(track, "original", [0.45])
    contact = document(build.report()).sections[0].blocks[2].cards[0]
    assert contact.strong == "Candidate: Original Choice"
    assert "similarity 0.4500, threshold 0.40" in contact.lines


def test_fused_frames_and_drift_are_told() -> None:
    text = words(document(example.full_case()))
    assert "3 original frames: f000063 (weight 0.333), f000082 (weight 0.333), f000100 (weight 0.333)" in text
    assert "The face vector moved by 0.20" in text
    assert "Frames that were left out of the fused picture: f000100: correlation 0.41 with the reference" in text
    assert "Frames of the fused picture, with their weights: f000063 (0.500), f000082 (0.500)." in text


def test_measurements_are_shown_with_their_mean_only_when_there_are_any() -> None:
    table = section(document(example.full_case()), "truth").blocks[1]
    assert row_texts(table)[-1] == ["Mean of 2", "20.700", "23.300"]
    assert "truth" not in [part.id for part in document(example.extract_only_case()).sections]


def test_source_digests_before_and_after_are_compared() -> None:
    assert "All recorded digests of the source are equal." in words(document(example.full_case()))
    changed = {**report_ledger.EXTRACTED, "source_sha256_after": "00" * 32}
    lines = report_ledger.ledger(report_ledger.CREATED, ("extract.started", {}), ("extract.finished", changed))
    text = words(document(replace(example.full_case(), ledger=lines, ledger_head=lines[-1].hash)))
    assert "The recorded digests of the source DIFFER." in text
    lines = report_ledger.ledger(report_ledger.CREATED)
    assert "no digest of the source taken after" in words(document(replace(example.full_case(), ledger=lines)))


def test_limits_cite_the_demographic_study() -> None:
    assert "NISTIR 8280" in words(document(example.no_face_case()))


def test_pictures_by_number_are_used_when_there_is_no_clock() -> None:
    build = report_builder.Builder()
    build.add_track(1, 45, 119, [(41, 47)], enhanced=0)
    made = document(build.report(info=report_facts.info(kind="folder", clock="order")))
    assert "picture 46" in words(made)
    assert blocks(made, Timelines)[0].timeline.axis[0] == (0.0, "1")


def spoiled(report: CaseReport, path_part: str, data: bytes) -> CaseReport:
    return replace(report, picture=lambda path: data if path_part in path else report.picture(path))


def test_a_picture_that_is_not_the_recorded_one_stops_the_report() -> None:
    report = example.full_case()
    other = report.picture(report.chips[1].path)
    with pytest.raises(IntegrityError, match="digest"):
        document(spoiled(report, "t0001/f000063.original", other))
    with pytest.raises(IntegrityError, match="not a PNG"):
        document(spoiled(report, "gallery/", b"GIF89a"))


def test_a_restored_picture_without_its_original_stops_the_report() -> None:
    report = example.full_case()
    with pytest.raises(IntegrityError, match="lacks its original"):
        document(replace(report, chips=report.chips[1:], tracks=report.tracks[1:]))
    with pytest.raises(IntegrityError, match="which the case lacks"):
        document(replace(report, chips=report.chips[1:], restored=()))


def test_tracks_that_were_not_compared_are_said_to_be() -> None:
    case = example.full_case()
    one_left = [line for line in case.candidates if line.track == case.tracks[0].id]
    some = document(replace(case, candidates=tuple(one_left))).sections[0].blocks[0].text
    assert some.endswith("1 of the tracks could not be compared: the reasons are listed under what was not processed.")
    none = document(replace(case, candidates=())).sections[0].blocks[0].text
    assert "None of the tracks could be compared:" in none
    assert "does not exclude" not in none
