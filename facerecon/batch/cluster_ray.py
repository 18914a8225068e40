"""The one door to Ray: joins a cluster, asks what it can place, keeps stations on its nodes. Knows no unit's fate.

Imported only for `--engine ray`. Ray is told to send no usage statistics, to open no dashboard, and to be silent: what
it logs stays in its own files.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from facerecon.batch.cluster_station import Check, Message, Station
from facerecon.batch.units import Opening, Unit
from facerecon.errors import ResourceError

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.exceptions import RayError

Answer = Any
"""A promise of messages (`ray.ObjectRef`)."""
_GB = 1e9
_LONGEST_REASON = 160


class LostError(Exception):
    """A station can no longer be heard; the message is the reason, in one line."""


@dataclass(frozen=True)
class Needs:
    """What the cluster sets aside for each worker; `cpus` is also the number of computing threads."""

    cpus: int
    gpus: float = 0.0
    memory_gb: float = 0.0

    def text(self) -> str:
        """Return it for people."""
        card = f", {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus} CPU{card}, {self.memory_gb:g} GB of memory"

    def fit(self, resources: dict[str, float]) -> int:
        """Return how many workers fit into a node's resources."""
        wanted = {"CPU": float(self.cpus), "GPU": self.gpus, "memory": self.memory_gb * _GB}
        # A card's share: 1/3 three times is a card.
        return min(int(resources.get(name, 0.0) / each + 1e-6) for name, each in wanted.items() if each > 0)


class Cluster:
    """A cluster that was joined; see `joined`."""

    def places(self, needs: Needs, avoided: Collection[str] = ()) -> int:
        """Return how many workers fit on the nodes that are there, whatever else runs on them.

        Args:
            needs: what each takes.
            avoided: ids of nodes that do not count.
        """
        nodes = [node for node in _nodes() if node["Alive"] and node["NodeID"] not in avoided]
        return sum(needs.fit(node["Resources"]) for node in nodes)

    @property
    def cards(self) -> int:
        """How many graphics cards the nodes have."""
        return sum(int(node["Resources"].get("GPU", 0)) for node in _nodes() if node["Alive"])

    def station(self, opening: Opening, check: Check, needs: Needs, avoided: Collection[str] = ()) -> Remote:
        """Ask for a worker; it begins when the cluster has a place for it, on none of the nodes that are avoided."""
        made = ray.remote(_Station).options(
            label_selector={"ray.io/node-id": f"!in({','.join(sorted(avoided))})"} if avoided else None,
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            memory=int(needs.memory_gb * _GB),
            # Beside the call that works: those that stop and end it.
            max_concurrency=4,
            max_restarts=0,
        )
        return Remote(made.remote(opening, check, needs.cpus))

    def answered(self, answers: Sequence[Answer], seconds: float) -> list[Answer]:
        """Wait until there is an answer, so long at most, and return all that are there."""
        found, _ = ray.wait(list(answers), num_returns=1, timeout=seconds)
        return ray.wait(list(answers), num_returns=len(answers), timeout=0)[0] if found else []

    def messages(self, answer: Answer) -> list[Message]:
        """Return what was answered.

        Raises:
            LostError: the worker, its node or the way to it was lost.
        """
        try:
            messages: list[Message] = ray.get(answer)
            return messages
        except RayError as error:
            raise LostError(_reason(error)) from None


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


class _Station(Station):
    """A station that also tells where it is, as Ray names the node."""

    def begin(self) -> list[Message]:
        return [("placed", {"place": ray.get_runtime_context().get_node_id()}), *super().begin()]


class Remote:
    """A station on some node, or one that waits for a place."""

    def __init__(self, handle: Any) -> None:
        """Use `Cluster.station`."""
        self._handle = handle

    def begin(self) -> Answer:
        """See `Station.begin`; "placed" with the node's id comes first."""
        return self._handle.begin.remote()

    def work(self, unit: Unit, size_bytes: int | None) -> Answer:
        """See `Station.work`."""
        return self._handle.work.remote(unit, size_bytes)

    def listen(self) -> Answer:
        """See `Station.listen`."""
        return self._handle.listen.remote()

    def stop(self, *, at_once: bool) -> Answer:
        """See `Station.stop`."""
        return self._handle.stop.remote(at_once=at_once)

    def end(self) -> Answer:
        """See `Station.end`."""
        return self._handle.end.remote()

    def kill(self) -> None:
        """Take it away; its worker process follows it."""
        with contextlib.suppress(RayError):
            ray.kill(self._handle)


@contextlib.contextmanager
def joined(address: str) -> Iterator[Cluster]:
    """Join a cluster for the length of the block.

    Args:
        address: HOST:PORT of the head, "auto" for the cluster of this machine, "local" for one that is started here
            and ends with the block.

    Raises:
        ResourceError: there is none.
    """
    before = signal.getsignal(signal.SIGTERM)
    more: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    logging.getLogger("ray").setLevel(logging.ERROR)
    _silence()
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False, **more)
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ResourceError(
            f"no Ray cluster at {address}: {_line(str(error))}; begin one with 'ray start --head', or --address local"
        ) from None
    finally:
        # Ray would end the program without a word.
        _give_back(before)
    try:
        yield Cluster()
    finally:
        ray.shutdown()
        _give_back(before)


def _silence() -> None:
    """Keep Ray from printing what its nodes complain of on stdout, which is our result's.

    `log_to_driver=False` and RAY_LOG_TO_DRIVER=0 end what workers print, but not that thread (`listen_error_messages`,
    Ray 2.60); only this switch, which Ray's own debugger uses, does. A release without it may print such a line.
    """
    with contextlib.suppress(ImportError):
        messages: Any = importlib.import_module("ray._private.worker")
        if hasattr(messages, "_worker_logs_enabled"):
            messages._worker_logs_enabled = False


def _give_back(handler: Any) -> None:
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, handler)


_CAUSES = (
    ("node has died", "its node died or left the cluster"),
    ("memory pressure", "Ray ended it, since its node ran out of memory"),
    ("worker process has died", "its process ended unexpectedly, perhaps for lack of memory"),
)
"""What Ray's long reasons contain, and what they mean."""


def _reason(error: RayError) -> str:
    """Return one line on why a station was lost."""
    text = str(error)
    known = next((words for sign, words in _CAUSES if sign in text), "")
    # Of an error that was raised there, the last line tells what it was.
    return known or _line(text.strip().rpartition("\n")[2])


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."
