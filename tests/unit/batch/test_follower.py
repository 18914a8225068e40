"""Following: everything is taken once, nothing while it is being written, and it ends when nothing more can come."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch import following
from facerecon.batch.following import Follower
from facerecon.batch.found import HIDDEN, Found, Omitted, Walk
from facerecon.batch.planning import Item, Plan
from facerecon.errors import IntegrityError

ROOT = Path("/evidence")
CAPTURE = ROOT / "cam17"


@dataclass
class World:
    """What lies there at a look: plain files (name -> size), a capture's segments, and how the capture stands."""

    files: dict[str, int] = field(default_factory=dict)
    segments: int = 0
    captures: list[Path] = field(default_factory=list)
    held: bool = True
    ended: bool = False
    unreadable: bool = False
    omitted: list[Omitted] = field(default_factory=list)

    def walk(self) -> Walk:
        plain = [Found(ROOT / name, ROOT, name, size, size) for name, size in sorted(self.files.items())]
        cut = [
            Found(CAPTURE / f"{n}.mkv", ROOT, f"cam17/{n}.mkv", 9, 9, named=True, capture=CAPTURE, length_s=1.0)
            for n in range(self.segments)
        ]
        return Walk([*plain, *cut], list(self.omitted), list(self.captures))

    def running(self, _: Path) -> bool:
        if self.unreadable:
            raise IntegrityError("the ledger cannot be read")
        return self.held

    def finished(self, _: Path) -> bool:
        return self.ended


def planned(walk: Walk) -> Plan:
    return Plan([Item(each, each.relative, Path("/cases") / each.relative) for each in walk.found])


def follower(world: World, patch: pytest.MonkeyPatch, **more: object) -> Follower:
    patch.setattr(following, "running", world.running)
    patch.setattr(following, "finished", world.finished)
    return Follower(Plan(), world.walk, planned, **more)  # type: ignore[arg-type]


def names(items: list[Item] | None) -> list[str]:
    assert items is not None
    return [item.name for item in items]


# What happens between two looks: a plain file gets a size (0: it goes), or the capture gets so many segments.
Change = tuple[str, int]
CHANGES = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["a.mp4", "b.mp4", "c.mp4"]), st.integers(0, 3)),
            st.tuples(st.just("segments"), st.integers(0, 4)),
        ),
        max_size=3,
    ),
    max_size=12,
)


@given(CHANGES)
def test_every_file_is_taken_once_and_never_while_it_grows(changes: list[list[Change]]) -> None:
    world = World(captures=[CAPTURE])
    seen: dict[str, list[int]] = {}
    taken: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        looks = follower(world, patch)
        for step in changes:
            for name, number in step:
                if name == "segments":
                    world.segments = max(world.segments, number)
                elif number:
                    world.files[name] = number
                else:
                    world.files.pop(name, None)
            for name, size in world.files.items():
                seen.setdefault(name, []).append(size)
            new = names(looks.look())
            for name in new:
                if not name.startswith("cam17/"):
                    assert seen[name][-2:] == [world.files[name]] * 2
            taken += new
        assert len(set(taken)) == len(taken)
        assert [item.name for item in looks.plan.items] == taken
        # At rest all of it is taken, at the second look at the latest.
        for _ in range(2):
            taken += names(looks.look())
        assert set(taken) >= {*world.files, *(f"cam17/{n}.mkv" for n in range(world.segments))}
        assert names(looks.look()) == []


@given(st.integers(0, 5), st.booleans())
def test_a_capture_that_has_ended_is_worked_off_first(segments: int, late: bool) -> None:
    world = World(captures=[CAPTURE], segments=segments)
    with pytest.MonkeyPatch.context() as patch:
        looks = follower(world, patch)
        assert len(names(looks.look())) == segments
        world.held, world.ended = False, True
        if late:
            world.segments += 1
            assert names(looks.look()) == [f"cam17/{segments}.mkv"]
        assert looks.look() is None


def test_a_capture_that_is_held_or_has_no_end_yet_is_waited_for_and_a_killed_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(captures=[CAPTURE], segments=1, held=True, ended=True)
    looks = follower(world, monkeypatch)
    assert [looks.look() is None for _ in range(6)] == [False] * 6
    world.held = world.ended = False
    # Nobody holds it, and its end is not written: it was killed, or begins just now.
    results = [looks.look() is None for _ in range(8)]
    assert results.index(True) + 1 == following._DEAD_AFTER_LOOKS
    world.held = True
    again = follower(world, monkeypatch)
    again.look()
    for _ in range(following._DEAD_AFTER_LOOKS):
        world.held = False
        assert again.look() is not None
        world.held = True
        assert again.look() is not None


def test_a_file_that_is_being_copied_when_the_captures_end_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(captures=[CAPTURE], held=False, ended=True, files={"a.mp4": 1})
    looks = follower(world, monkeypatch)
    assert names(looks.look()) == []
    world.files["a.mp4"] = 2
    assert names(looks.look()) == []
    assert names(looks.look()) == ["a.mp4"]


def test_one_capture_that_runs_keeps_the_others_open(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ROOT / "cam18"
    world = World(captures=[CAPTURE, other])
    looks = follower(world, monkeypatch)
    monkeypatch.setattr(following, "running", lambda path: path == other)
    monkeypatch.setattr(following, "finished", lambda path: path == CAPTURE)
    assert [looks.look() is None for _ in range(6)] == [False] * 6
    monkeypatch.setattr(following, "running", lambda path: False)
    monkeypatch.setattr(following, "finished", lambda path: True)
    assert looks.look() is None


def test_nobody_can_tell_when_a_plain_folder_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(files={"a.mp4": 1}, captures=[CAPTURE], held=False, ended=True)
    looks = follower(world, monkeypatch)
    assert [looks.look() is None for _ in range(8)] == [False] * 8
    assert [item.name for item in looks.plan.items] == ["a.mp4"]
    assert [follower(World(), monkeypatch).look() for _ in range(2)] == [[], []]


@given(st.floats(0, 100), st.lists(st.floats(0.1, 30), max_size=8))
def test_looking_ends_at_its_time_and_not_before(stop_at: float, steps: list[float]) -> None:
    now = [0.0]
    world = World(files={"a.mp4": 1})
    with pytest.MonkeyPatch.context() as patch:
        looks = follower(world, patch, stop_at=stop_at, clock=lambda: now[0])
        for step in steps:
            assert (looks.look() is None) == (now[0] >= stop_at)
            now[0] += step


# --- what is left out -------------------------------------------------------------------------------------------------


def looked(looks: Follower, times: int) -> None:
    for _ in range(times):
        looks.look()


def test_what_is_left_out_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(omitted=[Omitted(ROOT / ".x", HIDDEN), Omitted(ROOT / ".y", HIDDEN)])
    looks = follower(world, monkeypatch)
    looked(looks, 5)
    assert [each.path.name for each in looks.plan.left_out] == [".x", ".y"]
    assert looks.plan.unread == []


def test_what_cannot_be_read_is_asked_again_before_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Omitted(ROOT / "locked", "cannot be read", failed=True)
    world = World(omitted=[refused])
    looks = follower(world, monkeypatch)
    looked(looks, following._UNREADABLE_AFTER_LOOKS - 1)
    assert looks.plan.unread == []
    # In between it was readable: counting begins anew.
    world.omitted = []
    looked(looks, 1)
    world.omitted = [refused]
    looked(looks, following._UNREADABLE_AFTER_LOOKS - 1)
    assert looks.plan.unread == []
    looked(looks, 4)
    assert looks.plan.unread == [refused]


def test_a_failure_that_can_be_read_after_all_is_none_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(omitted=[Omitted(ROOT / "a.mp4", "cannot be read", failed=True)])
    looks = follower(world, monkeypatch)
    looked(looks, following._UNREADABLE_AFTER_LOOKS)
    assert len(looks.plan.unread) == 1
    world.omitted, world.files = [], {"a.mp4": 1}
    looked(looks, 2)
    assert (looks.plan.unread, [item.name for item in looks.plan.items]) == ([], ["a.mp4"])


def test_a_capture_whose_ledger_cannot_be_read_is_given_up_only_when_the_walk_says_so_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(captures=[CAPTURE])
    looks = follower(world, monkeypatch)
    looked(looks, 1)
    world.unreadable = True
    assert [looks.look() is None for _ in range(5)] == [False] * 5
    world.omitted = [Omitted(CAPTURE, "cannot be read", failed=True)]
    results = [looks.look() is None for _ in range(6)]
    assert results.index(True) == following._UNREADABLE_AFTER_LOOKS
    assert [each.path for each in looks.plan.unread] == [CAPTURE]
