"""A lock file that a killed process left: cases, captures, galleries and batches are what they were, and go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facerecon.batch.journal import locked as batch_locked
from facerecon.case import Case
from facerecon.containment import entries_below
from facerecon.errors import UsageError
from facerecon.gallery import create_store, edit_store, read_store
from facerecon.locks import LOCK, hold
from facerecon.manifest import CaseProblemsError, verify
from facerecon.profiles import load_profile
from tests.fakes import case_info
from tests.safety.safety_cases import copied, made
from tests.unit.gallery.test_gallery_store import MODEL, addition, now

OPENS = """
import sys
from pathlib import Path
from facerecon.case import Case
with Case.open(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def opener(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that has a case open."""
    made(tmp_path / "case")
    process = subprocess.Popen(
        [sys.executable, "-c", OPENS, str(tmp_path / "case")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_a_killed_process_leaves_a_case_that_verifies_and_opens(opener: subprocess.Popen[str], tmp_path: Path) -> None:
    root = tmp_path / "case"
    with pytest.raises(UsageError, match="another process is working on case"):
        Case.open(root)
    manifest = verify(root)
    opener.send_signal(signal.SIGKILL)
    opener.communicate()
    assert (root / LOCK).is_file()
    assert verify(root) == manifest
    with Case.view(root) as case:
        assert LOCK not in case.digests()
    with Case.open(root) as case:
        assert case.ledger.entries[-1].action == "extract.finished"
    assert not (root / LOCK).exists()
    assert verify(root) == manifest


def test_a_process_that_ends_leaves_no_file_of_its_own(opener: subprocess.Popen[str], tmp_path: Path) -> None:
    before = sorted(entries_below(tmp_path / "case"))
    opener.communicate("", timeout=60)
    assert sorted(entries_below(tmp_path / "case")) == before
    assert not (tmp_path / "case" / LOCK).exists()


def test_nothing_can_be_hidden_in_a_file_of_that_name(tmp_path: Path) -> None:
    root = copied(tmp_path)
    (root / LOCK).write_text("a note")
    for reading in (verify, Case.open):
        with pytest.raises(CaseProblemsError, match=rf"extra file {LOCK}"):
            reading(root)
    (root / LOCK).unlink()
    (root / "records" / LOCK).touch()
    with pytest.raises(CaseProblemsError, match=rf"extra file records/{LOCK}"):
        verify(root)


def test_a_case_can_be_made_where_one_was_killed_before_its_first_file(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / LOCK).touch()
    profile = load_profile("standard")
    with hold(tmp_path / "case"), pytest.raises(UsageError, match="another process"):
        Case.create(tmp_path / "case", case_info(profile), profile, {})
    Case.create(tmp_path / "case", case_info(profile), profile, {}).close()
    verify(tmp_path / "case")
    with pytest.raises(UsageError, match="exists already and is not an empty folder"):
        Case.create(tmp_path / "case", case_info(profile), profile, {})
    verify(tmp_path / "case")


def test_whoever_gets_the_lock_of_a_case_that_was_made_meanwhile_leaves_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, root = load_profile("standard"), tmp_path / "case"
    monkeypatch.setattr("facerecon.case.locked", lambda root: (made(root), hold(root))[1])
    create = Case.create

    def once(*arguments: object) -> Case:
        monkeypatch.setattr("facerecon.case.locked", hold)
        return create(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Case, "create", once)
    with pytest.raises(UsageError, match="exists already and is not an empty folder"):
        create(root, case_info(profile), profile, {})
    monkeypatch.undo()
    verify(root)


def test_a_gallery_is_made_read_and_changed_beside_a_left_lock(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    folder.mkdir()
    (folder / LOCK).touch()
    with create_store(folder, MODEL, now) as store:
        store.add([addition(store, "Ada", 1)], [], [], {})
        with pytest.raises(UsageError, match="another process is working on gallery"), edit_store(folder, now):
            pytest.fail("both had it")
    assert not (folder / LOCK).exists()
    (folder / LOCK).touch()
    assert len(read_store(folder).entries) == 1
    (folder / LOCK).touch()
    with edit_store(folder, now) as store:
        store.add([addition(store, "Bob", 2)], [], [], {})
    assert sorted(each.identity for each in read_store(folder).entries) == ["Ada", "Bob"]
    assert not (folder / LOCK).exists()


def test_readers_of_a_gallery_stand_beside_each_other_and_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    with create_store(folder, MODEL, now) as store:
        store.add([addition(store, "Ada", 1)], [], [], {})
    with hold(folder, shared=True):
        assert read_store(folder).entries
        with pytest.raises(UsageError, match="another process is working"), edit_store(folder, now):
            pytest.fail("it was changed while it was read")
    assert not (folder / LOCK).exists()


def test_a_folder_of_cases_with_a_left_lock_takes_the_next_batch(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    with batch_locked(tmp_path), pytest.raises(UsageError, match="another batch"), batch_locked(tmp_path):
        pytest.fail("both had it")
    assert list(tmp_path.iterdir()) == []
