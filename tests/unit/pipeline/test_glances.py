"""Large frames are glanced at between two that are searched at full size, and nobody is lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.detection import Part
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.search_area import SearchArea, Seen
from facerecon.profiles import Profile, load_profile
from facerecon.records import RGB, Detection, DetectionRecord, Frame, FrameRecord, Timestamp, TrackRecord
from facerecon.stages import Silent
from facerecon.video import MotionGate
from tests.fakes import FakeDetector, FakeSource, picture
from tests.unit.pipeline.stage_cases import new_case

SIZE = (1280, 720)
LARGE, SMALL = 200, 30
SMALLEST = 14
"""Its half is less than what the fake detector finds."""


class CountingDetector(FakeDetector):
    """Counts the pixels that it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = 0

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        self.pixels += sum(image.shape[0] * image.shape[1] for image in images)
        return super().detect(images)


def settings(every_s: float, *overrides: str) -> Profile:
    return load_profile("standard", (f"detect.full_size_every_s={every_s}", *overrides))


def walk(count: int = 24) -> list[RGB]:
    """One person near the camera and one far from it walk through the picture: ten frames a second."""
    return [
        picture(*SIZE, faces=[(60 + 8 * n, 100, LARGE), (1200 - 10 * n, 500 + 2 * (n % 3), SMALL)])
        for n in range(count)
    ]


def extracted(
    root: Path, frames: Sequence[RGB | None], profile: Profile, clock: str = "stream"
) -> tuple[Case, CountingDetector]:
    source, detector = FakeSource(frames, clock=clock), CountingDetector()
    case = new_case(root, source, profile)
    extract(case, source, detector, Context(profile, Silent()))
    return case, detector


def boxes(case: Case) -> dict[str, list[tuple[float, ...]]]:
    found: dict[str, list[tuple[float, ...]]] = {}
    for each in case.read(DetectionRecord, "detections"):
        found.setdefault(each.frame, []).append(each.detection.box)
    return {frame: sorted(every) for frame, every in found.items()}


@pytest.mark.parametrize(("regions", "share"), [("true", 0.8), ("false", 0.6)])
def test_glances_find_whom_full_searches_find_and_see_less(tmp_path: Path, regions: str, share: float) -> None:
    motion = f"extract.motion.regions={regions}"
    glanced, detector = extracted(tmp_path / "glanced", walk(), settings(0.3, motion))
    full, everything = extracted(tmp_path / "full", walk(), settings(0, motion))
    assert boxes(glanced).keys() == boxes(full).keys()
    for frame, expected in boxes(full).items():
        assert len(boxes(glanced)[frame]) == 2
        assert np.abs(np.array(boxes(glanced)[frame]) - np.array(expected)).max() <= 1
    assert len(glanced.read(TrackRecord, "tracks")) == len(full.read(TrackRecord, "tracks")) == 2
    assert detector.pixels < share * everything.pixels


def test_small_faces_have_the_places_of_a_full_search(tmp_path: Path) -> None:
    case, _ = extracted(tmp_path / "c", walk(), settings(0.3))
    for number, frame in enumerate(case.read(FrameRecord, "frames")):
        x, y = 1200 - 10 * number, 500 + 2 * (number % 3)
        assert (x, y, x + SMALL - 1, y + SMALL - 1) in boxes(case)[frame.id]


def test_frames_say_how_they_were_searched(tmp_path: Path) -> None:
    case, _ = extracted(tmp_path / "c", walk(25), settings(0.3))
    frames = case.read(FrameRecord, "frames")
    full = [frame.timestamp.seconds for frame in frames if frame.reduction == 1]
    assert full[0] == frames[0].timestamp.seconds
    assert full[-1] == frames[-1].timestamp.seconds
    assert all(later - earlier <= Fraction(3, 10) for earlier, later in pairwise(full))
    glanced = [frame for frame in frames if frame.reduction > 1]
    assert {frame.reduction for frame in glanced} == {2}
    assert case.runs("extract")[0].details["search"]["glanced"] == len(glanced) == 2 * (len(full) - 1)
    for frame in glanced:
        small = next(box for box in boxes(case)[frame.id] if box[2] - box[0] < 100)
        assert any(w[0] <= small[0] and w[1] <= small[1] and w[2] > small[2] for w in frame.closer)
    assert all(frame.closer == () for frame in frames if frame.reduction == 1)


def test_the_account_counts_the_pixels_that_the_detector_saw(tmp_path: Path) -> None:
    case, detector = extracted(tmp_path / "c", walk(), settings(0.3))
    account = case.runs("extract")[0].details["search"]
    analysed = len(case.read(FrameRecord, "frames")) * SIZE[0] * SIZE[1]
    assert account["searched_percent"] == pytest.approx(100 * detector.pixels / analysed, abs=0.06)


def test_who_is_too_small_for_a_glance_is_found_round_the_full_searches_before_and_after(tmp_path: Path) -> None:
    """Comes in frame 4 and goes in frame 11: frames 6 and 9 are searched at full size, the others are not."""
    there = range(4, 12)
    frames = [
        picture(*SIZE, faces=[(60 + 8 * n, 100, LARGE), *([(900 + 3 * n, 400, SMALLEST)] if n in there else [])])
        for n in range(16)
    ]
    case, _ = extracted(tmp_path / "c", frames, settings(0.3, "shots.min_inter_eye_px=2"))
    found = [frame for frame, every in boxes(case).items() if any(box[0] > 800 for box in every)]
    assert found == [f"f{number:06d}" for number in there]
    (glance,) = FakeDetector().detect([Part(frames[4], reduction=2).shown])
    assert len(glance) == 1


def test_a_large_face_beside_a_small_one_is_one_face(tmp_path: Path) -> None:
    """The closer look at the small one cuts the large one, which the glance has found."""
    frames = [picture(*SIZE, faces=[(100 + 4 * n, 100, 300), (440 + 4 * n, 200, SMALL)]) for n in range(12)]
    case, _ = extracted(tmp_path / "c", frames, settings(0.3))
    assert all(len(every) == 2 for every in boxes(case).values())
    assert any(
        window[0] < box[2] < window[2]
        for frame in case.read(FrameRecord, "frames")
        for window in frame.closer
        for box in boxes(case)[frame.id]
        if box[2] - box[0] > 200
    )


def test_a_face_that_a_glance_and_the_closer_look_show_is_that_of_the_closer_look(tmp_path: Path) -> None:
    """158 px: well seen when it is reduced, or just not."""
    frames = [picture(*SIZE, faces=[(100 + 4 * n, 100, 156 + n)]) for n in range(12)]
    case, _ = extracted(tmp_path / "c", frames, settings(0.3))
    assert all(len(every) == 1 for every in boxes(case).values())


@pytest.mark.parametrize(
    ("size", "times"), [((640, 384), 1), ((1278, 718), 1), ((720, 1280), 2), ((1920, 1080), 2), ((2560, 1440), 4)]
)
def test_the_shorter_side_keeps_360_px(size: tuple[int, int], times: int) -> None:
    area, gate = SearchArea(FakeDetector(), settings(0.3)), MotionGate(settings(0.3).extract.motion)
    seen = []
    for index in range(3):
        pixels = picture(*size, faces=[(40 + 20 * index, 40, 40)])
        frame = Frame(index, Timestamp(pts=index, time_base=(1, 25)), pixels, keyframe=False)
        seen.append(Seen(frame, gate.look(frame)))
    area.find(seen[:1], [])
    found = area.find(seen[1:], [])
    assert [each.searched.reduction for each in found] == [times, 1]
    assert all(len(each.faces) == 1 for each in found)


def test_a_chunk_ends_where_full_size_is_due_and_not_later() -> None:
    area = SearchArea(FakeDetector(), settings(0.3))
    seen = [
        Seen(Frame(n, Timestamp(pts=n, time_base=(1, 25)), picture(*SIZE), keyframe=False), None) for n in range(12)
    ]
    now = [each.frame.timestamp.seconds for each in seen]
    assert not area.complete([], now[0])
    assert area.complete(seen[:1], now[0])
    area.find(seen[:1], [])
    assert not area.complete(seen[1:7], now[6])
    assert area.complete(seen[1:7], now[8])
    assert area.complete(seen[1:9], now[6])


@pytest.mark.parametrize("override", ["detect.upscale=2", "detect.full_size_every_s=0"])
def test_frames_are_searched_at_full_size_where_the_profile_wants_it(tmp_path: Path, override: str) -> None:
    case, _ = extracted(tmp_path / "c", walk(8), settings(0.3, override))
    assert {frame.reduction for frame in case.read(FrameRecord, "frames")} == {1}
    assert "glanced" not in case.runs("extract")[0].details["search"]


def test_pictures_without_times_are_all_searched_at_full_size(tmp_path: Path) -> None:
    case, _ = extracted(tmp_path / "c", walk(8), settings(0.3), clock="order")
    assert {frame.reduction for frame in case.read(FrameRecord, "frames")} == {1}


@pytest.mark.parametrize("name", ["evidential", "evidential-lowlight"])
def test_evidential_profiles_glance_at_nothing(name: str) -> None:
    assert load_profile(name, ()).detect.full_size_every_s == 0


@pytest.mark.parametrize("window", [None, (32, 64, 101, 133), (0, 0, 64, 64)])
@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_faces_of_reduced_parts_are_where_they_are_in_the_picture(
    window: tuple[int, int, int, int] | None, reduction: int
) -> None:
    part = Part(picture(201, 135), window, reduction)
    left, top, right, bottom = window or (0, 0, 201, 135)
    height, width = part.shown.shape[:2]
    assert part.seen_px == height * width
    corner = (width - 1.0, height - 1.0)
    middle = ((width - 1) / 2, (height - 1) / 2)
    face = part.back(Detection(box=(0, 0, *corner), score=0.9, landmarks=(middle,) * 5), part.shown)
    assert face is not None
    # The middles of the outermost pixels of what was shown.
    slack = (reduction - 1) / 2
    assert face.box == pytest.approx((left + slack, top + slack, right - 1 - slack, bottom - 1 - slack), abs=0.51)
    assert face.landmarks[0] == pytest.approx(((left + right - 1) / 2, (top + bottom - 1) / 2), abs=0.011)
