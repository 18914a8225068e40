"""The manifest: every file of a case with its digest, and the verification of a whole case. Never changes a case."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ValidationError

from facerecon.characters import inert
from facerecon.containment import Digested, digested_inside, entries_below, read_inside, require_inside
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.journal import journal_name
from facerecon.ledger import LARGEST_BYTES, Ledger
from facerecon.records import CaseInfo, Record, Sha256

_MANIFEST = "manifest.json"
_STATE = re.compile(r"[a-z][a-z0-9.-]{0,99}")
Seen = dict[str, Digested]
"""The files of a case by name, as they were hashed."""


class FileEntry(Record):
    """A file of the case as the manifest knows it."""

    sha256: Sha256
    size_bytes: int


class Manifest(Record):
    """Every file of the case with its digest. `digest` covers all other fields, so any changed bit shows."""

    schema_version: Literal[1] = 1
    state: str
    ledger_head: Sha256
    ledger_entries: int
    files: Mapping[str, FileEntry]
    digest: Sha256

    @classmethod
    def sealed(cls, state: str, ledger: Ledger, files: Mapping[str, FileEntry]) -> Manifest:
        """Build the manifest of these files and this ledger."""
        body = {
            "schema_version": 1,
            "state": state,
            "ledger_head": ledger.head,
            "ledger_entries": len(ledger.entries),
            "files": {name: entry.model_dump(mode="json") for name, entry in sorted(files.items())},
        }
        return cls.model_validate({**body, "digest": sha256_bytes(canonical_json(body))})

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Verify manifest bytes: canonical form and own digest.

        Raises:
            IntegrityError: it was changed, or names a file that would lie outside the case.
        """
        try:
            manifest = cls.model_validate(json.loads(data))
            body = canonical_json(manifest.model_dump(mode="json", exclude={"digest"}))
            written = manifest.to_bytes()
        except (ValueError, RecursionError, ValidationError):
            raise IntegrityError("manifest.json is not a manifest") from None
        if sha256_bytes(body) != manifest.digest or written != data:
            raise IntegrityError("manifest.json was changed")
        if not _STATE.fullmatch(manifest.state):
            raise IntegrityError("manifest.json states something that is no state of a case")
        for name in manifest.files:
            require_case_file(name)
        return manifest

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"


# --- verification -----------------------------------------------------------------------------------------------------


class CaseProblemsError(IntegrityError):
    """A case does not verify; `problems` lists everything that was found."""

    what: ClassVar[str] = "case"
    """What it is called in the message."""

    def __init__(self, root: Path, problems: Sequence[str]) -> None:
        """Keep the list; the message is one line."""
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{self.what} {root} does not verify: {problems[0]}{more}")


def verify(root: Path) -> Manifest:
    """Verify a whole case: manifest, ledger chain, every file's digest in both, no file missing, none extra.

    Raises:
        UsageError: not a case folder.
        CaseProblemsError: something does not verify; all problems are listed.
    """
    return verified(root)[0]


def verified(root: Path, seen: Seen | None = None) -> tuple[Manifest, Ledger]:
    """Verify a whole case as `verify` does, and return the manifest and the ledger that were verified.

    Args:
        root: the case folder.
        seen: name -> the file as it was hashed. What has not changed since then is not read again, and what is read is
            put in; None to read everything.
    """
    require_case(root)
    try:
        manifest = Manifest.parse(read_bytes(root / _MANIFEST))
    except IntegrityError as error:
        raise CaseProblemsError(root, [str(error)]) from None
    return manifest, verified_as(root, manifest, {} if seen is None else seen)


def verified_as(root: Path, manifest: Manifest, seen: Seen) -> Ledger:
    """Verify a case against a manifest, and return its ledger.

    The journal of a stage that is not finished is no part of the case, and its absence or presence no problem.

    Raises:
        CaseProblemsError: something does not verify; all problems are listed.
    """
    ledger, broken = _ledger_of(root, manifest)
    try:
        problems = _file_problems(root, manifest, seen, {journal_name(stage) for stage in ledger.unfinished})
    except IntegrityError as error:
        raise CaseProblemsError(root, [str(error)]) from None
    if problems or broken:
        raise CaseProblemsError(root, problems + broken)
    return ledger


def require_case(root: Path) -> None:
    """Make sure that something is a case folder at all.

    Raises:
        UsageError: it is not.
    """
    try:
        if root.is_dir() and ((root / _MANIFEST).exists() or (root / "case.json").exists()):
            return
    except OSError as error:
        raise UsageError(f"{root} cannot be opened: {error.strerror}; check the path and its permissions") from None
    raise UsageError(f"{root} is not a case folder (it has no case.json); make one with 'facerecon extract'")


def extra_file(name: str) -> str:
    """Return the problem that a file is which the manifest does not know."""
    return f"extra file {inert(name)}, which the manifest does not know"


def require_case_file(name: str) -> None:
    """Make sure that a name in a manifest or ledger is that of a file inside the case.

    Raises:
        IntegrityError: it is not.
    """
    try:
        if require_inside(name) == _MANIFEST:
            raise ValueError("is the manifest's own")
    except ValueError as error:
        raise IntegrityError(f"manifest.json: the file name '{inert(name[:200])}' {error}") from None


def _file_problems(root: Path, manifest: Manifest, seen: Seen, journals: Collection[str]) -> list[str]:
    present = {name: regular for name, regular in entries_below(root) if not (regular and name in journals)}
    known = set(manifest.files) | {_MANIFEST}
    problems = [f"missing file {name}" for name in sorted(known - present.keys())]
    problems += [extra_file(name) for name in sorted(present.keys() - known)]
    for name in sorted(manifest.files.keys() & present.keys()):
        if problem := _file_problem(root, name, manifest.files[name], seen, regular=present[name]):
            problems.append(problem)
    return problems


def _file_problem(root: Path, name: str, entry: FileEntry, seen: Seen, *, regular: bool) -> str | None:
    if not regular:
        return f"{name} is a link, not a file" if (root / name).is_symlink() else f"{name} is not a regular file"
    try:
        seen[name] = digested_inside(root, name, entry.size_bytes, seen.get(name))
    except IntegrityError as error:
        return str(error)
    return None if seen[name].sha256 == entry.sha256 else f"changed file {name}"


def _ledger_of(root: Path, manifest: Manifest) -> tuple[Ledger, list[str]]:
    try:
        ledger = Ledger.read(root / "ledger.jsonl")
    except IntegrityError as error:
        return Ledger(), [str(error)]
    return ledger, disagreements(manifest, ledger)


def disagreements(manifest: Manifest, ledger: Ledger) -> list[str]:
    """Return where manifest and ledger differ: the ledger's end, and the digest of every file.

    The ledger must state exactly the manifest's files, so whoever fixes its head (a signature, a note of the digest)
    fixes every file of the case.
    """
    if (ledger.head, len(ledger.entries)) != (manifest.ledger_head, manifest.ledger_entries):
        return ["ledger.jsonl does not end where the manifest says"]
    try:
        stated = ledger.outputs
    except IntegrityError as error:
        return [str(error)]
    listed = {name: entry.sha256 for name, entry in manifest.files.items() if name != "ledger.jsonl"}
    problems = [f"file {name} is stated by no ledger entry" for name in sorted(listed.keys() - stated.keys())]
    problems += [f"file {name} of the ledger is not in the manifest" for name in sorted(stated.keys() - listed.keys())]
    both = sorted(listed.keys() & stated.keys())
    return problems + [
        f"file {name} is not the one that the ledger states" for name in both if listed[name] != stated[name]
    ]


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a case's manifest, ledger or description.

    Raises:
        IntegrityError: it cannot be read, is a link, no regular file, or larger than `LARGEST_BYTES`.
    """
    return read_inside(path.parent, path.name, LARGEST_BYTES)


def case_info(root: Path, manifest: Manifest) -> CaseInfo:
    """Return what a case is about, from bytes that were verified.

    Raises:
        IntegrityError: it was changed, or is no description.
    """
    data, entry = read_bytes(root / "case.json"), manifest.files.get("case.json")
    if entry is None or sha256_bytes(data) != entry.sha256:
        raise IntegrityError(f"{root / 'case.json'} was changed: its digest is not the manifest's")
    try:
        return CaseInfo.model_validate_json(data)
    except ValidationError:
        raise IntegrityError(f"{root / 'case.json'} is not a case description of schema 1") from None
