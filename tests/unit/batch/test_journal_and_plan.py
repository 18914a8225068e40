"""Journal, plan, progress and budget: what a crash leaves is understood, nothing is lost and nothing invented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch import budget
from facerecon.batch.found import Found, Walk
from facerecon.batch.journal import Journal, locked, opened, read_history
from facerecon.batch.naming import JOURNAL
from facerecon.batch.planning import Item, Plan, plan
from facerecon.batch.units import Event, Outcome, Unit
from facerecon.batch.working import ArchiveProgress, hours, line, span
from facerecon.errors import ResourceError, UsageError


def wrote(journal: Journal, source: str, status: str | None, **more: object) -> None:
    content = {"source": source, "name": Path(source).name, "size_bytes": 1, "mtime_ns": 1, "footage_s": 10.0, **more}
    if status is None:
        journal.write("unit.begun", **content)
    else:
        journal.write("unit.ended", **content, status=status, exit_code=3, seconds=5.0)


def test_the_last_word_on_each_source_counts(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write("begun", schema=1)
        wrote(journal, "/e/a", None)
        wrote(journal, "/e/a", "failed", reason="broken")
        wrote(journal, "/e/b", "done", whole=True)
        wrote(journal, "/e/c", "done", whole=False)
        wrote(journal, "/e/d", None)
    history = read_history(tmp_path)
    assert {name: each.status for name, each in history.sources.items()} == {
        "/e/a": "failed",
        "/e/b": "done",
        "/e/c": "done",
        "/e/d": "begun",
    }
    assert (history.measured, history.seconds_per_footage_second) == (1, 0.5)
    assert history.sources["/e/a"].line["reason"] == "broken"


@given(st.integers(0, 400))
def test_a_journal_torn_anywhere_is_read_up_to_there_and_written_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with opened(folder) as journal:
        wrote(journal, "/e/a", "done")
        wrote(journal, "/e/b", "failed")
    data = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(data[:cut])
    whole = data[:cut].count(b"\n")
    assert len(read_history(folder).sources) == whole + (data[cut : cut + 1] == b"\n")
    with opened(folder) as journal:
        wrote(journal, "/e/c", "done")
    history = read_history(folder)
    assert "/e/c" in history.sources
    assert len(history.sources) >= whole + 1
    assert history.torn <= 1


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"null", b"[]", b"1", b'{"event": []}', b"[" * 9999])))
)
def test_any_bytes_are_a_journal_of_what_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    good = json.dumps({"event": "unit.ended", "source": "/e/a", "name": "a", "status": "done", "seconds": "x"}).encode()
    (folder / JOURNAL).write_bytes(b"\n".join([*lines, b"", good, b""]))
    history = read_history(folder)
    assert history.sources["/e/a"].status == "done"
    assert history.seconds_per_footage_second is None


def test_a_folder_is_one_batch_s_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / "cases"):
        assert (tmp_path / "cases").stat().st_mode & 0o777 == 0o700
        with pytest.raises(UsageError, match="another batch"), locked(tmp_path / "cases"):
            raise AssertionError
    with locked(tmp_path / "cases"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="choose another --cases"), locked(tmp_path / "file"):
        raise AssertionError


# --- plan -------------------------------------------------------------------------------------------------------------


class Headers:
    """Answers what it is told of each name; dies over names with "die"."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, units: Sequence[Unit]) -> Iterator[Event]:
        for unit in units:
            self.asked.append(unit.source)
            if "die" in unit.source:
                yield Outcome(unit.number, "failed", 5, "the worker process ended in the middle of it (SIGSEGV)")
            else:
                media = not unit.source.endswith(".txt")
                yield Outcome(unit.number, "done", facts={"media": media, "footage_s": 60.0 if media else None})

    def stop(self) -> None:
        raise AssertionError


def found(*names: str) -> Walk:
    return Walk([Found(Path("/e") / name, Path("/e"), name, 1, 1) for name in names])


def test_finished_cases_failures_and_changed_files_are_told_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        for name, status in (("done", "done"), ("lost", "done"), ("failed", "failed"), ("cut", "interrupted")):
            wrote(journal, f"/e/{name}.mp4", status, reason="why")
        wrote(journal, "/e/changed.mp4", "failed", size_bytes=99)
        wrote(journal, "/e/killed.mp4", None)
    walked = found("done.mp4", "lost.mp4", "failed.mp4", "cut.mp4", "changed.mp4", "killed.mp4", "new.mp4")
    headers, finished = Headers(), {tmp_path / "done.mp4", tmp_path / "changed.mp4", tmp_path / "killed.mp4"}
    made = plan(walked, tmp_path, read_history(tmp_path), finished.__contains__, headers, retry_failed=False)
    assert {item.name: item.state for item in made.items} == {
        "done.mp4": "done",
        "lost.mp4": "pending",
        "failed.mp4": "failed",
        "cut.mp4": "pending",
        "changed.mp4": "pending",
        "killed.mp4": "done",
        "new.mp4": "pending",
    }
    assert headers.asked == ["/e/changed.mp4", "/e/new.mp4"]
    again = plan(walked, tmp_path, read_history(tmp_path), finished.__contains__, Headers(), retry_failed=True)
    assert again.of("failed") == []


def test_what_is_no_media_is_left_out_and_what_kills_its_reader_is_not(tmp_path: Path) -> None:
    walked = found("a.txt", "die.txt", "die.mp4", "b.mp4")
    made = plan(walked, tmp_path, read_history(tmp_path), lambda _: False, Headers(), retry_failed=False)
    assert [item.name for item in made.items] == ["die.txt", "die.mp4", "b.mp4"]
    assert [each.path.name for each in made.left_out] == ["a.txt"]
    assert made.totals == {"requested": 4, "done": 0, "failed": 0, "left_out": 1, "pending": 3}


# --- progress ---------------------------------------------------------------------------------------------------------


def items(*footage: float | None) -> list[Item]:
    walked = found(*(f"{number}.mp4" for number in range(len(footage))))
    pairs = zip(walked.found, footage, strict=True)
    return [Item(each, each.relative, Path("/c") / each.relative, footage_s=seconds) for each, seconds in pairs]


def test_the_time_left_follows_the_footage_and_not_the_files() -> None:
    now = [0.0]
    every = items(100.0, 100.0, 800.0)
    every[0].state = "done"
    progress = ArchiveProgress(Plan(every, [], []), lambda: now[0])
    assert progress.left_s is None
    assert "left" not in progress.text()
    now[0] = 50.0
    progress.reads(every[1], 0.5)
    assert progress.left_s == pytest.approx(50.0 * 850 / 50)
    every[1].state = "done"
    now[0] = 100.0
    progress.ends(every[1])
    assert progress.left_s == pytest.approx(800.0)
    assert progress.footage_s == (200.0, 1000.0)
    assert progress.text() == "2 of 3 files, 0.06 of 0.28 h, about 13 min left"


def test_no_time_is_left_over_for_what_nobody_knows_the_length_of() -> None:
    now = [0.0]
    every = items(None, None)
    progress = ArchiveProgress(Plan(every, [], []), lambda: now[0])
    # As of an object of a store, whose length is known when it was copied.
    every[0].state, every[0].footage_s, now[0] = "done", 100.0, 50.0
    progress.ends(every[0])
    assert progress.left_s is None
    assert progress.text() == "1 of 2 files, 0.03 of 0.03 h"


def test_lengths_in_words() -> None:
    assert [span(each) for each in (3, 300, 9000, 400_000)] == ["3 s", "5 min", "2.5 h", "4.6 days"]
    assert (hours(1800), hours(360_000)) == ("0.50", "100.0")


def test_a_line_has_always_the_same_keys() -> None:
    one, other = items(None, 1.0)
    other.state, other.facts = "done", {"counts": {"tracks": 1}, "ledger_head": "a" * 64}
    assert set(line(one)) == set(line(other))
    assert json.loads(json.dumps(line(other)))["counts"] == {"tracks": 1}


# --- budget -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cores", "free_gb", "jobs", "memory_gb", "expected"),
    [
        (8, 100.0, None, None, (8, False)),
        (8, 10.0, None, None, (4, False)),
        (8, 1.0, None, None, (1, False)),
        (8, None, None, None, (8, False)),
        (8, 100.0, None, 4.0, (2, False)),
        (8, 10.0, 6, None, (6, True)),
        (2, 100.0, 4, None, (4, False)),
    ],
)
def test_workers_fit_cores_and_memory_unless_told(
    cores: int,
    free_gb: float | None,
    jobs: int | None,
    memory_gb: float | None,
    expected: tuple[int, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "available_cores", lambda: cores)
    monkeypatch.setattr(budget, "available_gb", lambda: free_gb)
    staff = budget.staff(jobs, memory_gb)
    assert (staff.jobs, staff.short_of_memory) == expected


def test_this_machine_has_cores_and_memory() -> None:
    assert budget.available_cores() >= 1
    assert (budget.available_gb() or 1.0) > 0
