"""Replay: which runs of a case can be run again with the same settings, and whether the outcome is near enough.

Owns the plan and the judgement. Runs no stage and writes nothing: the command does, with the functions that `run` uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from facerecon.case import Case
from facerecon.errors import ProfileError
from facerecon.hashing import canonical_json
from facerecon.ledger import LedgerEntry
from facerecon.pipeline.differences import Differences, Key, analyses, run_name, stamps
from facerecon.pipeline.outputs import FileDifference, PictureDifference, RecordsDifference
from facerecon.profiles import Profile, load_profile, read_profile, shipped_profiles
from facerecon.profiles.loading import validate

MIN_PSNR_DB = 45.0
MAX_SIMILARITY_APART = 0.01
_MACHINE = frozenset(
    {
        "cpu",
        "cpu_bf16",
        "cpu_capability",
        "cpu_instructions",
        "cpu_model",
        "cpu_threads",
        "cuda",
        "cuda_driver",
        "devices",
        "ffmpeg",
        "onnxruntime",
        "opencv",
        "platform",
        "torch",
        "torchvision",
    }
)
"""What computes: where one of these differs, bits may. Another facerecon or Python is no excuse."""
_MODEL_FIELDS = ("device", "precision")


@dataclass(frozen=True)
class Rerun:
    """A run to do again: its place, the ledger's entry of it, and the profile that it had."""

    key: Key
    entry: LedgerEntry
    profile: Profile

    @property
    def name(self) -> str:
        """How the run is called: "enhance", "enhance 2"."""
        return run_name(self.key)

    @property
    def explained(self) -> bool:
        """Whether the comparison was explained."""
        return any(name.startswith("records/explanations") for name in self.entry.outputs)

    @property
    def calibrations(self) -> tuple[str, ...]:
        """The paths within the case of the calibrations that the comparison used."""
        return tuple(sorted(name for name in self.entry.outputs if name.startswith("calibrations/")))


@dataclass(frozen=True)
class NotReplayed:
    """A run that is left out, and why."""

    key: Key
    reason: str

    def document(self) -> dict[str, str]:
        """Return it as JSON data."""
        return {"run": run_name(self.key), "reason": self.reason}


@dataclass(frozen=True)
class Plan:
    """What a replay does: runs in the order of the ledger, those that it cannot do, and whether a PDF was written.

    `pdf` is None for a case without a report.
    """

    reruns: tuple[Rerun, ...]
    left_out: tuple[NotReplayed, ...]
    pdf: bool | None

    @property
    def cuda(self) -> bool:
        """Whether a model ran on a CUDA device."""
        devices = (str(each.get("device")) for rerun in self.reruns for each in stamps(rerun.entry).values())
        return any(device.startswith("cuda") for device in devices)

    def without(self, missing: Mapping[Key, str]) -> Plan:
        """Return the plan without these runs, nor those that build on them."""
        reruns, left = [], list(self.left_out)
        for each in self.reruns:
            reason = missing.get(each.key) or _blocked(each.key, left)
            if reason:
                left.append(NotReplayed(each.key, reason))
            else:
                reruns.append(each)
        return Plan(tuple(reruns), tuple(left), self.pdf)


def plan(case: Case, given: Sequence[Profile] = ()) -> Plan:
    """Say which of a case's finished runs can be done again.

    Args:
        case: a case that verifies.
        given: profiles that runs may have had, beside the case's own and those that ship.

    Raises:
        ProfileError: the case's own profile is none that this version reads.
    """
    own = read_profile(case.bytes_of("profile.yaml"), str(case.root / "profile.yaml"))
    found = Plan((), (), _pdf(case))
    for key, entry in analyses(case).items():
        profile = _profile(case, entry, own, given)
        reason = _obstacle(case, key, entry) or ("" if profile else _unknown_profile(entry))
        reason = reason or _blocked(key, found.left_out)
        if reason or profile is None:
            found = Plan(found.reruns, (*found.left_out, NotReplayed(key, reason)), found.pdf)
        else:
            found = Plan((*found.reruns, Rerun(key, entry, profile)), found.left_out, found.pdf)
    return found


# --- judgement --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a replay's differences mean. `elsewhere` names what computes differently; empty: every bit must be equal."""

    identical: bool
    elsewhere: tuple[str, ...]
    outside: tuple[str, ...]

    @property
    def tolerance(self) -> dict[str, float] | None:
        """The tolerance in force; None where it is zero."""
        return {"min_psnr_db": MIN_PSNR_DB, "max_similarity_apart": MAX_SIMILARITY_APART} if self.elsewhere else None


def judge(found: Differences) -> Verdict:
    """Judge a replay: bit-identical on the same machine; elsewhere pictures and similarities within the tolerance.

    Elsewhere is where processor, device, driver, operating system, torch, ONNX Runtime, OpenCV or FFmpeg are not those
    that were recorded. There a picture must have a PSNR of at least `MIN_PSNR_DB`, a similarity may be
    `MAX_SIMILARITY_APART` off, and no output and no record may be missing or new. Other fields of records are shown,
    not judged.
    """
    elsewhere = tuple(dict.fromkeys(_elsewhere(found)))
    problems = [f"{path} is missing" for path in found.only_a] + [f"{path} is new" for path in found.only_b]
    for each in found.files:
        problem = _problem(each) if elsewhere else "its bytes differ, on the same machine"
        problems += [f"{each.path}: {problem}"] if problem else []
    return Verdict(not found.outputs_differ, elsewhere, tuple(problems))


def _elsewhere(found: Differences) -> Iterator[str]:
    for change in found.versions:
        name = change.subject.partition(".")[0]
        if name in _MACHINE:
            yield name
    for change in found.models:
        if change.subject.rpartition(".")[2] in _MODEL_FIELDS:
            yield change.subject


def _problem(each: FileDifference) -> str:
    found = each.measured
    if isinstance(found, PictureDifference):
        if found.problem:
            return found.problem
        low = found.psnr_db is not None and found.psnr_db < MIN_PSNR_DB
        return f"PSNR {found.psnr_db:.1f} dB, under {MIN_PSNR_DB:g} dB" if low else ""
    if isinstance(found, RecordsDifference):
        return _records_problem(each.path, found)
    return "its bytes differ"


def _records_problem(path: str, found: RecordsDifference) -> str:
    if found.only_a or found.only_b:
        return f"{len(found.only_a)} records are missing and {len(found.only_b)} are new"
    apart = found.largest_similarity if path.startswith("records/candidates") else None
    if apart is not None and apart > MAX_SIMILARITY_APART + 1e-9:
        return f"a similarity is {apart:.4f} off, more than {MAX_SIMILARITY_APART:g}"
    return ""


# --- what stands in the way -------------------------------------------------------------------------------------------


def _obstacle(case: Case, key: Key, entry: LedgerEntry) -> str:
    """Return why a run cannot be done again whatever its profile; empty when it can."""
    stage, number = key
    if stage == "measure":
        return "it needs the known truth, which the case does not hold"
    kind, limit = entry.details.get("kind"), entry.details.get("limit")
    if stage == "render" and (kind not in ("frame", "video") or not (limit is None or isinstance(limit, int))):
        return "the ledger does not say in a form that this version writes what was rendered"
    if stage == "render" and _attempt(case, entry) != number:
        return "its files carry the number of an interrupted rendering before it"
    return ""


def _attempt(case: Case, entry: LedgerEntry) -> int:
    """Return the number that a rendering's files carry: unfinished ones with the same settings share theirs."""
    begun = [e for e in case.ledger.entries if e.action == "render.started" and e.seq < entry.seq]
    return sum(1 for _ in groupby(canonical_json(dict(each.details)) for each in begun))


def _blocked(key: Key, left: Sequence[NotReplayed]) -> str:
    """Return which run that is left out this one builds on: an earlier one of its stage, or what it compares."""
    stage, number = key
    for other in (each.key for each in left):
        if other[0] == stage and other[1] < number:
            return f"{run_name(other)} is not replayed, so its files would carry another number"
        if (other[0], stage) in (("enhance", "recognize"), ("extract", stage)):
            return f"it uses what {run_name(other)} made, which is not replayed"
    return ""


def _profile(case: Case, entry: LedgerEntry, own: Profile, given: Sequence[Profile]) -> Profile | None:
    """Return the profile with the digest that a run recorded; None where it cannot be had."""
    wanted = entry.details.get("profile_sha256")
    if wanted == case.info.profile_sha256:
        return own
    name = str(entry.details.get("profile"))
    shipped = [load_profile(name)] if name in shipped_profiles() else []
    for base in (own, *shipped, *given):
        for candidate in (base, _with_sections(base, entry.details)):
            if candidate is not None and candidate.digest == wanted:
                return candidate
    return None


def _with_sections(base: Profile, details: Mapping[str, Any]) -> Profile | None:
    """Return a profile with the sections that a run recorded: what --set had changed."""
    sections = details.get("parameters")
    changes = dict(sections) if isinstance(sections, Mapping) else {}
    named = {"name": details.get("profile"), "seed": details.get("seed")}
    try:
        return validate({**base.resolved(), **named, **changes}, str(details.get("profile")))
    except ProfileError:
        return None


def _unknown_profile(entry: LedgerEntry) -> str:
    name, digest = entry.details.get("profile"), str(entry.details.get("profile_sha256"))[:12]
    return f"its profile {name} (SHA-256 {digest}...) is not in the case; give its file with --profile"


def _pdf(case: Case) -> bool | None:
    reports = case.runs("report")
    return any(name.endswith(".pdf") for name in reports[-1].outputs) if reports else None
