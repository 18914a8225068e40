"""Enrolment into a persistent gallery: the account adds up, duplicates, two names, other models, batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import IntegrityError, UsageError
from facerecon.gallery import Choice, read_store
from facerecon.pipeline.enrolment import BATCH, enroll, open_gallery
from facerecon.pipeline.galleries import ALIKE_MARGIN, Enrolment, Statement, Tools, enroll_into, refresh
from facerecon.profiles import load_profile
from facerecon.records import NOT_STATED, Embedding, FaceView
from facerecon.stages import Recognizer, Silent
from tests.fakes import SKIN, FakeDetector, FakeRecognizer, picture
from tests.unit.gallery.test_gallery_reading import save

FAR = (255, 20, 20)
NEAR = (205, 150, 120)
ALL = load_profile("standard")


class Doubled(FakeRecognizer):
    """Another treatment, other vectors."""

    def __init__(self) -> None:
        super().__init__(treatment="doubled")

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        return [Embedding(each.model, each.vector * 2, each.metric) for each in super().embed(faces)]


class Counting(FakeRecognizer):
    """Remembers the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        self.batches.append(len(faces))
        return super().embed(faces)


def tools(recognizer: Recognizer | None = None, *overrides: str) -> Tools:
    profile = load_profile("standard", overrides)
    clock = datetime(2026, 1, 31, 9, tzinfo=UTC)
    return Tools(FakeDetector(), recognizer or FakeRecognizer(), profile, Silent(), lambda: clock)


def person(path: Path, colour: tuple[int, int, int] = SKIN, background: int = 30) -> Path:
    return save(path, picture(faces=[(40, 20, 80)], colours=[colour], background=background))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two persons, and one of each thing that is refused."""
    folder = tmp_path / "s"
    person(folder / "Ada/1.png")
    person(folder / "Ada/2.png", background=40)
    person(folder / "Bob.png", FAR)
    save(folder / "corridor.png", picture())
    save(folder / "crowd.png", picture(240, 120, [(10, 20, 60), (130, 20, 80)], [FAR, SKIN]))
    (folder / "broken.jpg").write_bytes(b"not a picture")
    (folder / "Ada/copy.png").write_bytes((folder / "Ada/1.png").read_bytes())
    return folder


def enrolled(folder: Path, *sources: Path, statement: Statement | None = None) -> Enrolment:
    return enroll_into(folder, sources, statement or Statement(), tools())


def test_account_adds_up_and_everything_has_its_reason(source: Path, tmp_path: Path) -> None:
    done = enrolled(tmp_path / "g", source, statement=Statement("archive", "case 12", "me"))
    assert done.requested == len(done.enrolled) + len(done.refused) + len(done.duplicates) == 7
    assert {each.file for each in done.refused} == {"corridor.png", "crowd.png", "broken.jpg"}
    assert [each.file for each in done.duplicates] == ["Ada/copy.png"]
    assert done.originals[done.duplicates[0].duplicate_of] == "Ada/1.png"
    assert done.alike == ()
    store = read_store(tmp_path / "g")
    assert [entry.file for entry in store.entries] == ["Ada/1.png", "Ada/2.png", "Bob.png"]
    assert {(e.source, e.legal_basis, e.operator) for e in store.entries} == {("archive", "case 12", "me")}
    assert {e.enrolled_utc for e in store.entries} == {"2026-01-31T09:00:00Z"}
    assert store.digest == done.digest


def test_what_is_not_said_is_recorded_as_not_stated(source: Path, tmp_path: Path) -> None:
    entry = enrolled(tmp_path / "g", source).enrolled[0]
    assert {entry.source, entry.legal_basis, entry.operator} == {NOT_STATED}


def test_stored_gallery_compares_as_the_plain_one(source: Path, tmp_path: Path) -> None:
    enrolled(tmp_path / "g", source)
    stored = open_gallery(tmp_path / "g", FakeDetector(), FakeRecognizer(), ALL, Silent())
    plain = open_gallery(source, FakeDetector(), FakeRecognizer(), ALL, Silent())
    assert np.array_equal(stored.matrix, plain.matrix)
    for a, b in zip(stored.enrolled, plain.enrolled, strict=True):
        assert (a.record.identity, a.record.sha256, a.record.detection) == (
            b.record.identity,
            b.record.sha256,
            b.record.detection,
        )
        assert a.embedding.similarity(b.embedding) == 1
        assert np.array_equal(a.crop().pixels, b.crop().pixels)
    assert stored.inputs == {"gallery: gallery.json": read_store(tmp_path / "g").digest}
    assert stored.digest != plain.digest


def test_crops_are_read_only_when_they_are_wanted(source: Path, tmp_path: Path) -> None:
    enrolled(tmp_path / "g", source)
    for path in (tmp_path / "g/pictures").iterdir():
        path.unlink()
    gallery = open_gallery(tmp_path / "g", FakeDetector(), FakeRecognizer(), ALL, Silent())
    with pytest.raises(IntegrityError, match="cannot be read"):
        gallery.enrolled[0].crop()


def test_second_enrolment_of_the_same_folder_changes_no_entry(source: Path, tmp_path: Path) -> None:
    first = enrolled(tmp_path / "g", source)
    vectors = read_store(tmp_path / "g").vectors
    again = enrolled(tmp_path / "g", source)
    assert again.enrolled == ()
    assert len(again.duplicates) == len(first.enrolled) + 1
    store = read_store(tmp_path / "g")
    assert store.entries == first.enrolled
    assert np.array_equal(store.vectors, vectors)
    assert len(store.refused) == 3


def test_one_person_under_two_names_is_warned_of(tmp_path: Path) -> None:
    person(tmp_path / "s/Ada.png")
    enrolled(tmp_path / "g", tmp_path / "s")
    alias = person(tmp_path / "t/Zoe.png", NEAR)
    person(tmp_path / "t/Bob.png", FAR)
    done = enrolled(tmp_path / "g", tmp_path / "t")
    (pair,) = done.alike
    assert {pair.identity, pair.other_identity} == {"Zoe", "Ada"}
    stored = open_gallery(tmp_path / "g", FakeDetector(), FakeRecognizer(), ALL, Silent())
    ada, _, zoe = (each.embedding for each in stored.enrolled)
    assert pair.similarity == pytest.approx(ada.similarity(zoe), abs=1e-4)
    assert pair.similarity >= done.limit == pytest.approx(0.4 + ALIKE_MARGIN)
    line = read_store(tmp_path / "g").ledger.entries[-1]
    assert line.details["alike"] == [{"sha256": pair.sha256, "entry": pair.other_entry, "similarity": pair.similarity}]
    more = enrolled(tmp_path / "g", alias, statement=Statement(name="Zelda"))
    assert [(each.other_identity, each.similarity) for each in more.alike] == [("Zoe", 1.0)]


def test_limit_of_the_warning_follows_the_threshold(tmp_path: Path) -> None:
    person(tmp_path / "s/Ada.png")
    person(tmp_path / "s/Zoe.png", NEAR)
    strict = enroll_into(tmp_path / "g", [tmp_path / "s"], Statement(), tools(None, "recognize.threshold=0.95"))
    assert strict.alike == ()
    unknown = enroll_into(tmp_path / "h", [tmp_path / "s"], Statement(), tools(FakeRecognizer(threshold=None)))
    assert (unknown.limit, unknown.alike) == (None, ())


def test_two_faces_of_one_file_can_be_two_persons(source: Path, tmp_path: Path) -> None:
    crowd, folder = source / "crowd.png", tmp_path / "g"
    left = enrolled(folder, crowd, statement=Statement(name="Left", choice=Choice(face=1)))
    right = enrolled(folder, crowd, statement=Statement(name="Right", choice=Choice(largest=True)))
    assert left.enrolled[0].sha256 == right.enrolled[0].sha256
    assert left.enrolled[0].detection.box[0] < 100 < right.enrolled[0].detection.box[0]
    assert right.enrolled[0].chosen == "the largest of 2 faces"
    assert right.alike == ()
    again = enrolled(folder, crowd, statement=Statement(name="Right", choice=Choice(face=2)))
    assert [each.duplicate_of for each in again.duplicates] == [right.enrolled[0].id]


def test_nothing_enrolled_gives_the_first_reason_and_makes_nothing(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none of 1 pictures can be enrolled; corridor\.png: no face was found"):
        enrolled(tmp_path / "g", source / "corridor.png")
    assert not (tmp_path / "g").exists()
    enrolled(tmp_path / "g", source / "Bob.png")
    with pytest.raises(UsageError, match=r"corridor\.png: no face was found"):
        enrolled(tmp_path / "g", source / "corridor.png")
    assert [each.file for each in read_store(tmp_path / "g").refused] == ["corridor.png"]


def test_face_number_is_about_one_picture(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--face 2 is about one picture, and 7 were given"):
        enrolled(tmp_path / "g", source, statement=Statement(choice=Choice(face=2)))


@pytest.mark.parametrize("place", [".", "Ada", "inner/deep"])
def test_gallery_inside_its_pictures_is_refused(place: str, source: Path) -> None:
    with pytest.raises(UsageError, match="must lie apart"):
        enrolled(source / place, source)


def test_other_recognizer_names_both_and_the_way_out(source: Path, tmp_path: Path) -> None:
    enrolled(tmp_path / "g", source)
    for attempt in (
        lambda: open_gallery(tmp_path / "g", FakeDetector(), Doubled(), ALL, Silent()),
        lambda: enroll_into(tmp_path / "g", [source], Statement(), tools(Doubled())),
    ):
        with pytest.raises(UsageError, match=r"fake\).*doubled\).*facerecon gallery refresh"):
            attempt()


def test_refresh_gives_the_vectors_of_a_new_enrolment(source: Path, tmp_path: Path) -> None:
    enrolled(tmp_path / "g", source)
    before = read_store(tmp_path / "g")
    after = refresh(tmp_path / "g", tools(Doubled()))
    enroll_into(tmp_path / "h", [source], Statement(), tools(Doubled()))
    assert np.array_equal(after.vectors, read_store(tmp_path / "h").vectors)
    assert after.entries == before.entries
    open_gallery(tmp_path / "g", FakeDetector(), Doubled(), ALL, Silent())
    refresh(tmp_path / "g", tools())
    assert np.array_equal(read_store(tmp_path / "g").vectors, before.vectors)


def test_refresh_of_a_damaged_crop_changes_nothing(source: Path, tmp_path: Path) -> None:
    enrolled(tmp_path / "g", source)
    before = read_store(tmp_path / "g")
    path = tmp_path / "g" / before.entries[1].crop_path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="was changed"):
        refresh(tmp_path / "g", tools(Doubled()))
    assert read_store(tmp_path / "g").digest == before.digest


def test_faces_are_embedded_in_batches_and_the_batch_changes_nothing(tmp_path: Path) -> None:
    for number in range(BATCH + 3):
        person(tmp_path / f"s/{number:02d}.png", (100 + number, 150, 120), background=number)
    counting = Counting()
    gallery = enroll(tmp_path / "s", FakeDetector(), counting, ALL, Silent())
    assert counting.batches == [BATCH, 3]
    alone = enroll_into(tmp_path / "g", [tmp_path / "s/33.png"], Statement(), tools()).enrolled[0]
    stored = read_store(tmp_path / "g")
    assert alone.sha256 == gallery.enrolled[33].record.sha256
    assert np.array_equal(stored.vectors[0], gallery.matrix[33])


def test_files_of_one_name_stay_apart_when_compared_with(tmp_path: Path) -> None:
    gallery = tmp_path / "g"
    for name, colour in (("Ada", SKIN), ("Bob", FAR)):
        path = person(tmp_path / name / "1.png", colour)
        enroll_into(gallery, [path], Statement(name=name), tools())
    assert [entry.file for entry in read_store(gallery).entries] == ["1.png", "1.png"]
    opened = open_gallery(gallery, FakeDetector(), FakeRecognizer(), ALL, Silent())
    assert len({record.file for record in opened.records}) == 2
    assert all(record.file.startswith("1.png (") for record in opened.records)
