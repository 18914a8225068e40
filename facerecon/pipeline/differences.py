"""How two cases differ: profile, settings, versions, models, source, outputs. Reads both; judges and changes nothing.

What differs in any two runs is left out and said so: times of day, durations, absolute paths, ledger hashes, and the
files that hold them (reports). What a person added afterwards (reviews, signatures) is not an output either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.ledger import LedgerEntry
from facerecon.pipeline.changes import ABSENT, Change, changed, flat, gathered
from facerecon.pipeline.outputs import FileDifference, Stated, is_video, measured, videos
from facerecon.profiles.documents import parse_yaml

ANALYSES = ("extract", "enhance", "recognize", "render", "measure")
"""The stages whose files are outputs: equal input gives equal bytes."""
LEFT_OUT = (
    "times of day and durations",
    "absolute paths (of the source, of the gallery)",
    "hashes of ledger and manifest",
    "files that no analysis made, and that hold such things (reports, what was added by hand)",
)
_SETTINGS = (
    "profile",
    "profile_sha256",
    "seed",
    "parameters",
    "preparation",
    "treatment",
    "gallery_sha256",
    "calibrations",
    "kind",
    "limit",
    "reference",
)
_LATER = frozenset({"cpu_instructions", "cpu_model"})
"""What older ledgers do not have: there it is not known, which is no difference."""
Key = tuple[str, int]
"""A run of a stage: the stage and its number from 1."""


@dataclass(frozen=True)
class Differences:
    """What differs between case a and case b; everything empty when nothing does.

    `facts` are case number, operator and purpose. `only_a` and `only_b` are paths of outputs, `equal` counts the
    outputs with equal digests.
    """

    facts: tuple[Change, ...]
    source: tuple[Change, ...]
    profile: tuple[Change, ...]
    settings: tuple[Change, ...]
    versions: tuple[Change, ...]
    models: tuple[Change, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    files: tuple[FileDifference, ...]
    equal: int

    @property
    def outputs_differ(self) -> bool:
        """Whether an output is missing on one side or has another digest."""
        return bool(self.only_a or self.only_b or self.files)

    @property
    def nothing(self) -> bool:
        """Whether nothing differs at all."""
        return not (self.outputs_differ or any(changes for _, changes in self.groups()))

    def groups(self) -> Iterator[tuple[str, tuple[Change, ...]]]:
        """Yield what differs beside the outputs, by kind."""
        for name in ("facts", "source", "profile", "settings", "versions", "models"):
            yield name, getattr(self, name)

    def document(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            **{name: [each.document() for each in changes] for name, changes in self.groups()},
            "outputs": {
                "equal": self.equal,
                "only_a": list(self.only_a),
                "only_b": list(self.only_b),
                "different": [each.document() for each in self.files],
            },
            "left_out": list(LEFT_OUT),
        }


def differences(a: Case, b: Case, runs: Sequence[Key] | None = None) -> Differences:
    """Compare two cases that verify.

    Args:
        a: a case.
        b: another.
        runs: the runs whose outputs, settings, versions and models are compared; None for all of both cases.

    Raises:
        IntegrityError: a file is not what its manifest says, or not what this tool writes.
    """
    of_a, of_b = (_wanted(case, runs) for case in (a, b))
    profile = changed(_profile(a), _profile(b))
    files_a, files_b = _outputs(of_a), _outputs(of_b)
    both = sorted(files_a.keys() & files_b.keys())
    different = [path for path in both if files_a[path] != files_b[path]]
    (probe_a, ffmpeg_a), (probe_b, ffmpeg_b) = _probe(a), _probe(b)
    return Differences(
        facts=changed(_facts(a), _facts(b)),
        source=changed(_source(a), _source(b)) + changed(probe_a, probe_b, "probe"),
        profile=profile,
        settings=_settings(of_a, of_b, profile),
        versions=_versions(a, b, of_a, of_b) + changed(ffmpeg_a, ffmpeg_b, "ffmpeg"),
        models=_models(of_a, of_b),
        only_a=tuple(sorted(files_a.keys() - files_b.keys())),
        only_b=tuple(sorted(files_b.keys() - files_a.keys())),
        files=tuple(_file(a, b, path, files_a[path], files_b[path]) for path in different),
        equal=len(both) - len(different),
    )


def analyses(case: Case) -> dict[Key, LedgerEntry]:
    """Return the finished runs of the stages that make outputs, oldest first."""
    numbered: dict[Key, LedgerEntry] = {}
    for entry in case.ledger.entries:
        stage, _, ending = entry.action.rpartition(".")
        if ending == "finished" and stage in ANALYSES:
            numbered[stage, 1 + sum(known == stage for known, _ in numbered)] = entry
    return numbered


def run_name(key: Key) -> str:
    """Return how a run is called: "enhance", "enhance 2"."""
    stage, number = key
    return stage if number == 1 else f"{stage} {number}"


# --- parts ------------------------------------------------------------------------------------------------------------


def _wanted(case: Case, runs: Sequence[Key] | None) -> dict[Key, LedgerEntry]:
    return {key: entry for key, entry in analyses(case).items() if runs is None or key in runs}


def _outputs(runs: Mapping[Key, LedgerEntry]) -> dict[str, str]:
    return {path: digest for entry in runs.values() for path, digest in entry.outputs.items()}


def _file(a: Case, b: Case, path: str, digest_a: str, digest_b: str) -> FileDifference:
    if is_video(path):
        found = videos(Stated(a.root, path, digest_a), Stated(b.root, path, digest_b))
        return FileDifference(path, digest_a, digest_b, found)
    return FileDifference(path, digest_a, digest_b, measured(path, a.bytes_of(path), b.bytes_of(path)))


def _profile(case: Case) -> dict[str, Any]:
    try:
        return flat(parse_yaml(case.bytes_of("profile.yaml").decode()))
    except ValueError:
        raise IntegrityError(f"{case.root / 'profile.yaml'} is not a profile that this tool writes") from None


def _probe(case: Case) -> tuple[Any, Any]:
    """Return what the source's container says, and the libraries that read it."""
    try:
        found = dict(json.loads(case.bytes_of("records/probe.json")))
    except (ValueError, TypeError, RecursionError):
        raise IntegrityError(f"{case.root / 'records/probe.json'} is not a probe that this tool writes") from None
    return found, found.pop("ffmpeg", {})


def _facts(case: Case) -> dict[str, str]:
    return case.info.model_dump(include={"case_id", "operator", "purpose"})


def _source(case: Case) -> dict[str, Any]:
    return case.info.source.model_dump(mode="json", exclude={"path"})


def _settings(
    a: Mapping[Key, LedgerEntry], b: Mapping[Key, LedgerEntry], profile: Sequence[Change]
) -> tuple[Change, ...]:
    """Return which runs only one case has, and what the runs of both were told beyond the profiles' differences."""
    told = {(each.subject, repr(each.a), repr(each.b)) for each in profile}
    one_sided = sorted(a.keys() ^ b.keys())
    found = [
        (run_name(key), each)
        for key in sorted(a.keys() & b.keys())
        for each in changed(_told(a[key]), _told(b[key]))
        if (each.subject, repr(each.a), repr(each.b)) not in told and not (profile and each.subject == "profile_sha256")
    ]
    return gathered([*((run_name(key), Change("run", _ran(key, a), _ran(key, b))) for key in one_sided), *found])


def _ran(key: Key, runs: Mapping[Key, LedgerEntry]) -> str:
    return "done" if key in runs else ABSENT


def _told(entry: LedgerEntry) -> dict[str, Any]:
    """Return a run's settings, with the profile's sections under the profile's own keys."""
    told = {name: entry.details[name] for name in _SETTINGS if name in entry.details}
    sections = told.pop("parameters", {})
    return {**told, **(sections if isinstance(sections, Mapping) else {"parameters": sections})}


def _versions(a: Case, b: Case, of_a: Mapping[Key, LedgerEntry], of_b: Mapping[Key, LedgerEntry]) -> tuple[Change, ...]:
    made = changed(a.info.tool_version, b.info.tool_version, "facerecon")
    ran = (
        (run_name(key), each)
        for key in sorted(of_a.keys() & of_b.keys())
        for each in changed(of_a[key].details.get("runtime", {}), of_b[key].details.get("runtime", {}))
        if each.subject not in _LATER or ABSENT not in (each.a, each.b)
    )
    return gathered([*(("case", each) for each in made), *ran])


def _models(a: Mapping[Key, LedgerEntry], b: Mapping[Key, LedgerEntry]) -> tuple[Change, ...]:
    return gathered(
        (run_name(key), each) for key in sorted(a.keys() & b.keys()) for each in changed(stamps(a[key]), stamps(b[key]))
    )


def stamps(entry: LedgerEntry) -> dict[str, Mapping[str, Any]]:
    """Return the stamps of the models that a run used, by "role id"."""
    models = entry.details.get("models", [])
    found = [each for each in models if isinstance(each, Mapping)] if isinstance(models, (list, tuple)) else []
    return {f"{each.get('role')} {each.get('id')}": each for each in found}
