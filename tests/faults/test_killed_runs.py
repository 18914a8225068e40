"""kill -9 at any moment of a run: the same command goes on, and what comes out is what an undisturbed run gives.

Seeded: the same moments in every run of the tests. Half are calls that change the file system (before and after each),
half are times. Several kills meet one case, so that a resumed run is killed, too.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerecon.case import Case
from tests.faults.faulty_runs import Ended, Launcher, launcher, results, strays

KILLS = 50
KILLED = -9
FINISHED = "is finished, and nothing was changed"
GALLERY = 2
"""Pictures that the detector sees before the clip."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with launcher(tmp_path_factory.mktemp("killed")) as started:
        yield started


@pytest.fixture(scope="module")
def undisturbed(runs: Launcher) -> tuple[dict[str, str], Ended]:
    """What a run gives that nothing happened to, and how long and of how many moments it was."""
    ended = runs.run(runs.folder / "undisturbed")
    assert ended.code == 0, ended.err
    return results(runs.folder / "undisturbed"), ended


def done(ended: Ended) -> bool:
    """Say whether the job is done, by this run or by the one before it, which was killed after its last line."""
    return ended.code == 0 or (ended.code == 2 and FINISHED in ended.error)


def copy(root: Path, name: str) -> Path:
    return Path(shutil.copytree(root, root.parent / name))


def test_fifty_killed_runs_lose_nothing(runs: Launcher, undisturbed: tuple[dict[str, str], Ended]) -> None:
    expected, whole = undisturbed
    chance, killed, number = random.Random(20), 0, 0
    while killed < KILLS:
        number += 1
        root = runs.folder / f"case{number}"
        for attempt in range(chance.randint(1, 6)):
            if (number + attempt) % 2:
                ended = runs.run(root, at=chance.randrange(whole.moments), after=chance.random() < 0.5)
            else:
                ended = runs.run(root, kill_after_s=chance.random() * whole.seconds)
            if done(ended):
                break
            assert ended.code == KILLED, ended.err
            killed += 1
        else:
            ended = runs.run(root)
            assert done(ended), f"case {number}: {ended.err}"
        assert results(root) == expected, f"case {number}"
        assert strays(root) == []


def test_every_moment_of_the_making_of_a_case_may_be_the_last(
    runs: Launcher, undisturbed: tuple[dict[str, str], Ended]
) -> None:
    expected, _ = undisturbed
    root = runs.folder / "made"
    for moment in range(24):
        ended = runs.run(root, at=moment, after=bool(moment % 2))
        assert ended.code == KILLED, f"moment {moment}: {ended.err}"
    ended = runs.run(root)
    assert ended.code == 0, ended.err
    assert results(root) == expected


def test_every_moment_of_a_ledger_line_may_be_the_last(
    runs: Launcher, undisturbed: tuple[dict[str, str], Ended]
) -> None:
    expected, whole = undisturbed
    # The last moments of a run are the report's: its page, its ledger line, its seal.
    first = whole.moments - 14
    base = runs.folder / "lines"
    assert runs.run(base, at=first).code == KILLED
    left = runs.run(copy(base, "counted"))
    for moment in range(left.moments):
        case = copy(base, f"line{moment}")
        assert runs.run(case, at=moment).code == KILLED
        ended = runs.run(case)
        assert done(ended), f"moment {moment}: {ended.err}"
        assert results(case) == expected
        assert strays(case) == []


def test_the_ledger_tells_what_a_killed_run_left_and_where_it_went_on(
    runs: Launcher, undisturbed: tuple[dict[str, str], Ended]
) -> None:
    root = runs.folder / "told"
    assert runs.run(root, detect_at=GALLERY + 7, then="SIGKILL").code == KILLED
    assert (root / ".work/extract.journal").is_file()
    ended = runs.run(root)
    assert ended.code == 0, ended.err
    with Case.view(root) as case:
        started = [entry for entry in case.ledger.entries if entry.action == "extract.started"]
        (finished,) = case.runs("extract")
    assert "journal_sha256" not in started[0].details
    assert len(started[1].details["journal_sha256"]) == 64
    resumed = finished.details["resumed"]
    assert resumed["answers_from_journal"] == 7
    assert resumed["frames_from_journal"] == 14
    assert resumed["went_on_at"] == "f000014"
    assert results(root) == undisturbed[0]
