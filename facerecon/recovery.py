"""What a killed process leaves in a case: unfinished files, whole files that no record knows, a line without its seal.

Owns which are so, and a case folder that was never made to its end. Only regular files inside the case are ever
removed, and only in a folder whose manifest verifies: a case may come from somebody else, and a link in it may lead
anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from facerecon.containment import entries_below
from facerecon.durable import TEMPORARY, writing
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.journal import journal_name, remove_empty, remove_journal
from facerecon.ledger import Ledger
from facerecon.manifest import (
    CaseProblemsError,
    FileEntry,
    Manifest,
    Seen,
    extra_file,
    read_bytes,
    require_case,
    require_case_file,
    verified_as,
)

EARLY = ("calibrations", "explanations", "faces", "frames", "gallery", "records", "report", "video")
"""The folders of a case into which stages write files before they end."""
MARK = f"{TEMPORARY}creating"
"""A file that is in a case folder from the first moment until the case verifies."""
_STATEMENT = re.compile(r"records/review-[0-9]{1,9}\.json|signatures/[0-9]{4}-[a-z]{1,20}(-[0-9]{2})?\.(json|tsr)")
"""Files of one ledger line each, which goes to the disk after them; a killed process leaves one of them at most."""
_FIRST = frozenset({"case.json", "profile.yaml", "records/probe.json", "ledger.jsonl"})


@dataclass(frozen=True)
class Recovered:
    """A case that verifies, apart from `strays`: whole files that a killed process left, in order of their names.

    `sealed`: the numbers of ledger lines that were written, and their manifest not any more.
    """

    ledger: Ledger
    manifest: Manifest
    strays: tuple[str, ...] = ()
    sealed: tuple[int, ...] = ()


def recovered(root: Path, seen: Seen) -> Recovered:
    """Verify a case for writing, after removing unfinished files.

    Args:
        root: the case folder.
        seen: the files that were hashed are put in; see `facerecon.manifest.verified`.

    Raises:
        UsageError: not a case folder.
        IntegrityError: it does not verify, apart from such files.
        ResourceError: an unfinished file cannot be removed.
    """
    require_case(root)
    manifest, sealed = _mended(root, _manifest(root))
    _remove_unfinished(root, manifest)
    try:
        return Recovered(verified_as(root, manifest, seen), manifest, (), sealed)
    except CaseProblemsError as error:
        strays = _strays(root, manifest)
        if set(error.problems) != {extra_file(name) for name in strays}:
            raise
    return Recovered(Ledger.read(root / "ledger.jsonl"), manifest, tuple(strays), sealed)


def _manifest(root: Path) -> Manifest:
    try:
        return Manifest.parse(read_bytes(root / "manifest.json"))
    except IntegrityError as error:
        raise CaseProblemsError(root, [str(error)]) from None


def _mended(root: Path, manifest: Manifest) -> tuple[Manifest, tuple[int, ...]]:
    """Return the manifest of the ledger as it stands, where whole lines follow the one that the manifest seals.

    A line goes to the disk before its manifest. Files and digests that it states are verified like all others.
    """
    ledger = _ledger(root)
    sealed, more = ledger.entries[: manifest.ledger_entries], ledger.entries[manifest.ledger_entries :]
    if not more or not sealed or sealed[-1].hash != manifest.ledger_head:
        return manifest, ()
    data = ledger.to_bytes()
    files = {**manifest.files, "ledger.jsonl": FileEntry(sha256=sha256_bytes(data), size_bytes=len(data))}
    for name, digest in {name: digest for entry in more for name, digest in entry.outputs.items()}.items():
        require_case_file(name)
        if name not in files and (root / name).is_file():
            files[name] = FileEntry(sha256=digest, size_bytes=(root / name).lstat().st_size)
    return Manifest.sealed(more[-1].action, ledger, files), tuple(entry.seq for entry in more)


def _ledger(root: Path) -> Ledger:
    try:
        return Ledger.read(root / "ledger.jsonl")
    except IntegrityError:
        # What is wrong with it is told with everything else that is wrong.
        return Ledger()


def _remove_unfinished(root: Path, manifest: Manifest) -> None:
    ledger = _ledger(root)
    finished = {entry.action.rpartition(".")[0] for entry in ledger.entries if entry.action.endswith(".finished")}
    over = {journal_name(stage): stage for stage in finished - ledger.unfinished}
    for name, regular in list(entries_below(root)):
        if not regular or name in manifest.files:
            continue
        with writing(root):
            if name in over:
                remove_journal(root, over[name])
            elif name.rpartition("/")[2].startswith(TEMPORARY):
                (root / name).unlink()
    # Killed between the last journal and its folder.
    remove_empty(root)


def _strays(root: Path, manifest: Manifest) -> list[str]:
    """Return the whole files that a killed process may have left: of a stage, or one review, signature or timestamp."""
    found = sorted(name for name, regular in entries_below(root) if regular and name not in manifest.files)
    if manifest.state.endswith(".started"):
        return [name for name in found if "/" in name and name.partition("/")[0] in EARLY]
    return [name for name in found if _STATEMENT.fullmatch(name)][:1]


# --- a case that was never made to its end ----------------------------------------------------------------------------


def half_made(root: Path) -> bool:
    """Say whether a folder is a case whose making was killed: it holds nothing that was worked for."""
    return (root / MARK).is_file() and not (root / "manifest.json").exists()


def clear_half_made(root: Path) -> None:
    """Remove what the making of a case left.

    Raises:
        UsageError: something else is in the folder.
        OSError: it cannot be removed.
    """
    found = dict(entries_below(root))
    for name, regular in found.items():
        if not regular or not (name in _FIRST or name.rpartition("/")[2].startswith(TEMPORARY)):
            raise UsageError(f"{root} exists already and is not an empty folder; choose another --case")
    for name in sorted(found, key=lambda name: name == MARK):
        (root / name).unlink()
    if (root / "records").is_dir():
        (root / "records").rmdir()
