"""The walk: every file that is reached is a source or is left out with its reason, whatever lies there."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facerecon.batch import found as kinds
from facerecon.batch.found import Walk
from facerecon.batch.since import since_s
from facerecon.batch.walking import walk
from facerecon.errors import UsageError


def file(path: Path, content: bytes = b"x", mtime: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def names(result: Walk) -> list[str]:
    return [each.relative for each in result.found]


def reasons(result: Walk) -> dict[str, str]:
    return {each.path.name: each.reason for each in result.omitted}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    for name in ("clip10.mp4", "clip2.mp4", "cam2/a.mp4", "cam10/a.mp4", ".hidden.mp4", ".cache/b.mp4", "notes.txt"):
        file(root / name)
    file(root / "old case/case.json")
    file(tmp_path / "elsewhere/c.mp4")
    (root / "in.mp4").symlink_to("clip2.mp4")
    (root / "out.mp4").symlink_to(tmp_path / "elsewhere/c.mp4")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "gone.mp4").symlink_to("nowhere")
    os.mkfifo(root / "pipe.mp4")
    return root


def test_all_that_lies_there_is_a_source_or_left_out_with_the_reason(archive: Path, tmp_path: Path) -> None:
    result = walk([archive], tmp_path / "cases")
    assert names(result) == ["cam2/a.mp4", "cam10/a.mp4", "clip2.mp4", "clip10.mp4", "notes.txt"]
    assert reasons(result) == {
        ".hidden.mp4": kinds.HIDDEN,
        ".cache": kinds.HIDDEN,
        "old case": kinds.A_CASE,
        "in.mp4": kinds.LINK_INSIDE,
        "loop": kinds.LINK_INSIDE,
        "gone.mp4": kinds.LINK_INSIDE,
        "out.mp4": kinds.LINK_OUT,
        "folder": kinds.LINK_OUT,
        "pipe.mp4": kinds.SPECIAL,
    }
    entries = {path.name for path in archive.iterdir()} - {"cam2", "cam10"}
    assert entries <= {each.path.name for each in result.found} | set(reasons(result))


def test_a_file_is_one_source_however_often_it_is_reached(archive: Path, tmp_path: Path) -> None:
    result = walk([archive, archive / "clip2.mp4", archive / "cam2", archive / "in.mp4"], tmp_path / "cases")
    assert len(result.found) == 5
    assert [each.path.name for each in result.omitted if each.reason == kinds.TWICE] == [
        "clip2.mp4",
        "a.mp4",
        "in.mp4",
    ]


def test_what_the_user_names_is_followed_and_named(archive: Path, tmp_path: Path) -> None:
    result = walk([archive / "out.mp4", archive / "folder"], tmp_path / "cases")
    assert names(result) == ["out.mp4"]
    assert result.found[0].named
    assert reasons(result) == {"c.mp4": kinds.TWICE}


def test_patterns_are_expanded_here(archive: Path, tmp_path: Path) -> None:
    result = walk([Path(f"{archive}/cam*/*.mp4"), Path(f"{archive}/clip[0-9]*.mp4")], tmp_path / "cases")
    assert names(result) == ["cam2/a.mp4", "cam10/a.mp4", "clip2.mp4", "clip10.mp4"]
    with pytest.raises(UsageError, match="nothing fits the pattern"):
        walk([Path(f"{archive}/*.avi")], tmp_path / "cases")
    brackets = file(archive / "[1].mp4")
    assert names(walk([brackets], tmp_path / "cases")) == ["[1].mp4"]


def test_the_cases_are_never_looked_into(archive: Path) -> None:
    cases = archive / "cases"
    file(cases / "clip2.mp4/faces/t0001/f.png")
    result = walk([archive], cases)
    assert reasons(result)["cases"] == kinds.THE_CASES
    assert not any("faces" in name for name in names(result))


def test_cases_beside_or_around_their_sources_are_refused(archive: Path) -> None:
    for given, cases in (([archive], archive), ([archive], archive.parent), ([archive / "clip2.mp4"], archive)):
        with pytest.raises(UsageError, match="choose another --cases"):
            walk(given, cases)


def test_missing_archives_are_refused_and_missing_lines_of_a_list_fail(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        walk([archive / "none"], tmp_path / "cases")
    result = walk([], tmp_path / "cases", listed=[archive / "none", archive / "clip2.mp4"])
    assert names(result) == ["clip2.mp4"]
    assert [(each.path.name, each.failed) for each in result.omitted] == [("none", True)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_a_failure(archive: Path, tmp_path: Path) -> None:
    (archive / "cam2").chmod(0)
    try:
        result = walk([archive], tmp_path / "cases")
    finally:
        (archive / "cam2").chmod(0o700)
    assert [(each.path.name, each.failed) for each in result.omitted if "cannot" in each.reason] == [("cam2", True)]


def test_older_files_are_counted_as_left_out(tmp_path: Path) -> None:
    root = tmp_path / "a"
    file(root / "old.mp4", mtime=1_000_000)
    file(root / "new.mp4", mtime=2_000_000)
    result = walk([root], tmp_path / "cases", since_s=1_500_000)
    assert names(result) == ["new.mp4"]
    assert reasons(result) == {"old.mp4": kinds.OLD}


def test_since_is_a_date_a_time_or_a_length() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert since_s("2026-11-22", now) == now.timestamp() - 12 * 3600
    assert since_s("2026-11-22T11:00", now) == now.timestamp() - 3600
    assert since_s("2026-11-22T11:00+01:00", now) == now.timestamp() - 2 * 3600
    lengths = {"90s": 90, "2m": 120, "3h": 10_800, "7d": 604_800, "1w": 604_800}
    assert {text: now.timestamp() - since_s(text, now) for text in lengths} == lengths
    for bad in ("yesterday", "7", "-1d", "7 d", "", "2026-13-01", "999999w"):
        with pytest.raises(UsageError, match="neither a date"):
            since_s(bad, now)


def test_names_that_are_no_text_are_reached(tmp_path: Path) -> None:
    bad = os.fsdecode(b"caf\xe9\n.mp4")
    file(tmp_path / "a" / bad)
    assert names(walk([tmp_path / "a"], tmp_path / "cases")) == [bad]
