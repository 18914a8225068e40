"""Large frames are glanced at between two that are searched at full size: who is found, and what is recorded."""

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
from facerecon.pipeline.search_area import Found, Search, SearchArea, Seen
from facerecon.profiles import Profile, load_profile
from facerecon.records import RGB, Detection, DetectionRecord, Frame, FrameRecord, Timestamp, TrackRecord
from facerecon.stages import Silent
from facerecon.video import MotionGate
from tests.fakes import FakeDetector, FakeSource, picture
from tests.unit.pipeline.stage_cases import holds, new_case

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


class BlindDetector(FakeDetector):
    """Finds nothing at first."""

    blind = True

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        return [()] * len(images) if self.blind else super().detect(images)


def settings(every_s: float, *overrides: str) -> Profile:
    return load_profile("standard", (f"detect.full_size_every_s={every_s}", *overrides))


def seen(pixels: RGB, index: int, gate: MotionGate, rate: int) -> Seen:
    frame = Frame(index, Timestamp(pts=index, time_base=(1, rate)), pixels, keyframe=False)
    return Seen(frame, gate.look(frame))


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
        (small,) = (box for box in boxes(case)[frame.id] if box[2] - box[0] < 100)
        assert frame.closer_reduction == (1,)
        assert holds(frame.closer[0], small)
    assert all(frame.closer == frame.closer_reduction == () for frame in frames if frame.reduction == 1)


def test_each_face_is_looked_at_as_close_as_its_size_needs(tmp_path: Path) -> None:
    faces = [(100, 100, 700), (1500, 300, 170), (2000, 1000, SMALL)]
    frames = [picture(2560, 1440, faces=[(x + 8 * n, y, side) for x, y, side in faces]) for n in range(12)]
    case, _ = extracted(tmp_path / "c", frames, settings(0.3))
    glanced = [frame for frame in case.read(FrameRecord, "frames") if frame.reduction > 1]
    assert {(frame.reduction, frame.closer_reduction) for frame in glanced} == {(8, (1, 2))}
    for frame in glanced:
        _, middle, small = boxes(case)[frame.id]
        assert holds(frame.closer[0], small)
        assert holds(frame.closer[1], middle)


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
    (glance,) = FakeDetector().detect([Part(frames[4], reduction=4).shown])
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


@pytest.mark.parametrize(("side", "levels"), [(155, {(1,), (1, 2), (2,)}), (315, {(2,), ()})])
def test_a_face_that_several_looks_show_is_that_of_the_closest(
    tmp_path: Path, side: int, levels: set[tuple[int, ...]]
) -> None:
    """It grows by a pixel a frame, from just too small for 2, 4 times reduced to just large enough."""
    frames = [picture(*SIZE, faces=[(101 + 4 * n, 101, side + n)]) for n in range(12)]
    case, _ = extracted(tmp_path / "c", frames, settings(0.3, "extract.motion.enabled=false"))
    glances = [(frame, boxes(case)[frame.id]) for frame in case.read(FrameRecord, "frames") if frame.reduction > 1]
    for frame, every in glances:
        number = frame.index
        exact = (101 + 4 * number, 101, 100 + 4 * number + side + number, 100 + side + number)
        assert len(every) == 1
        assert every[0] == pytest.approx(exact, abs=min(frame.closer_reduction, default=4) - 1)
    assert {frame.closer_reduction for frame, _ in glances} == levels


@pytest.mark.parametrize(
    ("size", "times"),
    [((640, 384), 1), ((1278, 718), 1), ((720, 1280), 4), ((1920, 1080), 4), ((2560, 1440), 8), ((5120, 2880), 8)],
)
def test_the_shorter_side_keeps_180_px(size: tuple[int, int], times: int) -> None:
    area, gate = SearchArea(FakeDetector(), settings(0.3)), MotionGate(settings(0.3).extract.motion)
    frames = [seen(picture(*size, faces=[(20 + 20 * n, 20, 6 * min(size) // 7)]), n, gate, 25) for n in range(3)]
    area.find(frames[:1], [])
    found = area.find(frames[1:], [])
    assert [each.search.reduction for each in found] == [times, 1]
    assert all(len(each.faces) == 1 for each in found)


@pytest.mark.parametrize(("rate", "full"), [(50, 8), (25, 8), (12, 4), (10, 3), (5, 1), (4, 1), (1, 1)])
def test_full_size_is_never_later_than_it_is_due(rate: int, full: int) -> None:
    """Every eighth frame at least; where frames are further apart than the time, each of them."""
    area, profile = SearchArea(FakeDetector(), settings(0.35)), settings(0.35)
    gate, found = MotionGate(profile.extract.motion), []
    chunk: list[Seen] = []
    for index in range(40):
        here = seen(picture(*SIZE, faces=[(40 + 20 * index, 40, LARGE)]), index, gate, rate)
        if chunk and area.complete(chunk, here):
            found += area.find(chunk, [])
            chunk = []
        chunk.append(here)
    found += area.find(chunk, [])
    numbers = [number for number, each in enumerate(found) if each.search.reduction == 1]
    assert numbers[0] == 0
    assert numbers[-1] == 39
    assert {later - earlier for earlier, later in pairwise(numbers[:-1])} == {full}
    assert full == 8 or full / rate <= 0.35 or full == 1


def test_the_first_frame_of_each_size_is_searched_at_full_size_and_without_what_the_other_size_showed() -> None:
    profile = settings(0.3)
    area, gate = SearchArea(FakeDetector(), profile), MotionGate(profile.extract.motion)
    sizes = [SIZE] * 4 + [(640, 384)] * 6 + [SIZE] * 4
    chunk: list[Seen] = []
    found: list[Found] = []
    for index, size in enumerate(sizes):
        here = seen(picture(*size, faces=[(40, 40 + 8 * index, LARGE)]), index, gate, 25)
        if chunk and area.complete(chunk, here):
            found += area.find(chunk, [])
            chunk = []
        chunk.append(here)
    found += area.find(chunk, [])
    assert [each.search.reduction for each in found] == [1, 2, 2, 1, *[1] * 6, 1, 2, 2, 1]
    assert [number for number, each in enumerate(found) if each.search.windows is None] == [0, 4, 10]
    assert all(len(each.faces) == 1 for each in found)


def test_a_window_of_a_glance_that_cuts_a_face_is_followed_by_the_whole_picture_reduced() -> None:
    """A large face that no track expects, and of which only one corner moved."""
    profile = settings(0.3)
    detector = BlindDetector()
    area, gate = SearchArea(detector, profile), MotionGate(profile.extract.motion)
    still = picture(*SIZE, faces=[(300, 100, 500)])
    moved = still.copy()
    moved[110:140, 310:340] = 255 - moved[110:140, 310:340]
    area.find([seen(still, 0, gate, 25)], [])
    detector.blind = False
    found, _ = area.find([seen(moved, 1, gate, 25), seen(moved, 2, gate, 25)], [])
    assert found.search == Search(None, 4)
    assert len(found.faces) == 1
    assert found.faces[0].box == pytest.approx((300, 100, 799, 599), abs=3)
    assert area.account["searched_again"] == 2


def test_where_little_moved_and_faces_are_small_no_more_is_looked_at_than_without_glances(tmp_path: Path) -> None:
    frames = [picture(*SIZE, faces=[(100 + 3 * n, 100, SMALL), (900 - 3 * n, 500, SMALL)]) for n in range(25)]
    shares = []
    for every_s in (0, 0.3):
        case, _ = extracted(tmp_path / str(every_s), frames, settings(every_s))
        assert all(len(each) == 2 for each in boxes(case).values())
        shares.append(case.runs("extract")[0].details["search"]["searched_percent"])
    assert shares[1] <= shares[0]


def test_where_small_faces_are_everywhere_no_frame_is_glanced_at(tmp_path: Path) -> None:
    places = [(x, y) for x in range(40, 1200, 150) for y in range(40, 640, 140)]
    frames = [picture(*SIZE, faces=[(x + 4 * n, y, SMALL) for x, y in places]) for n in range(7)]
    case, _ = extracted(tmp_path / "c", frames, settings(0.3))
    assert {(frame.reduction, frame.closer) for frame in case.read(FrameRecord, "frames")} == {(1, ())}
    assert all(len(every) == len(places) for every in boxes(case).values())


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_the_detectors_batch_does_not_change_what_is_glanced_at(tmp_path: Path, batch: int) -> None:
    one, _ = extracted(tmp_path / "one", walk(), settings(0.3))
    other, _ = extracted(tmp_path / "other", walk(), settings(0.3, f"detect.batch={batch}"))
    assert one.read(FrameRecord, "frames") == other.read(FrameRecord, "frames")
    assert boxes(one) == boxes(other)


class StoppingDetector(CountingDetector):
    """Stops the run before its nth answer."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        if self.calls == self.at:
            raise KeyboardInterrupt
        return super().detect(images)


@pytest.mark.parametrize("at", [2, 3, 8])
def test_an_interrupted_run_goes_on_with_the_same_glances(tmp_path: Path, at: int) -> None:
    """Between a chunk's glances and the closer looks, too."""
    profile = settings(0.3)
    whole, everything = extracted(tmp_path / "whole", walk(), profile)
    case, first = new_case(tmp_path / "c", FakeSource(walk()), profile), StoppingDetector(at)
    with pytest.raises(KeyboardInterrupt):
        extract(case, FakeSource(walk()), first, Context(profile, Silent()))
    second = CountingDetector()
    extract(case, FakeSource(walk()), second, Context(profile, Silent()))
    assert case.digests("records/") | case.digests("faces/") == whole.digests("records/") | whole.digests("faces/")
    assert case.runs("extract")[0].details["resumed"]["answers_from_journal"] == at
    assert second.pixels < everything.pixels


def test_a_small_face_that_only_a_closer_look_shows_is_looked_at_closer_again(tmp_path: Path) -> None:
    """Beside a large one, between two full searches: too small for the glance, not for the look at the large one."""

    def faces(number: int) -> list[tuple[int, int, int]]:
        large = (1200 + 8 * number, 600, 420)
        return [large, (1700 + 8 * number, 620, 45)] if 2 <= number <= 5 else [large]

    frames = [picture(3840, 2160, faces=[(60, 1200 + 6 * n, 800), *faces(n)]) for n in range(8)]
    case, _ = extracted(tmp_path / "c", frames, settings(0.7, "shots.min_inter_eye_px=2"))
    searched = case.read(FrameRecord, "frames")
    assert [frame.reduction for frame in searched] == [1, *[8] * 6, 1]
    for frame in searched[2:6]:
        assert set(frame.closer_reduction) == {1, 4}
        x, y, side = faces(frame.index)[1]
        assert (x, y, x + side - 1, y + side - 1) in boxes(case)[frame.id]


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
