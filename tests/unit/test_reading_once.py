"""A case is hashed once where nothing changed in between, and again, file by file, where something did."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from facerecon import containment
from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.exchange.export import export_case_uco
from facerecon.manifest import CaseProblemsError, Seen, verified
from tests.safety.safety_cases import PICTURE, copied


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed, in order."""
    names: list[str] = []
    real = hashlib.file_digest

    def noted(stream: object, kind: str) -> object:
        names.append(str(Path(f"/proc/self/fd/{stream.fileno()}").readlink()))  # type: ignore[attr-defined]
        return real(stream, kind)  # type: ignore[call-overload]

    monkeypatch.setattr(containment.hashlib, "file_digest", noted)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the case had been written long ago: the time of a file's last change cannot be set."""
    monkeypatch.setattr(containment, "SETTLED_NS", -(1 << 62))


@pytest.mark.usefixtures("settled")
def test_opening_and_exporting_hash_every_file_once(root: Path, hashed: list[str], tmp_path: Path) -> None:
    with Case.open(root) as case:
        export_case_uco(case, tmp_path / "out.jsonld")
    assert len(hashed) == len(set(hashed)) == len([path for path in root.rglob("*") if path.is_file()]) - 1


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("keeping", ["nothing", "times", "size and times"])
def test_a_change_between_two_readings_is_found(keeping: str, root: Path, tmp_path: Path) -> None:
    """Also where the time of the last modification is set back, as whoever hides a change does."""
    with Case.open(root) as case:
        path = root / PICTURE
        before, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-1] + b"\x00" if keeping == "size and times" else content + b"x")
        if keeping != "nothing":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(CaseProblemsError, match=PICTURE):
            export_case_uco(case, tmp_path / "out.jsonld")
    assert not (tmp_path / "out.jsonld").exists()


@pytest.mark.usefixtures("settled")
def test_another_file_in_its_place_is_found(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes((root / PICTURE).read_bytes()[:-1] + b"\x00")
    seen: Seen = {}
    verified(root, seen)
    before = (root / PICTURE).stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(root / PICTURE)
    with pytest.raises(CaseProblemsError, match=PICTURE):
        verified(root, seen)


def test_files_that_were_changed_a_moment_ago_are_read_again(root: Path, hashed: list[str]) -> None:
    """A second change in the same tick of the file system's clock would not show."""
    seen: Seen = {}
    verified(root, seen)
    first = list(hashed)
    verified(root, seen)
    assert hashed == first * 2


@pytest.mark.usefixtures("settled")
def test_a_missing_or_extra_file_is_found_though_the_others_are_known(root: Path) -> None:
    seen: Seen = {}
    verified(root, seen)
    (root / "extra").touch()
    with pytest.raises(CaseProblemsError, match="extra file extra"):
        verified(root, seen)
    (root / "extra").unlink()
    (root / PICTURE).unlink()
    with pytest.raises(CaseProblemsError, match=f"missing file {PICTURE}"):
        verified(root, seen)


def test_the_size_of_a_picture_is_of_the_bytes_that_were_hashed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is put in a picture's place after it was verified is in no export."""
    from facerecon.exchange import export

    def verified_then_changed(folder: Path, seen: Seen) -> object:
        found = verified(folder, seen)
        for path in folder.rglob("*.png"):
            path.write_bytes(b"")
        return found

    with Case.view(root) as case:
        export_case_uco(case, tmp_path / "before.jsonld")
    assert "RasterPictureFacet" in (tmp_path / "before.jsonld").read_text()
    monkeypatch.setattr(export, "verified", verified_then_changed)
    with Case.view(root) as case:
        export_case_uco(case, tmp_path / "after.jsonld")
    assert (tmp_path / "after.jsonld").read_bytes() == (tmp_path / "before.jsonld").read_bytes()


def test_a_link_in_place_of_a_known_file_is_not_followed(root: Path, tmp_path: Path) -> None:
    seen: Seen = {}
    verified(root, seen)
    (root / PICTURE).rename(tmp_path / "moved")
    (root / PICTURE).symlink_to(tmp_path / "moved")
    with pytest.raises(IntegrityError, match="is a link"):
        verified(root, seen)
