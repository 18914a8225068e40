"""Who was compared in how many cases: also for a gallery so large that a case lists its candidates only."""

from __future__ import annotations

from pathlib import Path

import pytest

from facerecon.batch.archive import collect
from facerecon.batch.found import Found
from facerecon.batch.planning import Item, Plan
from facerecon.case import Case
from facerecon.pipeline import recognition
from tests.fakes import OTHER, picture
from tests.unit.pipeline.stage_cases import compare_with, extracted, profile, save, walk

ONE = ("recognize.top=1",)


def gallery(folder: Path, *more: str) -> Path:
    save(folder / "Ada/1.png", picture(faces=[(40, 20, 80)]))
    save(folder / "Bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    for name in more:
        save(folder / f"{name}.png", picture(faces=[(30, 20, 80)], colours=[OTHER], background=90))
    return folder


def plan(root: Path, names: tuple[str, ...]) -> Plan:
    found = [Found(Path("/evidence") / name, Path("/evidence"), name, 1, 1) for name in names]
    return Plan([Item(each, each.relative, root / each.relative, "done") for each in found])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three cases: one like Ada, two like Bob; only the best person of each is a candidate."""
    for name, colour in (("ada", None), ("bob", OTHER), ("bob2", OTHER)):
        frames = walk() if colour is None else walk(colour=colour)
        extracted(tmp_path / name, frames, *ONE).close()
    return tmp_path


def compare(root: Path, name: str, folder: Path) -> None:
    with Case.open(root / name) as case:
        compare_with(case, folder, profile(*ONE))


def told(root: Path, *names: str) -> dict[str, tuple[int, int]]:
    """Person -> (cases compared, cases with a lead)."""
    report = collect("x", plan(root, names))
    return {
        each.identity: (each.cases_compared, len({lead.case.name for lead in each.leads})) for each in report.people
    }


@pytest.mark.parametrize("listed", [0, 200])
def test_everybody_was_compared_in_every_case_of_the_same_gallery(
    listed: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "LISTED_PICTURES", listed)
    known = gallery(root / "gallery")
    for name in ("ada", "bob", "bob2"):
        compare(root, name, known)
    assert told(root, "ada", "bob", "bob2") == {"Ada": (3, 1), "Bob": (3, 2)}
    # Whoever is no candidate anywhere is not known to the index of a large gallery.
    assert set(told(root, "bob", "bob2")) == ({"Bob"} if listed == 0 else {"Ada", "Bob"})


@pytest.mark.parametrize("listed", [0, 200])
def test_cases_of_another_gallery_do_not_count_and_the_latest_comparison_does(
    listed: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "LISTED_PICTURES", listed)
    compare(root, "ada", gallery(root / "gallery"))
    compare(root, "bob", gallery(root / "later", "Cleo"))
    found = told(root, "ada", "bob", "bob2")
    assert found["Ada"][0] == (1 if listed == 0 else 2)
    assert found["Bob"][0] in (1, 2)
    compare(root, "ada", root / "later")
    again = told(root, "ada", "bob", "bob2")
    assert {compared for compared, _ in again.values()} == {2}
