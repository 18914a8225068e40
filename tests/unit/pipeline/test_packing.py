"""A case as one zip: complete, the same bytes every time, refused when the case does not verify."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.manifest import verify
from facerecon.pipeline import packing
from facerecon.pipeline.packing import folder_name, package, sign_package

KEPT = Path(__file__).resolve().parents[2] / "data/cases/schema-1"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT, tmp_path / "case"))


def test_the_zip_holds_the_whole_case_and_it_verifies(case: Path, tmp_path: Path) -> None:
    made = package(case, "A 1/2026", tmp_path / "out.zip")
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == made.files
        archive.extractall(tmp_path / "unpacked")
    assert verify(tmp_path / "unpacked/A_1_2026") == verify(case)
    assert (made.sha256, made.size_bytes) == (sha256_file(made.path), made.path.stat().st_size)


def test_the_same_case_gives_the_same_bytes_wherever_and_whenever(case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere/under another name"
    shutil.copytree(case, copy, copy_function=shutil.copyfile)
    digests = {package(root, "C", tmp_path / f"{n}.zip").sha256 for n, root in enumerate((case, copy))}
    assert len(digests) == 1


def test_entries_are_sorted_without_times_and_private(case: Path, tmp_path: Path) -> None:
    package(case, "C", tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        entries = archive.infolist()
    assert [each.filename for each in entries] == sorted(each.filename for each in entries)
    assert {each.date_time for each in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {each.external_attr >> 16 for each in entries} == {0o600}
    assert {each.compress_type for each in entries} == {zipfile.ZIP_STORED}
    assert all(each.filename.startswith("C/") and ".." not in each.filename for each in entries)


def test_a_case_that_does_not_verify_is_not_packed(case: Path, tmp_path: Path) -> None:
    (case / "records/frames.jsonl").write_bytes(b"{}\n")
    with pytest.raises(IntegrityError, match="does not verify"):
        package(case, "C", tmp_path / "out.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case"]


def test_a_file_that_changes_while_it_is_packed_is_found(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify_then_change(root: Path) -> object:
        manifest = verify(root)
        (root / "records/tracks.jsonl").write_bytes(b"{}\n")
        return manifest

    monkeypatch.setattr(packing, "verify", verify_then_change)
    with pytest.raises(IntegrityError, match=r"tracks\.jsonl was changed while it was packed"):
        package(case, "C", tmp_path / "out.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case"]


def test_nothing_is_overwritten_and_nothing_goes_into_the_case(case: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.zip"
    there.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        package(case, "C", there)
    assert there.read_bytes() == b"mine"
    with pytest.raises(UsageError, match="lies in the case folder"):
        package(case, "C", case / "records/out.zip")
    verify(case)


def test_a_folder_that_is_not_there_is_a_clear_error(case: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="choose another place"):
        package(case, "C", tmp_path / "no/out.zip")


@pytest.mark.parametrize(
    ("case_id", "name"),
    [
        ("DEMO-2026-001", "DEMO-2026-001"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "case"),
        ("", "case"),
        ("C:\\x\n", "C_x"),
        ("Ä/é", "case"),
        ("x" * 300, "x" * 80),
    ],
)
def test_no_case_number_leads_out_of_the_folder_it_is_unpacked_into(case_id: str, name: str) -> None:
    assert folder_name(case_id) == name


def test_the_signature_is_over_a_line_that_sha256sum_checks(case: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    made = package(case, "C", tmp_path / "out.zip")
    line, signature = sign_package(made, key)
    assert (line.name, signature.name) == ("out.zip.sha256", "out.zip.sig")
    assert line.read_text() == f"{made.sha256}  out.zip\n"
    key.public_key().verify(signature.read_bytes(), line.read_bytes())
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature.read_bytes(), line.read_bytes().replace(b"out", b"our"))
