"""The batch's look at headers: the same with and without isolation, and what breaks a decoder is not passed over."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import pytest
from PIL import Image

from facerecon.batch.probing import Prober, probe
from facerecon.batch.units import Opening, Unit, attempt
from facerecon.video import isolation
from tests.synthetic import write_bomb, write_video
from tests.unit.batch.batch_cases import InlineEngine, still

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
ISOLATED = {"isolation": "process", "decoder_timeout_s": 60.0}
NOTHING = {"media": False, "footage_s": None}
WAYS = [pytest.param({}, id="here"), pytest.param(ISOLATED, id="isolated", marks=ON_LINUX)]


def probed(path: Path, options: dict[str, object]) -> object:
    return Prober(options, lambda _: None).run(Unit(0, str(path)))


@pytest.fixture
def archive(tmp_path: Path) -> dict[Path, object]:
    (tmp_path / "a.txt").write_text("words\n" * 40)
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 5000)
    return {
        write_video(tmp_path / "a.mp4", frames=25): {"media": True, "footage_s": 1.0},
        still(tmp_path / "a.png"): {"media": True, "footage_s": 0.0},
        write_bomb(tmp_path): {"media": True, "footage_s": 0.0},
        tmp_path / "a.txt": NOTHING,
        tmp_path / "broken.mp4": NOTHING,
        tmp_path / "none.mp4": NOTHING,
    }


@pytest.mark.parametrize("options", WAYS)
def test_headers_are_the_same_whoever_looks(archive: dict[Path, object], options: dict[str, object]) -> None:
    assert {path: probed(path, options) for path in archive} == archive
    assert {path: probe(path) for path in archive} == archive


@ON_LINUX
def test_isolated_the_worker_itself_opens_no_file_with_a_decoder(
    archive: dict[Path, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a decoder was used in the worker")

    monkeypatch.setattr(av, "open", opened)
    monkeypatch.setattr(Image, "open", opened)
    assert {path: probed(path, ISOLATED) for path in archive} == archive


@ON_LINUX
def test_a_file_that_breaks_its_decoder_is_a_failure_and_the_next_is_looked_at(
    archive: dict[Path, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = Prober(ISOLATED, lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "_PROCESSOR_S", 0)
        patch.setattr(isolation, "_PROCESSOR_S_PER_KIB", 0)
        patch.setattr(prober._reader, "_memory_bytes", 1 << 20)
        video = next(path for path in archive if path.name == "a.mp4")
        outcome = attempt(prober, Unit(0, str(video)))
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert "the decoder " in outcome.reason
    assert "\n" not in outcome.reason
    assert {path: prober.run(Unit(1, str(path))) for path in archive} == archive


def test_an_engine_opens_it_by_name(tmp_path: Path) -> None:
    engine = InlineEngine(Opening("facerecon.batch.probing:Prober"), 1)
    video = write_video(tmp_path / "a.mp4", frames=25)
    *_, outcome = engine.run([Unit(3, str(video))])
    assert (outcome.number, outcome.facts) == (3, {"media": True, "footage_s": 1.0})  # type: ignore[union-attr]
