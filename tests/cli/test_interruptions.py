"""Ctrl-C: what is said is true. A run says that it resumes; what is made whole or not at all begins anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facerecon.manifest import verify
from tests.cli.conftest import Program
from tests.cli.test_packages import KEPT
from tests.unit.pipeline.redacted_cases import HIDDEN, WHY, crowd


def interrupting(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    return made


def test_an_interrupted_redaction_leaves_nothing_and_begins_anew(
    facerecon: Program, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = crowd(tmp_path / "original", explain=False)
    asked = ("case", "redact", case, place / "copy", "--track", HIDDEN, "--reason", WHY, "--no-pdf", "--quiet")
    with monkeypatch.context() as patch:
        patch.setattr("facerecon.commands.stages.run_report", interrupting)
        done = facerecon(*asked)
    assert done.code == 130
    assert "nothing is left of the copy, and the same command begins anew" in done.err
    assert "resumes" not in done.err
    assert not list(place.iterdir())
    assert facerecon(*asked).code == 0
    verify(place / "copy")


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("case", "info", KEPT), "facerecon.pipeline.overview.overview"),
        (("case", "diff", KEPT, KEPT), "facerecon.pipeline.differences.differences"),
        (("case", "package", KEPT, "out.zip"), "facerecon.pipeline.packing.package"),
        (("case", "export", KEPT, "--case-uco", "out.jsonld"), "facerecon.exchange.export.export_case_uco"),
        (("verify", KEPT), "facerecon.commands.verify.verify"),
    ],
)
def test_commands_that_only_read_begin_anew(
    facerecon: Program, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...], where: str
) -> None:
    monkeypatch.chdir(place)
    with monkeypatch.context() as patch:
        patch.setattr(where, interrupting)
        done = facerecon(*arguments)
    assert done.code == 130
    assert "interrupted; the same command begins anew" in done.err
    assert "resumes" not in done.err
    assert not list(place.iterdir())
    assert facerecon(*arguments).code == 0


def test_an_interrupted_demo_says_where_its_things_are(
    facerecon: Program, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("facerecon.demo.render_clip", interrupting)
        done = facerecon("demo", "--folder", place / "demo", "--quiet")
    assert done.code == 130
    assert f"what was made is in {place / 'demo'}" in done.error
    again = facerecon("demo", "--folder", place / "demo", "--quiet")
    assert again.code == 2
    assert "exists already" in again.error
