"""Copies of objects: whole and hashed or refused, never too much of the disk, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch import staging as module
from facerecon.batch.addresses import Address, typed
from facerecon.batch.staging import FOLDER, Copy, Staging
from facerecon.batch.stores import Stated, store
from facerecon.errors import EvidenceError, ResourceError
from facerecon.hashing import sha256_bytes, sha256_file
from facerecon.locks import LOCK, hold
from tests.unit.batch import tale_store
from tests.unit.batch.tale_store import PREFIX

GB = 1_000_000_000


@pytest.fixture
def tale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(tale_store.FOLDER, str(tmp_path / "tale"))
    monkeypatch.setattr(module, "_LOOK_S", 0.01)
    (tmp_path / "tale").mkdir()
    return tmp_path / "tale"


def put(folder: Path, name: str, data: bytes = b"0123456789") -> tuple[Address, Stated]:
    """Lay an object into the store, and return it as it is listed."""
    (folder / name).write_bytes(data)
    address = typed(f"{PREFIX}/share/{name}")
    stated = store(address).look(address.path).stated
    assert stated is not None
    return address, stated


def copied(
    staging: Staging, listed: tuple[Address, Stated], noted: Callable[[str], None] = lambda _: None
) -> contextlib.AbstractContextManager[Copy]:
    return staging.copied(*listed, lambda _: None, noted)


def left(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_copy_is_whole_hashed_private_and_gone_afterwards(tale: Path, tmp_path: Path) -> None:
    data = os.urandom(9 << 20)
    listed, heard = put(tale, "a.mp4", data), list[int]()
    with Staging(tmp_path / "here", 0).copied(*listed, heard.append, lambda _: None) as copy:
        assert copy.path.read_bytes() == data
        assert copy.sha256 == sha256_bytes(data) == sha256_file(copy.path)
        assert copy.path.name == "a.mp4"
        assert stat.S_IMODE(copy.path.stat().st_mode) == 0o400
        assert stat.S_IMODE(copy.path.parent.stat().st_mode) == 0o700
        assert copy.path == Staging(tmp_path / "here", 5).place(listed[0])
    assert sum(heard) == len(data)
    assert len(heard) > 1
    assert left(tmp_path / "here") == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut.mp4", "was cut off after 10 of 20 bytes"),
        ("long.mp4", "has more than the 5 bytes that were listed"),
        ("moves.mp4", "changed: listed as 10 bytes, ETag"),
        ("denied.mp4", "cannot be read: access is refused"),
        ("breaks.mp4", "cannot be read: the token has expired ask for another one"),
    ],
)
def test_what_is_not_what_it_was_said_to_be_is_refused_and_nothing_is_left(
    name: str, words: str, tale: Path, tmp_path: Path
) -> None:
    listed = put(tale, name)
    with pytest.raises(EvidenceError, match=words), copied(Staging(tmp_path / "here", 0), listed):
        pytest.fail("it was taken for good")
    assert left(tmp_path / "here") == []


def test_an_object_that_changed_or_went_since_it_was_listed_is_not_even_read(tale: Path, tmp_path: Path) -> None:
    listed = put(tale, "a.mp4")
    (tale / "a.mp4").write_bytes(b"9876543210")
    with pytest.raises(EvidenceError, match="changed: listed as"), copied(Staging(tmp_path, 0), listed):
        pytest.fail("it was taken for good")
    (tale / "a.mp4").unlink()
    with pytest.raises(EvidenceError, match="does not exist"), copied(Staging(tmp_path, 0), listed):
        pytest.fail("it was taken for good")
    assert tale_store.reads(tale) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_copy_goes_however_its_work_ends(error: type[BaseException], tale: Path, tmp_path: Path) -> None:
    with pytest.raises(error), copied(Staging(tmp_path / "here", 0), put(tale, "a.mp4")):
        raise error
    assert left(tmp_path / "here") == []


@given(st.text(min_size=1).filter(lambda name: "/" not in name))
def test_no_name_of_an_object_leads_out_of_the_folder_of_the_copies(name: str) -> None:
    staging = Staging(Path("/somewhere"), 0)
    address = typed(f"{PREFIX}/share/x").at(f"/share/{name}")
    place = staging.place(address)
    assert place.parent.parent == staging.root
    assert place.name not in ("", ".", "..")
    assert len(os.fsencode(place.name)) <= 255
    assert "\0" not in str(place)
    assert place.parent != staging.place(address.at(f"/share/{name}x")).parent


# --- what killed workers leave ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    with hold(folder):
        yield


def abandoned(staging: Staging, address: Address, size: int = 0) -> Path:
    folder = staging.place(address).parent
    folder.mkdir(parents=True)
    (folder / "claim").write_text(str(size))
    (folder / ".tmp-copy").write_bytes(b"half")
    (folder / "old name").write_bytes(b"whole")
    return folder


def test_what_nobody_holds_is_removed_and_what_is_held_stays(tale: Path, tmp_path: Path) -> None:
    staging = Staging(tmp_path / "here", 0)
    gone = abandoned(staging, typed(f"{PREFIX}/share/a.mp4"))
    kept = abandoned(staging, typed(f"{PREFIX}/share/b.mp4"))
    (tmp_path / "here/evidence").mkdir()
    with holding(kept):
        assert staging.clear() == 1
        assert (gone.exists(), len(left(kept))) == (False, 4)
    assert staging.clear() == 1
    assert left(tmp_path / "here") == [tmp_path / "here/evidence"]


def test_what_was_left_of_the_claiming_itself_is_removed_too(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "here", 0)
    staging.root.mkdir(parents=True)
    (staging.root / LOCK).touch()
    with hold(staging.root):
        assert staging.clear() == 0
        assert staging.root.exists()
    (staging.root / LOCK).touch()
    assert staging.clear() == 0
    assert left(tmp_path / "here") == []


def test_a_leftover_of_the_same_object_is_not_taken_for_a_copy(tale: Path, tmp_path: Path) -> None:
    staging, listed = Staging(tmp_path / "here", 0), put(tale, "a.mp4")
    abandoned(staging, listed[0])
    with copied(staging, listed) as copy:
        assert copy.path.read_bytes() == b"0123456789"
        assert {each.name for each in copy.path.parent.iterdir()} == {"a.mp4", "claim", LOCK}
    assert left(tmp_path / "here") == []


def test_a_copy_that_another_process_holds_is_waited_for_and_not_touched(
    tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.1)
    staging, listed = Staging(tmp_path / "here", 0), put(tale, "a.mp4")
    with copied(staging, listed) as copy:
        with pytest.raises(ResourceError, match="another process works on the copy"), copied(staging, listed):
            pytest.fail("both had it")
        assert copy.path.read_bytes() == b"0123456789"


# --- space ------------------------------------------------------------------------------------------------------------


def test_a_copy_that_never_fits_is_refused_before_it_is_read(tale: Path, tmp_path: Path) -> None:
    listed = put(tale, "a.mp4")
    staging = Staging(tmp_path / "here", 1, free=lambda _: GB + 9)
    with pytest.raises(ResourceError, match="--min-free-gb"), copied(staging, listed):
        pytest.fail("it was copied")
    with copied(Staging(tmp_path / "here", 1, free=lambda _: GB + 10), listed):
        pass
    assert tale_store.reads(tale) == ["a.mp4"]
    assert left(tmp_path / "here") == []


def test_a_disk_that_gets_full_in_the_middle_ends_the_copy(tale: Path, tmp_path: Path) -> None:
    free = iter([2 * GB, 2 * GB, GB])
    listed = put(tale, "a.mp4", bytes(12 << 20))
    with (
        pytest.raises(ResourceError, match="while a source is copied"),
        copied(Staging(tmp_path / "here", 1, free=lambda _: next(free)), listed),
    ):
        pytest.fail("it was copied")
    assert left(tmp_path / "here") == []


def test_two_copies_that_do_not_fit_together_come_one_after_the_other(tale: Path, tmp_path: Path) -> None:
    here, order = tmp_path / "here", list[str]()

    def free(_: Path) -> int:
        """A disk of 15 bytes."""
        return 15 - sum(each.stat().st_size for each in here.rglob("*.mp4"))

    first, second = put(tale, "a.mp4"), put(tale, "b.mp4")
    waits = threading.Event()

    def late() -> None:
        with copied(Staging(here, 0, free), second, lambda text: (order.append(text), waits.set())[0]):
            order.append("second")

    with copied(Staging(here, 0, free), first):
        thread = threading.Thread(target=late)
        thread.start()
        assert waits.wait(60)
        order.append("first ends")
    thread.join(60)
    assert "waits until other copies" in order[0]
    assert order[1:] == ["first ends", "second"]
    assert left(here) == []


def used_in(folder: Path, pattern: str = "*") -> int:
    """The bytes of a folder's files; counted again where one goes away meanwhile."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            return sum(each.stat().st_size for each in folder.rglob(pattern) if each.is_file())


def test_what_a_copy_under_way_still_needs_is_nobody_elses(tale: Path, tmp_path: Path) -> None:
    here, order = tmp_path / "here", list[str]()
    first, second = put(tale, "a.mp4", bytes(9 << 20)), put(tale, "b.mp4", bytes(9 << 20))
    waits, threads = threading.Event(), list[threading.Thread]()

    def free(_: Path) -> int:
        """A disk of 15 MiB; the first copy has 4 of its 9 when the second begins."""
        return (15 << 20) - used_in(here)

    def late() -> None:
        with copied(Staging(here, 0, free), second, lambda _: waits.set()):
            order.append("second")
        waits.set()

    def heard(_: int) -> None:
        if not threads:
            threads.append(threading.Thread(target=late))
            threads[0].start()
            assert waits.wait(60)

    with Staging(here, 0, free).copied(*first, heard, lambda _: None):
        order.append("first")
    threads[0].join(60)
    assert order == ["first", "second"]


def test_a_copy_that_is_just_being_removed_is_waited_for(tale: Path, tmp_path: Path) -> None:
    """Its claim is gone already, the copy itself is not."""
    here, said = tmp_path / "here", list[str]()
    first, second = put(tale, "a.mp4"), put(tale, "b.mp4")

    def free(_: Path) -> int:
        return 15 - used_in(here, "*.mp4")

    with contextlib.ExitStack() as under_way:
        kept = under_way.enter_context(copied(Staging(here, 0, free), first))
        (kept.path.parent / module._CLAIM).unlink()

        def waits(text: str) -> None:
            said.append(text)
            under_way.close()

        with copied(Staging(here, 0, free), second, waits) as found:
            assert found.path.read_bytes() == (tale / "b.mp4").read_bytes()
    assert len(said) == 1
    assert left(here) == []


def test_many_at_a_time_never_claim_more_than_there_is(tale: Path, tmp_path: Path) -> None:
    """A disk of 25 bytes, six objects of ten: never more than two copies are there at a time."""
    here, together, most, counting = tmp_path / "here", [0], list[int](), threading.Lock()

    def free(_: Path) -> int:
        return 25 - used_in(here, "*.mp4")

    def come(change: int) -> None:
        with counting:
            together[0] += change
            most.append(together[0])

    def work(listed: tuple[Address, Stated]) -> None:
        with copied(Staging(here, 0, free), listed):
            come(1)
            time.sleep(0.01)
            come(-1)

    threads = [threading.Thread(target=work, args=(put(tale, f"{n}.mp4"),)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert most.count(0) >= 1
    assert max(most) <= 2
    assert len(most) == 12
    assert left(here) == []


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tale: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match="--staging"), copied(Staging(tmp_path / "file", 0), put(tale, "a.mp4")):
        pytest.fail("it was copied")
    assert (tmp_path / "file").read_bytes() == b""
    assert FOLDER.startswith(".tmp-")
