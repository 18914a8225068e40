"""What a killed process leaves in a case: unfinished files, and whole files that no record knows. Owns which are so.

Only regular files inside the case are ever removed, and only in a folder whose manifest verifies: a case may come from
somebody else, and a link in it may lead anywhere.
"""

from __future__ import annotations

from pathlib import Path

from facerecon.containment import entries_below
from facerecon.durable import TEMPORARY
from facerecon.errors import IntegrityError
from facerecon.ledger import Ledger
from facerecon.manifest import CaseProblemsError, Manifest, Seen, extra_file, read_bytes, require_case, verified

EARLY = ("calibrations", "explanations", "faces", "frames", "gallery", "records", "report", "video")
"""The folders of a case into which stages write files before they end."""


def recovered(root: Path, seen: Seen) -> tuple[Ledger, Manifest, list[str]]:
    """Verify a case for writing, after removing unfinished files.

    Args:
        root: the case folder.
        seen: the files that were hashed are put in; see `facerecon.manifest.verified`.

    Returns:
        Ledger, manifest, and the whole files that a killed stage left and the manifest lacks, in order of their names.

    Raises:
        UsageError: not a case folder.
        IntegrityError: it does not verify, apart from such files.
    """
    require_case(root)
    manifest = _manifest(root)
    for name, regular in list(entries_below(root)):
        if regular and name not in manifest.files and name.rpartition("/")[2].startswith(TEMPORARY):
            (root / name).unlink()
    try:
        manifest, ledger = verified(root, seen)
        return ledger, manifest, []
    except CaseProblemsError as error:
        strays = _strays(root, manifest)
        if not manifest.state.endswith(".started") or set(error.problems) != {extra_file(name) for name in strays}:
            raise
    return Ledger.read(root / "ledger.jsonl"), manifest, strays


def _manifest(root: Path) -> Manifest:
    try:
        return Manifest.parse(read_bytes(root / "manifest.json"))
    except IntegrityError as error:
        raise CaseProblemsError(root, [str(error)]) from None


def _strays(root: Path, manifest: Manifest) -> list[str]:
    found = (name for name, regular in entries_below(root) if regular and name.partition("/")[0] in EARLY)
    return sorted(name for name in found if "/" in name and name not in manifest.files)
