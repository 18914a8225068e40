"""The manifest: every file of a case with its digest, and the verification of a whole case. Never changes a case."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import Ledger
from facerecon.records import Record, Sha256


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
            IntegrityError: it was changed.
        """
        try:
            manifest = cls.model_validate(json.loads(data))
            body = canonical_json(manifest.model_dump(mode="json", exclude={"digest"}))
            written = manifest.to_bytes()
        except (ValueError, RecursionError, ValidationError):
            raise IntegrityError("manifest.json is not a manifest") from None
        if sha256_bytes(body) != manifest.digest or written != data:
            raise IntegrityError("manifest.json was changed")
        return manifest

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"


# --- verification -----------------------------------------------------------------------------------------------------


class CaseProblemsError(IntegrityError):
    """A case does not verify; `problems` lists everything that was found."""

    def __init__(self, root: Path, problems: Sequence[str]) -> None:
        """Keep the list; the message is one line."""
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"case {root} does not verify: {problems[0]}{more}")


def verify(root: Path) -> Manifest:
    """Verify a whole case: manifest, ledger chain, every file's digest in both, no file missing, none extra.

    Raises:
        UsageError: not a case folder.
        CaseProblemsError: something does not verify; all problems are listed.
    """
    if not root.is_dir() or not ((root / "manifest.json").exists() or (root / "case.json").exists()):
        raise UsageError(f"{root} is not a case folder (it has no case.json)")
    try:
        manifest = Manifest.parse(read_bytes(root / "manifest.json"))
    except IntegrityError as error:
        raise CaseProblemsError(root, [str(error)]) from None
    problems = _file_problems(root, manifest) + _ledger_problems(root, manifest)
    if problems:
        raise CaseProblemsError(root, problems)
    return manifest


def _file_problems(root: Path, manifest: Manifest) -> list[str]:
    present = set(_files_below(root))
    known = set(manifest.files) | {"manifest.json"}
    problems = [f"missing file {name}" for name in sorted(known - present)]
    problems += [f"extra file {name}, which the manifest does not know" for name in sorted(present - known)]
    for name in sorted(set(manifest.files) & present):
        if (root / name).is_symlink():
            problems.append(f"{name} is a link, not a file")
        elif sha256_bytes(read_bytes(root / name)) != manifest.files[name].sha256:
            problems.append(f"changed file {name}")
    return problems


def _ledger_problems(root: Path, manifest: Manifest) -> list[str]:
    try:
        return disagreements(manifest, Ledger.read(root / "ledger.jsonl"))
    except IntegrityError as error:
        return [str(error)]


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


def _files_below(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in [*files, *links]:
            yield (Path(folder) / name).relative_to(root).as_posix()


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        IntegrityError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}") from None
