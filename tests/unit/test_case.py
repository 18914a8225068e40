"""The case folder: never overwrites, resumes, and any change to any file is found (R03)."""

from __future__ import annotations

import errno
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from facerecon.case import Case
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.manifest import CaseProblemsError, FileEntry, Manifest, verify
from facerecon.profiles import load_profile
from facerecon.records import Measurement
from tests.fakes import case_info

FIGURE = Measurement(subject="t0001/f000001", variant="bicubic", metric="PSNR", value=1.5, unit="dB", reference="none")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    profile = load_profile("standard")
    return Case.create(tmp_path / "case", case_info(profile), profile, {"format": "test"})


def finished(case: Case) -> Case:
    with case.stage("extract", {"seed": 0}, {}) as run:
        run.write("faces/t0001/f000001.original.png", b"pixels")
        run.record("measurements", FIGURE)
    return case


def test_new_case_is_private_and_verifies(case: Case) -> None:
    assert stat.S_IMODE(case.root.stat().st_mode) == 0o700
    assert verify(case.root).state == "case.created"
    assert {"case.json", "profile.yaml", "ledger.jsonl", "manifest.json"} <= {p.name for p in case.root.iterdir()}


def test_finished_stage_is_in_ledger_manifest_and_records(case: Case) -> None:
    finished(case)
    assert case.read(Measurement, "measurements") == [FIGURE]
    entry = case.runs("extract")[0]
    assert set(entry.outputs) == {"faces/t0001/f000001.original.png", "records/measurements.jsonl"}
    assert verify(case.root).ledger_head == case.ledger.head


def test_every_flipped_byte_of_every_file_is_found(case: Case) -> None:
    finished(case).close()
    files = [path for path in case.root.rglob("*") if path.is_file()]
    assert len(files) == 7
    for path in files:
        content = path.read_bytes()
        for position in range(0, len(content), max(1, len(content) // 40)):
            changed = bytearray(content)
            changed[position] ^= 0x10
            path.write_bytes(changed)
            with pytest.raises(CaseProblemsError):
                verify(case.root)
        path.write_bytes(content)
    verify(case.root)


def test_missing_and_extra_files_and_links_are_found(case: Case) -> None:
    finished(case).close()
    picture = case.root / "faces/t0001/f000001.original.png"
    (case.root / "faces/note.txt").write_text("x")
    with pytest.raises(CaseProblemsError, match=r"extra file faces/note.txt"):
        verify(case.root)
    (case.root / "faces/note.txt").unlink()
    picture.rename(case.root.parent / "elsewhere.png")
    with pytest.raises(CaseProblemsError, match="missing file"):
        verify(case.root)
    picture.symlink_to(case.root.parent / "elsewhere.png")
    with pytest.raises(CaseProblemsError, match="link"):
        verify(case.root)


def test_all_problems_are_listed(case: Case) -> None:
    finished(case).close()
    (case.root / "profile.yaml").write_text("changed")
    (case.root / "case.json").unlink()
    with pytest.raises(CaseProblemsError) as caught:
        verify(case.root)
    assert len(caught.value.problems) == 2


def test_shortened_ledger_is_found_though_its_chain_holds(case: Case) -> None:
    finished(case).close()
    path = case.root / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(CaseProblemsError):
        verify(case.root)


def resealed(case: Case, ledger: Ledger, files: dict[str, bytes]) -> None:
    """Write ledger and manifest anew over these files, as somebody would who hides a change."""
    files = {**files, "ledger.jsonl": ledger.to_bytes()}
    (case.root / "ledger.jsonl").write_bytes(files["ledger.jsonl"])
    entries = {name: FileEntry(sha256=sha256_bytes(data), size_bytes=len(data)) for name, data in files.items()}
    (case.root / "manifest.json").write_bytes(Manifest.sealed("x", ledger, entries).to_bytes())


PICTURE = "faces/t0001/f000001.original.png"


def test_ledger_fixes_every_file_so_a_resealed_manifest_hides_nothing(case: Case) -> None:
    finished(case).close()
    files = {name: (case.root / name).read_bytes() for name in case.digests()}
    resealed(case, case.ledger, files)
    verify(case.root)

    (case.root / PICTURE).write_bytes(b"other")
    resealed(case, case.ledger, {**files, PICTURE: b"other"})
    with pytest.raises(CaseProblemsError, match=f"{PICTURE} is not the one that the ledger states"):
        verify(case.root)
    with pytest.raises(CaseProblemsError, match="is not the one"):
        Case.view(case.root)

    (case.root / PICTURE).unlink()
    resealed(case, case.ledger, {name: data for name, data in files.items() if name != PICTURE})
    with pytest.raises(CaseProblemsError, match=f"{PICTURE} of the ledger is not in the manifest"):
        verify(case.root)


def test_a_later_line_cannot_state_a_file_anew(case: Case) -> None:
    finished(case).close()
    files = {name: (case.root / name).read_bytes() for name in case.digests()} | {PICTURE: b"other"}
    (case.root / PICTURE).write_bytes(b"other")
    ledger = Ledger(case.ledger.entries)
    ledger.append("enhance.finished", {}, {}, {PICTURE: sha256_bytes(b"other")})
    resealed(case, ledger, files)
    with pytest.raises(CaseProblemsError, match=f"another digest for {PICTURE}"):
        verify(case.root)


def test_a_file_that_no_line_states_is_found(case: Case) -> None:
    finished(case).close()
    files = {name: (case.root / name).read_bytes() for name in case.digests()} | {"faces/new.png": b"new"}
    (case.root / "faces/new.png").write_bytes(b"new")
    resealed(case, case.ledger, files)
    with pytest.raises(CaseProblemsError, match=r"faces/new.png is stated by no ledger entry"):
        verify(case.root)


def test_every_file_of_a_case_is_stated_by_the_ledger_whatever_happened(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(case)
    with pytest.raises(RuntimeError), case.stage("enhance", {}, {}) as run:
        run.write("faces/t0001/a.png", b"a")
        raise RuntimeError
    real = Case.note

    def full(self: Case, action: str, *arguments: Any) -> Any:
        if action.endswith(".failed"):
            raise ResourceError("full")
        return real(self, action, *arguments)

    monkeypatch.setattr(Case, "note", full)
    with pytest.raises(RuntimeError), case.stage("enhance", {}, {}) as run:
        run.write("faces/t0001/b.png", b"b")
        raise RuntimeError
    monkeypatch.undo()
    case.note("case.anything", {})
    assert case.ledger.outputs == case.digests()
    assert "faces/t0001/b.png" in case.ledger.entries[-1].outputs
    verify(case.root)


def test_report_that_was_killed_half_way_can_be_written_again(case: Case) -> None:
    case.note("report.started", {})
    (case.root / "report").mkdir()
    (case.root / "report/report.html").write_bytes(b"page")
    case.close()
    with Case.open(case.root) as again, again.stage("report", {}, {}) as run:
        run.write("report/report.html", b"another page")
    verify(case.root)


def test_file_with_other_bytes_is_not_overwritten(case: Case) -> None:
    finished(case)
    with pytest.raises(IntegrityError, match="nothing was overwritten"):
        case.write("faces/t0001/f000001.original.png", b"other")
    assert (case.root / "faces/t0001/f000001.original.png").read_bytes() == b"pixels"


def test_second_run_writes_beside_the_first(case: Case) -> None:
    finished(case)
    with case.stage("extract", {}, {}) as run:
        assert run.suffix == "-2"
        run.record("measurements", FIGURE)
    assert case.read(Measurement, "measurements", 1) == case.read(Measurement, "measurements", 2)


def test_interrupted_stage_keeps_whole_files_and_resumes(case: Case) -> None:
    def attempt(stop: bool) -> None:
        with case.stage("extract", {}, {}) as run:
            run.write("faces/t0001/f000001.original.png", b"pixels")
            run.record("measurements", FIGURE)
            if stop:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop=True)
    assert verify(case.root).state == "extract.interrupted"
    assert not case.runs("extract")
    attempt(stop=False)
    assert case.read(Measurement, "measurements") == [FIGURE]
    assert verify(case.root).state == "extract.finished"


def test_killed_stage_is_reported_and_can_be_resumed(case: Case) -> None:
    case.note("extract.started", {})
    stray = case.root / "faces/t0001/f000001.original.png"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"pixels")
    (stray.parent / ".tmp-abc").write_bytes(b"half")
    case.close()
    with pytest.raises(CaseProblemsError, match="extra file"):
        verify(case.root)
    with Case.open(case.root) as again:
        recovered = again.ledger.entries[-1]
        assert recovered.action == "case.recovered"
        assert list(recovered.details["removed"]) == ["faces/t0001/f000001.original.png"]
        finished(again)
    verify(case.root)


def test_killed_between_the_last_journal_and_its_folder_nothing_stays(case: Case) -> None:
    finished(case).close()
    (case.root / ".work").mkdir()
    Case.open(case.root).close()
    assert not (case.root / ".work").exists()


@pytest.mark.parametrize(
    "name", ["records/review-1.json", "signatures/0001-operator.json", "signatures/0001-timestamp-01.tsr"]
)
def test_killed_between_a_statement_and_its_line_it_can_be_made_again(case: Case, name: str) -> None:
    digest = finished(case).write(name, b"half said")
    case.close()
    with pytest.raises(CaseProblemsError, match="extra file"):
        verify(case.root)
    with Case.open(case.root) as again:
        assert again.ledger.entries[-1].details["removed"] == {name: digest}
        again.note("case.reviewed", {}, {}, {name: again.write(name, b"said")})
    verify(case.root)


@pytest.mark.parametrize(
    "names", [("records/review.json",), ("signatures/note.txt",), ("records/review-1.json", "records/review-2.json")]
)
def test_what_no_killed_process_can_have_left_stays_a_problem(case: Case, names: tuple[str, ...]) -> None:
    finished(case).close()
    for name in names:
        (case.root / name).parent.mkdir(exist_ok=True)
        (case.root / name).write_bytes(b"planted")
    with pytest.raises(CaseProblemsError, match="extra file"):
        Case.open(case.root)
    assert all((case.root / name).exists() for name in names)


def test_open_refuses_a_changed_case(case: Case) -> None:
    finished(case).close()
    (case.root / "records/measurements.jsonl").write_text("{}\n")
    with pytest.raises(IntegrityError, match="does not verify"):
        Case.open(case.root)


def test_only_one_process_works_on_a_case(case: Case) -> None:
    with pytest.raises(UsageError, match="another process"):
        Case.open(case.root)
    case.close()
    Case.open(case.root).close()


def test_create_refuses_a_used_folder(tmp_path: Path, case: Case) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").touch()
    profile = load_profile("standard")
    with pytest.raises(UsageError, match="not an empty folder"):
        Case.create(tmp_path / "used", case_info(profile), profile, {})


def test_full_disk_is_a_resource_error_and_loses_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(case)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left on device; free some space"):
        case.write("faces/t0002/f000001.original.png", b"more")
    monkeypatch.undo()
    case.close()
    verify(case.root)
    assert not list(case.root.rglob(".tmp-*"))


def test_a_stage_that_fails_on_a_full_disk_keeps_the_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    real, budget = os.fsync, [4]

    def filling(handle: int) -> None:
        budget[0] -= 1
        if budget[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(ResourceError, match="No space"), case.stage("extract", {}, {}) as run:
        for number in range(9):
            run.write(f"faces/t0001/f{number:06d}.original.png", b"pixels")
    monkeypatch.undo()
    case.close()
    with Case.open(case.root) as again, again.stage("extract", {}, {}) as run:
        for number in range(9):
            run.write(f"faces/t0001/f{number:06d}.original.png", b"pixels")
    verify(case.root)


def test_reading_what_no_stage_wrote_says_which(case: Case) -> None:
    with pytest.raises(UsageError, match="measurements"):
        case.read(Measurement, "measurements")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_a_resource_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    profile = load_profile("standard")
    with pytest.raises(ResourceError, match="choose another --case"):
        Case.create(tmp_path / "case", case_info(profile), profile, {})


def test_interruption_in_the_first_line_of_a_stage_is_noted(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Ledger.append

    def interrupted(self: Ledger, action: str, *arguments: Any) -> Any:
        if action == "extract.started":
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, action, *arguments)

    monkeypatch.setattr(Ledger, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finished(case)
    assert verify(case.root).state == "extract.interrupted"
