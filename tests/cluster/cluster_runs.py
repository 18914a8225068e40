"""A real cluster of two nodes for tests, and what runs on it. A program of its own: the tests' sockets are blocked.

`keep`: hold a cluster until stdin closes. `engine ADDRESS FOLDER`: run units in many ways, print what happened as JSON.
`batch ARGUMENTS`: `facerecon batch` with engines without torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facerecon.batch.units import Event, Opening, Outcome, Progress, Unit
from facerecon.errors import FacereconError
from facerecon.records import RGB, Detection
from tests.unit.batch.batch_cases import FakeCases, Scripted, take_long

HERE = "tests.cluster.cluster_runs"
FOLDER = "CLUSTER_TEST_FOLDER"
NODE = "CLUSTER_TEST_NODE"


def once(what: str) -> bool:
    """Tell one caller of all processes that it is the first."""
    try:
        os.close(os.open(Path(os.environ[FOLDER]) / f"once-{what}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def lose(name: str) -> None:
    """Lose the worker process, or what the cluster started it from, the first time that a source's name says so."""
    if "gone" in name and once(name):
        os.kill(os.getpid(), signal.SIGKILL)
    if "orphan" in name and once(name):
        os.kill(os.getppid(), signal.SIGKILL)
        take_long()
    if "waits" in name and once(name):
        (Path(os.environ[FOLDER]) / "waits").touch()
        take_long()


class Losing(Scripted):
    """As `Scripted`, and lost once where the name of a source says so."""

    def run(self, unit: Unit) -> Mapping[str, Any]:
        name = Path(unit.source).name
        self.hear(Progress(unit.number, "extract", 1, 2))
        lose(name)
        if "stubborn" in name:
            while True:
                with contextlib.suppress(KeyboardInterrupt):
                    time.sleep(600)
        return {**super().run(unit), "node": os.environ.get(NODE), "threads": os.environ["OMP_NUM_THREADS"]}


class LosingCases(FakeCases):
    """Makes real cases, and is lost once in the middle of one where the name of a source says so."""

    _calls = 0

    def run(self, unit: Unit) -> Mapping[str, Any]:
        self._calls = 0
        return super().run(unit)

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        self._calls += 1
        if self._calls > 1:
            lose(self._name)
        return super().detect(images)


def describe(options: Mapping[str, Any]) -> dict[str, str]:
    """Tell of this node what `options` name of its environment."""
    return {"facerecon": "0.1.0", "node": os.environ.get(str(options["of"]), "no node")}


# --- programs ---------------------------------------------------------------------------------------------------------


def keep() -> None:
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {"num_cpus": 1, "memory": 4 * 10**9, "object_store_memory": 10**8, "num_gpus": 0}
    cluster = Cluster(initialize_head=True, head_node_args={**common, "include_dashboard": False})
    cluster.add_node(**common, env_vars={NODE: "second"})
    sys.stdout.write(f"address {cluster.address}\n")
    sys.stdout.flush()
    session = cluster.head_node.get_session_dir_path()
    sys.stdin.read()
    cluster.shutdown()
    shutil.rmtree(session, ignore_errors=True)


def engine(address: str, folder: Path) -> None:
    from facerecon.batch import cluster_ray

    with cluster_ray.joined(address) as cluster:
        told = {run.__name__: run(cluster, folder) for run in (losses, refusals, differing, stopped, killed)}
    sys.stdout.write(json.dumps(told) + "\n")


def _engine(cluster: Any, opened: Mapping[str, Any] | None = None, *, jobs: int | None = None, **check: Any) -> Any:
    from facerecon.batch.cluster import ClusterEngine
    from facerecon.batch.cluster_ray import Needs
    from facerecon.batch.cluster_station import Check

    return ClusterEngine(cluster, Opening(f"{HERE}:Losing", opened or {}), jobs, Needs(1, 0.0, 1.0), Check(**check))


def _units(*names: str) -> list[Unit]:
    return [Unit(number, f"/evidence/{name}") for number, name in enumerate(names)]


def _told(events: Iterator[Event], heard: Callable[[Event], object] = lambda _: None) -> dict[str, Any]:
    told: dict[str, Any] = {"events": [], "error": None}
    try:
        for event in events:
            told["events"].append([type(event).__name__, asdict(event)])
            heard(event)
    except FacereconError as error:
        told["error"] = [error.exit_code, str(error)]
    return told


def losses(cluster: Any, folder: Path) -> Any:
    def seen(_: Event) -> None:
        (folder / "marks").write_text(" ".join(path.name for path in folder.glob(".tmp-*")))

    units = _units("a", "gone", "orphan", "fail", "die", "note", "memory", "bug")
    return _told(_engine(cluster, folder=str(folder)).run(units), seen)


def refusals(cluster: Any, folder: Path) -> Any:
    return _told(_engine(cluster, {"refuse": True}).run(_units("a")))


def differing(cluster: Any, folder: Path) -> Any:
    check = {"describe": f"{HERE}:describe", "options": {"of": NODE}}
    expected = {"facerecon": "0.1.0", "node": "no node"}
    one = _told(_engine(cluster, **check, expected=expected).run(_units("a", "b", "c")))
    none = _told(_engine(cluster, **check, expected={**expected, "facerecon": "0.0.9"}).run(_units("a")))
    return {"one": one, "none": none}


def stopped(cluster: Any, folder: Path) -> Any:
    running = _engine(cluster, {"folder": str(folder)}, jobs=1)
    return _told(running.run(_units("a", "wait", "b")), lambda event: _stop(running, event, 1))


def killed(cluster: Any, folder: Path) -> Any:
    running = _engine(cluster, jobs=1)
    return _told(running.run(_units("x", "stubborn", "b")), lambda event: _stop(running, event, 2))


def _stop(running: Any, event: Event, times: int) -> None:
    if isinstance(event, Progress) and (event.number, event.stage) == (1, "extract") and not running._stops:
        for _ in range(times):
            running.stop()
    assert not (isinstance(event, Outcome) and event.number == 2)


def batch(arguments: Sequence[str]) -> int:
    from facerecon.commands import batch as command
    from facerecon.commands.main import run

    command.OPENING = f"{HERE}:LosingCases"
    return run(["batch", *arguments])


if __name__ == "__main__":
    wanted, rest = sys.argv[1], sys.argv[2:]
    if wanted == "keep":
        keep()
    elif wanted == "engine":
        engine(rest[0], Path(rest[1]))
    else:
        sys.exit(batch(rest))
