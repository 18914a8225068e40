"""Galleries from somebody else: names, links, suspects.json, and a persistent gallery whose files were crafted."""

from __future__ import annotations

import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerecon.errors import IntegrityError, UsageError
from facerecon.gallery import create_store, edit_store, list_pictures, read_pixels, read_store
from facerecon.gallery import reading as reading_module
from facerecon.gallery import suspects as suspects_module
from facerecon.gallery.contents import Contents, sealed
from facerecon.gallery.suspects import people
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.records import GalleryInfo, RecognizerRecord


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, "PNG")
    return path


# --- plain galleries --------------------------------------------------------------------------------------------------


def test_a_picture_behind_a_link_that_leads_out_is_refused_with_its_reason(tmp_path: Path) -> None:
    outside = picture(tmp_path / "private.png")
    (tmp_path / "g/Bob").mkdir(parents=True)
    (tmp_path / "g/Bob/a.png").symlink_to(outside)
    picture(tmp_path / "g/Ann/a.png")
    (tmp_path / "g/Ann/b.png").symlink_to(tmp_path / "g/Ann/a.png")
    found = {each.file: read_pixels(each) for each in list_pictures(tmp_path / "g")}
    assert found["Bob/a.png"][1:] == (None, "is a link that leads out of the gallery; put the picture itself there")
    assert found["Ann/a.png"][1] is not None
    assert found["Ann/b.png"][1] is not None


def test_a_linked_folder_is_named_and_never_left_out_silently(tmp_path: Path) -> None:
    picture(tmp_path / "outside/a.png")
    picture(tmp_path / "g/Ann.png")
    (tmp_path / "g/Bob").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="Bob is a link to a folder"):
        list_pictures(tmp_path / "g")


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nverified", "\u202egnp", "\udcff", "\x9b31m"])
def test_names_that_act_instead_of_being_shown_are_refused(name: str, tmp_path: Path) -> None:
    picture(tmp_path / "g" / name / "a.png")
    with pytest.raises(UsageError, match=r"holds U\+.*rename it") as caught:
        list_pictures(tmp_path / "g")
    assert name not in str(caught.value)


def test_names_of_the_world_are_names(tmp_path: Path) -> None:
    for name in ("José Ángel", "李小龍", "محمد", "O'Brien; rm -rf", "<script>", "#set page()", "..hidden", "a\\b"):
        picture(tmp_path / "g" / name / "a.png")
    assert len(list_pictures(tmp_path / "g")) == 8


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '[{"name": "a", "id": ' + "9" * 10_000 + "}]",
        '[{"name": "\\u001b[2J"}]',
        '[{"name": "a", "status": "x\\nverified"}]',
        '[{"name": "a", "id": "\\ud800"}]',
        '[{"name": {"$ref": "x"}}]',
        '{"suspects": 5}',
    ],
    ids=range(7),
)
def test_a_crafted_suspects_file_is_refused(content: str, tmp_path: Path) -> None:
    picture(tmp_path / "g/a.png")
    (tmp_path / "g/suspects.json").write_text(content)
    with pytest.raises(UsageError, match="must be a list of objects"):
        list_pictures(tmp_path / "g")
    with pytest.raises((ValueError, RecursionError)):
        people(content.encode())


def test_a_suspects_file_that_is_a_pipe_or_has_no_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "g/a.png")
    os.mkfifo(tmp_path / "g/suspects.json")
    with pytest.raises(UsageError, match="not a file"):
        list_pictures(tmp_path / "g")
    (tmp_path / "g/suspects.json").unlink()
    (tmp_path / "g/suspects.json").write_text(json.dumps([{"name": "a" * 100}]))
    monkeypatch.setattr(suspects_module, "LARGEST_BYTES", 50)
    with pytest.raises(UsageError, match="more than 50 bytes"):
        list_pictures(tmp_path / "g")


def test_a_picture_file_without_end_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with picture(tmp_path / "g/a.png").open("ab") as stream:
        stream.truncate(1 << 40)
    (found,) = list_pictures(tmp_path / "g")
    assert read_pixels(found)[1:] == (None, f"has {1 << 40} bytes; the limit is {1 << 31}, so make it smaller")
    monkeypatch.setattr(reading_module, "LARGEST_BYTES", 10)
    assert "the limit is 10" in read_pixels(found)[2]


# --- persistent galleries ---------------------------------------------------------------------------------------------

RECOGNIZER = RecognizerRecord(id="r", weights_sha256="1" * 64, metric="euclidean", treatment="t")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A persistent gallery without entries, as whoever crafts one could write it."""
    root = tmp_path / "store"
    (root / "pictures").mkdir(parents=True)
    for name, data in sealed(Contents.empty(RECOGNIZER, "2026-01-01T00:00:00Z"))[1].items():
        (root / name).write_bytes(data)
    return root


def resealed(root: Path, **files: bytes) -> None:
    """Write files, and gallery.json over them."""
    info = GalleryInfo.model_validate_json((root / "gallery.json").read_bytes())
    digests = {**info.files, **{name: sha256_bytes(data) for name, data in files.items()}}
    body = {**info.model_dump(mode="json", exclude={"digest"}), "files": digests}
    text = json.dumps({**body, "digest": sha256_bytes(canonical_json(body))}, indent=2, sort_keys=True)
    (root / "gallery.json").write_text(text + "\n")
    for name, data in files.items():
        if "/" not in name:
            (root / name).write_bytes(data)


def test_the_store_of_these_tests_is_a_gallery(store: Path) -> None:
    assert read_store(store).entries == ()
    resealed(store)
    assert read_store(store).entries == ()


def test_a_linked_picture_folder_is_refused_before_anything_is_tidied(store: Path, tmp_path: Path) -> None:
    mine = picture(tmp_path / "mine/holiday.png")
    (store / "pictures").rmdir()
    (store / "pictures").symlink_to(mine.parent)
    with pytest.raises(IntegrityError, match="pictures is a link"):
        read_store(store)
    with pytest.raises(IntegrityError, match="pictures is a link"), edit_store(store, lambda: NOW):
        pass
    assert mine.exists()


@pytest.mark.parametrize("name", ["entries.jsonl", "vectors.npy", "ledger.jsonl", "refused.jsonl"])
def test_links_and_pipes_in_a_store_are_refused(name: str, store: Path, tmp_path: Path) -> None:
    (store / name).rename(tmp_path / "outside")
    (store / name).symlink_to(tmp_path / "outside")
    with pytest.raises(IntegrityError, match="link"):
        read_store(store)
    (store / name).unlink()
    os.mkfifo(store / name)
    with pytest.raises(IntegrityError, match="not a regular file"):
        read_store(store)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", ".."])
def test_a_store_that_names_files_elsewhere_is_refused(name: str, store: Path) -> None:
    resealed(store, **{name: b"x"}) if name in ("a/b",) else named(store, name)
    with pytest.raises(IntegrityError):
        read_store(store)


def named(store: Path, name: str) -> None:
    info = json.loads((store / "gallery.json").read_text())
    info["files"][name] = "0" * 64
    body = {key: value for key, value in info.items() if key != "digest"}
    (store / "gallery.json").write_text(json.dumps({**body, "digest": sha256_bytes(canonical_json(body))}))


@pytest.mark.parametrize("name", ["../../victim", "/etc/passwd", "pictures/../../victim", "gallery.json\n"])
def test_a_planted_journal_moves_and_removes_nothing_elsewhere(name: str, store: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (store / ".commit.json").write_text(json.dumps({"files": {}, "removed": [name]}))
    with pytest.raises(IntegrityError, match="not what an interrupted change leaves"):
        read_store(store)
    assert (tmp_path / "victim").read_text() == "mine"


def header(shape: str, kind: str = "<f4") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.npy", bytes(1_000_000))
    return stream.getvalue()


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return stream.getvalue()


VECTORS = {
    "promises more than it holds": header("(1000000000000, 512)"),
    "promises more than there are numbers": header("(99999999999999999999, 99999999999999999999)"),
    "negative": header("(-1, 4)"),
    "a zip": archive(),
    "a pickle": pickled(),
    "objects": header("(1, 1)", "|O") + bytes(8),
    "another kind of number": header("(0, 0)", "<f8"),
    "code in the header": header("__import__('os')"),
    "no header": b"",
    "not finite": header("(1, 1)") + np.float32("nan").tobytes(),
}


@pytest.mark.parametrize("data", VECTORS.values(), ids=VECTORS)
def test_crafted_vectors_are_refused(data: bytes, store: Path) -> None:
    resealed(store, **{"vectors.npy": data})
    with pytest.raises(IntegrityError, match=r"does not hold (vectors|finite)"):
        read_store(store)


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"id":' + b"9" * 10_000 + b"}", b"NaN", b"\xff", b"{}"], ids=range(5)
)
def test_crafted_entries_are_refused(line: bytes, store: Path) -> None:
    resealed(store, **{"entries.jsonl": line + b"\n"})
    with pytest.raises(IntegrityError, match="a line is not a GalleryEntry"):
        read_store(store)


def test_a_store_is_private_and_goes_when_nothing_went_in(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir(mode=0o755)
    with create_store(tmp_path / "new", RECOGNIZER, lambda: NOW) as made:
        assert made.folder.stat().st_mode & 0o777 == 0o700
