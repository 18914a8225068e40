"""What `facerecon batch --engine ray` needs: the cluster, what each worker gets of it, and what all nodes must share.

Loads no network library; Ray is imported when a cluster is joined.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerecon import __version__
from facerecon.batch import budget
from facerecon.batch.addresses import SCHEMES
from facerecon.batch.completeness import gallery_inputs
from facerecon.batch.processes import ProcessEngine
from facerecon.batch.units import Engine, Hear, Opening, Outcome, Unit
from facerecon.console import Console
from facerecon.errors import ResourceError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes, sha256_file
from facerecon.profiles import Profile, load_profile
from facerecon.resources import data_folder
from facerecon.weights import entry

if TYPE_CHECKING:
    from facerecon.batch.cluster_ray import Cluster, Needs

DESCRIBE = "facerecon.commands.batch_cluster:describe"
THREADS = "facerecon.commands.batch_cluster:Threads"
_LIBRARIES = ("torch", "torchvision", "onnxruntime", "numpy", "scipy", "scikit-image", "opencv-python", "pillow", "av")
"""What pixels and numbers depend on."""
MakeEngine = Callable[[Opening, int], Engine]


@dataclass(frozen=True)
class Asked:
    """The options that are about workers on a cluster; None: not given."""

    address: str = "auto"
    worker_cpus: int | None = None
    gpu_jobs: int = 1
    jobs: int | None = None
    memory_gb: float | None = None
    cases: Path = Path("cases")


@dataclass(frozen=True)
class Crew:
    """Who works: how many as far as is known, how their engine is made, and what they are told."""

    staff: budget.Staff
    make_engine: MakeEngine
    given: Mapping[str, Any]


@contextlib.contextmanager
def joined(asked: Asked, given: Mapping[str, Any], console: Console) -> Iterator[Crew]:
    """Join a cluster for the length of the block.

    Args:
        asked: the options about workers.
        given: the options of the batch.
        console: where to say what was chosen.

    Raises:
        UsageError: the options cannot work on a cluster.
        ResourceError: Ray is not installed, there is no cluster, or it has no graphics card.
    """
    _require_device(given["device"])
    try:
        from facerecon.batch import cluster_ray
    except ImportError as error:
        raise ResourceError(
            f"--engine ray needs Ray ({error}); install it with: pip install 'facerecon[cluster]'"
        ) from None
    with cluster_ray.joined(asked.address) as cluster:
        device = _device(given["device"], cluster, console)
        needs = _needs(asked, device)
        jobs = asked.jobs or (_fitting(asked.memory_gb) if asked.memory_gb else None)
        places = cluster.places(needs)
        why = f"on Ray, {needs.text()} each; {places} fit on the nodes that are there"
        staff = budget.Staff(jobs or max(1, places), why, short_of_memory=False)
        told = {**given, "device": device}

        def make(opening: Opening, _jobs: int) -> Engine:
            return _engine(cluster, opening, jobs, needs, told, asked.cases)

        yield Crew(staff, make, told)


def _engine(
    cluster: Cluster, opening: Opening, jobs: int | None, needs: Needs, given: Mapping[str, Any], cases: Path
) -> Engine:
    from facerecon.batch.cluster import ClusterEngine
    from facerecon.batch.cluster_station import Check

    check = Check(DESCRIBE, dict(given), describe(given), str(cases.absolute()))
    return ClusterEngine(cluster, opening, jobs, needs, check)


# --- what each worker gets --------------------------------------------------------------------------------------------


def _require_device(name: str) -> None:
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name} does not work with --engine ray, which gives each worker its card; use cuda")


def _device(name: str, cluster: Cluster, console: Console) -> str:
    """Return the device of every worker: one and the same, since results differ between kinds."""
    if name == "auto":
        chosen = "cuda" if cluster.cards else "cpu"
        console.noted(f"the cluster has {cluster.cards} graphics card(s), so every worker computes on {chosen}")
        return chosen
    return name


def _needs(asked: Asked, device: str) -> Needs:
    from facerecon.batch.cluster_ray import Needs

    shared = asked.memory_gb / asked.jobs if asked.memory_gb and asked.jobs else budget.WORKER_GB
    # A fifth of a card and the like are cut, so that as many as were asked for fit on one.
    cards = int(1e4 / asked.gpu_jobs) / 1e4 if device == "cuda" else 0.0
    return Needs(asked.worker_cpus or threads_of_a_run(), cards, shared)


def _fitting(memory_gb: float) -> int:
    return max(1, int(memory_gb / budget.WORKER_GB))


def threads_of_a_run() -> int:
    """Return with how many threads `facerecon run` computes on this machine; asked of a process of its own.

    Raises:
        ResourceError: the process ended.
    """
    for event in ProcessEngine(Opening(THREADS), 1).run([Unit(0, "")]):
        if isinstance(event, Outcome) and event.status == "done":
            return int(event.facts["threads"])
    raise ResourceError("the number of computing threads is not known here; give --worker-cpus")


class Threads:
    """A runner that tells with how many threads the networks compute."""

    def __init__(self, _options: Mapping[str, Any], _hear: Hear) -> None:
        """Need nothing."""

    def run(self, unit: Unit) -> Mapping[str, Any]:
        """Return {threads}."""
        from facerecon.engines.runtime import describe_runtime

        del unit
        return {"threads": describe_runtime()["cpu_threads"]}


# --- what all nodes must share ----------------------------------------------------------------------------------------


def describe(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what results depend on, of this machine: {name: version or SHA-256}. No file of weights is read.

    Args:
        given: the options of the batch.

    Raises:
        FacereconError: the profile, a model or the gallery is not here.
    """
    profile = load_profile(given["profile"], tuple(given["set"]))
    gallery = given["gallery"]
    return {
        "facerecon": __version__,
        "program": _program(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: _installed(name) for name in _LIBRARIES},
        "profile": profile.digest,
        **_weights(profile),
        "calibrations": _files(_calibrations(given["calibration"])),
        "gallery": "none" if gallery is None else _digest(gallery_inputs(Path(gallery))),
        **_packages(given.get("remote")),
    }


def _packages(remote: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what reads the URLs: a node without it would fail at every source."""
    if remote is None:
        return {}
    wanted = {"fsspec", *(SCHEMES[scheme] for scheme in remote["schemes"])} - {""}
    return {name: _installed(name) for name in sorted(wanted)}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _program() -> str:
    """Return the digest over the program's own files: two checkouts can have one version."""
    root = Path(__file__).resolve().parent.parent
    return _digest({str(path.relative_to(root)): sha256_file(path) for path in sorted(root.rglob("*.py"))})


def _weights(profile: Profile) -> dict[str, str]:
    """Return what the registry pins of the models in use; that files have these digests is checked when they load."""
    return {f"weights {name}": entry(name).sha256 for name in sorted(set(profile.models()))}


def _calibrations(given: list[str]) -> list[Path]:
    return [Path(each) for each in given] or sorted((data_folder("weights") / "calibrations").glob("*.json"))


def _files(paths: list[Path]) -> str:
    try:
        return _digest({path.name: sha256_file(path) for path in paths})
    except OSError as error:
        raise ResourceError(f"calibration {error.filename} cannot be read: {error.strerror}") from None


def _digest(content: Mapping[str, str]) -> str:
    return sha256_bytes(canonical_json(dict(content)))
