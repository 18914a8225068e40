"""The stage over footage that is decoded in a process of its own: the same case, and what is left when it dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from facerecon.case import Case
from facerecon.commands.workbench import _open
from facerecon.errors import EvidenceError
from facerecon.manifest import verify
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.extraction import extract
from facerecon.profiles import Profile
from facerecon.records import RGB, Counts, Detection, FrameRecord, Skipped
from facerecon.stages import Silent
from facerecon.video import spawning
from tests.fakes import FakeDetector
from tests.synthetic import write_video
from tests.unit.pipeline.stage_cases import new_case, profile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
FRAMES = 60
ISOLATED = "extract.isolation=process"


class Assassin(FakeDetector):
    """Ends the decoders when it is asked for the first time."""

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        if self.calls == 0:
            warden = spawning._WARDEN.pid
            for pid in Path(f"/proc/{warden}/task/{warden}/children").read_text().split():
                os.kill(int(pid), signal.SIGSEGV)
        return super().detect(images)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", frames=FRAMES, size=(640, 480))


def extracted(root: Path, clip: Path, settings: Profile, detector: FakeDetector) -> Case:
    source = _open(clip, settings)
    case = new_case(root, source, settings)  # type: ignore[arg-type]
    try:
        extract(case, source, detector, Context(settings, Silent()))
    finally:
        case.close()
    return case


def test_the_case_is_the_same_with_and_without_isolation(tmp_path: Path, clip: Path) -> None:
    made = [
        extracted(tmp_path / way, clip, profile(f"extract.isolation={way}"), FakeDetector())
        for way in ("none", "process")
    ]
    one, two = ({name: d for name, d in case.digests().items() if "/" in name} for case in made)
    assert one == two
    assert len(one) > 3
    assert [case.runs("extract")[0].details["parameters"]["extract"]["isolation"] for case in made] == [
        "none",
        "process",
    ]


def test_a_decoder_that_dies_costs_its_frames_and_the_case_keeps_the_others(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(EvidenceError, match=r"frames \(.* %\) could not be decoded; the profile allows 10 %"):
        extracted(tmp_path / "c", clip, profile(ISOLATED), Assassin())
    verify(tmp_path / "c")
    with Case.open(tmp_path / "c") as case:
        counts = Counts.model_validate(case.runs("extract")[0].details["counts"]["frames"])
        (failed,) = [each for each in case.read(Skipped, "extract-skipped") if each.kind == "frame"]
        assert len(case.read(FrameRecord, "frames")) == counts.written
    assert counts.requested == FRAMES
    assert 8 <= counts.written < FRAMES
    assert (failed.kind, failed.reason, failed.count) == ("frame", "decoder-ended", counts.failed)
    assert f"ended by signal 11 (Segmentation fault) after frame {counts.written - 1}" in failed.detail


def test_a_profile_that_allows_it_goes_on_without_them(tmp_path: Path, clip: Path) -> None:
    case = extracted(tmp_path / "c", clip, profile(ISOLATED, "extract.max_failed_percent=100"), Assassin())
    assert case.runs("extract")
