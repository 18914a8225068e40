"""Local copies of objects of a store, while they are worked on. Owns the folder of the copies, and what is left there.

Evidence first: an object is copied whole, hashed while it is copied, and refused when it is not what the store says it
is. A copy belongs to who holds the lock of its folder; what nobody holds was left by a process that was killed, and is
removed. Copies are claimed before they are made, so that several workers do not fill the disk together.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facerecon.batch.addresses import Address
from facerecon.batch.stores import Stated, Store, store
from facerecon.characters import acting
from facerecon.durable import TEMPORARY
from facerecon.errors import EvidenceError, ResourceError
from facerecon.hashing import sha256_bytes
from facerecon.interruption import undivided
from facerecon.locks import LOCK, Held, hold

FOLDER = f"{TEMPORARY}sources"
"""The folder of the copies, below the folder that was named."""
_CLAIM = "claim"
_LONGEST_NAME_BYTES = 200
_LONGEST_WAIT_S = 120.0
_LOOK_S = 0.5
_GB = 1e9
_AGAIN = "run again when nobody writes to it"
Heard = Callable[[int], None]


@dataclass(frozen=True)
class Copy:
    """An object that was copied: where from, what the store said of it, where it lies, and the digest of its bytes."""

    address: Address
    stated: Stated
    path: Path
    sha256: str


class Staging:
    """Keeps local copies below a folder, and `min_free_gb` of its disk free."""

    def __init__(self, folder: Path, min_free_gb: float, free: Callable[[Path], int] | None = None) -> None:
        """Make nothing yet."""
        self.root = folder.absolute() / FOLDER
        self._reserve = int(min_free_gb * _GB)
        self._min_free_gb = min_free_gb
        self._free = free or (lambda path: shutil.disk_usage(path).free)

    def place(self, address: Address) -> Path:
        """Return where the copy of an object lies while it is worked on: the same for every call."""
        name = address.name
        usable = acting(name) is None and 0 < len(name.encode()) <= _LONGEST_NAME_BYTES and name not in (".", "..")
        return self.root / sha256_bytes(address.url.encode())[:32] / (name if usable else "object")

    @contextlib.contextmanager
    def copied(self, address: Address, listed: Stated, heard: Heard, noted: Callable[[str], None]) -> Iterator[Copy]:
        """Copy an object for the length of the block.

        Args:
            address: the object.
            listed: what the store said of it when the archive was walked.
            heard: told how many bytes came with each piece.
            noted: told once what is waited for.

        Raises:
            EvidenceError: it cannot be read, is not what was listed, has another size, or changed meanwhile.
            ResourceError: the disk is full, or another process does not let go of its copy.
        """
        place = self.place(address)
        with self._held(place.parent):
            opened = store(address)
            _require_same(opened, address, listed)
            self._claim(place.parent, listed.size_bytes, noted)
            sha256 = self._fetch(opened, address, listed.size_bytes, place, heard)
            _require_same(opened, address, listed)
            yield Copy(address, listed, place, sha256)

    def clear(self, but: Path | None = None) -> int:
        """Remove what processes left that were killed, and return how many copies that were.

        Args:
            but: the folder that the caller holds itself: some network file systems give a process its lock again.
        """
        cleared = 0
        for folder in self._folders():
            if folder != but:
                with contextlib.suppress(OSError, ResourceError):
                    hold(folder, follow=False, patience_s=0).remove_folder()
                    cleared += 1
        with contextlib.suppress(OSError, ResourceError):
            if (self.root / LOCK).exists():
                # A killed process may have left it; it goes with the lock.
                hold(self.root, follow=False, patience_s=0).release()
            self.root.rmdir()
        return cleared

    # --- who holds what -----------------------------------------------------------------------------------------------

    def _folders(self) -> list[Path]:
        try:
            return sorted(each for each in self.root.iterdir() if each.is_dir() and not each.is_symlink())
        except OSError:
            return []

    @contextlib.contextmanager
    def _held(self, folder: Path) -> Iterator[None]:
        """Hold the folder of a copy for the length of the block, and remove it at the end.

        Raises:
            ResourceError: it cannot be made, or another process holds it too long.
        """
        until = time.monotonic() + _LONGEST_WAIT_S
        while (held := _taken(folder)) is None:
            # Held by the worker that this one takes over from, or just now removed by another.
            if time.monotonic() > until:
                raise ResourceError(f"another process works on the copy in {folder}; wait for it, and run again")
            time.sleep(_LOOK_S)
        try:
            _empty(folder)
            yield
        finally:
            with undivided(), contextlib.suppress(OSError):
                held.remove_folder()
                self.root.rmdir()

    # --- space --------------------------------------------------------------------------------------------------------

    def _claim(self, mine: Path, size: int, noted: Callable[[str], None]) -> None:
        """Set space aside; wait for it while others hold copies that will be removed.

        Raises:
            ResourceError: there will not be enough.
        """
        said = False
        while True:
            self.clear(but=mine)
            try:
                others = self._granted(mine, size)
            except OSError as error:
                raise _unwritable(self.root, error) from None
            if others is None:
                return
            if not others:
                raise ResourceError(
                    f"a copy of {size / _GB:.2f} GB does not fit on the disk of {self.root.parent} with "
                    f"{self._min_free_gb:g} GB left free (--min-free-gb); free some space, or name another --staging"
                )
            if not said:
                said = True
                noted(f"waits until other copies in {self.root} are removed: there is no space for {size / _GB:.2f} GB")
            time.sleep(_LOOK_S)

    def _granted(self, mine: Path, size: int) -> int | None:
        """Claim bytes and return None; where there is no space for them, return how many others hold some."""
        # One at a time: two would count the same space.
        with hold(self.root, follow=False, patience_s=_LONGEST_WAIT_S):
            others = [each for each in self._folders() if each != mine]
            # One that is just being removed may have no claim any more, and still the copy.
            holding = sum(map(_holds_something, others))
            if self._free(self.root) - sum(map(_claim_of, others)) - size < self._reserve:
                return holding
            (mine / _CLAIM).write_text(str(size), encoding="ascii")
            return None

    # --- copying ------------------------------------------------------------------------------------------------------

    def _fetch(self, opened: Store, address: Address, size: int, place: Path, heard: Heard) -> str:
        """Copy the bytes and return their digest."""
        digest, done = hashlib.sha256(), 0
        temporary = place.with_name(f"{TEMPORARY}copy")
        with contextlib.ExitStack() as held:
            try:
                out = held.enter_context(temporary.open("xb"))
            except OSError as error:
                raise _unwritable(temporary, error) from None
            for piece in opened.pieces(address.path):
                done += len(piece)
                if done > size:
                    raise EvidenceError(
                        f"source {address.url} has more than the {size} bytes that were listed; {_AGAIN}"
                    )
                digest.update(piece)
                self._write(out.write, piece, temporary)
                heard(len(piece))
        if done < size:
            raise EvidenceError(
                f"source {address.url} was cut off after {done} of {size} bytes; look at the store and the way there, "
                "and run again with --retry-failed"
            )
        try:
            temporary.chmod(0o400)
            temporary.rename(place)
        except OSError as error:
            raise _unwritable(place, error) from None
        return digest.hexdigest()

    def _write(self, write: Callable[[bytes], object], piece: bytes, path: Path) -> None:
        try:
            short = self._free(path.parent) - len(piece) < self._reserve
            if not short:
                write(piece)
        except OSError as error:
            raise _unwritable(path, error) from None
        if short:
            raise ResourceError(
                f"less than {self._min_free_gb:g} GB would be free at {self.root.parent} (--min-free-gb) while a "
                "source is copied; free some space, or name another --staging"
            )


def _require_same(opened: Store, address: Address, listed: Stated) -> None:
    """Make sure that an object is the one that was listed.

    Raises:
        EvidenceError: it is not, or it is not there any more.
    """
    now = opened.look(address.path).stated
    if now is None or not now.same(listed):
        told = "no object any more" if now is None else now.text()
        raise EvidenceError(f"source {address.url} changed: listed as {listed.text()}, now {told}; {_AGAIN}")


def _taken(folder: Path) -> Held | None:
    """Make the folder of a copy where there is none, and return its lock; None: another process has it, or removes it.

    Raises:
        ResourceError: it cannot be made or locked.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = hold(folder, follow=False, patience_s=0)
    except (BlockingIOError, FileNotFoundError):
        return None
    except OSError as error:
        raise _unwritable(folder, error) from None
    if held.is_of(folder):
        return held
    held.release()
    return None


def _holds_something(folder: Path) -> bool:
    try:
        return any(each.name != LOCK for each in folder.iterdir())
    except OSError:
        return False


def _claim_of(folder: Path) -> int:
    """Return how many bytes will still be written to a copy's folder; 0 where nothing was claimed."""
    try:
        size = int((folder / _CLAIM).read_text(encoding="ascii"))
        return max(0, size - sum(each.stat().st_size for each in folder.iterdir() if each.name != _CLAIM))
    except (OSError, ValueError):
        return 0


def _empty(folder: Path) -> None:
    """Remove what a killed process left of the same object."""
    for each in folder.iterdir():
        if each.name != LOCK:
            each.unlink()


def _unwritable(path: Path, error: OSError) -> ResourceError:
    return ResourceError(f"cannot write {path}: {error.strerror or error}; free some space, or name another --staging")
