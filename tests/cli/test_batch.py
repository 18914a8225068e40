"""`batch` as a user meets it: real cases made with engines without torch, here and (where it matters) in processes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from facerecon.batch.journal import locked
from facerecon.commands import batch
from facerecon.locks import LOCK
from facerecon.manifest import verify
from tests.cli.conftest import Outcome, call
from tests.unit.batch.batch_cases import HERE, InlineEngine, known_people, moving, still

STEPS = "enhance.steps=[{kind: resize, method: bicubic, scale: 2}]"
CHEAP = ("--no-pdf", "--set", STEPS, "--set", "enhance.shots=1", "--set", "extract.motion.enabled=false")
Batch = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _fake_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(batch, "OPENING", f"{HERE}:FakeCases")
    monkeypatch.setenv("BATCH_TEST_FOLDER", str(tmp_path))


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in this process, one source after the other."""
    monkeypatch.setattr(batch, "ENGINES", {"processes": InlineEngine})


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    for number, name in enumerate(("clip10.png", "clip2.png", "cam1/a.png", "cam1/b.png")):
        still(root / name, number)
    (root / "notes.txt").write_text("no footage")
    (root / ".hidden.png").write_bytes(b"")
    return root


def run(tmp_path: Path, *arguments: object) -> Outcome:
    return call("batch", *arguments, "--cases", tmp_path / "cases", *CHEAP)


def lines(outcome: Outcome) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The sources' lines and the summary of a call with --json."""
    documents = [json.loads(line) for line in outcome.out.splitlines()]
    assert {each["schema"] for each in documents} == {1}
    assert [each["kind"] for each in documents] == ["source"] * (len(documents) - 1) + ["summary"]
    return documents[:-1], documents[-1]


def heads(tmp_path: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((tmp_path / "cases").rglob("ledger.jsonl"))}


@pytest.mark.usefixtures("inline")
def test_every_file_is_accounted_for_and_a_second_call_redoes_nothing(archive: Path, tmp_path: Path) -> None:
    done = run(tmp_path, archive, "--json", "--quiet")
    assert done.code == 0, done.err
    sources, summary = lines(done)
    assert [each["name"] for each in sources] == ["cam1/a.png", "cam1/b.png", "clip2.png", "clip10.png"]
    assert summary["totals"] == {"requested": 6, "done": 4, "failed": 0, "left_out": 2, "pending": 0}
    assert summary["left_out"] == {"hidden": 1, "no media": 1}
    for each in sources:
        verify(Path(each["case"]))
        assert each["ledger_head"] == json.loads((Path(each["case"]) / "manifest.json").read_text())["ledger_head"]
    before = heads(tmp_path)
    assert len(before) == 4
    again = run(tmp_path, archive, "--json", "--quiet")
    assert (again.code, heads(tmp_path)) == (0, before)
    repeated, summary_again = lines(again)
    assert [each["earlier"] for each in repeated] == [True] * 4
    assert summary_again["totals"] == summary["totals"]
    assert "nothing is left to do" in run(tmp_path, archive).err


@pytest.mark.usefixtures("inline")
@pytest.mark.skipif(sys.platform != "linux", reason="decoders are isolated on Linux only")
@pytest.mark.parametrize(("override", "isolation"), [((), "process"), (("--set", "extract.isolation=none"), "none")])
def test_a_batch_decodes_in_processes_of_their_own_unless_told_otherwise(
    archive: Path, tmp_path: Path, override: tuple[str, ...], isolation: str
) -> None:
    assert run(tmp_path, archive / "cam1", "--quiet", *override).code == 0
    found = {path.read_text() for path in (tmp_path / "cases").rglob("profile.yaml")}
    assert [yaml.safe_load(each)["extract"]["isolation"] for each in found] == [isolation]
    other = ("--set", f"extract.isolation={'none' if isolation == 'process' else 'process'}")
    before = heads(tmp_path)
    assert (run(tmp_path, archive / "cam1", "--quiet", *other).code, heads(tmp_path)) == (0, before)


@pytest.mark.usefixtures("inline")
def test_the_journal_may_be_lost_and_the_cases_still_tell(archive: Path, tmp_path: Path) -> None:
    assert run(tmp_path, archive, "--quiet").code == 0
    before = heads(tmp_path)
    (tmp_path / "cases/batch.jsonl").unlink()
    assert (run(tmp_path, archive, "--quiet").code, heads(tmp_path)) == (0, before)


@pytest.mark.usefixtures("inline")
def test_failures_are_listed_kept_and_retried_when_asked(archive: Path, tmp_path: Path) -> None:
    (archive / "broken.mp4").write_bytes(b"not a video")
    (archive / "empty.mp4").write_bytes(b"")
    first = run(tmp_path, archive, "--json")
    assert first.code == 6
    assert "2 of 6 sources failed" in first.error
    failed = {each["name"]: each for each in lines(first)[0] if each["status"] == "failed"}
    assert set(failed) == {"broken.mp4", "empty.mp4"}
    assert {each["exit_code"] for each in failed.values()} == {3}
    assert "is empty" in failed["empty.mp4"]["reason"]
    journal = tmp_path / "cases/batch.jsonl"
    begun = journal.read_text().count("unit.begun")
    still(archive / "late.png", 9)
    second = run(tmp_path, archive, "--json")
    assert (second.code, journal.read_text().count("unit.begun")) == (6, begun + 1)
    assert {each["name"] for each in lines(second)[0] if each["status"] == "failed"} == set(failed)
    assert "broken.mp4: source" in run(tmp_path, archive).out
    retried = run(tmp_path, archive, "--retry-failed")
    assert (retried.code, journal.read_text().count("unit.begun")) == (6, begun + 3)
    # What was put right is tried again without being asked: the file is another one now.
    moving(archive / "walk.gif").replace(archive / "broken.mp4")
    (archive / "empty.mp4").unlink()
    assert run(tmp_path, archive, "--quiet").code == 0


@pytest.mark.usefixtures("inline")
def test_the_first_failure_stops_when_that_is_asked_for(archive: Path, tmp_path: Path) -> None:
    (archive / "cam1/aa.mp4").write_bytes(b"not a video")
    stopped = run(tmp_path, archive, "--halt-on-error", "--json")
    assert stopped.code == 6
    assert "stopped at the first failure; 3 of 5 sources are pending" in stopped.error
    sources, summary = lines(stopped)
    assert summary["totals"] == {"requested": 7, "done": 1, "failed": 1, "left_out": 2, "pending": 3}
    assert len(sources) == 5
    assert run(tmp_path, archive).code == 6
    assert len(heads(tmp_path)) == 4


@pytest.mark.usefixtures("inline")
def test_a_replaced_source_is_a_failure_with_the_way_out_and_its_case_is_kept(archive: Path, tmp_path: Path) -> None:
    assert run(tmp_path, archive, "--quiet").code == 0
    before = heads(tmp_path)
    os.utime(archive / "clip10.png", (1, 1))
    still(archive / "clip2.png", 77)
    changed = run(tmp_path, archive, "--json", "--quiet")
    assert changed.code == 6
    (failed,) = (each for each in lines(changed)[0] if each["status"] == "failed")
    assert (failed["name"], failed["exit_code"]) == ("clip2.png", 4)
    assert "move its folder away" in failed["reason"]
    assert heads(tmp_path) == before


@pytest.mark.usefixtures("inline")
def test_another_profile_is_refused_case_by_case(archive: Path, tmp_path: Path) -> None:
    assert run(tmp_path, archive, "--quiet").code == 0
    before = heads(tmp_path)
    other = run(tmp_path, archive, "--set", "extract.sample={every: 2}", "--json", "--quiet")
    assert other.code == 6
    assert all("was begun with profile" in each["reason"] for each in lines(other)[0])
    assert heads(tmp_path) == before
    # A wrong --profile is not remembered as a failure of the sources.
    assert (run(tmp_path, archive, "--quiet").code, heads(tmp_path)) == (0, before)


@pytest.mark.usefixtures("inline")
def test_a_changed_gallery_is_compared_and_nothing_else_runs_again(archive: Path, tmp_path: Path) -> None:
    gallery = known_people(tmp_path / "gallery")
    first = run(tmp_path, archive, "--gallery", gallery, "--json")
    assert first.code == 0, first.err
    assert [each["counts"]["candidates"] for each in lines(first)[0]] == [2, 2, 2, 2]
    before = heads(tmp_path)
    assert (run(tmp_path, archive, "--gallery", gallery).code, heads(tmp_path)) == (0, before)
    assert (run(tmp_path, archive).code, heads(tmp_path)) == (0, before)
    still(gallery / "Cleo.png", 50)
    again = run(tmp_path, archive, "--gallery", gallery, "--quiet")
    assert again.code == 0, again.out
    for path, data in heads(tmp_path).items():
        assert data.startswith(before[path])
        added = [json.loads(each)["action"] for each in data[len(before[path]) :].splitlines()]
        assert added == ["recognize.started", "recognize.finished", "report.started", "report.finished"]
        verify(Path(path).parent)


@pytest.mark.usefixtures("inline")
def test_a_dry_run_makes_nothing_and_estimates_only_what_was_measured(archive: Path, tmp_path: Path) -> None:
    moving(archive / "walk.gif")
    dry = run(tmp_path, archive, "--dry-run")
    assert dry.code == 0, dry.err
    assert not (tmp_path / "cases").exists()
    assert "5 source(s)" in dry.out
    assert "nothing was measured in this folder yet" in dry.out
    sources, summary = lines(run(tmp_path, archive, "--dry-run", "--json"))
    assert {each["status"] for each in sources} == {"pending"}
    assert (summary["dry_run"], summary["estimate_s"]) == (True, None)
    assert summary["footage_pending_s"] == pytest.approx(0.6, abs=0.2)
    assert run(tmp_path, archive, "--quiet").code == 0
    moving(archive / "walk2.gif", 8)
    before = {path: path.read_bytes() for path in (tmp_path / "cases").rglob("*") if path.is_file()}
    after = run(tmp_path, archive, "--dry-run", "--json")
    assert lines(after)[1]["estimate_s"] > 0
    assert {path: path.read_bytes() for path in (tmp_path / "cases").rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("inline")
def test_older_files_are_left_out_and_counted(archive: Path, tmp_path: Path) -> None:
    os.utime(archive / "clip2.png", (1, 1))
    recent = run(tmp_path, archive, "--since", "1d", "--json")
    assert recent.code == 0, recent.err
    assert lines(recent)[1]["left_out"]["not changed since the time given"] == 1
    assert not (tmp_path / "cases/clip2.png").exists()


@pytest.mark.usefixtures("inline")
def test_lists_may_hold_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = still(tmp_path / "in/two\nlines.png")
    plain = still(tmp_path / "in/plain.png", 1)
    no_text = tmp_path / "in" / os.fsdecode(b"caf\xe9.png")
    shutil.copyfile(plain, no_text)
    listed = b"\0".join(os.fsencode(path) for path in (strange, plain, no_text, tmp_path / "in/gone.png"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed)))
    done = run(tmp_path, "--files-from", "-", "-0", "--json")
    assert done.code == 6
    sources, summary = lines(done)
    assert summary["totals"] == {"requested": 4, "done": 2, "failed": 2, "left_out": 0, "pending": 0}
    told = {Path(each["source"]).name: each for each in sources}
    assert told["plain.png"]["status"] == told["two\nlines.png"]["status"] == "done"
    verify(tmp_path / "cases/two\nlines.png")
    assert "not UTF-8" in told[no_text.name]["reason"]
    assert "No such file" in told["gone.png"]["reason"]
    assert "\udce9" not in done.out + done.err
    (tmp_path / "list").write_bytes(os.fsencode(plain) + b"\n\n")
    assert run(tmp_path, "--files-from", tmp_path / "list").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "no footage was found"),
        (("{archive}/none",), 2, "does not exist"),
        (("{archive}/notes.txt.d",), 2, "does not exist"),
        (("{archive}", "--since", "soon"), 2, "neither a date"),
        (("{archive}", "--null"), 2, "--files-from"),
        (("{archive}", "--files-from", "{archive}/none"), 5, "cannot be read"),
        (("{archive}", "--gallery", "{archive}/none"), 2, "is not a folder"),
        (("{archive}", "--profile", "none"), 2, "none"),
        (("{archive}", "--language", "xx"), 2, "no report can be made"),
    ],
)
@pytest.mark.usefixtures("inline")
def test_what_is_wrong_with_the_call_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, words: str, archive: Path, tmp_path: Path
) -> None:
    outcome = run(tmp_path, *(each.format(archive=archive) for each in arguments))
    assert (outcome.code, words in outcome.error) == (code, True), outcome.err


def test_an_archive_without_footage_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("plain text, which FFmpeg would draw as a terminal")
    outcome = run(tmp_path, tmp_path / "texts")
    assert (outcome.code, "no media 1" in outcome.error) == (2, True), outcome.err


@pytest.mark.usefixtures("inline")
def test_two_batches_on_one_folder_keep_out_of_each_other(archive: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "cases"):
        second = run(tmp_path, archive)
        assert (second.code, "another batch is working in" in second.error) == (2, True)
        assert [path.name for path in (tmp_path / "cases").iterdir()] == [LOCK]
    assert run(tmp_path, archive, "--quiet").code == 0


# --- with processes ---------------------------------------------------------------------------------------------------


def test_a_worker_that_dies_costs_one_source_and_the_next_call_goes_on_with_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(archive / "cam1/die.png", 5)
    died = run(tmp_path, archive, "--jobs", 2, "--json")
    assert died.code == 6
    sources, summary = lines(died)
    assert summary["totals"]["done"] == 4
    (lost,) = (each for each in sources if each["status"] == "failed")
    assert lost["name"] == "cam1/die.png"
    assert "the worker process ended in the middle of it (exit 7)" in lost["reason"]
    monkeypatch.setenv("BATCH_TEST_CALM", "1")
    before = heads(tmp_path)
    healed = run(tmp_path, archive, "--retry-failed", "--jobs", 1, "--json")
    assert healed.code == 0, healed.err
    for path, data in heads(tmp_path).items():
        assert data == before[path] or "die.png" in path
    verify(tmp_path / "cases/cam1/die.png")


def test_an_interrupted_batch_exits_130_and_the_same_command_goes_on(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(archive / "cam1/c-wait.png", 5)

    def interrupt() -> None:
        until = time.monotonic() + 120
        while not (tmp_path / "waits").exists() and time.monotonic() < until:
            time.sleep(0.05)
        if (tmp_path / "waits").exists():
            os.kill(os.getpid(), signal.SIGTERM)

    waiter = threading.Thread(target=interrupt)
    waiter.start()
    stopped = run(tmp_path, archive, "--jobs", 1, "--json")
    waiter.join()
    assert stopped.code == 130, stopped.err
    assert "2 of 5 sources are done" in stopped.error
    sources, summary = lines(stopped)
    assert summary["interrupted"]
    assert [each["status"] for each in sources].count("pending") == 3
    assert not (tmp_path / "cases/archive").exists()
    actions = [
        json.loads(each)["action"]
        for each in heads(tmp_path)[str(tmp_path / "cases/cam1/c-wait.png/ledger.jsonl")].splitlines()
    ]
    assert actions[-1] == "extract.interrupted"
    monkeypatch.setenv("BATCH_TEST_CALM", "1")
    before = heads(tmp_path)
    resumed = run(tmp_path, archive, "--jobs", 1)
    assert resumed.code == 0, resumed.err
    after = heads(tmp_path)
    assert len(after) == 5
    assert all(data.startswith(before[path]) for path, data in after.items() if path in before)
    assert sum(after[path] == data for path, data in before.items()) == 2
