"""A small case to be attacked, and the attacker's tool: a manifest that is sealed anew over whatever is there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from facerecon.case import Case
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.manifest import FileEntry, Manifest
from facerecon.profiles import load_profile
from facerecon.records import Skipped
from tests.fakes import case_info

KEPT = Path(__file__).resolve().parents[1] / "data/cases/schema-1"
"""A whole case of fake engines: every stage, signed and reviewed, 40 files."""
PICTURE = "faces/t0001/f000001.original.png"
RECORDS = "records/skipped.jsonl"


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(KEPT, folder / "case"))


def made(root: Path) -> Path:
    """Make a case of one finished stage: eight files."""
    profile = load_profile("standard")
    info = case_info(profile)
    with Case.create(root, info, profile, {"format": "test"}) as case, case.stage("extract", {"seed": 0}, {}) as run:
        run.write(PICTURE, b"pixels")
        run.write("faces/t0001/f000002.original.png", b"others")
        run.record("skipped", Skipped(stage="extract", kind="frame", subject="f000003", reason="not sampled"))
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Return the case's files without manifest and ledger."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("manifest.json", "ledger.jsonl")}


def sealed_over(
    root: Path, ledger: Ledger, files: Mapping[str, bytes], state: str | None = None, **entries: FileEntry
) -> None:
    """Write ledger and manifest over these files, as somebody does who has the tool and hides a change."""
    (root / "ledger.jsonl").write_bytes(ledger.to_bytes())
    known = {**files, "ledger.jsonl": ledger.to_bytes()}
    stated = {name: FileEntry(sha256=sha256_bytes(data), size_bytes=len(data)) for name, data in known.items()}
    manifest = Manifest.sealed(state or ledger.entries[-1].action, ledger, {**stated, **entries})
    (root / "manifest.json").write_bytes(manifest.to_bytes())


def forged(root: Path, files: Mapping[str, bytes], state: str = "extract.finished") -> None:
    """Make ledger and manifest agree on these files, by one more ledger line that states those that are new.

    `files` may name what is not there, or lies elsewhere: what is read there is up to whoever reads the case.
    """
    ledger = Ledger.read(root / "ledger.jsonl")
    known = ledger.outputs
    ledger.append("extract.finished", {}, {}, {name: sha256_bytes(files[name]) for name in files if name not in known})
    sealed_over(root, ledger, files, state)
