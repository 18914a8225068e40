"""`batch` over objects of a store: copied first, examined like a file, accounted for, and copied no second time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facerecon.batch.staging import FOLDER as COPIES
from facerecon.case import Case
from facerecon.commands import batch
from facerecon.hashing import sha256_file
from facerecon.manifest import verify
from tests.cli.conftest import Outcome, call
from tests.unit.batch.batch_cases import InlineEngine, known_people, moving, still
from tests.unit.batch.tale_store import FOLDER, HERE, PREFIX, reads

STEPS = "enhance.steps=[{kind: resize, method: bicubic, scale: 2}]"
CHEAP = (
    *("--no-pdf", "--set", STEPS, "--set", "enhance.shots=1", "--set", "extract.motion.enabled=false"),
    *("--set", "extract.isolation=none"),
)
ARCHIVE = f"{PREFIX}/share/in"
SECRET = "hunter2secret"


@pytest.fixture(autouse=True)
def tale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The store's folder, with two pictures and a moving one."""
    monkeypatch.setattr(batch, "OPENING", f"{HERE}:TaleCases")
    monkeypatch.setenv("BATCH_TEST_FOLDER", str(tmp_path))
    monkeypatch.setenv(FOLDER, str(tmp_path / "tale"))
    still(tmp_path / "tale/in/clip2.png", 1)
    still(tmp_path / "tale/in/cam1/a.png", 2)
    moving(tmp_path / "tale/in/walk.gif")
    (tmp_path / "tale/in/notes.txt").write_text("no footage")
    return tmp_path / "tale"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in this process, one source after the other."""
    monkeypatch.setattr(batch, "ENGINES", {"processes": InlineEngine})


def run(tmp_path: Path, *arguments: object) -> Outcome:
    return call("batch", *arguments, "--cases", tmp_path / "cases", "--min-free-gb", 0, *CHEAP)


def lines(outcome: Outcome) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The sources' lines by name, and the summary."""
    documents = [json.loads(line) for line in outcome.out.splitlines()]
    return {each["name"]: each for each in documents[:-1]}, documents[-1]


def heads(tmp_path: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((tmp_path / "cases").rglob("ledger.jsonl"))}


def copies(case: Path) -> list[dict[str, Any]]:
    with Case.view(case) as opened:
        return [dict(each.details) for each in opened.ledger.entries if each.action == "source.copied"]


def strays(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]


@pytest.mark.usefixtures("inline")
def test_objects_are_examined_as_files_are_and_the_case_says_where_they_came_from(tale: Path, tmp_path: Path) -> None:
    done = run(tmp_path, ARCHIVE, "--json", "--quiet")
    assert done.code == 0, done.err
    sources, summary = lines(done)
    assert list(sources) == ["cam1/a.png", "clip2.png", "walk.gif"]
    assert summary["totals"] == {"requested": 4, "done": 3, "failed": 0, "left_out": 1, "pending": 0}
    assert summary["left_out"] == {"not named as media": 1}
    assert sources["clip2.png"]["source"] == f"{ARCHIVE}/clip2.png"
    assert sources["walk.gif"]["footage_s"] == pytest.approx(0.6, abs=0.2)
    assert sources["clip2.png"]["footage_s"] == 0
    local = call("batch", tale / "in", "--cases", tmp_path / "local", "--json", "--quiet", *CHEAP)
    assert local.code == 0, local.err
    for name, each in sources.items():
        verify(Path(each["case"]))
        with Case.view(Path(each["case"])) as case, Case.view(tmp_path / "local" / name) as other:
            assert case.info.source.sha256 == other.info.source.sha256 == sha256_file(tale / "in" / name)
            assert case.info.source.name == Path(name).name
            assert case.runs("enhance")[-1].outputs == other.runs("enhance")[-1].outputs
        (copied,) = copies(Path(each["case"]))
        assert (copied["url"], copied["size_bytes"]) == (each["source"], (tale / "in" / name).stat().st_size)
        assert copied["etag"]
        assert copied["modified_utc"] == "2026-11-01T06:00:00.000000Z"
        assert "local copy was examined" in copied["remark"]
    assert strays(tmp_path) == []
    index = json.loads((tmp_path / "cases/archive/index.json").read_text())
    assert {each["source"] for each in index["cases"]} == {each["source"] for each in sources.values()}


@pytest.mark.usefixtures("inline")
def test_what_is_finished_is_not_copied_again_and_what_changed_is(tale: Path, tmp_path: Path) -> None:
    assert run(tmp_path, ARCHIVE, "--quiet").code == 0
    before = heads(tmp_path)
    assert sorted(reads(tale)) == ["a.png", "clip2.png", "walk.gif"]
    again = run(tmp_path, ARCHIVE)
    assert (again.code, heads(tmp_path), len(reads(tale))) == (0, before, 3)
    assert "nothing is left to do" in again.err
    # The journal may be lost: the ledgers say of which version of an object a case is.
    (tmp_path / "cases/batch.jsonl").unlink()
    lost = run(tmp_path, ARCHIVE, "--quiet")
    assert (lost.code, heads(tmp_path), len(reads(tale))) == (0, before, 3), lost.err
    # A comparison needs no footage.
    gallery = known_people(tmp_path / "gallery")
    compared = run(tmp_path, ARCHIVE, "--gallery", gallery, "--json", "--quiet")
    assert (compared.code, len(reads(tale))) == (0, 3), compared.err
    assert {each["counts"]["candidates"] for each in lines(compared)[0].values()} <= {1, 2}
    still(tale / "in/clip2.png", 99)
    changed = run(tmp_path, ARCHIVE, "--json", "--quiet")
    assert (changed.code, reads(tale)[3:]) == (6, ["clip2.png"])
    failed = lines(changed)[0]["clip2.png"]
    assert failed["exit_code"] == 4
    assert f"{ARCHIVE}/clip2.png was changed or replaced since" in failed["reason"]


@pytest.mark.usefixtures("inline")
def test_a_store_that_tells_no_versions_is_read_again_and_nothing_of_the_case_changes(
    tale: Path, tmp_path: Path
) -> None:
    shutil.copyfile(tale / "in/clip2.png", tale / "in/mute.png")
    assert run(tmp_path, f"{ARCHIVE}/mute.png", "--quiet").code == 0
    before = heads(tmp_path)
    assert run(tmp_path, f"{ARCHIVE}/mute.png", "--quiet").code == 0
    assert (reads(tale), heads(tmp_path)) == (["mute.png", "mute.png"], before)
    assert [each["etag"] for each in copies(tmp_path / "cases/mute.png")] == [None]


@pytest.mark.usefixtures("inline")
def test_what_a_store_does_wrong_costs_that_source_with_the_reason(tale: Path, tmp_path: Path) -> None:
    for name in ("cut", "long", "moves", "denied", "breaks"):
        still(tale / f"in/{name}.png", 7)
    (tale / "in/text.mp4").write_text("no footage")
    done = run(tmp_path, ARCHIVE, "--json")
    assert done.code == 6
    sources, summary = lines(done)
    assert summary["totals"] == {"requested": 10, "done": 3, "failed": 6, "left_out": 1, "pending": 0}
    failed = {name: each for name, each in sources.items() if each["status"] == "failed"}
    assert {each["exit_code"] for each in failed.values()} == {3}
    assert all(each["source"] in each["reason"] for each in failed.values())
    assert not any((tmp_path / "cases" / name).exists() for name in failed)
    assert strays(tmp_path) == []
    # What was kept as a failure is tried again when it is another object now.
    still(tale / "in/moves.png", 8)
    again = lines(run(tmp_path, ARCHIVE, "--json"))[0]
    assert {name for name, each in again.items() if not each["earlier"]} == {"moves.png"}


@pytest.mark.usefixtures("inline")
def test_hostile_keys_become_harmless_cases(tale: Path, tmp_path: Path) -> None:
    keys = {"h1.png": "/share/in/../../x.png", "h2.png": "/share/in/a\nb.png", "h3.png": f"/share/in/{'x' * 300}.png"}
    for number, name in enumerate(keys):
        still(tale / name, number)
    (tale / ".names.json").write_text(json.dumps(keys))
    done = run(tmp_path, ARCHIVE, "--json", "--quiet")
    sources, summary = lines(done)
    assert (done.code, summary["totals"]["done"], summary["totals"]["failed"]) == (6, 5, 1)
    for each in sources.values():
        if each["status"] == "done":
            verify(Path(each["case"]))
            assert Path(each["case"]).resolve().is_relative_to((tmp_path / "cases").resolve())
            assert copies(Path(each["case"]))[0]["url"] == each["source"]
    assert sum(name.startswith("object~") for name in sources if name) == 2
    assert run(tmp_path, ARCHIVE, "--json", "--quiet").code == 6
    assert len(reads(tale)) == 5


@pytest.mark.usefixtures("inline")
def test_a_dry_run_lists_sizes_and_reads_nothing(tale: Path, tmp_path: Path) -> None:
    dry = run(tmp_path, ARCHIVE, "--dry-run")
    assert dry.code == 0, dry.err
    assert "3 of unknown length" in dry.out
    assert "To copy: 3 object(s)" in dry.out
    sources, _ = lines(run(tmp_path, ARCHIVE, "--dry-run", "--json"))
    sizes = {name: each["size_bytes"] for name, each in sources.items()}
    assert sizes == {name: (tale / "in" / name).stat().st_size for name in sizes}
    assert {each["footage_s"] for each in sources.values()} == {None}
    assert (reads(tale), (tmp_path / "cases").exists()) == ([], False)
    assert run(tmp_path, f"{ARCHIVE}/walk.gif", "--quiet").code == 0
    later = run(tmp_path, ARCHIVE, "--dry-run")
    assert "Estimate: none; no length is known yet" in later.out
    moving(tmp_path / "local/b.gif")
    mixed = run(tmp_path, ARCHIVE, tmp_path / "local", "--dry-run")
    assert "without what is of unknown length, measured on 1 source(s)" in mixed.out


@pytest.mark.usefixtures("inline")
def test_paths_urls_and_lists_go_together(tale: Path, tmp_path: Path) -> None:
    still(tmp_path / "local/b.png", 5)
    (tmp_path / "list").write_text(f"{ARCHIVE}/clip2.png\n{ARCHIVE}/none.png\n{tmp_path / 'local/b.png'}\n")
    done = run(tmp_path, f"file://{tale}/in/cam*/*.png", "--files-from", tmp_path / "list", "--json", "--quiet")
    assert done.code == 6, done.err
    sources, summary = lines(done)
    assert (summary["totals"]["done"], summary["totals"]["failed"]) == (3, 1)
    assert {"cam1/a.png", "clip2.png", "b.png"} <= set(sources)
    assert copies(tmp_path / "cases/b.png") == []
    (copied,) = copies(tmp_path / "cases/cam1/a.png")
    assert copied["url"] == f"file://{tale}/in/cam1/a.png"
    # fsspec gives seconds as a float.
    assert copied["modified_ns"] == pytest.approx((tale / "in/cam1/a.png").stat().st_mtime_ns, abs=1000)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((f"s3://AKIA:{SECRET}@bucket/x",), "must not hold a user or password"),
        ((f"smb://joe:{SECRET}@server/share",), "must not hold a user or password"),
        (("https://server/x.mp4",), "cannot be read"),
        ((f"{PREFIX}/share/none",), "does not exist"),
        ((ARCHIVE, "--follow"), "--follow looks at folders of this machine"),
        (("{local}", "--staging", "{local}"), "--staging is about"),
        (("file://{local}", "--staging", "{local}"), "among the sources"),
    ],
)
@pytest.mark.usefixtures("inline")
def test_what_cannot_work_is_said_in_one_line_without_the_secret(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    still(tmp_path / "local/b.png")
    outcome = run(tmp_path, *(each.format(local=tmp_path / "local") for each in arguments))
    assert (outcome.code, words in outcome.error) == (2, True), outcome.err
    assert SECRET not in outcome.err + outcome.out
    assert list((tmp_path / "cases").rglob("*")) == []


@pytest.mark.usefixtures("inline")
def test_a_missing_package_is_named_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def lacking(scheme: str) -> object:
        raise ImportError(f"no {scheme}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", lacking)
    outcome = run(tmp_path, ARCHIVE)
    assert (outcome.code, "tale:// needs the package taleprotocol" in outcome.error) == (2, True), outcome.err
    assert not (tmp_path / "cases").exists()


@pytest.mark.usefixtures("inline")
def test_whole_frames_of_an_object_need_its_copy_again_and_the_object_is_named(tale: Path, tmp_path: Path) -> None:
    assert run(tmp_path, f"{ARCHIVE}/clip2.png", "--quiet").code == 0
    case = tmp_path / "cases/clip2.png"
    frames = ("enhance", case, "--output", "frame", "--quiet")
    outcome = call(*frames)
    assert (outcome.code, f"was a copy of {ARCHIVE}/clip2.png, which was removed" in outcome.error) == (3, True)
    with Case.view(case) as opened:
        place = Path(opened.info.source.path)
    assert f"copy the object to {place} again" in outcome.error
    place.parent.mkdir(parents=True)
    shutil.copy(tale / "in/cam1/a.png", place)
    other = call(*frames)
    assert (other.code, "is not the file that" in other.error) == (4, True)


@pytest.mark.usefixtures("inline")
def test_replaying_a_case_of_an_object_names_the_object_and_the_way_out(tale: Path, tmp_path: Path) -> None:
    assert run(tmp_path, f"{ARCHIVE}/clip2.png", "--quiet").code == 0
    outcome = call("case", "replay", tmp_path / "cases/clip2.png", "--output", tmp_path / "replay")
    assert outcome.code == 2
    assert f"a copy of {ARCHIVE}/clip2.png" in outcome.error
    assert "--source" in outcome.error


# --- with processes ---------------------------------------------------------------------------------------------------


def when(there: Path, act: Callable[[], None]) -> threading.Thread:
    """Act as soon as a file is there."""

    def wait() -> None:
        until = time.monotonic() + 120
        while not there.exists() and time.monotonic() < until:
            time.sleep(0.05)
        if there.exists():
            act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_an_interrupted_copy_leaves_nothing_and_the_same_command_goes_on(
    tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(tale / "in/slow.png", 5)
    archive = f"{ARCHIVE}/[cs]*.png"
    waiter = when(tmp_path / "reading", lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(tmp_path, archive, "--jobs", 1, "--json")
    waiter.join()
    assert stopped.code == 130, stopped.err
    assert {name: each["status"] for name, each in lines(stopped)[0].items()} == {
        "clip2.png": "done",
        "slow.png": "pending",
    }
    assert strays(tmp_path) == []
    (tmp_path / "go").touch()
    monkeypatch.setattr(batch, "ENGINES", {"processes": InlineEngine})
    done = run(tmp_path, archive, "--json")
    assert done.code == 0, done.err
    assert reads(tale) == ["clip2.png", "slow.png", "slow.png"]
    for each in lines(done)[0].values():
        verify(Path(each["case"]))


def test_what_a_killed_worker_leaves_is_removed(tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    still(tale / "in/die.png", 5)
    staging = tmp_path / "scratch"
    given = (f"{ARCHIVE}/die.png", "--staging", staging, "--retry-failed", "--json")
    died = run(tmp_path, *given, "--jobs", 1)
    assert died.code == 6
    assert lines(died)[0]["die.png"]["reason"].startswith("the worker process ended in the middle of it")
    assert (strays(tmp_path / "cases"), len(list((staging / COPIES).rglob("die.png")))) == ([], 1)
    monkeypatch.setenv("BATCH_TEST_CALM", "1")
    monkeypatch.setattr(batch, "ENGINES", {"processes": InlineEngine})
    healed = run(tmp_path, *given)
    assert healed.code == 0, healed.err
    verify(tmp_path / "cases/die.png")
    assert not (staging / COPIES).exists()
