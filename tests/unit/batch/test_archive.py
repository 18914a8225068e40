"""The archive's index: every case and every failure is in it, nothing of a damaged case is, and names cannot act."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from facerecon.batch.archive import MOST_PICTURES, THUMBNAIL_PX, collect, thumbnail, write_index
from facerecon.batch.found import HIDDEN, Found, Omitted
from facerecon.batch.planning import Item, Plan
from facerecon.errors import ResourceError
from facerecon.pictures import encode_png
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.reporting import report as write_report
from facerecon.report.archive import ArchiveReport, CaseEntry, Sighting, Thumbnail, render_archive
from facerecon.report.language import language
from facerecon.stages import Silent
from tests.fakes import picture
from tests.unit.pipeline.stage_cases import compared, profile

HOSTILE = '"><script>alert(1)</script>\u202egpj.x{{7*7}}<img src=http://a/b onerror=x>'


class Page(HTMLParser):
    """What a browser would make of a page: tags, addresses, and text."""

    def __init__(self, path_or_text: Path | str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.events: list[str] = []
        self.text = ""
        self.feed(path_or_text.read_text(encoding="utf-8") if isinstance(path_or_text, Path) else path_or_text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [str(given["href"])] if "href" in given else []
        self.images += [str(given["src"])] if "src" in given else []
        self.events += [name for name in given if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished cases of one walker, compared with a gallery of three."""
    root = tmp_path_factory.mktemp("archive")
    with compared(root / "work") as case:
        write_report(case, lambda _: "<!doctype html>\n", None, Context(profile(), Silent()))
    for name in ("mon/clip 1.mp4", "tue/#2.mp4"):
        shutil.copytree(root / "work/c", root / "cases" / name)
    return root / "cases"


def item(cases: Path, name: str, state: str = "done", reason: str = "") -> Item:
    found = Found(Path("/evidence") / name, Path("/evidence"), name, 1, 1)
    return Item(found, name, cases / name, state, reason=reason, footage_s=2.0)  # type: ignore[arg-type]


def whole(cases: Path) -> Plan:
    items = [item(cases, "mon/clip 1.mp4"), item(cases, "tue/#2.mp4")]
    items += [item(cases, "broken.mp4", "failed", "it is empty"), item(cases, "later.mp4", "pending")]
    return Plan(items, [Omitted(Path("/evidence/.x"), HIDDEN)], [Omitted(Path("/evidence/locked"), "cannot", True)])


def test_every_case_failure_and_omission_is_on_the_page(cases: Path) -> None:
    page = Page(write_index(cases, whole(cases), "en"))
    for words in ("mon/clip 1.mp4", "tue/#2.mp4", "broken.mp4", "it is empty", "later.mp4", "/evidence/.x", "locked"):
        assert words in page.text
    assert "6 files were reached: 2 done, 2 failed, 1 left out, 1 pending." in page.text
    assert "Derived document" in page.text
    assert not re.search(r"\bmatch|identified|confirmed", page.text)
    document = json.loads((cases / "archive/index.json").read_text())
    assert document["totals"] == {"requested": 6, "done": 2, "failed": 2, "left_out": 1, "pending": 1}
    assert [each["case"] for each in document["cases"]] == ["mon/clip 1.mp4", "tue/#2.mp4"]
    assert [each["reason"] for each in document["failures"]] == ["it is empty", "cannot"]


def test_links_lead_to_the_reports_and_pictures_are_inside(cases: Path) -> None:
    path = write_index(cases, whole(cases), "en")
    page = Page(path)
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside
    for link in outside:
        assert (path.parent / unquote(link.partition("#")[0])).resolve().is_file()
    assert any(link.endswith("#track-t0001") for link in outside)
    assert page.images
    assert all(each.startswith("data:image/jpeg;base64,") for each in page.images)
    assert "script" not in page.tags


def test_candidates_of_all_cases_stand_together_most_similar_first(cases: Path) -> None:
    report = collect("x", whole(cases))
    people = {each.identity: each for each in report.people}
    assert set(people) == {"Ada", "Bob"}
    ada = people["Ada"]
    assert ada.cases_compared == 2
    assert {lead.case.name for lead in ada.leads} == {"mon/clip 1.mp4", "tue/#2.mp4"}
    similar = [lead.candidate.similarity for lead in ada.leads]
    assert similar == sorted(similar, reverse=True)
    assert all(lead.candidate.above_threshold and lead.candidate.primary for lead in ada.leads)
    assert len({(lead.case.name, lead.sighting.track) for lead in ada.leads}) == len(ada.leads)


def test_a_case_that_does_not_verify_is_told_and_nothing_of_it_is_shown(cases: Path, tmp_path: Path) -> None:
    shutil.copytree(cases, tmp_path / "cases")
    for spoiled in (tmp_path / "cases/mon/clip 1.mp4/faces").rglob("*.png"):
        spoiled.write_bytes(spoiled.read_bytes() + b"x")
    report = collect("x", whole(tmp_path / "cases"))
    first, second = report.cases
    assert "was changed" in first.problem
    assert first.sightings == ()
    assert second.problem == ""
    assert {lead.case.name for each in report.people for lead in each.leads} == {"tue/#2.mp4"}
    assert "Nothing of this case is shown" in Page(render_archive(report)).text


def test_the_same_cases_give_the_same_bytes_and_the_index_is_replaced_whole(cases: Path) -> None:
    path = write_index(cases, whole(cases), "en")
    first = path.read_bytes(), path.with_name("index.json").read_bytes()
    write_index(cases, whole(cases), "en")
    assert (path.read_bytes(), path.with_name("index.json").read_bytes()) == first
    assert {each.name for each in path.parent.iterdir()} == {"index.html", "index.json"}


def test_an_index_that_cannot_be_written_is_said(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("in the way")
    with pytest.raises(ResourceError, match="archive"):
        write_index(tmp_path, whole(cases), "en")


def hostile() -> ArchiveReport:
    small = Thumbnail(b"\xff\xd8", 4, 4)
    case = CaseEntry(
        HOSTILE, HOSTILE, 10.0, 5, (Sighting(HOSTILE, 1.0, 2.0, small), Sighting("t2", 1, 2)), HOSTILE, "a" * 64
    )
    totals = {"requested": 3, "done": 1, "failed": 1, "left_out": 1, "pending": 0}
    return ArchiveReport(
        HOSTILE, totals, 10.0, (case, CaseEntry(HOSTILE, HOSTILE, problem=HOSTILE)), (),
        ((HOSTILE, HOSTILE), ("caf\udce9\n", "no")), {HOSTILE: (HOSTILE,)}, (HOSTILE,), "0",
    )  # fmt: skip


@pytest.mark.parametrize("code", ["en", "de"])
def test_names_cannot_act(code: str) -> None:
    text = render_archive(hostile(), language(code))
    page = Page(text)
    assert "script" not in page.tags
    assert page.events == []
    assert all(each.startswith("data:") for each in page.images)
    assert not any(":" in link.partition("#")[0] for link in page.links)
    assert "\u202e" not in text
    assert "49" not in page.text
    text.encode("utf-8")
    assert "default-src 'none'" in text
    assert "script-src" not in text


def test_a_german_index_has_no_english_sentence_of_its_own(cases: Path) -> None:
    text = render_archive(collect("x", whole(cases)), language("de"))
    assert '<html lang="de">' in text
    page = Page(text)
    assert "6 Dateien wurden erreicht" in page.text
    for words in ("Summary", "What failed", "derived", "Similarity", "of footage", "tracks"):
        assert words not in page.text


def test_pictures_are_reduced_never_enlarged_and_limited_in_number() -> None:
    large, small = (thumbnail(encode_png(picture(width, width // 2, faces=[(2, 2, 8)]), {})) for width in (400, 40))
    assert (large.width_px, large.height_px) == (THUMBNAIL_PX, THUMBNAIL_PX // 2)
    assert (small.width_px, small.height_px) == (40, 20)
    many = tuple(
        Sighting(f"t{n:04d}", n, n + 1, small if n < MOST_PICTURES else None) for n in range(MOST_PICTURES + 7)
    )
    report = ArchiveReport("x", hostile().totals, 1.0, (CaseEntry("a", "a", 60.0, 9, many),), (), (), {}, (), "0")
    page = Page(render_archive(report))
    assert len(page.images) == MOST_PICTURES
    assert "7 more tracks without a picture here" in page.text
