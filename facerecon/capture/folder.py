"""The capture folder: description, ledger, manifest, segments. Owns every write into it but a segment's packets.

A capture folder is made like a case: each file's digest stands in a chain of hashes, the manifest seals the chain and
all files, nothing finished is overwritten. Unlike a case it grows while others read it, and what a killed process left
is evidence: it is kept, never removed. When a capture goes on, only names and sizes of earlier segments are checked, so
that no footage is lost while terabytes are hashed; `facerecon verify` hashes all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facerecon.capture.following import DESCRIPTION, LEDGER, MANIFEST, ended_in, gaps_in, info_in, segments_in
from facerecon.capture.records import Account, CaptureInfo, Gap, Segment, utc_ns
from facerecon.containment import entries_below
from facerecon.durable import TEMPORARY, write_whole
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import Ledger
from facerecon.locks import Held, hold
from facerecon.manifest import FileEntry, Manifest, read_bytes


class CaptureFolder:
    """An open capture folder. Only one process at a time has it."""

    def __init__(self, root: Path, info: CaptureInfo, ledger: Ledger, files: dict[str, FileEntry], lock: Held) -> None:
        """Use `opened`."""
        self.root, self.info, self.ledger = root, info, ledger
        self._files, self._lock = files, lock
        self._data = ledger.to_bytes()
        self.segments: tuple[Segment, ...] = segments_in(ledger)
        self.gaps: tuple[Gap, ...] = gaps_in(ledger)
        self.resumed = bool(ledger.entries)

    @classmethod
    def opened(cls, root: Path, info: CaptureInfo) -> CaptureFolder:
        """Make a capture folder (mode 0700), or open the one that is there to go on with it.

        Raises:
            UsageError: the folder holds something else, another stream's capture, one that has reached its end, or
                another process has it.
            IntegrityError: its description, ledger or manifest was changed, or a segment is gone.
            OSError: it cannot be written.
        """
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = locked(root)
        try:
            names = [name for name, _ in entries_below(root) if not name.startswith(TEMPORARY)]
            if not names or names == [DESCRIPTION]:
                root.chmod(0o700)
                return cls._made(root, info, lock)
            return cls._resumed(root, info, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _made(cls, root: Path, info: CaptureInfo, lock: Held) -> CaptureFolder:
        _remove_unfinished(root)
        made = cls(root, info, Ledger(), {}, lock)
        text = json.dumps(info.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_whole(root / DESCRIPTION, text.encode())
        entry = FileEntry(sha256=sha256_bytes(text.encode()), size_bytes=len(text.encode()))
        made.note("capture.created", info.model_dump(mode="json"), {DESCRIPTION: entry})
        return made

    @classmethod
    def _resumed(cls, root: Path, info: CaptureInfo, lock: Held) -> CaptureFolder:
        if not (root / DESCRIPTION).is_file():
            raise UsageError(f"{root} exists already and is no capture; choose another --output")
        ledger = Ledger.read(root / LEDGER)
        before = info_in(root, ledger)
        if before.source != info.source:
            raise UsageError(f"{root} is a capture of another stream ({before.source}); choose another --output")
        if ended_in(ledger) == "duration":
            raise UsageError(
                f"capture {root} has reached its duration, and nothing was changed; choose another --output"
            )
        folder = cls(root, before, ledger, _files(root, ledger), lock)
        _remove_unfinished(root)
        return folder

    def __enter__(self) -> CaptureFolder:
        """Return the folder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let other processes have the folder."""
        self._lock.release()

    # --- what is there ------------------------------------------------------------------------------------------------

    @property
    def first_utc_ns(self) -> int:
        """When the timeline begins: the first start, by the machine's clock then."""
        return utc_ns(self.info.created_utc)

    @property
    def covered_ms(self) -> int:
        """Up to where the timeline is accounted for."""
        return self.account(None).total_ms

    @property
    def next_number(self) -> int:
        """The next segment's number."""
        return 1 + max((each.number for each in self.segments), default=0)

    def account(self, requested_ms: int | None) -> Account:
        """Return the account of what was captured so far."""
        return Account.of(self.segments, self.gaps, requested_ms)

    def knows(self, name: str) -> bool:
        """Say whether a file is stated by the ledger."""
        return name in self._files

    # --- writing ------------------------------------------------------------------------------------------------------

    def add_segment(self, segment: Segment) -> None:
        """Record a segment that stands under its final name. From now on it is part of the capture for everybody."""
        entry = FileEntry(sha256=segment.sha256, size_bytes=segment.size_bytes)
        self.note("capture.segment", segment.model_dump(mode="json"), {segment.path: entry})
        self.segments += (segment,)

    def add_gap(self, gap: Gap) -> None:
        """Record a gap."""
        self.note("capture.gap", gap.model_dump(mode="json"))
        self.gaps += (gap,)

    def note(self, action: str, details: Mapping[str, Any], files: Mapping[str, FileEntry] | None = None) -> None:
        """Add a ledger line and seal the manifest over it and all files.

        Raises:
            OSError: they cannot be written.
        """
        new = files or {}
        entry = self.ledger.append(action, details, {}, {name: each.sha256 for name, each in new.items()})
        self._data += canonical_json(entry.model_dump(mode="json")) + b"\n"
        sealed = FileEntry(sha256=sha256_bytes(self._data), size_bytes=len(self._data))
        write_whole(self.root / LEDGER, self._data)
        self._files |= {**new, LEDGER: sealed}
        write_whole(self.root / MANIFEST, Manifest.sealed(action, self.ledger, self._files).to_bytes())


def locked(root: Path) -> Held:
    """Take a folder for this process; releasing the lock gives it back, and so does the end of the process.

    Raises:
        UsageError: another process has it.
        ResourceError: it cannot be locked.
        OSError: it cannot be opened.
    """
    try:
        return hold(root)
    except BlockingIOError:
        raise UsageError(f"another process is using {root}; wait for it, or choose another --output") from None


def _files(root: Path, ledger: Ledger) -> dict[str, FileEntry]:
    """Return the files of the folder as the ledger states them; a killed process may have left the manifest behind it.

    Raises:
        IntegrityError: the manifest belongs to no beginning of the ledger, or a file is gone or has another size.
    """
    files: dict[str, FileEntry] = {}
    if (root / MANIFEST).exists():
        manifest = Manifest.parse(read_bytes(root / MANIFEST))
        sealed = ledger.entries[: manifest.ledger_entries]
        if not sealed or len(sealed) < manifest.ledger_entries or sealed[-1].hash != manifest.ledger_head:
            raise IntegrityError(f"capture {root}: {LEDGER} and {MANIFEST} do not belong together")
        files = dict(manifest.files)
    for name, digest in ledger.outputs.items():
        size = (root / name).lstat().st_size if (root / name).is_file() else -1
        if size < 0 or (name in files and size != files[name].size_bytes):
            raise IntegrityError(f"capture {root}: {name} is gone or has another size; see 'facerecon verify {root}'")
        files.setdefault(name, FileEntry(sha256=digest, size_bytes=size))
    return files


def _remove_unfinished(root: Path) -> None:
    """Remove ledgers and manifests that were never moved to their place; whatever else is there is kept."""
    for each in sorted(root.glob(f"{TEMPORARY}*")):
        if each.is_file() and not each.is_symlink():
            each.unlink()
