"""How a batch looks at headers: as its profile says decoding is done, and by no decoder of the batch's own process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from facerecon.batch import probing
from facerecon.batch.units import Opening
from facerecon.commands import batch
from tests.cli.conftest import call
from tests.synthetic import write_video
from tests.unit.batch.batch_cases import InlineEngine, still

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[Opening]:
    """Work in this process, and remember what was opened."""
    found: list[Opening] = []

    class Remembering(InlineEngine):
        def __init__(self, opening: Opening, jobs: int) -> None:
            found.append(opening)
            super().__init__(opening, jobs)

    monkeypatch.setattr(batch, "ENGINES", {"processes": Remembering})
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    root.mkdir()
    write_video(root / "clip.mp4", frames=25)
    still(root / "still.png")
    (root / "notes.txt").write_text("no footage\n" * 20)
    return root


WAYS = [((), "process"), (("--set", "extract.isolation=none"), "none")]


@pytest.mark.parametrize(("override", "isolation"), WAYS)
def test_headers_are_looked_at_as_footage_is_decoded(
    archive: Path, tmp_path: Path, openings: list[Opening], override: tuple[str, ...], isolation: str
) -> None:
    told = call("batch", archive, "--cases", tmp_path / "cases", "--dry-run", "--json", *override)
    assert told.code == 0, told.err
    assert '"left_out": {"no media": 1}' in told.out
    (opening,) = openings
    assert (opening.factory, opening.options["isolation"]) == (probing.OPENING, isolation)


@pytest.mark.usefixtures("openings")
def test_a_dry_run_opens_nothing_with_a_decoder_of_its_own(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("a decoder was used outside of a confined process")

    monkeypatch.setattr(av, "open", opened)
    monkeypatch.setattr(Image, "open", opened)
    told = call("batch", archive, "--cases", tmp_path / "cases", "--dry-run", "--json")
    assert told.code == 0, told.err
    assert '"footage_pending_s": 1.0' in told.out
