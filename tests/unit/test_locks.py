"""Locks of folders: real processes, killed holders, many at a time; what is left blocks nobody."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facerecon import locks
from facerecon.containment import entries_below
from facerecon.errors import ResourceError
from facerecon.locks import LOCK, hold, is_empty, is_held, is_lock

HOLDS = """
import sys
from pathlib import Path
from facerecon.locks import hold
with hold(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNTS = """
import os, sys, time
from pathlib import Path
from facerecon.locks import hold
folder, times = Path(sys.argv[1]), int(sys.argv[2])
inside = folder / "inside"
for _ in range(times):
    with hold(folder, patience_s=60):
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
        count = int((folder / "count").read_text())
        (folder / "count").write_text(str(count + 1))
        inside.unlink()
"""
READS = """
import sys
from pathlib import Path
from facerecon.locks import hold
for _ in range(int(sys.argv[2])):
    with hold(Path(sys.argv[1]), shared=True, patience_s=60):
        pass
"""
AS_NOBODY = """
import os, sys
from pathlib import Path
from facerecon.errors import ResourceError
from facerecon.locks import hold
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
try:
    with hold(Path(sys.argv[1]), shared=sys.argv[2] == "shared", patience_s=0):
        print("held", sorted(os.listdir(sys.argv[1])))
except BlockingIOError:
    print("busy")
except ResourceError as error:
    print(error)
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def holder(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts processes that hold the folder."""
    processes = []

    def begin(kind: str) -> subprocess.Popen[str]:
        process = started(HOLDS, folder, kind)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def refused(folder: Path, *, shared: bool = False) -> bool:
    try:
        hold(folder, shared=shared, patience_s=0).release()
    except BlockingIOError:
        return True
    return False


@pytest.fixture
def only_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As between two machines: locks of folders say nothing, those of files opened for writing hold."""
    lock = fcntl.flock

    def flock(handle: int, kind: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            return
        writable = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        if kind & fcntl.LOCK_EX and not writable:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(handle, kind)

    monkeypatch.setattr(locks.fcntl, "flock", flock)


# --- between processes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machines", ["one", "two"])
def test_who_holds_a_folder_keeps_others_out_and_leaves_no_file(
    machines: str, folder: Path, holder: Callable[[str], subprocess.Popen[str]], request: pytest.FixtureRequest
) -> None:
    if machines == "two":
        request.getfixturevalue("only_files")
    alone = holder("alone")
    assert names(folder) == [LOCK]
    assert (is_held(folder), refused(folder), refused(folder, shared=True)) == (True, True, True)
    alone.communicate("", timeout=60)
    assert names(folder) == []
    assert (is_held(folder), refused(folder)) == (False, False)
    readers = [holder("shared"), holder("shared")]
    assert (is_held(folder), refused(folder), refused(folder, shared=True)) == (False, True, False)
    for left, reader in enumerate(readers):
        assert names(folder) == [LOCK]
        assert refused(folder)
        reader.communicate("", timeout=60)
        assert (left, names(folder)) == (left, [LOCK] if left == 0 else [])
    assert not refused(folder)


@pytest.mark.parametrize("kind", ["alone", "shared"])
def test_a_killed_holder_blocks_nobody_and_its_file_goes_with_the_next_lock(
    kind: str, folder: Path, holder: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = holder(kind)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert names(folder) == [LOCK]
    assert not is_held(folder)
    assert is_empty(folder)
    assert list(entries_below(folder)) == []
    with hold(folder, patience_s=0):
        assert is_held(folder)
    assert names(folder) == []


def test_of_many_at_once_one_is_inside_and_none_is_lost(folder: Path) -> None:
    (folder / "count").write_text("0")
    processes = [started(COUNTS, folder, 60) for _ in range(4)] + [started(READS, folder, 60)]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0] * 5
    assert (folder / "count").read_text() == "240"
    assert names(folder) == ["count"]


def test_as_between_machines_too_one_is_inside(folder: Path, only_files: None) -> None:
    """Threads have locks of their own here: each opening of the file is another one's, as with flock(2)."""
    inside: list[int] = []
    seen: list[int] = []

    def work(number: int) -> None:
        for _ in range(25):
            with hold(folder, patience_s=60):
                inside.append(number)
                seen.append(len(inside))
                inside.remove(number)
            with hold(folder, shared=True, patience_s=60):
                seen.append(1 + len(inside))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert seen == [1] * 300
    assert names(folder) == []


def test_whoever_waits_long_enough_comes_after_the_holder(
    folder: Path, holder: Callable[[str], subprocess.Popen[str]]
) -> None:
    first = holder("alone")
    second = started(COUNTS.replace("patience_s=60", "patience_s=30"), folder, 1)
    (folder / "count").write_text("0")
    time.sleep(0.3)
    assert (folder / "count").read_text() == "0"
    first.communicate("", timeout=60)
    second.communicate(timeout=60)
    assert second.returncode == 0
    assert (folder / "count").read_text() == "1"


# --- a file that is removed while another opens it --------------------------------------------------------------------


def test_a_lock_file_that_was_removed_before_it_was_locked_counts_for_nothing(
    folder: Path, only_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, lock, turns = hold(folder), locks._locks, []

    def late(handle: int, kind: int) -> bool:
        turns.append(handle)
        if len(turns) == 2:
            # Just now, after the other opened the file and before it locks it.
            first.release()
            turns.append(-1)
            third.append(hold(folder))
        return lock(handle, kind)

    third: list[locks.Held] = []
    monkeypatch.setattr(locks, "_locks", late)
    with pytest.raises(BlockingIOError):
        hold(folder, patience_s=0)
    monkeypatch.undo()
    third[0].release()
    assert names(folder) == []


def test_a_folder_that_is_moved_while_it_is_held_is_left_without_the_file(folder: Path) -> None:
    held = hold(folder)
    folder.rename(folder.with_name("moved"))
    held.release()
    held.release()
    assert names(folder.with_name("moved")) == []


def test_what_is_held_can_be_removed_whole(folder: Path) -> None:
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/c").write_text("x")
    (folder / "link").symlink_to(folder.parent)
    hold(folder).remove_folder()
    assert names(folder.parent) == []


# --- what is no lock --------------------------------------------------------------------------------------------------


def test_a_file_of_that_name_with_content_is_somebodys(folder: Path) -> None:
    (folder / LOCK).write_text("mine")
    with hold(folder):
        pass
    assert (folder / LOCK).read_text() == "mine"
    assert not is_empty(folder)
    assert list(entries_below(folder)) == [(LOCK, True)]


def test_only_a_folders_own_empty_lock_is_passed_over(folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "below" / LOCK).touch()
    (folder / LOCK).touch()
    assert list(entries_below(folder)) == [(f"below/{LOCK}", True)]
    assert not is_lock(folder / "below")
    assert is_lock(folder / "gone" / LOCK)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_link_a_pipe_or_a_folder_of_that_name_is_refused_and_stays(kind: str, folder: Path) -> None:
    path, elsewhere = folder / LOCK, folder.parent / "elsewhere"
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises((ResourceError, OSError)):
        hold(folder, patience_s=0)
    assert names(folder) == [LOCK]
    assert not elsewhere.exists()
    assert not is_lock(path)


# --- folders that cannot be written, and file systems without locks ---------------------------------------------------


def nobody(folder: Path, kind: str) -> str:
    process = started(AS_NOBODY, folder, kind)
    return process.communicate(timeout=60)[0].strip()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that all can read and nobody but root can write to."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o555)
        yield Path(made)
        Path(made).chmod(0o755)


def test_a_folder_that_cannot_be_written_can_be_read_and_its_writer_is_heeded(public: Path) -> None:
    assert nobody(public, "shared") == "held []"
    assert nobody(public, "alone") == "held []"
    public.chmod(0o755)
    with hold(public):
        public.chmod(0o555)
        assert (nobody(public, "shared"), nobody(public, "alone")) == ("busy", "busy")
        public.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of several users")
def test_a_lock_file_of_another_user_blocks_only_who_could_write(public: Path) -> None:
    (public / LOCK).touch(mode=0o600)
    assert nobody(public, "shared") == f"held ['{LOCK}']"
    public.chmod(0o777)
    assert nobody(public, "alone").startswith(f"cannot lock {public}: {public / LOCK} is another user's")


def test_a_file_system_without_locks_is_told_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    for shared in (False, True):
        with pytest.raises(ResourceError, match="No locks available; its file system keeps no locks of files, so"):
            hold(folder, shared=shared)
    assert not is_held(folder)


def test_a_full_disk_keeps_nobody_from_reading(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def full(path: str, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(locks.os, "open", full)
    with hold(folder, shared=True):
        assert names(folder) == []
    with pytest.raises(OSError, match="No space left"):
        hold(folder)


def test_no_handle_stays_open(folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with hold(folder), pytest.raises(BlockingIOError):
            hold(folder, patience_s=0)
        is_held(folder)
    (folder / LOCK).mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        hold(folder)
    with pytest.raises(FileNotFoundError):
        hold(folder / "gone")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
