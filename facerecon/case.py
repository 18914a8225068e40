"""The case folder: records (JSON lines), pictures (PNG), ledger and manifest. Owns every write into a case.

It never overwrites a finished file: a re-run of a stage writes numbered files beside the earlier ones. Every file is
written to a temporary name, flushed and moved, and its digest goes into the manifest at once, so an interrupted run
leaves only whole files, and a re-run takes those with equal bytes as done.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from facerecon import __version__
from facerecon.characters import inert
from facerecon.containment import digest_inside, read_inside, require_inside
from facerecon.durable import locked, write_whole, writing
from facerecon.errors import FacereconError, IntegrityError, Interrupted, ResourceError, UsageError
from facerecon.hashing import sha256_bytes, sha256_file
from facerecon.interruption import undivided
from facerecon.journal import journal_digest, vouched_for
from facerecon.ledger import Ledger, LedgerEntry
from facerecon.locks import Held, is_empty
from facerecon.manifest import (
    CaseProblemsError,
    FileEntry,
    Manifest,
    Seen,
    case_info,
    disagreements,
    read_bytes,
    require_case,
)
from facerecon.memory import give_back
from facerecon.profiles import Profile
from facerecon.records import CaseInfo, Record
from facerecon.recovery import MARK, Recovered, clear_half_made, half_made, recovered
from facerecon.stage_run import KEPT, StageRun, attempt, records_path

__all__ = ["LARGEST_FILE_BYTES", "LARGEST_LINE_BYTES", "STAGES", "Case", "StageRun"]

STAGES = ("extract", "enhance", "recognize", "report")
LARGEST_FILE_BYTES = 1 << 32
"""No file of a case that is read as a whole is larger (4 GiB): the records of a year at one frame a second fit, and a
video is never read as a whole."""
LARGEST_LINE_BYTES = 1 << 24
"""No record is longer (16 MiB); a vector of 512 numbers or a thousand fused frames are a hundredth of it."""
R = TypeVar("R", bound=Record)


class Case:
    """An open case folder. Only one process at a time may write to it."""

    def __init__(self, root: Path, info: CaseInfo, ledger: Ledger, manifest: Manifest, lock: Held | None) -> None:
        """Use `create` or `open`."""
        self.root, self.info, self.ledger = root, info, ledger
        self.seen: Seen = {}
        self._manifest, self._lock = manifest, lock
        self._files = dict(manifest.files)

    # --- making and opening -------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, root: Path, info: CaseInfo, profile: Profile, probe: Mapping[str, Any]) -> Case:
        """Make a new case folder (mode 0700).

        Raises:
            UsageError: the folder exists and is not empty.
            ResourceError: it cannot be written.
        """
        with writing(root):
            _require_free(root)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        ledger = Ledger()
        case = cls(root, info, ledger, Manifest.sealed("created", ledger, {}), locked(root))
        try:
            case._make(profile, probe)
        except BaseException:
            with contextlib.suppress(OSError, FacereconError):
                clear_half_made(root)
            case.close()
            raise
        return case

    def _make(self, profile: Profile, probe: Mapping[str, Any]) -> None:
        """Write the first files. A mark is there until the case verifies, so that a killed making can be told."""
        with writing(self.root):
            # Another process may have made one before this one had the lock.
            _require_free(self.root)
            if half_made(self.root):
                clear_half_made(self.root)
            (self.root / MARK).touch(mode=0o600)
            # An empty folder that was there may be open to others.
            self.root.chmod(0o700)
        self.write("case.json", _pretty(self.info.model_dump(mode="json")))
        self.write("profile.yaml", profile.to_yaml().encode())
        self.write("records/probe.json", _pretty(dict(probe)))
        about = {"case_id": self.info.case_id, "operator": self.info.operator, "purpose": self.info.purpose}
        details = {"tool_version": __version__, **about}
        self.note("case.created", details, {"source": self.info.source.sha256}, self.digests())
        with writing(self.root):
            (self.root / MARK).unlink()

    @classmethod
    def open(cls, root: Path) -> Case:
        """Open a case for reading and further stages, verifying all of it first.

        Raises:
            UsageError: not a case folder, or another process is writing to it.
            IntegrityError: it does not verify.
        """
        require_case(root)
        if half_made(root):
            raise UsageError(f"case {root} was never made to its end; the command that makes it starts it anew")
        lock = locked(root)
        try:
            seen: Seen = {}
            found = recovered(root, seen)
            case = cls(root, case_info(root, found.manifest), found.ledger, found.manifest, lock)
            case.seen = seen
            case._recover(found)
            return case
        except BaseException:
            lock.release()
            raise

    def _recover(self, found: Recovered) -> None:
        """Note what a killed process left, and what became of it."""
        details: dict[str, Any] = {}
        if found.sealed:
            details["sealed_entries"] = list(found.sealed)
        kept = self._keep_vouched(found.strays)
        if kept:
            details[KEPT] = sorted(kept)
        removed = [name for name in found.strays if name not in self._files]
        if removed:
            details["removed"] = {name: self._remove(name) for name in removed}
        if details:
            self.note("case.recovered", details)

    @classmethod
    def view(cls, root: Path) -> Case:
        """Open a case for reading only: no lock, nothing mended; every file is verified when it is read.

        Raises:
            UsageError: not a case folder.
            IntegrityError: its manifest or ledger does not verify.
        """
        require_case(root)
        manifest = Manifest.parse(read_bytes(root / "manifest.json"))
        ledger = Ledger.read(root / "ledger.jsonl")
        if problems := disagreements(manifest, ledger):
            raise CaseProblemsError(root, problems)
        return cls(root, case_info(root, manifest), ledger, manifest, None)

    def _keep_vouched(self, strays: Sequence[str]) -> set[str]:
        """Take the strays into the case that their stage's journal has with the same digest; return their stages."""
        kept = set()
        for stage in self.ledger.unfinished if strays else ():
            vouched = vouched_for(self.root, stage)
            for name in strays:
                if name in vouched and digest_inside(self.root, name) == vouched[name]:
                    size = (self.root / name).lstat().st_size
                    self._files[name] = FileEntry(sha256=vouched[name], size_bytes=size)
                    kept.add(stage)
        return kept

    def _remove(self, stray: str) -> str:
        """Remove a file that a killed stage left and no record knows (its re-run makes it again); return its digest."""
        digest = digest_inside(self.root, stray)
        with writing(self.root):
            (self.root / stray).unlink()
        return digest

    def close(self) -> None:
        """Let other processes write to the case."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Case:
        """Return the case."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the case."""
        self.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    def runs(self, stage: str) -> tuple[LedgerEntry, ...]:
        """Return the ledger's entries of finished runs of a stage, oldest first."""
        return tuple(entry for entry in self.ledger.entries if entry.action == f"{stage}.finished")

    def read(self, kind: type[R], name: str, run: int = 1) -> list[R]:
        """Return the records of one file, verified against the manifest before they are parsed.

        Raises:
            UsageError: the stage that writes them has not run.
            IntegrityError: the file was changed, or a line is not such a record.
        """
        relative = records_path(name, run)
        if relative not in self._files:
            raise UsageError(f"{self.root} has no {relative} yet; run the stage that writes it first")
        lines = self.bytes_of(relative).splitlines()
        if any(len(line) > LARGEST_LINE_BYTES for line in lines):
            raise IntegrityError(
                f"{self.root / relative}: a line is longer than {LARGEST_LINE_BYTES} bytes; no record is"
            )
        try:
            return [kind.model_validate_json(line) for line in lines]
        except ValidationError:
            raise IntegrityError(f"{self.root / relative}: a line is not a {kind.__name__}") from None

    def bytes_of(self, relative: str) -> bytes:
        """Return a file's bytes after checking them against the manifest.

        Raises:
            IntegrityError: missing, unknown to the manifest, changed, reached through a link, or larger than
                `LARGEST_FILE_BYTES`.
        """
        entry = self._files.get(relative)
        if entry is None:
            raise IntegrityError(f"{self.root / relative} is not in the manifest")
        data = read_inside(self.root, relative, LARGEST_FILE_BYTES)
        if sha256_bytes(data) != entry.sha256:
            raise IntegrityError(f"{self.root / relative} was changed: its digest is not the manifest's")
        return data

    def digests(self, prefix: str = "") -> dict[str, str]:
        """Return path -> SHA-256 of the case's files (without ledger and manifest) that start with `prefix`."""
        return {
            name: entry.sha256
            for name, entry in sorted(self._files.items())
            if name.startswith(prefix) and name != "ledger.jsonl"
        }

    # --- writing ------------------------------------------------------------------------------------------------------

    def _require_writable(self) -> None:
        assert self._lock is not None, f"case {self.root} is open for reading only"

    def _place(self, relative: str) -> Path:
        """Return where a new file goes: names come from records, which somebody else may have made."""
        try:
            return self.root / require_inside(relative)
        except ValueError as error:
            raise IntegrityError(f"{self.root}: the file name '{inert(relative[:200])}' {error}") from None

    def write(self, relative: str, data: bytes) -> str:
        """Write a new file whole (temporary file, flush, move) and return its SHA-256.

        A file that is there with equal bytes counts as written: that is how an interrupted stage resumes.

        Raises:
            IntegrityError: a file with other bytes is there, or it would lie outside the case.
            ResourceError: the disk is full or not writable.
        """
        self._require_writable()
        path, digest = self._place(relative), sha256_bytes(data)
        with writing(path):
            if path.exists():
                if sha256_bytes(path.read_bytes()) != digest:
                    raise IntegrityError(f"{path} exists with other content; nothing was overwritten")
            else:
                write_whole(path, data)
        self._files[relative] = FileEntry(sha256=digest, size_bytes=len(data))
        return digest

    def adopt(self, relative: str, finished: Path) -> str:
        """Take a finished file of the same file system into the case, by moving it, and return its SHA-256.

        Raises:
            IntegrityError: a file with other bytes is there, or it would lie outside the case.
            ResourceError: it cannot be moved.
        """
        path, digest, size = self._place(relative), sha256_file(finished), finished.stat().st_size
        with writing(path):
            if path.exists():
                if sha256_file(path) != digest:
                    raise IntegrityError(f"{path} exists with other content; nothing was overwritten")
                finished.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                finished.chmod(0o600)
                os.replace(finished, path)  # noqa: PTH105
        self._files[relative] = FileEntry(sha256=digest, size_bytes=size)
        return digest

    def note(
        self,
        action: str,
        details: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
    ) -> LedgerEntry:
        """Add a ledger line and seal the manifest over it and all files.

        It also states files whose stage could not write its own line, so that no file is in the manifest alone.
        """
        self._require_writable()
        stated = self.ledger.outputs
        unstated = {name: digest for name, digest in self.digests().items() if name not in stated}
        entry = self.ledger.append(action, details, inputs, {**unstated, **(outputs or {})})
        data = self.ledger.to_bytes()
        with writing(self.root), undivided():
            write_whole(self.root / "ledger.jsonl", data)
            self._files["ledger.jsonl"] = FileEntry(sha256=sha256_bytes(data), size_bytes=len(data))
            manifest = Manifest.sealed(action, self.ledger, self._files)
            write_whole(self.root / "manifest.json", manifest.to_bytes())
            self._manifest = manifest
        return entry

    @contextlib.contextmanager
    def stage(self, name: str, details: Mapping[str, Any], inputs: Mapping[str, str]) -> Iterator[StageRun]:
        """Run a stage: its records and pictures become part of the case when the block ends well.

        Whatever ends the block otherwise is written to the ledger, with what had been finished, and raised on.
        """
        give_back()
        run = StageRun(self, name, len(self.runs(name)) + 1, attempt(self.ledger.entries, name, details))
        details = {"run": run.number, **run.attempt_account, **details}
        try:
            begun = journal_digest(self.root, name)
            journal = {"journal_sha256": begun} if begun else {}
            self.note(f"{name}.started", {**details, **journal}, inputs)
            yield run
            run.seal()
        except BaseException as error:
            run.abandon()
            with contextlib.suppress(ResourceError):
                self.note(f"{name}.{_ending(error)}", {"run": run.number, "reason": _reason(error)}, {}, run.outputs)
            raise
        try:
            self.note(f"{name}.finished", {**details, **run.details}, inputs, run.outputs)
        finally:
            run.end(sealed=self._manifest.state == f"{name}.finished")
            give_back()


# --- files ---------------------------------------------------------------------------------------------


def _require_free(root: Path) -> None:
    if root.exists() and (not root.is_dir() or not is_empty(root)) and not half_made(root):
        raise UsageError(f"{root} exists already and is not an empty folder; choose another --case")


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _ending(error: BaseException) -> str:
    return "interrupted" if isinstance(error, (KeyboardInterrupt, Interrupted)) else "failed"


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, FacereconError) else type(error).__name__
