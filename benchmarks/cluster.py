"""How a batch grows on a cluster: one worker against two, what the driver costs, and where 100 workers would stand.

    nice -n -5 python benchmarks/cluster.py [--turns 3] [--unit-s 4] [--units 6] [--small 600]

The cluster is real (Ray, two nodes of this machine, one core each). The work is arithmetic on one thread with no memory
traffic. Two workers need two free cores: beside Ray the same units run in plain processes, which tells what the machine
gave at that moment, and units that only wait, which tells what the engine itself takes away. The best turn of each
counts, since others use the machine; the load is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facerecon.batch.processes import ProcessEngine
from facerecon.batch.units import Engine, Hear, Opening, Outcome, Progress, Unit

HERE = "benchmarks.cluster"
Make = Callable[[Opening, int], Engine]
_HOURS_PER_SOURCE = 0.5
_EVENTS_PER_S = 1.0
"""What a worker tells at most: see `facerecon.commands.batch_worker`."""


class Arithmetic:
    """Counts for as long as `rounds` take; tells of nothing, or `events` times."""

    def __init__(self, options: Mapping[str, Any], hear: Hear) -> None:
        self._rounds, self._events, self._hear = int(options["rounds"]), int(options.get("events", 0)), hear
        self._sleep_s = float(options.get("sleep_s", 0.0))

    def run(self, unit: Unit) -> Mapping[str, Any]:
        if unit.source.startswith("/meet/"):
            return self._meet(unit)
        for number in range(self._events):
            self._hear(Progress(unit.number, "extract", number, self._events))
        time.sleep(self._sleep_s)
        return {"sum": count(self._rounds)}

    def _meet(self, unit: Unit) -> Mapping[str, Any]:
        """Wait until as many workers are open as there shall be."""
        folder = Path(unit.case)
        (folder / str(unit.number)).touch()
        while len(list(folder.iterdir())) < int(Path(unit.source).name):
            time.sleep(0.01)
        return {}


def count(rounds: int) -> int:
    """Do `rounds` million small additions."""
    found = 0
    for _ in range(rounds):
        for number in range(1_000_000):
            found += number & 7
    return found


def rounds_of(seconds: float) -> int:
    """Return how many rounds take so long on a free core of this machine."""
    fastest = min(_timed(lambda: count(4)) for _ in range(5)) / 4
    return max(1, round(seconds / fastest))


def _timed(call: Any) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def run_units(make: Make, jobs: int, units: int, options: Mapping[str, Any]) -> tuple[float, float]:
    """Return wall and this process's own processor seconds from the first unit given out to the last outcome.

    The workers are open by then: a weekend's batch opens them once.
    """
    engine = make(Opening(f"{HERE}:Arithmetic", options), jobs)
    done, begun, before = 0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        given = [Unit(number, f"/meet/{jobs}", folder) for number in range(jobs)]
        given += [Unit(jobs + number, f"/none/{number}") for number in range(units)]
        for event in engine.run(given):
            if isinstance(event, Outcome):
                assert event.status == "done", event.reason
                done += 1
                if done == jobs:
                    begun, before = time.perf_counter(), _own()
    return time.perf_counter() - begun, _own() - before


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def on(cluster: Any) -> Make:
    """Return what makes an engine on a cluster."""
    from facerecon.batch.cluster import ClusterEngine
    from facerecon.batch.cluster_ray import Needs

    return lambda opening, jobs: ClusterEngine(cluster, opening, jobs, Needs(1, 0.0, 0.5))


def scaling(cluster: Any, turns: int, seconds: float, units: int) -> None:
    working, waiting = {"rounds": rounds_of(seconds)}, {"rounds": 0, "sleep_s": seconds}
    ways: dict[str, tuple[Make, Mapping[str, Any]]] = {
        "Ray, arithmetic": (on(cluster), working),
        "plain processes, arithmetic": (ProcessEngine, working),
        "Ray, units that wait": (on(cluster), waiting),
    }
    walls: dict[tuple[str, int], list[float]] = {(name, jobs): [] for name in ways for jobs in (1, 2)}
    for _ in range(turns):
        for name, jobs in walls:
            walls[name, jobs].append(run_units(ways[name][0], jobs, units, ways[name][1])[0])
            print(f"{name}, {jobs} worker(s): {walls[name, jobs][-1]:.2f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    for name in ways:
        one, two = min(walls[name, 1]), min(walls[name, 2])
        print(f"{name}: 1 worker {one:.2f} s, 2 workers {two:.2f} s: {one / two:.2f}x")


def overhead(cluster: Any, small: int) -> tuple[float, float]:
    """Print and return what the driver spends, in its own processor seconds, on a unit and on an event."""
    wall, unit_s = run_units(on(cluster), 2, small, {"rounds": 0})
    print(
        f"{small} empty units, 2 workers: {small / wall:.0f} units/s, {unit_s / small * 1e3:.2f} ms of the driver each"
    )
    told = 20
    _, both_s = run_units(on(cluster), 2, small, {"rounds": 0, "events": told})
    event_s = max(0.0, both_s - unit_s) / (small * told)
    print(f"with {told} events each: {event_s * 1e3:.3f} ms of the driver an event")
    return unit_s / small, event_s


def hundred(unit_s: float, event_s: float, workers: int = 100, speed: float = 0.5) -> None:
    """Print how busy the driver would be with many workers; `speed`: seconds of work for a second of footage."""
    work_s = _HOURS_PER_SOURCE * 3600 * speed
    # In the worst case every event comes alone, with a question and an answer of its own.
    alone_s = max(event_s, unit_s / 2)
    busy = workers * (unit_s / work_s + _EVENTS_PER_S * alone_s)
    rates = f"{workers / work_s:.2f} units/s and {workers * _EVENTS_PER_S:.0f} events/s"
    print(
        f"{workers} workers, sources of {_HOURS_PER_SOURCE} h at {speed} s a second: {rates} "
        f"keep the driver busy for {100 * busy:.0f} % of a core"
    )
    print(f"the driver's core is full at about {workers / busy:.0f} such workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--unit-s", type=float, default=4.0)
    parser.add_argument("--units", type=int, default=6)
    parser.add_argument("--small", type=int, default=600)
    given = parser.parse_args()
    root = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    from ray.cluster_utils import Cluster

    # Ray starts its workers with niceness 15; here they stand beside other programs.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    from facerecon.batch import cluster_ray

    common: dict[str, Any] = {"num_cpus": 1, "memory": 2 * 10**9, "object_store_memory": 10**8}
    nodes = Cluster(initialize_head=True, head_node_args={**common, "include_dashboard": False})
    nodes.add_node(**common)
    try:
        with cluster_ray.joined(nodes.address) as cluster:
            if given.turns:
                scaling(cluster, given.turns, given.unit_s, given.units)
            hundred(*overhead(cluster, given.small))
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    main()
