"""Signals, full disks, lost permissions, changing sources, jumping clocks, no memory: one line, the right exit code.

After each, the same command gives what an undisturbed run gives, or says why it cannot.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerecon.case import Case
from facerecon.manifest import verify
from tests.faults.faulty_runs import Launcher, launcher, people, results, strays, write_clip

KILLED, INTERRUPTED, RESOURCE, INTEGRITY, EVIDENCE, USAGE = -9, 130, 5, 4, 3, 2
STAGES = ("extract", "enhance", "recognize", "report")
TOLD = {
    "full": "No space left on device; free some space and run again",
    "denied": "Permission denied",
    "readonly": "Read-only file system",
    "broken": "Input/output error",
}
GALLERY = 2
"""Pictures that the detector sees before the clip."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with launcher(tmp_path_factory.mktemp("hindered")) as started:
        yield started


@pytest.fixture(scope="module")
def expected(runs: Launcher) -> dict[str, str]:
    assert runs.run(runs.folder / "undisturbed").code == 0
    return results(runs.folder / "undisturbed")


@pytest.fixture(scope="module")
def begun(runs: Launcher) -> dict[str, Path]:
    """A case for each stage that was killed when the stage began."""
    cases = {stage: runs.folder / f"begun-{stage}" for stage in STAGES}
    for stage, root in cases.items():
        assert runs.run(root, stage=stage, at=0).code == KILLED
    return cases


def copy(root: Path, name: str) -> Path:
    return Path(shutil.copytree(root, root.parent / name))


def resumes(runs: Launcher, root: Path, expected: dict[str, str]) -> None:
    ended = runs.run(root)
    assert ended.code == 0, ended.err
    assert results(root) == expected
    assert strays(root) == []


@pytest.mark.parametrize("stage", STAGES)
def test_signals_at_any_stage_are_told_and_the_run_resumes(
    runs: Launcher, expected: dict[str, str], begun: dict[str, Path], stage: str
) -> None:
    root, last = copy(begun[stage], f"{stage}-signals"), runs.moments_of(stage)
    for moment, sign in zip(random.Random(stage).sample(range(last), 3), ("SIGINT", "SIGTERM", "SIGINT"), strict=True):
        ended = runs.run(root, stage=stage, at=moment, then=sign)
        if ended.code == 0:
            # What the run before had finished is not written again, so it had fewer moments.
            return
        assert ended.code == INTERRUPTED, ended.err
        assert "interrupted; what was finished is kept, and the same command resumes" in ended.error
        assert not list(root.rglob(".tmp-*"))
        verify(root)
    resumes(runs, root, expected)


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_takes_nothing_more_loses_nothing(
    runs: Launcher, expected: dict[str, str], begun: dict[str, Path], stage: str
) -> None:
    root, last = copy(begun[stage], f"{stage}-disk"), runs.moments_of(stage)
    for moment, what in zip(random.Random(stage).choices(range(last // 2), k=4), TOLD, strict=True):
        ended = runs.run(root, stage=stage, at=moment, then=what)
        if ended.code == 0:
            return
        assert ended.code == RESOURCE, ended.err
        assert TOLD[what] in ended.error or "set TMPDIR to a folder with free space" in ended.error
        assert what != "full" or not list(root.rglob(".tmp-*"))
    resumes(runs, root, expected)


def test_a_disk_that_is_full_from_the_start_leaves_no_half_made_case(runs: Launcher) -> None:
    for moment in range(12):
        ended = runs.run(runs.folder / "fullmade", at=moment, then="full")
        assert ended.code == RESOURCE, ended.err
        assert not (runs.folder / "fullmade").exists() or not list((runs.folder / "fullmade").iterdir())


def test_no_memory_is_one_line_and_nothing_is_lost(runs: Launcher, expected: dict[str, str]) -> None:
    root = runs.folder / "memory"
    ended = runs.run(root, detect_at=GALLERY + 9, then="memory")
    assert ended.code == RESOURCE
    assert "out of memory" in ended.error
    assert not list(root.rglob(".tmp-*"))
    assert verify(root).state == "extract.failed"
    resumes(runs, root, expected)
    with Case.view(root) as case:
        assert case.runs("extract")[0].details["resumed"]["answers_from_journal"] == 9


# --- the source -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["truncate -s -2000", "truncate -s 5000", "printf x >>", "rm"])
def test_a_source_that_changes_while_it_is_read_is_told(runs: Launcher, expected: dict[str, str], change: str) -> None:
    clip = runs.folder / "changing" / "clip.mkv"
    clip.parent.mkdir(exist_ok=True)
    shutil.copyfile(runs.clip, clip)
    root = runs.folder / "changed" / change.replace(" ", "_")
    ended = runs.run(root, clip=clip, detect_at=GALLERY + 3, then=f"shell {change} {clip}")
    assert ended.code in (INTEGRITY, EVIDENCE), ended.err
    assert str(clip) in ended.error or clip.name in ended.error
    verify(root)
    assert not list(root.rglob(".tmp-*"))
    shutil.copyfile(runs.clip, clip)
    ended = runs.run(root, clip=clip)
    assert ended.code == 0, ended.err
    assert results(root).keys() == expected.keys()
    assert {n: d for n, d in results(root).items() if n.endswith(".jsonl")} == {
        n: d for n, d in expected.items() if n.endswith(".jsonl")
    }


def test_a_case_does_not_go_on_with_another_clip(runs: Launcher) -> None:
    root, other = runs.folder / "others", write_clip(runs.folder / "other.mkv", people()[:20])
    assert runs.run(root, detect_at=GALLERY + 5, then="SIGTERM").code == INTERRUPTED
    ended = runs.run(root, clip=other)
    assert ended.code == USAGE
    assert "is about another source" in ended.error
    verify(root)


# --- the clock --------------------------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_breaks_nothing_and_is_visible(runs: Launcher, expected: dict[str, str]) -> None:
    root = runs.folder / "clock"
    assert runs.run(root, detect_at=GALLERY + 5, then="SIGTERM", clock_s=86_400.0).code == INTERRUPTED
    ended = runs.run(root)
    assert ended.code == 0, ended.err
    assert results(root) == expected
    with Case.view(root) as case:
        times = [entry.utc for entry in case.ledger.entries]
        back = [entry for entry in case.ledger.entries if "clock_went_back_s" in entry.details]
    assert times != sorted(times)
    assert [entry.action for entry in back] == ["extract.started"]
    assert back[0].details["clock_went_back_s"] == pytest.approx(86_400, abs=60)


# --- the journal ------------------------------------------------------------------------------------------------------


def test_a_journal_of_other_software_is_not_used_and_that_is_told(runs: Launcher, expected: dict[str, str]) -> None:
    root = runs.folder / "software"
    assert runs.run(root, detect_at=GALLERY + 9, then="SIGTERM", software="older").code == INTERRUPTED
    resumes(runs, root, expected)
    with Case.view(root) as case:
        assert case.runs("extract")[0].details["resumed"] == {
            "journal_not_used": "it was made with another software or machine"
        }


@pytest.mark.parametrize("damage", ["torn", "flipped", "emptied", "garbage"])
def test_a_damaged_journal_is_used_up_to_the_damage(runs: Launcher, expected: dict[str, str], damage: str) -> None:
    root = runs.folder / damage
    assert runs.run(root, detect_at=GALLERY + 9, then="SIGKILL").code == -9
    journal = root / ".work/extract.journal"
    data = journal.read_bytes()
    lines = data.splitlines(keepends=True)
    kept = b"".join(lines[:6])
    journal.write_bytes(
        {
            "torn": data[:-5],
            "flipped": kept + lines[6].replace(b":", b";", 1)[:-3] + b"9]\n" + b"".join(lines[7:]),
            "emptied": b"",
            "garbage": os.urandom(5000),
        }[damage]
    )
    resumes(runs, root, expected)
    with Case.view(root) as case:
        details = case.runs("extract")[0].details
    known = {"torn": 8, "flipped": 5, "emptied": 0, "garbage": 0}[damage]
    assert details.get("resumed", {}).get("answers_from_journal", 0) == known


def test_a_journal_that_is_a_link_is_refused(runs: Launcher) -> None:
    root, outside = runs.folder / "linked", runs.folder / "outside"
    assert runs.run(root, detect_at=GALLERY + 5, then="SIGTERM").code == INTERRUPTED
    outside.write_bytes((root / ".work/extract.journal").read_bytes())
    before = outside.read_bytes()
    (root / ".work/extract.journal").unlink()
    (root / ".work/extract.journal").hardlink_to(outside)
    ended = runs.run(root)
    assert ended.code == INTEGRITY
    assert "no file of its own" in ended.error
    (root / ".work/extract.journal").unlink()
    (root / ".work/extract.journal").symlink_to(outside)
    assert runs.run(root).code == INTEGRITY
    assert outside.read_bytes() == before
