"""Search and grouping over several cases: who is found, what is never joined, what is only read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_file
from facerecon.pipeline import searching
from facerecon.pipeline.sheets import CELL_PX, Cell, Strip, contact_sheet
from facerecon.pipeline.strength import Calibrations
from facerecon.pipeline.templates import Refused
from facerecon.profiles import Recognize
from facerecon.records import EmbeddingRecord, FaceView, TrackRecord
from facerecon.stages import Silent
from tests.fakes import OTHER, SKIN, FakeDetector, FakeRecognizer, picture
from tests.unit.pipeline.stage_cases import compare_again, extracted, profile, walk
from tests.unit.pipeline.test_recognition import calibration

GIVEN = {"inter_eye_px": 32.0, "yaw_deg": 2.0, "pitch_deg": 2.0}


@pytest.fixture
def cases(tmp_path: Path) -> list[Path]:
    """The same walker in two cases, another person in the third."""
    roots = []
    for name, colour in {"monday": SKIN, "tuesday": SKIN, "wednesday": OTHER}.items():
        # One pixel differs, so that each is a source of its own.
        frames = walk(colour=colour)
        frames[0] = frames[0].copy()
        frames[0][0, 0] = len(roots)
        extracted(tmp_path / name, frames).close()
        roots.append(tmp_path / name)
    return roots


def read(roots: list[Path], recognizer: FakeRecognizer | None = None) -> searching.Archive:
    return searching.read_archive(roots, recognizer or FakeRecognizer(), Recognize(), Silent())


def photo(colour: tuple[int, int, int]) -> FaceView:
    pixels = picture(faces=[(40, 20, 80)], colours=[colour])
    return FaceView(pixels, FakeDetector().detect([pixels])[0][0].landmarks)


def content(root: Path) -> dict[str, str]:
    return {str(path): sha256_file(path) for path in root.rglob("*") if path.is_file()}


def test_the_most_similar_tracks_come_first_and_cases_are_only_read(cases: list[Path]) -> None:
    before = [content(root) for root in cases]
    archive = read(cases)
    (probe,) = FakeRecognizer().embed([photo(SKIN)])
    hits = searching.search(probe, archive, 10, Calibrations([calibration("fused")], FakeRecognizer()), GIVEN)
    assert [hit.entry.case.name for hit in hits] == ["monday", "tuesday", "wednesday"]
    assert hits[0].similarity == hits[1].similarity > hits[2].similarity
    assert hits[0].strength is not None
    assert hits[0].strength.log10 > 0
    assert len(searching.search(probe, archive, 2, None, GIVEN)) == 2
    assert [content(root) for root in cases] == before


def test_between_two_tracks_there_is_no_ratio(cases: list[Path]) -> None:
    archive = read(cases)
    own = searching.find_track(archive, cases[0], "t0001")
    others = searching.without(archive, own, keep_case=True)
    hits = searching.search(own.template.embedding, others, 10, None, GIVEN)
    assert [hit.entry.case.name for hit in hits] == ["tuesday", "wednesday"]
    assert all(hit.strength is None and "both sides are footage" in hit.no_strength for hit in hits)


def test_a_track_that_is_not_there_is_an_error_that_lists_those_that_are(cases: list[Path]) -> None:
    with pytest.raises(UsageError, match=r"no track t0009.*there are: t0001"):
        searching.find_track(read(cases), cases[0], "t0009")
    elsewhere = Refused("t0009", "no-usable-shot", "too small")
    archive = replace(read(cases), refused=((cases[1], elsewhere),))
    with pytest.raises(UsageError, match=r"can be compared; there are"):
        searching.find_track(archive, cases[0], "t0009")
    with pytest.raises(UsageError, match=r"can be compared \(too small\); there are"):
        searching.find_track(archive, cases[1], "t0009")
    with pytest.raises(UsageError, match="given twice"):
        read([cases[0], cases[0]])


class Counting(FakeRecognizer):
    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.seen = 0

    def embed(self, faces):  # type: ignore[no-untyped-def]
        self.seen += len(faces)
        return super().embed(faces)


def test_recorded_vectors_are_used_where_recognizer_and_treatment_are_the_same(cases: list[Path]) -> None:
    with Case.open(cases[0]) as case:
        compare_again(case, cases[0].parent / "gallery", profile())
        recorded = {each.subject: each.vector for each in case.read(EmbeddingRecord, "embeddings")}
    same, other = Counting(), Counting(treatment="no mirror")
    (entry,) = read(cases[:1], same).entries
    assert same.seen == 0
    assert tuple(float(value) for value in entry.template.embedding.vector) == recorded["t0001/fused"]
    (again,) = read(cases[:1], other).entries
    assert other.seen > 0
    assert again.template.embedding.vector == pytest.approx(entry.template.embedding.vector, abs=1e-6)


def test_recorded_vectors_of_shots_that_are_refused_now_are_not_used(tmp_path: Path) -> None:
    nearer = [picture(faces=[(5 + 3 * n, 20, 30 + 2 * n)], background=30 + 15 * (n % 2)) for n in range(20)]
    with extracted(tmp_path / "c", nearer) as case:
        compare_again(case, tmp_path / "gallery", profile())
    (before,) = read([tmp_path / "c"]).entries
    sizes = sorted(chip.detection.frontal_inter_eye_px for chip in before.template.chips)
    assert sizes[0] < sizes[-1]
    strict = Recognize(min_inter_eye_px=sizes[-1])
    archive = searching.read_archive([tmp_path / "c"], FakeRecognizer(), strict, Silent())
    (entry,) = archive.entries
    refused = {each.subject for _, each in archive.refused}
    assert refused
    assert not refused & {chip.id for chip in entry.template.chips}


def test_a_case_that_cannot_be_read_is_listed_and_the_others_are_searched(cases: list[Path]) -> None:
    broken = cases[1] / "records/tracks.jsonl"
    broken.write_bytes(broken.read_bytes() + b" ")
    archive = read([*cases, cases[0].parent / "nothing"])
    assert [entry.case.name for entry in archive.entries] == ["monday", "wednesday"]
    assert [(root.name, "changed" in reason or "not a case" in reason) for root, reason in archive.failed] == [
        ("tuesday", True),
        ("nothing", True),
    ]


def test_a_changed_ledger_is_found_when_a_case_is_only_viewed(cases: list[Path]) -> None:
    ledger = cases[0] / "ledger.jsonl"
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(IntegrityError, match="does not end where the manifest says"):
        Case.view(cases[0])


def test_a_viewed_case_cannot_be_written_to(cases: list[Path]) -> None:
    with pytest.raises(AssertionError, match="reading only"):
        Case.view(cases[0]).write("faces/x.png", b"")


def test_tracks_that_look_alike_are_grouped_across_cases(cases: list[Path]) -> None:
    groups = searching.group(read(cases), 0.8)
    assert [[entry.case.name for entry in each.entries] for each in groups] == [["monday", "tuesday"], ["wednesday"]]
    assert groups[0].cohesion is not None
    assert groups[0].cohesion > 0.95
    assert groups[1].cohesion is None
    assert len(searching.group(read(cases), 1.0)) >= 2
    assert len(searching.group(read(cases), 0.0)) == 1
    assert searching.group(read([]), 0.5) == []


def test_two_tracks_of_one_moment_are_never_one_person(tmp_path: Path) -> None:
    frames = [picture(faces=[(10, 30, 40), (100, 30, 40)], background=30 + 15 * (n % 2)) for n in range(20)]
    extracted(tmp_path / "pair", frames).close()
    archive = read([tmp_path / "pair"])
    assert len(archive.entries) == 2
    one, other = (entry.template.embedding for entry in archive.entries)
    assert one.similarity(other) > 0.9
    assert [len(each.entries) for each in searching.group(archive, 0.5)] == [1, 1]


def test_many_looks_alikes_do_not_bring_two_tracks_of_one_moment_together(cases: list[Path]) -> None:
    (alike, *_) = read(cases).entries
    track = alike.template.track
    later = track.model_copy(update={"first": track.last, "last": track.last})

    def entry(case: str, number: int, when: TrackRecord) -> searching.Entry:
        named = when.model_copy(update={"id": f"t{number:04d}"})
        return replace(alike, case=Path(case), template=replace(alike.template, track=named))

    together = [entry("a", 1, track), entry("a", 2, track)]
    others = [entry(f"c{number}", 1, later) for number in range(30)]
    archive = searching.Archive((*together, *others), (), ())
    for each in searching.group(archive, 0.5):
        assert not {id(entry) for entry in together} <= {id(entry) for entry in each.entries}


def test_contact_sheet_shows_pixels_as_they_are() -> None:
    shot = np.random.default_rng(0).integers(0, 255, (20, 16, 3), dtype=np.uint8)
    sheet = contact_sheet([Strip("group", [Cell(shot, "case:t0001")] * 7)], columns=3)
    enlarged = shot.repeat(CELL_PX // 20, axis=0).repeat(CELL_PX // 20, axis=1)
    height, width = enlarged.shape[:2]
    found = sum(
        np.array_equal(sheet[y : y + height, x : x + width], enlarged)
        for y in range(0, sheet.shape[0] - height)
        for x in range(0, sheet.shape[1] - width)
        if np.array_equal(sheet[y, x], enlarged[0, 0]) and np.array_equal(sheet[y + 1, x : x + 9], enlarged[1, :9])
    )
    assert found == 7
    with pytest.raises(ValueError, match="at least one strip"):
        contact_sheet([])
