"""A package as its receiver checks it: digest, signature, and the case in it, without another program."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Program, call

KEPT = Path(__file__).resolve().parents[1] / "data/cases/schema-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case, three keys, a package signed with kim's, and one without a signature."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(KEPT, folder / "case")
    for name in ("kim", "olga", "tom"):
        assert call("keys", "new", folder / name).code == 0
    assert call("report", folder / "case", "--sign", folder / "olga.pem", "--no-pdf", "--quiet").code == 0
    assert call("case", "package", folder / "case", folder / "s.zip", "--sign", folder / "kim.pem").code == 0
    assert call("case", "package", folder / "case", folder / "u.zip").code == 0
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "w"))


def test_a_signed_package_verifies_as_its_case_does(facerecon: Program, made: Path) -> None:
    case = facerecon("verify", made / "case", "--json").document
    found = facerecon("verify", made / "s.zip", "--key", made / "kim.pub.pem", "--json").document
    package = found.pop("package")
    assert {**found, "case": case["case"]} == case
    assert package["key_checked"]
    assert package["key_file"] == str(made / "kim.pub.pem")
    assert package["sha256"] == (made / "s.zip.sha256").read_text().split()[0]
    out = facerecon("verify", made / "s.zip", "--key", made / "kim.pub.pem").out
    assert f"the key is {made / 'kim.pub.pem'}" in out
    assert "verified  " in out


def test_without_a_key_the_signature_is_said_not_to_be_checked(facerecon: Program, made: Path) -> None:
    outcome = facerecon("verify", made / "s.zip")
    assert outcome.code == 0
    assert "was not checked" in outcome.out
    assert not facerecon("verify", made / "s.zip", "--json").document["package"]["key_checked"]


def test_a_package_without_a_signature_is_fine_and_said_so_but_not_with_a_key(facerecon: Program, made: Path) -> None:
    outcome = facerecon("verify", made / "u.zip")
    assert outcome.code == 0
    assert "the package is not signed" in outcome.out
    # Not even with the key that signed the case in it: what is asked for is who made this package.
    for key in ("kim", "olga"):
        refused = facerecon("verify", made / "u.zip", "--key", made / f"{key}.pub.pem", "--json")
        assert refused.code == 4
        assert "not signed" in refused.document["problems"][0]


def test_every_given_key_must_have_signed_the_package_or_the_case_in_it(facerecon: Program, made: Path) -> None:
    kim, olga, tom = (("--key", made / f"{name}.pub.pem") for name in ("kim", "olga", "tom"))
    both = facerecon("verify", made / "s.zip", *olga, *kim, "--json").document
    assert both["signatures"][-1]["key_checked"]
    for keys in (tom, olga, (*kim, *tom)):
        assert facerecon("verify", made / "s.zip", *keys).code == 4, keys
    assert "tom.pub.pem" in facerecon("verify", made / "s.zip", *kim, *tom).error
    assert facerecon("verify", made / "s.zip", "--key", made / "kim.pem").code == 2


def test_the_digest_line_is_compared_and_signed(facerecon: Program, work: Path) -> None:
    key, line = ("--key", work / "kim.pub.pem"), work / "s.zip.sha256"
    text = line.read_text()
    for changed in (text.replace(text[:8], "0" * 8, 1), text.strip(), "", text * 2, "x" * 5000):
        line.write_text(changed)
        assert facerecon("verify", work / "s.zip").code == 4, changed[:80]
        assert facerecon("verify", work / "s.zip", *key).code == 4
    # The digest is right, but this is not the line that was signed.
    line.write_text(text.replace("s.zip", "t.zip"))
    assert facerecon("verify", work / "s.zip").code == 0
    assert "does not verify with any" in facerecon("verify", work / "s.zip", *key).error
    line.unlink()
    assert "which it signs" in facerecon("verify", work / "s.zip").error


def test_a_signature_that_is_none_or_another_s_is_found(facerecon: Program, work: Path) -> None:
    signature = work / "s.zip.sig"
    content = signature.read_bytes()
    for changed in (b"", content[:-1], content + b"\n"):
        signature.write_bytes(changed)
        assert facerecon("verify", work / "s.zip").code == 4
    signature.write_bytes(bytes(64))
    assert facerecon("verify", work / "s.zip", "--key", work / "kim.pub.pem").code == 4
    signature.unlink()
    signature.mkdir()
    assert facerecon("verify", work / "s.zip").code == 4


def test_a_package_keeps_its_signature_under_another_name(facerecon: Program, work: Path) -> None:
    for suffix in ("", ".sha256", ".sig"):
        (work / f"s.zip{suffix}").rename(work / f"kiosk: 7.zip{suffix}")
    assert facerecon("verify", work / "kiosk: 7.zip", "--key", work / "kim.pub.pem").code == 0


def test_a_changed_package_is_found_by_its_digest_before_it_is_opened(facerecon: Program, work: Path) -> None:
    package = work / "s.zip"
    package.write_bytes(package.read_bytes() + b"x")
    outcome = facerecon("verify", package, "--json")
    assert outcome.code == 4
    assert len(outcome.document["problems"]) == 1
    assert "which s.zip.sha256 states" in outcome.error


def test_a_package_beyond_two_gigabytes_is_read(
    facerecon: Program, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zip's form for large files and many files (ZIP64), here from small sizes on."""
    with monkeypatch.context() as patch:
        patch.setattr("zipfile.ZIP64_LIMIT", 2000)
        patch.setattr("zipfile.ZIP_FILECOUNT_LIMIT", 10)
        assert facerecon("case", "package", made / "case", tmp_path / "large.zip").code == 0
    assert (tmp_path / "large.zip").stat().st_size > (made / "u.zip").stat().st_size
    assert facerecon("verify", tmp_path / "large.zip").code == 0
