"""The walk through a store: every object is a source or left out, whatever the store lists."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facerecon.batch import found as kinds
from facerecon.batch import stores
from facerecon.batch.addresses import typed
from facerecon.batch.found import Walk
from facerecon.batch.naming import Names
from facerecon.batch.stores import MissingError, Stated, require, store
from facerecon.batch.walking import walk
from facerecon.errors import EvidenceError, UsageError
from tests.unit.batch.tale_store import FOLDER, NAMES, PREFIX, Bucket, Tale


@pytest.fixture
def tale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "tale"))
    (tmp_path / "tale").mkdir()
    return tmp_path / "tale"


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def reached(text: str, cases: Path, since_s: float | None = None) -> Walk:
    return walk([typed(text)], cases, since_s=since_s)


def names(result: Walk) -> list[str]:
    return [each.relative for each in result.found]


def reasons(result: Walk) -> dict[str, str]:
    return {each.url.removeprefix(f"{PREFIX}/share/"): each.reason for each in result.omitted}


ARCHIVE = ("a/clip10.mp4", "a/clip2.mp4", "a/cam2/x.mp4", "a/cam10/x.mp4", "a/.hid.mp4", "a/old/case.json", "a/t.txt")


@pytest.mark.parametrize("kind", ["tale", "file"])
def test_a_store_is_walked_as_a_folder_is(kind: str, tale: Path, tmp_path: Path) -> None:
    fill(tale, *ARCHIVE)
    root = f"{PREFIX}/share/a" if kind == "tale" else f"file://{tale}/a"
    result, local = reached(f"{root}/", tmp_path / "cases"), walk([tale / "a"], tmp_path / "cases")
    assert names(result) == names(local)
    assert [each.reason for each in result.omitted] == [each.reason for each in local.omitted]
    assert [each.source for each in result.found] == [f"{root}/{each.relative}" for each in result.found]
    assert {each.size_bytes for each in result.found} == {each.size_bytes for each in local.found}
    assert all(each.mark and each.stated for each in result.found)


@pytest.mark.parametrize(
    "pattern", ["*.mp4", "cam*/x.mp4", "**/x.mp4", "cam[0-9]*/*", "c*", "**/*.mp4", ".h*", "clip?.mp4", "none*"]
)
def test_patterns_fit_what_they_fit_in_a_folder(pattern: str, tale: Path, tmp_path: Path) -> None:
    fill(tale, *ARCHIVE)
    results = []
    for archive in (typed(f"{PREFIX}/share/a/{pattern}"), tale / "a" / pattern):
        try:
            results.append(names(walk([archive], tmp_path / "cases")))
        except UsageError as error:
            assert "nothing fits" in str(error)
            results.append([])
    assert results[0] == results[1]


@pytest.mark.parametrize("archive", ["s3://bucket", "s3://bucket/", "s3://bucket/a", "s3://bucket/*/*.mp4"])
def test_a_bucket_is_a_folder(archive: str, tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_system", lambda scheme, prefix: Bucket(skip_instance_cache=True))
    fill(tale, "a/x.mp4", "a/::file:///y.mp4")
    result = reached(archive, tmp_path / "cases")
    assert {each.source for each in result.found} >= {"s3://bucket/a/x.mp4"}
    assert {each.relative for each in result.found} >= {"x.mp4" if archive.endswith("/a") else "a/x.mp4"}
    assert not any(each.failed for each in result.omitted)


def test_a_single_object_of_a_bucket_is_named_by_itself(
    tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_system", lambda scheme, prefix: Bucket(skip_instance_cache=True))
    fill(tale, "x.mp4")
    assert names(reached("s3://bucket/x.mp4", tmp_path / "cases")) == ["x.mp4"]
    with pytest.raises(UsageError, match="which bucket"):
        reached("s3://buck*/x.mp4", tmp_path / "cases")


def test_a_hostile_listing_leads_nowhere_and_every_name_of_it_is_accounted_for(tale: Path, tmp_path: Path) -> None:
    keys = {
        "f1.mp4": "/share/a/../../etc/x.mp4",
        "f2.mp4": "/share/a/two\nlines.mp4",
        "f3.mp4": "/share/a/n\0l.mp4",
        "f4.mp4": f"/share/a/{'x' * 400}.mp4",
        "f5.mp4": f"/share/a/{'deep/' * 300}x.mp4",
        "f6.mp4": "/share/a/\u202egpj.mp4",
        "f7.mp4": "/share/a/good.mp4",
        "f8.mp4": "/share/a/sizeless.mp4",
        "f9.mp4": "/share/a/\udce9.mp4",
        "f10.mp4": "/share/a//empty.mp4",
    }
    fill(tale, *keys)
    (tale / NAMES).write_text(json.dumps(keys))
    result = reached(f"{PREFIX}/share/a", tmp_path / "cases")
    told = {each.source for each in result.found} | {each.source for each in result.omitted}
    assert {f"{PREFIX}{key}" for name, key in keys.items() if name not in ("f5.mp4", "f10.mp4")} <= told
    assert any("deeper than" in each.reason for each in result.omitted)
    assert sorted(each.reason[:8] for each in result.omitted if each.failed) == [
        "its name",
        "its name",
        "its name",
        "lies dee",
        "the stor",
    ]
    given = Names({})
    root = tmp_path / "cases"
    for each in result.found:
        folder = root / given.of(each)
        assert folder.resolve().is_relative_to(root.resolve())
        assert "\n" not in str(folder)
        folder.mkdir(parents=True)
    assert len(result.found) == 5


def test_what_a_store_calls_an_object_that_was_asked_for_does_not_count(
    tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tale, "info", lambda self, path: {"name": "/../../etc/passwd", "type": "file", "size": 1})
    (found,) = reached(f"{PREFIX}/share/a/x.mp4", tmp_path / "cases").found
    assert (found.relative, found.url) == ("x.mp4", f"{PREFIX}/share/a/x.mp4")


def test_the_mark_of_an_empty_folder_is_no_object(tale: Path, tmp_path: Path) -> None:
    keys = {"mark": "/share/a/", "x.mp4": "/share/a/x.mp4", "other": "/share/a/b/"}
    fill(tale, *keys)
    (tale / NAMES).write_text(json.dumps(keys))
    for name in ("mark", "other"):
        (tale / name).write_bytes(b"")
    result = reached(f"{PREFIX}/share/a", tmp_path / "cases")
    assert (names(result), result.omitted) == (["x.mp4"], [])
    (tale / "mark").write_bytes(b"bytes that nobody could reach")
    assert [each.failed for each in reached(f"{PREFIX}/share/a", tmp_path / "cases").omitted] == [True]


def test_what_a_store_refuses_is_a_failure_and_the_rest_is_reached(tale: Path, tmp_path: Path) -> None:
    fill(tale, "a/x.mp4", "a/locked/y.mp4")
    result = reached(f"{PREFIX}/share/a", tmp_path / "cases")
    assert names(result) == ["x.mp4"]
    (refused,) = result.omitted
    assert (refused.failed, "access is refused" in refused.reason) == (True, True)
    pattern = reached(f"{PREFIX}/share/a/*/*.mp4", tmp_path / "cases")
    assert (names(pattern), len(pattern.omitted)) == ([], 1)
    with pytest.raises(UsageError, match="does not exist"):
        reached(f"{PREFIX}/share/none", tmp_path / "cases")
    listed = walk([], tmp_path / "cases", listed=[typed(f"{PREFIX}/share/none"), typed(f"{PREFIX}/share/a/x.mp4")])
    assert names(listed) == ["x.mp4"]
    assert [each.failed for each in listed.omitted] == [True]


def test_an_object_is_reached_once_and_older_ones_are_left_out(tale: Path, tmp_path: Path) -> None:
    fill(tale, "a/x.mp4", "a/mute.mp4")
    root = typed(f"{PREFIX}/share/a")
    result = walk([root, typed(f"{PREFIX}/share/a/x.mp4"), typed(f"{PREFIX}/share/*")], tmp_path / "cases")
    assert len(result.found) == 2
    assert {each.reason for each in result.omitted} == {kinds.TWICE}
    after = datetime(2026, 11, 2, tzinfo=UTC).timestamp()
    # What has no time may be new.
    assert names(reached(root.url, tmp_path / "cases", after)) == ["mute.mp4"]
    assert names(reached(root.url, tmp_path / "cases", after - 172_800)) == ["mute.mp4", "x.mp4"]


def test_neither_links_nor_the_cases_are_sources_of_a_local_store(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    fill(root, "x.mp4", "cases/sub/y.mp4")
    (root / "in.mp4").symlink_to("x.mp4")
    os.mkfifo(root / "pipe.mp4")
    result = reached(f"file://{root}", root / "cases")
    assert names(result) == ["x.mp4"]
    assert {each.path.name: each.reason for each in result.omitted} == {
        "cases": kinds.THE_CASES,
        "in.mp4": kinds.A_LINK,
        "pipe.mp4": kinds.SPECIAL,
    }
    with pytest.raises(UsageError, match="among the sources"):
        reached(f"file://{root}", root)


# --- what a store says ------------------------------------------------------------------------------------------------


def test_a_version_is_told_by_its_tag_and_without_one_by_its_time() -> None:
    tagged = Stated(5, "abc", 1)
    assert tagged.same(Stated(5, "abc", 2_000_000_000))
    assert not tagged.same(Stated(5, "abd", 1))
    assert not tagged.same(Stated(6, "abc", 1))
    assert not Stated(5, "", 1).same(Stated(5, "", 2))
    assert Stated(5).mark == ""
    assert Stated(**tagged.plain()) == tagged


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (datetime(2026, 11, 1, 6, 0, 0, 5, UTC), "2026-11-01T06:00:00.000005Z"),
        (datetime(2026, 11, 1, 6), "2026-11-01T06:00:00.000000Z"),
        ("2026-11-01T07:00:00+01:00", "2026-11-01T06:00:00.000000Z"),
        (0.0, "1970-01-01T00:00:00.000000Z"),
        ("yesterday", None),
        (float("nan"), None),
        (1e300, None),
        (True, None),
        (None, None),
    ],
)
def test_times_are_read_as_stores_give_them(time: object, shown: str | None) -> None:
    entry = stores._entry({"name": "/x", "type": "file", "size": 1, "mtime": time})
    assert entry.stated is not None
    assert entry.stated.modified_utc == shown


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def lacking(scheme: str) -> object:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", lacking)
    with pytest.raises(UsageError, match=r"s3:// needs the package s3fs; .*pip install 'facerecon\[remote\]' s3fs"):
        require("s3")
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"smb:// needs fsspec; .*pip install 'facerecon\[remote\]' smbprotocol"):
        require("smb")


class ServerError(OSError):
    """As packages derive them: no FileNotFoundError, whatever the number."""


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOENT, "does not exist"), (errno.EACCES, "access is refused"), (errno.EIO, "cannot be read: odd")],
)
def test_numbers_of_system_errors_count_whatever_class_has_them(
    number: int, words: str, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def info(self: object, path: str) -> None:
        raise ServerError(number, "odd")

    monkeypatch.setattr(Tale, "info", info)
    address = typed(f"{PREFIX}/share/x.mp4")
    with pytest.raises(EvidenceError, match=words) as failed:
        store(address).look(address.path)
    assert isinstance(failed.value, MissingError) == (number == errno.ENOENT)


def test_what_a_package_raises_is_one_line_that_names_the_url(tale: Path) -> None:
    fill(tale, "breaks.mp4")
    address = typed(f"{PREFIX}/share/breaks.mp4")
    with pytest.raises(EvidenceError) as failed:
        list(store(address).pieces(address.path))
    assert "\n" not in str(failed.value)
    assert f"{address.url} cannot be read: the token has expired ask for another one" in str(failed.value)
