"""The persistent gallery's folder: private, verified, changed at once or not at all, and without what was removed."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import IntegrityError, UsageError
from facerecon.gallery import Addition, Store, create_store, cutoff, edit_store, is_store, read_store
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.pictures import encode_png
from facerecon.records import FaceQuality, GalleryEntry, RecognizerRecord, RefusedPicture
from tests.fakes import FakeDetector, picture

# Python 3.12 warns of forks in processes with threads; the children here only write files and end.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
MODEL = RecognizerRecord(id="dlib-resnet", weights_sha256="1" * 64, metric="euclidean", treatment="fake")
START = datetime(2026, 1, 31, 9, tzinfo=UTC)
SUSPECTS = b'[ {"name": "Ada", "id": 7, "note": "kept"}, {"name": "Nobody"} ]'
FACE = picture(faces=[(40, 20, 80)])
QUALITY = FaceQuality(
    inter_eye_px=32, sharpness=0.2, fine_detail=0.03, brightness=100, clipped=0, yaw_deg=0, pitch_deg=0, roll_deg=0,
    detector_score=0.9, score=0.6,
)  # fmt: skip


def now() -> datetime:
    return START


def addition(store: Store, identity: str, number: int, when: datetime = START) -> Addition:
    digest = sha256_bytes(f"{identity}{number}".encode())
    path = f"pictures/{digest[:16]}.png"
    entry = GalleryEntry(
        id=digest[:16],
        identity=identity,
        person_id=None,
        status=None,
        file=f"{identity}/{number}.jpg",
        sha256=digest,
        source="archive",
        legal_basis="case 12",
        operator="examiner",
        enrolled_utc=when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        chosen="the only face",
        detection=FakeDetector().detect([FACE])[0][0],
        quality=QUALITY,
        crop_path=path,
        crop_sha256=store.keep_picture(path, encode_png(FACE, {"Title": digest})),
        crop_origin=(5, 7),
    )
    return Addition(entry, np.full(4, number, np.float32))


def refused(identity: str, file: str, when: datetime = START) -> RefusedPicture:
    return RefusedPicture(
        identity=identity,
        file=file,
        sha256=sha256_bytes(file.encode()),
        reason="no face was found in it",
        duplicate_of=None,
        refused_utc=when.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Two pictures of Ada, one of Bob, a refused one of each."""
    folder = tmp_path / "g"
    with create_store(folder, MODEL, now) as store:
        people = [addition(store, name, number) for name, number in (("Ada", 1), ("Bob", 2), ("Ada", 3))]
        store.add(people, [refused("Ada", "Ada/x.jpg"), refused("Bob", "Bob/x.jpg")], [SUSPECTS], {})
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def consistent(folder: Path) -> Store:
    """Open for changes, and check that every file belongs there and every crop is as recorded."""
    with edit_store(folder, now) as store:
        pass
    for entry in store.entries:
        store.crop(entry)
    named = {"gallery.json", "entries.jsonl", "refused.jsonl", "vectors.npy", "ledger.jsonl"}
    crops = {entry.crop_path for entry in store.entries}
    assert set(files(folder)) - {"suspects.json"} == named | crops
    return store


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_was_added_is_read_again(gallery: Path) -> None:
    store = consistent(gallery)
    assert [(entry.identity, entry.person_id) for entry in store.entries] == [("Ada", "7"), ("Bob", None), ("Ada", "7")]
    assert store.vectors.dtype == np.float32
    assert store.vectors[:, 0].tolist() == [1, 2, 3]
    assert (gallery / "suspects.json").read_bytes() == SUSPECTS
    crop = store.crop(store.entries[0])
    assert np.array_equal(crop.pixels, FACE)
    assert crop.local(store.entries[0].detection).landmarks[2][0] == store.entries[0].detection.landmarks[2][0] - 5
    assert Ledger.read(gallery / "ledger.jsonl").head == store.ledger.head


def test_everything_is_private(gallery: Path) -> None:
    assert gallery.stat().st_mode & 0o777 == 0o700
    for path in gallery.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_gallery_into_which_nothing_went_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), create_store(tmp_path / "g", MODEL, now) as store:
        addition(store, "Ada", 1)
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_folder_with_other_things_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="is not a gallery of this tool"), create_store(tmp_path, MODEL, now):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_failed_change_leaves_the_gallery_as_it_was(gallery: Path) -> None:
    before = files(gallery)
    with pytest.raises(KeyError), edit_store(gallery, now) as store:
        addition(store, "Cyd", 4)
        raise KeyError
    assert files(gallery) == before


def test_later_suspects_win_and_nobody_is_lost(gallery: Path) -> None:
    with edit_store(gallery, now) as store:
        store.add([], [], [b'{"suspects": [{"name": "Bob", "id": 8, "status": "wanted"}]}'], {})
    people = {each["name"]: each for each in json.loads((gallery / "suspects.json").read_bytes())}
    assert people["Ada"] == {"name": "Ada", "id": 7, "note": "kept"}
    assert set(people) == {"Ada", "Nobody", "Bob"}
    bob = read_store(gallery).entries[1]
    assert (bob.person_id, bob.status) == ("8", "wanted")


def test_refused_file_stands_once_with_its_newest_reason_and_goes_when_enrolled(gallery: Path) -> None:
    again = refused("Bob", "Bob/x.jpg").model_copy(update={"reason": "quality 0.10 is under 0.25"})
    with edit_store(gallery, now) as store:
        store.add([], [again], [], {})
        assert [each.reason for each in store.refused if each.identity == "Bob"] == [again.reason]
        new = addition(store, "Bob", 9)
        entry = new.entry.model_copy(update={"sha256": again.sha256})
        store.add([Addition(entry, new.vector)], [], [], {})
        assert [each.identity for each in store.refused] == ["Ada"]


# --- removal ----------------------------------------------------------------------------------------------------------


def test_removed_person_leaves_no_trace(gallery: Path) -> None:
    crops = [entry.crop_path for entry in read_store(gallery).entries if entry.identity == "Ada"]
    with edit_store(gallery, now) as store:
        removal = store.remove("Ada")
    assert len(removal.entries) == 2
    assert len(removal.refused) == 1
    assert removal.mentions == ()
    left = files(gallery)
    assert not any(b"Ada" in content for content in left.values())
    assert not set(crops) & set(left)
    store = consistent(gallery)
    assert [entry.identity for entry in store.entries] == ["Bob"]
    assert store.vectors.tolist() == [[2, 2, 2, 2]]
    assert json.loads(left["suspects.json"]) == [{"name": "Nobody"}]
    assert store.ledger.entries[-1].details["sha256"] == [entry.sha256 for entry in removal.entries]


def test_person_known_from_suspects_only_can_be_removed(gallery: Path) -> None:
    with edit_store(gallery, now) as store:
        store.remove("Nobody")
        store.remove("Ada")
    assert not (gallery / "suspects.json").exists()
    consistent(gallery)


def test_one_picture_is_removed_by_the_start_of_its_digest(gallery: Path) -> None:
    first = read_store(gallery).entries[0]
    with edit_store(gallery, now) as store:
        store.remove(sha256=first.sha256[:8])
        assert [entry.identity for entry in store.entries] == ["Bob", "Ada"]
        for digest, words in (("12345678", "no 12345678"), ("xyz", "not a SHA-256"), (first.sha256, "no ")):
            with pytest.raises(UsageError, match=words):
                store.remove(sha256=digest)
        with pytest.raises(UsageError, match="no Adam"):
            store.remove("Adam")


def test_name_in_what_was_said_of_others_is_pointed_out(gallery: Path) -> None:
    with edit_store(gallery, now) as store:
        new = [addition(store, "Cyd", 5), addition(store, "Dan", 6)]
        texts = ("found with Ada_1.jpg", "Adagio")
        said = [each.entry.model_copy(update={"source": text}) for each, text in zip(new, texts, strict=True)]
        store.add([Addition(entry, each.vector) for entry, each in zip(said, new, strict=True)], [], [], {})
        assert store.remove("Ada").mentions == (new[0].entry.id,)


def test_purge_honours_dates_and_dry_run(gallery: Path) -> None:
    late = START + timedelta(days=100)
    with edit_store(gallery, now) as store:
        store.add([addition(store, "Ada", 8, late)], [refused("Bob", "Bob/late.jpg", late)], [], {})
        before = files(gallery)
        limit = cutoff("3m", START + timedelta(days=120))
        assert len(store.purge(limit, dry_run=True).entries) == 3
        assert files(gallery) == before
        assert len(store.purge(START).entries) == 0
        assert len(store.purge(limit).entries) == 3
    store = consistent(gallery)
    assert [entry.file for entry in store.entries] == ["Ada/8.jpg"]
    assert [each.file for each in store.refused] == ["Bob/late.jpg"]
    assert store.vectors.tolist() == [[8, 8, 8, 8]]
    assert b"Ada" in (gallery / "suspects.json").read_bytes()


def test_ledger_holds_no_name_ever(gallery: Path) -> None:
    with edit_store(gallery, now) as store:
        store.remove("Bob")
        store.purge(START + timedelta(days=1))
    ledger = (gallery / "ledger.jsonl").read_bytes()
    assert not any(name in ledger for name in (b"Ada", b"Bob", b"Nobody", b"archive", b"case 12"))
    assert [line.action for line in read_store(gallery).ledger.entries] == [
        "gallery.created",
        "gallery.enrolled",
        "gallery.removed",
        "gallery.purged",
    ]


# --- damage, versions, others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["entries.jsonl", "refused.jsonl", "vectors.npy", "ledger.jsonl", "suspects.json"])
def test_flipped_bit_is_an_integrity_error_that_names_the_file(name: str, gallery: Path) -> None:
    content = bytearray((gallery / name).read_bytes())
    content[-2] ^= 1
    (gallery / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=name):
        read_store(gallery)


@pytest.mark.parametrize("position", range(0, 900, 37))
def test_flipped_bit_in_the_description_is_noticed(position: int, gallery: Path) -> None:
    content = bytearray((gallery / "gallery.json").read_bytes())
    content[position % len(content)] ^= 1
    (gallery / "gallery.json").write_bytes(content)
    with pytest.raises((IntegrityError, UsageError)):
        read_store(gallery)


def test_missing_and_changed_crops_are_integrity_errors(gallery: Path) -> None:
    store = read_store(gallery)
    one, two = (gallery / entry.crop_path for entry in store.entries[:2])
    one.unlink()
    two.write_bytes(two.read_bytes() + b"\0")
    with pytest.raises(IntegrityError, match="cannot be read"):
        store.crop(store.entries[0])
    with pytest.raises(IntegrityError, match="was changed"):
        store.crop(store.entries[1])


def test_vectors_that_do_not_fit_the_entries_are_an_integrity_error(gallery: Path) -> None:
    """Also where every digest was made to fit, as a faulty program would."""
    vectors = gallery / "vectors.npy"
    np.save(vectors, np.zeros((2, 4), np.float32))
    info = json.loads((gallery / "gallery.json").read_bytes())
    info["files"]["vectors.npy"] = sha256_bytes(vectors.read_bytes())
    body = {key: value for key, value in info.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (gallery / "gallery.json").write_text(json.dumps({**body, "digest": sha256_bytes(text.encode())}))
    with pytest.raises(IntegrityError, match=r"3 entries and vectors of shape \(2, 4\)"):
        read_store(gallery)


def test_other_version_says_to_enrol_again(gallery: Path) -> None:
    info = json.loads((gallery / "gallery.json").read_bytes())
    (gallery / "gallery.json").write_text(json.dumps({**info, "schema_version": 2, "tool_version": "9.9"}))
    with pytest.raises(UsageError, match=r"another version of facerecon \(9\.9, schema 2.*enrol it again"):
        read_store(gallery)


def test_two_writers_and_a_reader_beside_a_writer_are_refused(gallery: Path) -> None:
    with edit_store(gallery, now):
        for other in (lambda: edit_store(gallery, now).__enter__(), lambda: read_store(gallery)):
            with pytest.raises(UsageError, match="another process is working"):
                other()
    assert read_store(gallery).entries


@pytest.mark.parametrize("change", ["add", "remove"])
def test_kill_at_any_moment_leaves_the_old_or_the_new_gallery(change: str, gallery: Path, tmp_path: Path) -> None:
    old = read_store(gallery)
    seen = set()
    for moment in range(1, 200):
        copy = tmp_path / f"copy{moment}"
        shutil.copytree(gallery, copy)
        status = _killed(copy, change, moment)
        store = read_store(copy)
        assert len(store.vectors) == len(store.entries)
        state = "old" if store.digest == old.digest else "new"
        assert len(store.entries) == (3 if state == "old" else 4 if change == "add" else 1)
        seen.add(state)
        assert consistent(copy).digest == store.digest
        if status == 0:
            break
    assert status == 0
    assert seen == {"old", "new"}
    assert moment > 10


def test_first_enrolment_killed_at_any_moment_can_be_done_again(tmp_path: Path) -> None:
    for moment in range(1, 200):
        folder = tmp_path / f"g{moment}"
        status = _killed(folder, "create", moment)
        opened = edit_store(folder, now) if is_store(folder) else create_store(folder, MODEL, now)
        with opened as store:
            held = len(store.entries)
            store.add([addition(store, "Bob", 2)], [], [], {})
        assert len(consistent(folder).entries) == held + 1
        if status == 0:
            break
    assert (status, held) == (0, 1)
    assert moment > 20


def test_failed_first_enrolment_killed_while_it_tidies_can_be_done_again(tmp_path: Path) -> None:
    for moment in range(1, 200):
        folder = tmp_path / f"g{moment}"
        status = _killed(folder, "nothing", moment)
        with edit_store(folder, now) if is_store(folder) else create_store(folder, MODEL, now) as store:
            store.add([addition(store, "Bob", 2)], [], [], {})
        assert len(consistent(folder).entries) == 1
        if status == 0:
            break
    assert status == 0


def _killed(folder: Path, change: str, moment: int) -> int:
    """Change a gallery in a process that dies before its nth step on the disk; return its status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = moment

    def deadly(function):  # type: ignore[no-untyped-def]
        def step(*arguments, **options):  # type: ignore[no-untyped-def]
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)
            return function(*arguments, **options)

        return step

    try:
        os.replace, os.fsync, Path.unlink = deadly(os.replace), deadly(os.fsync), deadly(Path.unlink)
        new = change in ("create", "nothing")
        with create_store(folder, MODEL, now) if new else edit_store(folder, now) as store:
            if change == "remove":
                store.remove("Ada")
            elif change != "nothing":
                store.add([addition(store, "Cyd", 4)], [], [], {})
        os._exit(0)
    except BaseException:
        os._exit(1)
