"""Locks of folders, which hold on every machine that sees them. Owns the lock file; never says whose folder it is.

A folder is held twice. By its own descriptor: that needs no right to write in it, and network file systems keep such a
lock on one machine. And by a file in it that is open for writing, whose lock they take to their server: for NFS see
flock(2), "NFS details". Both end with the process, whatever ends it; the file that a killed process leaves is empty,
blocks nobody, and goes with the next lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Protocol

from facerecon.errors import ResourceError

LOCK = ".lock"
"""The name of the lock file; it is empty, and no part of what the folder holds."""
PATIENCE_S = 0.25
"""Who asks whether a folder is held, or lets go of it, has its lock for an instant."""
_PAUSE_S = 0.02
_TRIES = 100
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Entry(Protocol):
    @property
    def name(self) -> str: ...

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result: ...


class Held:
    """A folder that this process holds. Made by `hold`; let go of by `release`, or by the end of a with-block."""

    def __init__(self, folder: Path, place: int, file: int | None, *, shared: bool) -> None:
        """Use `hold`."""
        self.folder = folder
        self._place, self._file, self._shared = place, file, shared

    def __enter__(self) -> Held:
        """Return the lock."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the folder."""
        self.release()

    def release(self) -> None:
        """Let others have the folder, and remove the lock file; a second call does nothing."""
        place, self._place = self._place, -1
        if place < 0:
            return
        try:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    _remove(place, self._file, shared=self._shared)
        finally:
            if self._file is not None:
                os.close(self._file)
            os.close(place)

    def is_of(self, folder: Path) -> bool:
        """Tell whether a path, which is no link, leads to the folder that is held."""
        try:
            return os.path.samestat(folder.lstat(), os.fstat(self._place))
        except OSError:
            return False

    def remove_folder(self) -> None:
        """Remove the folder with all that is in it, the lock last, and let go of it; what cannot be removed stays."""
        with contextlib.suppress(OSError):
            for each in sorted(self.folder.iterdir()):
                if each.is_dir() and not each.is_symlink():
                    shutil.rmtree(each, ignore_errors=True)
                elif each.name != LOCK:
                    with contextlib.suppress(OSError):
                        each.unlink()
        self.release()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def hold(folder: Path, *, shared: bool = False, follow: bool = True, patience_s: float = PATIENCE_S) -> Held:
    """Hold a folder against all other processes.

    In a folder that this process cannot write to no lock file is made: it can change nothing there, and is kept from
    working beside others of this machine only. Who reads there heeds the lock file that is there.

    Args:
        folder: the folder.
        shared: only against those who hold it alone.
        follow: whether it may be a link to a folder.
        patience_s: how long to try.

    Raises:
        BlockingIOError: another process holds it.
        ResourceError: its file system keeps no locks, or the lock file is something else, or another user's.
        OSError: it is not there, or cannot be written to now.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return _taken(folder, shared=shared, follow=follow)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE_S)


def is_held(folder: Path) -> bool:
    """Tell whether a process holds a folder alone at this moment. Writes nothing."""
    with contextlib.ExitStack() as opened:
        try:
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, place)
            with contextlib.suppress(_NoLocksError):
                if not _locks(place, fcntl.LOCK_SH):
                    return True
            file = os.open(LOCK, os.O_RDONLY | _FLAGS, dir_fd=place)
            opened.callback(os.close, file)
            return not _locks(file, fcntl.LOCK_SH)
        except OSError:
            # Gone, not to be looked into, no lock file, or a file system without locks: nobody can hold it.
            return False


def is_lock(entry: _Entry) -> bool:
    """Tell whether an entry of a folder is the lock file, held or left by a killed process: regular, and empty."""
    if entry.name != LOCK:
        return False
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing but, perhaps, the lock file. Raises OSError when it cannot be listed."""
    return all(is_lock(each) for each in folder.iterdir())


def _taken(folder: Path, *, shared: bool, follow: bool) -> Held:
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    with contextlib.ExitStack() as opened:
        place = os.open(folder, flags)
        opened.callback(os.close, place)
        with contextlib.suppress(_NoLocksError):
            if not _locks(place, kind):
                raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(folder))
        file = _file(folder, place, kind)
        opened.pop_all()
        return Held(folder, place, file, shared=shared)


def _file(folder: Path, place: int, kind: int) -> int | None:
    """Return the handle of the lock file, locked; None where there is none because nothing can be written."""
    for _ in range(_TRIES):
        handle = _opened(folder, place, shared=kind == fcntl.LOCK_SH)
        if handle is None:
            return None
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, handle)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ResourceError(f"cannot lock {folder}: {folder / LOCK} is no regular file; move it away")
            try:
                if not _locks(handle, kind):
                    break
                # Who held it may have removed it between the opening and the lock.
                if not _is_there(place, handle):
                    continue
            except OSError as error:
                if error.errno == errno.ESTALE:
                    continue
                raise ResourceError(
                    f"cannot lock {folder}: {error.strerror or error}; its file system keeps no locks of files, so "
                    "choose another place"
                ) from None
            opened.pop_all()
            return handle
    raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(folder))


def _opened(folder: Path, place: int, *, shared: bool) -> int | None:
    try:
        return os.open(LOCK, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600, dir_fd=place)
    except OSError as error:
        full = error.errno in _FULL and shared
        refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        if not full and not refused:
            raise
        if refused and os.access(".", os.W_OK, dir_fd=place, effective_ids=True):
            raise ResourceError(
                f"cannot lock {folder}: {folder / LOCK} is another user's, who works there or was killed there; remove "
                "it when nobody works there"
            ) from None
    if shared:
        with contextlib.suppress(OSError):
            return os.open(LOCK, os.O_RDONLY | _FLAGS, dir_fd=place)
    return None


class _NoLocksError(OSError):
    """A file system refused to lock something."""


def _locks(handle: int, kind: int) -> bool:
    """Lock without waiting, and tell whether it came to it; False: another process has the lock.

    Raises:
        _NoLocksError: the file system refused it for another reason.
    """
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        # SMB tells of a lock that another has by EACCES, as fcntl(2) allows.
        return False
    except OSError as error:
        raise _NoLocksError(error.errno, error.strerror) from None
    return True


def _is_there(place: int, handle: int) -> bool:
    """Tell whether the lock file of a folder is still the one that was opened."""
    mine = os.fstat(handle)
    try:
        # A network client may remember a name whose file another machine removed; that has no links then.
        return mine.st_nlink > 0 and os.path.samestat(mine, os.stat(LOCK, dir_fd=place, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove(place: int, handle: int, *, shared: bool) -> None:
    if shared:
        # The last of several readers removes it. To let go first makes sure that there is a last one.
        fcntl.flock(handle, fcntl.LOCK_UN)
        if not _locks(handle, fcntl.LOCK_EX):
            return
    if os.fstat(handle).st_size == 0 and _is_there(place, handle):
        os.unlink(LOCK, dir_fd=place)
