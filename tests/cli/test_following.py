"""`facerecon batch --follow`: what grows is worked off once, half-copied files are not read, and it ends."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facerecon.commands import batch
from facerecon.manifest import verify
from tests.cli.conftest import Outcome, call
from tests.unit.batch.batch_cases import HERE, moving, still
from tests.unit.batch.growing_captures import STALL, add, capture, end, kill

CHEAP = (
    *("--no-pdf", "--set", "enhance.steps=[{kind: resize, method: bicubic, scale: 2}]", "--set", "enhance.shots=1"),
    *("--set", "extract.motion.enabled=false"),
)
LONGEST_S = 60.0


@pytest.fixture(autouse=True)
def _fake_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(batch, "OPENING", f"{HERE}:FakeCases")
    monkeypatch.setenv("BATCH_TEST_FOLDER", str(tmp_path))


def follow(tmp_path: Path, folder: Path, *arguments: object) -> Outcome:
    given = ("--follow", "--poll", "1s", "--jobs", 1, "--min-free-gb", 0, "--cases", tmp_path / "cases")
    return call("batch", folder, *given, *CHEAP, "--json", *arguments)


@contextmanager
def meanwhile(*steps: Callable[[], object]) -> Iterator[None]:
    """Do one step after the other in another thread, and wait for it in the end."""

    def work() -> None:
        for step in steps:
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(LONGEST_S)


def until(condition: Callable[[], bool]) -> Callable[[], None]:
    def waited() -> None:
        end = time.monotonic() + LONGEST_S
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)

    return waited


def stop() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def ended(tmp_path: Path) -> list[str]:
    """The sources that the journal says were ended, in order."""
    journal = tmp_path / "cases/batch.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [each["name"] for each in map(json.loads, lines) if each["event"] == "unit.ended"]


def indexed(tmp_path: Path) -> list[str]:
    path = tmp_path / "cases/archive/index.json"
    return [each["case"] for each in json.loads(path.read_text())["cases"]] if path.exists() else []


def summary(outcome: Outcome) -> dict[str, int]:
    totals: dict[str, int] = json.loads(outcome.out.splitlines()[-1])["totals"]
    return totals


def test_a_capture_is_worked_off_while_it_grows_and_its_end_is_the_end(tmp_path: Path) -> None:
    folder = capture(tmp_path / "cam")
    add(folder, 1)
    steps = (
        until(lambda: indexed(tmp_path) == ["segments/000001.nut"]),
        lambda: folder.add_gap(STALL),
        lambda: add(folder, 2),
        until(lambda: len(ended(tmp_path)) == 2),
        lambda: end(folder),
    )
    with meanwhile(*steps):
        done = follow(tmp_path, tmp_path / "cam")
    assert done.code == 0, done.err
    assert ended(tmp_path) == indexed(tmp_path) == ["segments/000001.nut", "segments/000002.nut"]
    assert len(list(tmp_path.glob("opened-*"))) == 1
    assert summary(done) == {"requested": 2, "done": 2, "failed": 0, "left_out": 0, "pending": 0}
    again = follow(tmp_path, tmp_path / "cam")
    assert (again.code, len(ended(tmp_path))) == (0, 2)
    assert summary(again) == summary(done)
    (told,) = json.loads((tmp_path / "cases/archive/index.json").read_text())["captures"]
    assert (told["state"], [each["reason"] for each in told["gaps"]]) == ("stopped", ["stall"])
    assert "06:30:01" in (tmp_path / "cases/archive/index.html").read_text()


def test_a_capture_that_was_killed_is_the_end_too(tmp_path: Path) -> None:
    folder = capture(tmp_path / "cam")
    add(folder, 1)
    kill(folder)
    done = follow(tmp_path, tmp_path / "cam")
    assert (done.code, ended(tmp_path)) == (0, ["segments/000001.nut"])


def test_a_file_that_is_being_copied_is_not_read_and_stopping_while_idle_is_the_normal_end(tmp_path: Path) -> None:
    whole = moving(tmp_path / "made.gif", 9).read_bytes()
    growing = tmp_path / "in/walk.gif"
    still(tmp_path / "in/a.png")

    def copied() -> None:
        # Grows between any two looks.
        for part in range(0, len(whole), len(whole) // 12 + 1):
            with growing.open("ab") as file:
                file.write(whole[part : part + len(whole) // 12 + 1])
            assert "walk.gif" not in ended(tmp_path)
            time.sleep(0.3)

    with meanwhile(copied, until(lambda: len(ended(tmp_path)) == 2), until(lambda: len(indexed(tmp_path)) == 2), stop):
        done = follow(tmp_path, tmp_path / "in")
    assert done.code == 0, done.err
    assert sorted(ended(tmp_path)) == ["a.png", "walk.gif"]
    assert summary(done)["done"] == 2
    verify(tmp_path / "cases/walk.gif")


def test_what_was_under_way_is_gone_on_with_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(tmp_path / "in/a.png")
    still(tmp_path / "in/b-wait.png", 1)
    with meanwhile(until((tmp_path / "waits").exists), stop):
        stopped = follow(tmp_path, tmp_path / "in")
    assert stopped.code == 130, stopped.err
    assert summary(stopped) == {"requested": 2, "done": 1, "failed": 0, "left_out": 0, "pending": 1}
    monkeypatch.setenv("BATCH_TEST_CALM", "1")
    done = follow(tmp_path, tmp_path / "in", "--follow-for", "5s")
    assert done.code == 0, done.err
    assert summary(done)["done"] == 2
    assert ended(tmp_path) == ["a.png", "b-wait.png", "b-wait.png"]


def test_what_does_not_go_together_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for arguments, words in ((("--dry-run",), "--dry-run"), (("--follow-for", "soon"), "length of time")):
        outcome = follow(tmp_path, tmp_path / "in", *arguments)
        assert (outcome.code, words in outcome.error) == (2, True)


def test_a_disk_that_gets_full_stops_the_batch_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        still(tmp_path / f"in/{number}.png", number)
    given = ("--jobs", 1, "--cases", tmp_path / "cases", *CHEAP, "--json")
    refused = call("batch", tmp_path / "in", *given, "--min-free-gb", 1e9)
    assert (refused.code, "nothing was begun" in refused.error) == (5, True)
    with monkeypatch.context() as patch:
        # Full as soon as one source is done, however often and late the disk is looked at.
        patch.setattr("facerecon.batch.reserve.Reserve._free_gb", lambda _: 0.1 if ended(tmp_path) else 10.0)
        patch.setattr("facerecon.batch.reserve._EVERY_S", 0.0)
        stopped = call("batch", tmp_path / "in", *given)
    assert (stopped.code, "free some space" in stopped.error) == (5, True)
    assert (summary(stopped)["pending"] > 0, summary(stopped)["done"] > 0, summary(stopped)["failed"]) == (
        True,
        True,
        0,
    )
    done = call("batch", tmp_path / "in", *given, "--min-free-gb", 0)
    assert (done.code, summary(done)["done"]) == (0, 3), done.err
