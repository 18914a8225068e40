"""The order of an archive and the names of its cases: properties over any names."""

from __future__ import annotations

import random
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch.found import Found
from facerecon.batch.naming import INDEX, JOURNAL, Names
from facerecon.batch.order import natural

PARTS = st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=12).filter(
    lambda t: t not in (".", "..")
)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def test_clip_2_comes_before_clip_10_at_every_depth() -> None:
    names = ["cam10/clip1", "cam2/clip10", "cam2/clip2", "cam2/clip2b", "Cam2/clip3", "cam2/clip02"]
    assert sorted(names, key=natural) == [
        "cam2/clip02", "cam2/clip2", "cam2/clip2b", "Cam2/clip3", "cam2/clip10", "cam10/clip1",
    ]  # fmt: skip


@given(st.lists(PATHS, unique_by=lambda path: str(PurePosixPath(path))), st.randoms())
def test_the_order_is_total_and_does_not_depend_on_what_came_first(paths: list[str], chance: random.Random) -> None:
    ordered = sorted(paths, key=natural)
    chance.shuffle(paths)
    assert sorted(paths, key=natural) == ordered


@given(st.integers(0, 10**40), st.integers(0, 10**40), st.sampled_from(["", "0", "00"]))
def test_numbers_count_by_value(one: int, other: int, zeros: str) -> None:
    a, b = f"clip{zeros}{one}.mp4", f"clip{other}.mp4"
    if one != other:
        assert (natural(a) < natural(b)) == (one < other)


def test_more_digits_than_python_converts() -> None:
    assert natural("9" * 5000) < natural("1" + "0" * 5000)


def found(archive: str, relative: str) -> Found:
    return Found(Path(archive) / relative, Path(archive), relative, 1, 1)


NAMES = st.lists(st.sampled_from(["a", "b.mp4", INDEX, JOURNAL]), min_size=1, max_size=3).map(tuple)
ITEMS = st.lists(st.tuples(st.sampled_from(["/mon", "/tue", "/a/mon"]), NAMES), unique=True)


@given(ITEMS)
def test_no_two_sources_share_a_folder_or_lie_in_each_other(items: list[tuple[str, tuple[str, ...]]]) -> None:
    names = Names({})
    given_away = [PurePosixPath(names.of(found(archive, "/".join(parts)))) for archive, parts in items]
    assert len(set(given_away)) == len(given_away)
    for one in given_away:
        assert one.parts[0] not in (INDEX, JOURNAL)
        assert not any(parent in given_away for parent in one.parents)


@given(ITEMS, st.randoms())
def test_what_is_known_keeps_its_name_whatever_comes_first_later(
    items: list[tuple[str, tuple[str, ...]]], chance: random.Random
) -> None:
    sources = [found(archive, "/".join(parts)) for archive, parts in items]
    first = Names({})
    known = {str(each.path): first.of(each) for each in sources[: len(sources) // 2]}
    chance.shuffle(sources)
    later = Names(known)
    made = {str(each.path): later.of(each) for each in sources}
    assert {source: made[source] for source in known} == known
    assert len(set(made.values())) == len(made)


def test_a_case_is_named_as_its_source_with_the_suffix() -> None:
    names = Names({})
    assert names.of(found("/mon", "cam1/a.mp4")) == "cam1/a.mp4"
    assert names.of(found("/mon", "cam1/a.avi")) == "cam1/a.avi"
    other = names.of(found("/tue", "cam1/a.mp4"))
    assert other.startswith("tue~")
    assert other.endswith("/cam1/a.mp4")
