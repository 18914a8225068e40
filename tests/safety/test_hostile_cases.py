"""A case from somebody else: nothing outside it is read, written or removed, and nothing in it stops the tool."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon import case as case_module
from facerecon import manifest as manifest_module
from facerecon.case import Case
from facerecon.containment import DEEPEST, read_inside, require_inside
from facerecon.errors import FacereconError, IntegrityError, ResourceError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import Ledger
from facerecon.manifest import CaseProblemsError, FileEntry, Manifest, verify
from facerecon.profiles import load_profile
from facerecon.records import CaseInfo, Skipped
from tests.safety.safety_cases import PICTURE, RECORDS, contents, forged, made, sealed_over

SECRET = b"a secret that lies outside the case"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    return made(tmp_path / "case")


def refused_by_all(root: Path, match: str) -> None:
    """Whoever opens a case refuses it."""
    for reading in (verify, Case.open, Case.view):
        with pytest.raises(IntegrityError, match=match):
            reading(root)


# --- names ------------------------------------------------------------------------------------------------------------

NAMES = (
    "../secret.txt",
    "faces/../../secret.txt",
    "faces/./a.png",
    "faces//a.png",
    "faces/",
    "",
    ".",
    "..",
    "/etc/passwd",
    "\\\\server\\share",
    "..\\secret.txt",
    "C:secret.txt",
    "faces/a\0.png",
    "faces/a\n.png",
    "faces/\x1b[2J.png",
    "faces/\u202egnp.exe",
    "x" * 256,
    "/".join("d" * 20),
    "y/" * 600 + "z",
)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_manifest_that_names_a_file_outside_is_refused_before_anything_is_read(name: str, root: Path) -> None:
    forged(root, {**contents(root), name: SECRET})
    refused_by_all(root, "manifest.json: the file name")


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_record_cannot_lead_a_new_file_outside(name: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / "finished").write_bytes(b"video")
    before = sorted(tmp_path.rglob("*"))
    with Case.open(root) as case:
        for write in (lambda: case.write(name, b"x"), lambda: case.adopt(name, tmp_path / "finished")):
            with pytest.raises(IntegrityError, match="the file name"):
                write()
    assert sorted(tmp_path.rglob("*")) == before


@given(st.text(max_size=30) | st.lists(st.sampled_from(["a", "..", ".", "", "b.png"]), max_size=6).map("/".join))
def test_a_name_that_passes_stays_inside(name: str) -> None:
    try:
        require_inside(name)
    except ValueError:
        return
    assert os.path.normpath(f"/case/{name}") == f"/case/{name}"
    assert name.encode().decode() == name


def test_a_file_name_that_is_not_text_is_an_extra_file_shown_without_acting(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/faces/\xff\x1b[2J\nverified")).touch()
    with pytest.raises(CaseProblemsError) as caught:
        verify(root)
    assert caught.value.problems == ("extra file faces/\\udcff\\x1b[2J\\x0averified, which the manifest does not know",)


# --- links, pipes, devices --------------------------------------------------------------------------------------------


def as_link_to_a_file(root: Path) -> None:
    (root / PICTURE).unlink()
    (root / PICTURE).symlink_to(root.parent / "secret.txt")


def as_link_inside(root: Path) -> None:
    (root / PICTURE).rename(root / "faces/other")
    (root / PICTURE).symlink_to(root / "faces/other")


def as_dangling_link(root: Path) -> None:
    (root / PICTURE).unlink()
    (root / PICTURE).symlink_to(root.parent / "nothing")


def as_link_to_a_device(root: Path) -> None:
    (root / PICTURE).unlink()
    (root / PICTURE).symlink_to("/dev/zero")


def as_pipe(root: Path) -> None:
    (root / PICTURE).unlink()
    os.mkfifo(root / PICTURE)


def behind_a_linked_folder(root: Path) -> None:
    outside = root.parent / "outside"
    (root / PICTURE).parent.rename(outside)
    (root / PICTURE).parent.symlink_to(outside)


def behind_a_linked_top_folder(root: Path) -> None:
    (root / "faces").rename(root.parent / "outside")
    (root / "faces").symlink_to(root.parent / "outside")


IRREGULAR = (
    as_link_to_a_file,
    as_link_inside,
    as_dangling_link,
    as_link_to_a_device,
    as_pipe,
    behind_a_linked_folder,
    behind_a_linked_top_folder,
)


@pytest.mark.parametrize("change", IRREGULAR, ids=lambda each: each.__name__)
def test_links_pipes_and_devices_are_refused_by_whoever_reads(change: Callable[[Path], None], root: Path) -> None:
    change(root)
    with pytest.raises(CaseProblemsError):
        verify(root)
    with pytest.raises(CaseProblemsError):
        Case.open(root)
    with Case.view(root) as case, pytest.raises(IntegrityError, match=r"link|regular"):
        case.bytes_of(PICTURE)


@pytest.mark.parametrize("name", ["manifest.json", "ledger.jsonl", "case.json"])
def test_the_case_s_own_files_are_no_links_and_no_pipes(name: str, root: Path) -> None:
    (root / name).rename(root.parent / name)
    (root / name).symlink_to(root.parent / name)
    refused_by_all(root, "link")
    (root / name).unlink()
    os.mkfifo(root / name)
    refused_by_all(root, "regular")


def test_a_link_that_is_put_there_after_verification_is_not_followed(root: Path) -> None:
    with Case.open(root) as case:
        behind_a_linked_folder(root)
        with pytest.raises(IntegrityError, match="link"):
            case.bytes_of(PICTURE)


def test_a_file_that_is_replaced_after_verification_is_not_used(root: Path) -> None:
    with Case.open(root) as case:
        (root / PICTURE).write_bytes(b"poison")
        (root / RECORDS).write_bytes(b"{}\n")
        with pytest.raises(IntegrityError, match="was changed"):
            case.bytes_of(PICTURE)
        with pytest.raises(IntegrityError, match="was changed"):
            case.read(Skipped, "skipped")


def test_the_description_that_is_used_is_the_one_of_the_manifest(root: Path) -> None:
    text = (root / "case.json").read_text().replace('"O"', '"Somebody else"')
    (root / "case.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"case\.json was changed"):
        Case.view(root)


def test_folders_in_folders_without_end_are_refused(root: Path) -> None:
    deep = root / "faces" / "/".join("d" * (DEEPEST + 5))
    deep.mkdir(parents=True)
    with pytest.raises(CaseProblemsError, match="deeper than"):
        verify(root)


# --- recovery removes nothing else ------------------------------------------------------------------------------------


def test_recovery_removes_nothing_where_no_case_is(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "work").mkdir()
    (tmp_path / "work/.tmp-mine").write_text("mine")
    with pytest.raises(IntegrityError, match="not a manifest"):
        Case.open(tmp_path)
    assert (tmp_path / "work/.tmp-mine").read_text() == "mine"


def test_recovery_follows_no_link_and_removes_nothing_outside(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "mine.png").write_bytes(b"mine")
    (outside / ".tmp-mine").write_bytes(b"mine")
    with Case.open(root) as case:
        case.note("extract.started", {})
    (root / "faces/t0002").symlink_to(outside)
    (root / "faces/linked.png").symlink_to(outside / "mine.png")
    with pytest.raises(CaseProblemsError, match="extra file faces/linked"):
        Case.open(root)
    assert sorted(path.name for path in outside.iterdir()) == [".tmp-mine", "mine.png"]
    assert (root / "faces/linked.png").is_symlink()


def test_a_folder_with_a_temporary_name_is_reported_not_a_crash(root: Path) -> None:
    (root / ".tmp-folder").mkdir()
    (root / ".tmp-folder/file").write_bytes(b"")
    with pytest.raises(CaseProblemsError, match=r"extra file \.tmp-folder/file"):
        Case.open(root)


# --- crafted JSON -----------------------------------------------------------------------------------------------------

LINES = {
    "deep lists": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 100_000,
    "a long integer": b'{"count": ' + b"9" * 1_000_000 + b"}",
    "a number that is none": b'{"stage":"e","kind":"frame","subject":"s","reason":"r","count":NaN}',
    "infinity": b'{"stage":"e","kind":"frame","subject":"s","reason":"r","count":Infinity}',
    "beyond 64 bits": b'{"stage":"e","kind":"frame","subject":"s","reason":"r","count":9223372036854775808}',
    "a float with an exponent": b'{"stage":"e","kind":"frame","subject":"s","reason":"r","count":1e999}',
    "half a surrogate pair": b'{"stage":"\\ud800","kind":"frame","subject":"s","reason":"r"}',
    "not UTF-8": b'{"stage":"\xff","kind":"frame","subject":"s","reason":"r"}',
    "an unknown key": b'{"stage":"e","kind":"frame","subject":"s","reason":"r","__class__":"os.system"}',
    "another encoding": '{"stage":"e"}'.encode("utf-16"),
    "nothing": b" ",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_crafted_records_are_refused_in_one_line(line: bytes, root: Path) -> None:
    data = contents(root)[RECORDS] + line + b"\n"
    name = "records/skipped-2.jsonl"
    (root / name).write_bytes(data)
    forged(root, {**contents(root), name: data})
    verify(root)
    with Case.view(root) as case, pytest.raises(IntegrityError, match="a line is not a Skipped"):
        case.read(Skipped, "skipped", 2)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_crafted_manifest_ledger_and_description_are_refused_in_one_line(line: bytes, root: Path) -> None:
    for name in ("manifest.json", "ledger.jsonl"):
        kept = (root / name).read_bytes()
        (root / name).write_bytes(line + b"\n")
        refused_by_all(root, "not a manifest|not a ledger entry|does not verify")
        (root / name).write_bytes(kept)
    (root / "case.json").write_bytes(line)
    ledger = Ledger()
    ledger.append("case.created", {}, {}, {name: sha256_bytes(data) for name, data in contents(root).items()})
    sealed_over(root, ledger, contents(root))
    verify(root)
    for opening in (Case.open, Case.view):
        with pytest.raises(IntegrityError, match="not a case description"):
            opening(root)


def test_a_key_that_stands_twice_is_refused_where_two_readers_could_differ(root: Path) -> None:
    for name in ("manifest.json", "ledger.jsonl"):
        kept = (root / name).read_bytes()
        first, rest = kept[:1], kept[1:]
        (root / name).write_bytes(first + b'"action":"x","state":"x",' + rest)
        refused_by_all(root, "changed|edited|not a")
        (root / name).write_bytes(kept)


def test_a_state_that_would_act_on_a_terminal_is_refused(root: Path) -> None:
    forged(root, contents(root), state="[link=file:///]\x1b[2J")
    refused_by_all(root, "no state of a case")


def test_what_is_read_whole_has_limits_that_are_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_module, "LARGEST_BYTES", 100)
    with pytest.raises(IntegrityError, match=r"manifest\.json has [0-9]+ bytes; the limit .* is 100"):
        verify(root)
    monkeypatch.undo()
    monkeypatch.setattr(case_module, "LARGEST_FILE_BYTES", 3)
    with Case.view(root) as case, pytest.raises(IntegrityError, match=r"original\.png has 6 bytes; the limit"):
        case.bytes_of(PICTURE)
    monkeypatch.undo()
    monkeypatch.setattr(case_module, "LARGEST_LINE_BYTES", 10)
    with Case.view(root) as case, pytest.raises(IntegrityError, match="a line is longer than 10 bytes"):
        case.read(Skipped, "skipped")


def test_a_file_with_a_terabyte_of_nothing_is_never_read_whole(root: Path) -> None:
    with (root / "manifest.json").open("ab") as stream:
        stream.truncate(1 << 40)
    refused_by_all(root, "the limit")
    with pytest.raises(IntegrityError, match="the limit"):
        read_inside(root, "manifest.json", 1 << 20)


def test_a_stated_size_is_checked(root: Path) -> None:
    entry = FileEntry(sha256=sha256_bytes(b"pixels"), size_bytes=7)
    sealed_over(root, Ledger.read(root / "ledger.jsonl"), contents(root), **{PICTURE: entry})
    with pytest.raises(CaseProblemsError, match=f"changed file {PICTURE}"):
        verify(root)


@given(st.binary(max_size=200), st.sampled_from(["manifest.json", "ledger.jsonl", "case.json"]))
def test_arbitrary_bytes_never_crash(data: bytes, name: str) -> None:
    reading: dict[str, Callable[[], object]] = {
        "manifest.json": lambda: Manifest.parse(data),
        "ledger.jsonl": lambda: Ledger.parse(data, Path("l")),
        "case.json": lambda: json.loads(data) and CaseInfo.model_validate_json(data),
    }
    with contextlib.suppress(FacereconError, ValueError):
        reading[name]()


def test_python_s_own_limit_on_digits_stands() -> None:
    assert 0 < sys.get_int_max_str_digits() <= 4300
    assert canonical_json({"n": 1}) == b'{"n":1}'


# --- where a case is made ---------------------------------------------------------------------------------------------


def make(path: Path) -> None:
    profile = load_profile("standard")
    info = CaseInfo.model_validate_json((made(path.parent / "model") / "case.json").read_bytes())
    Case.create(path, info, profile, {}).close()


def test_a_case_is_private_also_in_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    make(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700
    for path in (tmp_path / "open").rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_case_is_not_made_in_a_used_folder_a_file_or_under_a_name_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for path, kind in (
        (Path("/"), UsageError),
        (tmp_path / "file", UsageError),
        (tmp_path / "dangling", ResourceError),
        (tmp_path / "file/case", ResourceError),
        (tmp_path / ("n" * 300), ResourceError),
    ):
        info = tmp_path / f"info-{kind.__name__}-{path.name[:8]}"
        info.mkdir()
        profile = load_profile("standard")
        model = CaseInfo.model_validate_json((made(info / "model") / "case.json").read_bytes())
        with pytest.raises(kind, match="choose another --case"):
            Case.create(path, model, profile, {})
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("path", ["/", "/dev/null", "/dev/zero", "n" * 300, "/proc/self/mem"])
def test_what_is_no_case_is_said_in_one_line(path: str) -> None:
    for opening in (verify, Case.open, Case.view):
        with pytest.raises(UsageError):
            opening(Path(path))
