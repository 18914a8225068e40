"""Searching frames in parts finds what searching them in whole finds, and says what it searched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.search_area import SearchArea, Seen
from facerecon.profiles import Profile, load_profile
from facerecon.records import RGB, Detection, DetectionRecord, Frame, FrameRecord, Timestamp, TrackRecord
from facerecon.stages import Silent
from facerecon.video import MotionGate
from tests.fakes import FakeDetector, FakeSource, picture
from tests.unit.pipeline.stage_cases import holds, new_case

SIZE = (640, 384)


class CountingDetector(FakeDetector):
    """Remembers which sizes it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, ...]] = []

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        self.sizes += [image.shape[:2] for image in images]
        return super().detect(images)


def walk(count: int = 40) -> list[RGB]:
    """Two persons: one walks through the picture, one stands and is there from the start."""
    return [picture(*SIZE, faces=[(8 + 12 * n, 40, 24), (20, 300, 30)]) for n in range(count)]


def settings(*overrides: str, regions: bool = True) -> Profile:
    return load_profile("standard", (f"extract.motion.regions={str(regions).lower()}", *overrides))


def extracted(root: Path, frames: Sequence[RGB | None], profile: Profile) -> tuple[Case, CountingDetector]:
    source, detector = FakeSource(frames), CountingDetector()
    case = new_case(root, source, profile)
    extract(case, source, detector, Context(profile, Silent()))
    return case, detector


def boxes(case: Case) -> list[tuple[str, tuple[float, ...]]]:
    return sorted((each.frame, each.detection.box) for each in case.read(DetectionRecord, "detections"))


def test_parts_find_the_faces_of_the_whole_and_search_less(tmp_path: Path) -> None:
    parts, detector = extracted(tmp_path / "parts", walk(), settings())
    whole, everything = extracted(tmp_path / "whole", walk(), settings(regions=False))
    assert boxes(parts) == boxes(whole)
    assert len(parts.read(TrackRecord, "tracks")) == len(whole.read(TrackRecord, "tracks")) == 2
    pixels = [sum(h * w for h, w in each.sizes) for each in (detector, everything)]
    assert pixels[0] < 0.8 * pixels[1]
    account = parts.runs("extract")[0].details["search"]
    assert account["searched_percent"] == pytest.approx(100 * pixels[0] / pixels[1], abs=0.06)
    assert whole.runs("extract")[0].details["search"] == {"searched_percent": 100.0, "searched_again": 0}


def test_frames_say_which_parts_of_them_were_searched(tmp_path: Path) -> None:
    case, _ = extracted(tmp_path / "c", walk(), settings())
    frames = case.read(FrameRecord, "frames")
    assert frames[0].windows is None
    searched = [frame for frame in frames if frame.windows]
    assert len(searched) > len(frames) / 2
    for frame in searched:
        faces = [box for name, box in boxes(case) if name == frame.id]
        for box in faces:
            assert any(holds(window, box) for window in frame.windows or ())


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_the_detectors_batch_does_not_change_what_is_searched(tmp_path: Path, batch: int) -> None:
    one, _ = extracted(tmp_path / "one", walk(), settings())
    other, _ = extracted(tmp_path / "other", walk(), settings(f"detect.batch={batch}"))
    assert one.read(FrameRecord, "frames") == other.read(FrameRecord, "frames")
    assert boxes(one) == boxes(other)


def test_a_face_that_a_window_cuts_is_looked_for_in_the_whole_picture() -> None:
    """A large face that no track expects, and of which only one corner moved."""
    area, gate = SearchArea(FakeDetector(), settings()), MotionGate(settings().extract.motion)
    still = picture(640, 384, faces=[(200, 60, 260)])
    moved = still.copy()
    moved[70:90, 210:230] = 255 - moved[70:90, 210:230]
    seen = []
    for index, pixels in enumerate((still, moved)):
        frame = Frame(index, Timestamp(pts=index, time_base=(1, 25)), pixels, keyframe=False)
        seen.append(Seen(frame, gate.look(frame)))
    (first,), (second,) = (area.find([each], []) for each in seen)
    assert first.search.windows is None
    assert second.search.windows is None
    assert area.account["searched_again"] == 1
    assert len(second.faces) == 1
    assert np.allclose(second.faces[0].box, first.faces[0].box)
