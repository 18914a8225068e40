"""Packages from somebody else: whatever is in the zip, nothing is written elsewhere, and the answer is one line."""

from __future__ import annotations

import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from facerecon.hashing import sha256_file
from facerecon.pipeline import unpacking
from facerecon.pipeline.packing import package
from tests.cli.conftest import call
from tests.safety.safety_cases import copied

MODE = 0o600 << 16
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return package(copied(tmp_path), "C", tmp_path / "good.zip").path


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program unpacks; a file beside the unpacked case would be seen here."""
    folder = tmp_path / "work/tmp"
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist()}


def info(name: str, mode: int = MODE, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, _EARLIEST)
    made.create_system, made.external_attr, made.compress_type = 3, mode, method
    return made


def zipped(
    path: Path, entries: Mapping[str, bytes], *more: tuple[zipfile.ZipInfo, bytes], comment: bytes = b""
) -> Path:
    """Write a zip in the form of packages, with more entries in their places by name."""
    every = [*((info(name), data) for name, data in entries.items()), *more]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for entry, data in sorted(every, key=lambda each: each[0].filename):
            archive.writestr(entry, data)
    return path


def test_the_form_that_is_attacked_here_verifies(good: Path, tmp_path: Path, temporary: Path) -> None:
    again = zipped(tmp_path / "again.zip", entries_of(good))
    assert sha256_file(again) == sha256_file(good)
    assert call("verify", again).code == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("C/../../outside", "leads out of the folder"),
        ("../outside", "leads out of the folder"),
        ("/outside", "leads out of the folder"),
        ("C//outside", "leads out of the folder"),
        ("C/folder/", "leads out of the folder"),
        ("C/back\\slash", "backslash"),
        ("C:/drive", "colon"),
        ("D/outside", "not in the package's one folder C"),
        ("outside", "not in the package's one folder C"),
        ("C/\x1b[2J", "U+001B"),
        ("C/\u202egnp.exe", "U+202E"),
        ("C/" + "x" * 300, "more than 255 bytes"),
        ("C/" + "d/" * 40 + "x", "deeper"),
    ],
)
def test_no_name_in_a_package_leads_out_of_its_folder(
    name: str, words: str, good: Path, tmp_path: Path, temporary: Path
) -> None:
    hostile = zipped(tmp_path / "hostile.zip", entries_of(good), (info(name), b"x"))
    before = sorted(tmp_path.rglob("*"))
    outcome = call("verify", hostile)
    assert outcome.code == 4
    assert words in outcome.error
    assert "\x1b" not in outcome.err + outcome.out
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("kind", "words"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "not a plain file"), (stat.S_IFCHR, "not a plain file")],
)
def test_a_package_holds_no_links_and_no_devices(kind: int, words: str, good: Path, tmp_path: Path) -> None:
    entry = info("C/zz", (kind | 0o777) << 16)
    hostile = zipped(tmp_path / "hostile.zip", entries_of(good), (entry, b"/etc/passwd"))
    outcome = call("verify", hostile)
    assert outcome.code == 4
    assert words in outcome.error


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(good: Path, tmp_path: Path) -> None:
    hostile = zipped(tmp_path / "hostile.zip", entries_of(good), (info("C/case.json"), b"another"))
    outcome = call("verify", hostile)
    assert outcome.code == 4
    assert "stands there twice" in outcome.error


def test_a_file_that_is_also_a_folder_is_refused(good: Path, tmp_path: Path, temporary: Path) -> None:
    hostile = zipped(tmp_path / "hostile.zip", entries_of(good), (info("C/case.json/x"), b"x"))
    outcome = call("verify", hostile)
    assert outcome.code == 4
    assert "a file and a folder at once" in outcome.error
    assert not list(temporary.iterdir())


def test_compressed_entries_are_refused_before_they_are_unpacked(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = info("C/bomb", method=zipfile.ZIP_DEFLATED)
    hostile = zipped(tmp_path / "hostile.zip", entries_of(good), (bomb, bytes(30_000_000)))
    assert hostile.stat().st_size < 2_000_000
    monkeypatch.setattr(unpacking, "_extract", lambda *_: pytest.fail("unpacked"))
    outcome = call("verify", hostile)
    assert outcome.code == 4
    assert "is compressed" in outcome.error


def test_entries_that_share_their_bytes_are_refused(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many names for one long entry unpack to far more than the zip holds."""
    data = entries_of(good)
    whole = zipped(tmp_path / "whole.zip", {**data, "C/za": bytes(100_000), "C/zb": b""}).read_bytes()
    hostile = tmp_path / "hostile.zip"
    hostile.write_bytes(_pointing(whole, b"C/zb", b"C/za"))
    monkeypatch.setattr(unpacking, "_extract", lambda *_: pytest.fail("unpacked"))
    outcome = call("verify", hostile)
    assert outcome.code == 4
    assert "does not begin where the entry before it ends" in outcome.error


def _pointing(whole: bytes, name: bytes, target: bytes) -> bytes:
    """Let the list's entry of one name be the entry of another."""
    content = bytearray(whole)
    records = {each: whole.rindex(b"PK\x01\x02", 0, whole.rindex(each)) for each in (name, target)}
    for first, last in ((16, 28), (42, 46)):
        content[records[name] + first : records[name] + last] = whole[records[target] + first : records[target] + last]
    return bytes(content)


@pytest.mark.parametrize("place", ["before", "after", "comment", "between"])
def test_nothing_is_hidden_beside_the_files(place: str, good: Path, tmp_path: Path) -> None:
    content, hostile = good.read_bytes(), tmp_path / "hostile.zip"
    if place == "before":
        hostile.write_bytes(b"PK hidden" + content)
    elif place == "after":
        hostile.write_bytes(content + b"hidden")
    elif place == "comment":
        zipped(hostile, entries_of(good), comment=b"hidden")
    else:
        start = content.index(b"PK\x01\x02")
        moved = bytearray(content[:start] + b"hidden" + content[start:])
        moved[-6:-2] = struct.pack("<L", start + 6)
        hostile.write_bytes(moved)
    assert call("verify", hostile).code == 4


def test_a_list_of_names_without_end_is_not_read(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LARGEST_LIST_BYTES", 1000)
    outcome = call("verify", good)
    assert outcome.code == 4
    assert "longer than 1000 bytes" in outcome.error


def test_any_flipped_bit_of_a_package_is_found_or_changes_nothing_of_the_case(good: Path, tmp_path: Path) -> None:
    """With the digest beside it every bit counts; without it, the case in it is whole or refused."""
    content, changed = good.read_bytes(), tmp_path / "changed.zip"
    head = call("verify", good, "--json").document["ledger_head"]
    for step in range(40):
        place = step * len(content) // 40 + step % 8
        flipped = bytearray(content)
        flipped[place] ^= 1 << (step % 8)
        changed.write_bytes(flipped)
        outcome = call("verify", changed, "--json")
        assert outcome.code in (2, 4) or outcome.document["ledger_head"] == head, place
        assert "Traceback" not in outcome.err
        (tmp_path / "changed.zip.sha256").write_text(f"{sha256_file(good)}  good.zip\n")
        assert call("verify", changed).code == 4
        (tmp_path / "changed.zip.sha256").unlink()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_package_that_was_cut_is_refused(share: float, good: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(good.read_bytes()[: int(good.stat().st_size * share)])
    outcome = call("verify", cut)
    assert outcome.code == 4
    assert "no whole zip" in outcome.error


def test_a_changed_case_in_a_package_is_told_by_the_package_s_name(good: Path, tmp_path: Path, temporary: Path) -> None:
    entries = entries_of(good)
    for change in ({"C/records/tracks.jsonl": b"{}\n"}, {"C/extra": b"x"}, {"C/ledger.jsonl": b"{}\n"}):
        hostile = zipped(tmp_path / "hostile.zip", {**entries, **change})
        outcome = call("verify", hostile, "--json")
        assert outcome.code == 4
        assert f"package {hostile} does not verify" in outcome.error
        assert not outcome.document["ok"]
        assert str(temporary) not in outcome.err + outcome.out
        hostile.unlink()


def test_a_zip_that_changes_while_it_is_read_is_found(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def extract_then_change(*given: object) -> Path:
        root = real(*given)
        with good.open("r+b") as stream:
            stream.seek(40)
            stream.write(b"changed")
        return root

    real: Callable[..., Path] = unpacking._extracted
    monkeypatch.setattr(unpacking, "_extracted", extract_then_change)
    outcome = call("verify", good)
    assert outcome.code == 4
    assert "changed while it was read" in outcome.error


def test_what_is_no_package_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "empty.zip").write_bytes(b"")
    zipped(tmp_path / "none.zip", {})
    zipped(tmp_path / "other.zip", {"a.txt": b"a", "b/c.txt": b"c"})
    for name in ("notes.txt", "empty.zip", "none.zip", "other.zip"):
        outcome = call("verify", tmp_path / name)
        assert outcome.code == 2, name
        assert "package" in outcome.error
