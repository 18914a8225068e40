"""A batch on a real cluster of two nodes: nothing lost, one outcome for each unit, and the digests of a serial run."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facerecon.commands import batch
from tests.cli.conftest import call
from tests.cluster.cluster_runs import FOLDER, HERE
from tests.faults.faulty_runs import results, strays
from tests.unit.batch.batch_cases import InlineEngine, moving

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (facerecon[cluster])"
)
ROOT = Path(__file__).resolve().parents[2]
CHEAP = (
    *("--no-pdf", "--set", "enhance.steps=[{kind: resize, method: bicubic, scale: 2}]", "--set", "enhance.shots=1"),
    *("--set", "extract.motion.enabled=false", "--set", "detect.batch=2"),
)
_LONGEST_S = 600


@dataclass(frozen=True)
class Nodes:
    """A cluster, and how programs are run that join it."""

    address: str
    folder: Path
    environment: dict[str, str]

    def program(self, *arguments: object) -> subprocess.Popen[str]:
        return _started(self.environment, *map(str, arguments))

    def run(self, *arguments: object) -> tuple[int, str, str]:
        process = self.program(*arguments)
        try:
            out, err = process.communicate(timeout=_LONGEST_S)
        finally:
            process.kill()
        return process.returncode, out, err


def _started(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", HERE, *arguments]
    return subprocess.Popen(command, **pipes, text=True, env=environment, cwd=ROOT)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("nodes")
    # Without a token: Ray would write one into the home folder.
    more = {"PYTHONPATH": str(ROOT), FOLDER: str(folder), "RAY_AUTH_MODE": "disabled", "HOME": str(folder)}
    environment = {**os.environ, **more, "BATCH_TEST_CALM": "1"}
    keeper = _started(environment, "keep")
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        lines = iter(keeper.stdout.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("address "))
        yield Nodes(address, folder, environment)
    finally:
        keeper.stdin.close()
        try:
            keeper.wait(60)
        finally:
            keeper.kill()
            keeper.wait()
            keeper.stdout.close()
            assert keeper.stderr is not None
            keeper.stderr.close()


@pytest.fixture(scope="module")
def told(nodes: Nodes) -> dict[str, Any]:
    code, out, err = nodes.run("engine", nodes.address, nodes.folder)
    assert code == 0, err
    return json.loads(out)


def outcomes(told: dict[str, Any]) -> dict[int, dict[str, Any]]:
    found = [content for kind, content in told["events"] if kind == "Outcome"]
    assert len({each["number"] for each in found}) == len(found)
    return {each["number"]: each for each in found}


def notes(told: dict[str, Any], number: int = -1) -> list[str]:
    return [content["text"] for kind, content in told["events"] if kind == "Note" and content["number"] == number]


def test_a_lost_worker_costs_one_more_attempt_and_every_unit_has_one_outcome(told: dict[str, Any]) -> None:
    found = outcomes(told["losses"])
    assert sorted(found) == list(range(8))
    assert [found[n]["status"] for n in range(8)] == [*["done"] * 3, *["failed"] * 2, "done", *["failed"] * 2]
    assert [found[n]["exit_code"] for n in (3, 4, 6, 7)] == [3, 5, 5, 1]
    assert found[4]["reason"] == "two workers ended in the middle of it; the second: exit 7"
    assert "this is a bug: ZeroDivisionError" in found[7]["reason"]
    (killed,), (orphan,) = notes(told["losses"], 1), notes(told["losses"], 2)
    assert "SIGKILL" in killed
    assert "another one takes it up from where it was" in orphan
    assert "its process ended unexpectedly" in orphan
    assert notes(told["losses"], 0) == []
    assert "a remark" in notes(told["losses"])


def test_a_unit_begins_before_anything_of_it_is_heard(told: dict[str, Any]) -> None:
    begun = set()
    for kind, content in told["losses"]["events"]:
        if kind == "Progress" and content["stage"] == "begun":
            begun.add(content["number"])
        assert content["number"] in begun | {-1}


def test_workers_are_kept_and_compute_with_the_threads_that_were_set_aside(told: dict[str, Any]) -> None:
    done = [each["facts"] for each in outcomes(told["losses"]).values() if each["status"] == "done"]
    assert {each["threads"] for each in done} == {"1"}
    assert {each["node"] for each in done} <= {None, "second"}
    kept = [each["facts"]["process"] for each in outcomes(told["differing"]["one"]).values()]
    assert len(kept) == 3
    assert len(set(kept)) == 1


def test_what_no_worker_can_open_ends_the_whole(told: dict[str, Any]) -> None:
    assert told["refusals"]["error"] == [2, "the gallery holds nobody"]
    assert outcomes(told["refusals"]) == {}


def test_a_node_that_differs_is_left_out_by_name_and_none_left_ends_the_batch(told: dict[str, Any]) -> None:
    one, none = told["differing"]["one"], told["differing"]["none"]
    assert one["error"] is None
    assert {each["facts"]["node"] for each in outcomes(one).values()} == {None}
    (note,) = notes(one)
    assert "node second, not no node" in note
    code, reason = none["error"]
    assert code == 5
    assert "facerecon 0.1.0, not 0.0.9" in reason


def test_the_mark_by_which_nodes_know_the_folder_of_the_cases_is_removed(told: dict[str, Any], nodes: Nodes) -> None:
    assert (nodes.folder / "marks").read_text().startswith(".tmp-cluster-")
    assert list(nodes.folder.glob(".tmp-*")) == []


def test_stopping_interrupts_what_is_under_way_and_gives_nothing_more_out(told: dict[str, Any]) -> None:
    assert [each["status"] for each in outcomes(told["stopped"]).values()] == ["done", "interrupted"]
    assert outcomes(told["stopped"])[1]["reason"] == "interrupted; what was finished is kept"
    assert [each["status"] for each in outcomes(told["killed"]).values()] == ["done", "interrupted"]
    assert "killed" in outcomes(told["killed"])[1]["reason"]


# --- the whole program ------------------------------------------------------------------------------------------------


def lines(out: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The sources' states, and the summary."""
    documents = [json.loads(line) for line in out.splitlines()]
    assert {each["schema"] for each in documents} == {1}
    return {each["name"]: each["status"] for each in documents[:-1]}, documents[-1]


def test_a_batch_with_lost_workers_and_an_interruption_has_the_digests_of_a_serial_one(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    for number, name in enumerate(("a", "gone", "orphan", "waits")):
        moving(archive / f"{name}.gif", 6 + number)
    moving(tmp_path / "store/copied.gif", 5)
    sources = (archive, f"file://{tmp_path}/store")
    given = ("batch", *sources, *CHEAP, "--engine", "ray", "--address", nodes.address, "--worker-cpus", 1, "--json")
    first = nodes.program(*given, "--cases", tmp_path / "cases")
    until = time.monotonic() + _LONGEST_S
    while not (nodes.folder / "waits").exists() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=_LONGEST_S)
    assert first.returncode == 130, err
    states, summary = lines(out)
    assert states["waits.gif"] == "pending"
    assert (len(states), summary["interrupted"]) == (5, True)
    code, out, err = nodes.run(*given, "--cases", tmp_path / "cases")
    assert code == 0, err
    states, summary = lines(out)
    assert set(states.values()) == {"done"}
    assert summary["totals"] == {"requested": 5, "done": 5, "failed": 0, "left_out": 0, "pending": 0}
    assert {path.name for path in nodes.folder.glob("once-*.gif")} >= {"once-gone.gif", "once-orphan.gif"}
    monkeypatch.setattr(batch, "ENGINES", {"processes": InlineEngine})
    monkeypatch.setattr(batch, "OPENING", f"{HERE}:LosingCases")
    monkeypatch.setenv(FOLDER, str(nodes.folder))
    monkeypatch.setenv("BATCH_TEST_CALM", "1")
    serial = call("batch", *sources, *CHEAP, "--cases", tmp_path / "serial", "--quiet")
    assert serial.code == 0, serial.err
    for name in states:
        assert results(tmp_path / "cases" / name) == results(tmp_path / "serial" / name)
    assert strays(tmp_path / "cases") == []
