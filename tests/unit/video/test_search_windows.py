"""Where a frame is searched: what moved, where faces were, and everything often enough."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.profiles import Motion
from facerecon.video.motion import MotionGate
from facerecon.video.regions import Regions, Window, close_windows, closely_fitted, fitted, merged
from tests.unit.video.test_motion import Pixels, frame, noisy, scene, with_face

SIZE = (640, 384)
WHOLE = ((0, 0, *SIZE),)


class Watch:
    """Gate and regions over one frame after another."""

    def __init__(self, refresh_s: float = 1e6, whole_every_s: float = 0) -> None:
        settings = Motion(refresh_s=refresh_s, regions=True, whole_every_s=whole_every_s)
        self.gate, self.regions = MotionGate(settings), Regions(settings)

    def __call__(self, pixels: Pixels, index: int) -> tuple[Window, ...]:
        seen = frame(pixels, index)
        found = self.regions.windows(SIZE, seen.timestamp.seconds, self.gate.look(seen))
        return WHOLE if found is None else found


def holds(windows: tuple[Window, ...], box: tuple[int, int, int, int]) -> bool:
    return any(w[0] <= box[0] and w[1] <= box[1] and w[2] >= box[2] and w[3] >= box[3] for w in windows)


def share(windows: tuple[Window, ...]) -> float:
    return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in windows) / (SIZE[0] * SIZE[1])


def test_first_frame_is_searched_everywhere_and_the_next_ones_where_something_moved() -> None:
    still, watch = scene(*SIZE), Watch()
    assert watch(still, 0) == WHOLE
    assert watch(still, 1) == ()
    moved = watch(with_face(still, 400, 200), 2)
    assert holds(moved, (400, 200, 416, 216))
    assert share(moved) < 0.3


def test_old_and_new_place_of_who_moved_are_searched() -> None:
    still, watch = scene(*SIZE), Watch()
    watch(with_face(still, 40, 40), 0)
    found = watch(with_face(still, 560, 300), 1)
    assert holds(found, (40, 40, 56, 56))
    assert holds(found, (560, 300, 576, 316))


def test_expected_faces_are_searched_although_they_stand_still() -> None:
    still, watch = scene(*SIZE), Watch()
    watch(still, 0)
    watch.regions.expect([(300.0, 100.0, 330.0, 140.0)])
    assert holds(watch(still, 1), (300, 100, 330, 140))
    watch.regions.expect([])
    assert watch(still, 2) == ()


def test_who_stops_is_searched_until_the_faces_are_told_anew() -> None:
    still, watch = scene(*SIZE), Watch()
    watch(still, 0)
    watch.regions.expect([])
    stopped = with_face(still, 200, 200)
    assert all(holds(watch(stopped, index), (200, 200, 216, 216)) for index in range(1, 5))
    watch.regions.expect([])
    assert watch(stopped, 5) == ()


def test_slow_change_beside_other_motion_adds_up() -> None:
    """The gate's reference follows every frame that it lets through; a cell's own stays until it is searched."""
    still, watch = scene(*SIZE), Watch()
    watch(still, 0)
    searched = []
    for index in range(1, 30):
        pixels = with_face(still, 40 + 8 * index, 40)
        pixels[300:332, 500:532] = np.clip(pixels[300:332, 500:532].astype(int) + index, 0, 255)
        watch.regions.expect([])
        searched.append(holds(watch(pixels, index), (500, 300, 532, 332)))
    assert any(searched)


def test_everything_is_searched_again_after_the_refresh_time() -> None:
    still, watch = scene(*SIZE), Watch(refresh_s=1.0)
    found = [watch(noisy(still, 2.0, index), index) for index in range(60)]
    assert [index for index, windows in enumerate(found) if windows == WHOLE] == [0, 25, 50]


def test_everything_is_searched_again_more_seldom_where_that_is_asked_for() -> None:
    still, watch = scene(*SIZE), Watch(refresh_s=0.4, whole_every_s=1.0)
    found = [watch(noisy(still, 2.0, index), index) for index in range(60)]
    assert [index for index, windows in enumerate(found) if windows == WHOLE] == [0, 30]
    assert all(windows == () for index, windows in enumerate(found) if index not in (0, 30))


def test_a_faint_change_is_searched_at_the_refresh_time() -> None:
    """Its cells change by two levels, a third of the threshold."""
    still, watch = scene(*SIZE), Watch(refresh_s=0.4, whole_every_s=1e6)
    faint = still.copy()
    faint[200:216, 400:416] -= 2
    found = [watch(faint if index else still, index) for index in range(20)]
    searched = [index for index, windows in enumerate(found) if holds(windows, (400, 200, 416, 216))]
    assert searched == [0, 10]
    assert share(found[10]) < 0.3


def test_faint_changes_nearly_everywhere_are_one_whole_search() -> None:
    still, watch = scene(*SIZE), Watch(refresh_s=0.4, whole_every_s=1.2)
    faint = still.copy()
    faint[-SIZE[1] * 2 // 5 :] -= np.uint8(3)
    found = [watch(faint if index else still, index) for index in range(45)]
    # That counts as the whole search which would else have been due at 1.2 s.
    assert [index for index, windows in enumerate(found) if windows == WHOLE] == [0, 10, 40]


def test_what_was_glanced_at_is_still_to_be_searched() -> None:
    still, watch = scene(*SIZE), Watch()
    seen = [frame(pixels, index) for index, pixels in enumerate((still, with_face(still, 400, 200)))]
    looks = [watch.gate.look(each) for each in seen]
    assert watch.regions.glance(SIZE, looks[0]) is None
    assert watch.regions.windows(SIZE, Fraction(0), looks[0]) is None
    assert watch.regions.glance((320, 192), looks[1]) is None
    glances = [watch.regions.glance(SIZE, looks[1]) for _ in range(2)]
    assert glances[0] == glances[1] == watch.regions.windows(SIZE, Fraction(1, 25), looks[1])
    assert holds(glances[0] or (), (400, 200, 416, 216))
    assert watch.regions.glance(SIZE, looks[1]) == ()


def test_motion_nearly_everywhere_is_one_whole_search() -> None:
    still, watch = scene(*SIZE), Watch()
    watch(still, 0)
    busy = still
    for x in range(20, 620, 60):
        for y in range(20, 360, 60):
            busy = with_face(busy, x, y)
    assert watch(busy, 1) == WHOLE


def test_flicker_of_the_whole_picture_is_no_motion() -> None:
    still, watch = scene(*SIZE), Watch()
    watch(still, 0)
    assert watch(np.asarray(still + 20, np.uint8), 1) == ()


def test_another_size_is_searched_everywhere() -> None:
    settings = Motion.model_validate({"regions": True, "refresh_s": 1e6})
    gate, regions = MotionGate(settings), Regions(settings)
    first, second = frame(scene(*SIZE), 0), frame(scene(320, 192), 1)
    regions.windows(SIZE, Fraction(0), gate.look(first))
    assert regions.due((320, 192), Fraction(1, 25))
    assert regions.windows((320, 192), Fraction(1, 25), gate.look(second)) is None


BOXES = st.tuples(st.integers(0, 1900), st.integers(0, 1060), st.integers(1, 300), st.integers(1, 300)).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], 1920), min(box[1] + box[3], 1080))
)


@pytest.mark.parametrize("choose", [merged, close_windows])
@given(boxes=st.lists(BOXES, max_size=8))
def test_windows_hold_their_boxes_and_do_not_overlap(
    choose: Callable[[list[Window], tuple[int, int]], tuple[Window, ...] | None], boxes: list[Window]
) -> None:
    windows = choose(boxes, (1920, 1080))
    if windows is None:
        return
    assert all(holds(windows, box) for box in boxes)
    for number, a in enumerate(windows):
        assert a[0] % 32 == a[1] % 32 == 0
        assert a[2] <= 1920
        assert a[3] <= 1080
        for b in windows[number + 1 :]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


@pytest.mark.parametrize("fit", [fitted, closely_fitted])
@given(box=BOXES, size=st.sampled_from([(640, 360), (1920, 1080), (3840, 2160), (7680, 4320), (176, 144), (50, 40)]))
def test_windows_stay_in_the_picture(
    fit: Callable[[Window, tuple[int, int]], Window], box: Window, size: tuple[int, int]
) -> None:
    x0, y0, x1, y1 = fit(
        (min(box[0], size[0] - 1), min(box[1], size[1] - 1), min(box[2], size[0]), min(box[3], size[1])), size
    )
    assert 0 <= x0 < x1 <= size[0]
    assert 0 <= y0 < y1 <= size[1]


@given(BOXES)
def test_windows_round_faces_are_hardly_larger_than_the_faces(box: Window) -> None:
    x0, y0, x1, y1 = closely_fitted(box, (1920, 1080))
    for low, high, begin, end in ((box[0], box[2], x0, x1), (box[1], box[3], y0, y1)):
        assert end - begin <= max(64, 1.25 * (high - low + 31)) + 31


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080)])
def test_all_places_of_a_picture_have_few_window_sizes(size: tuple[int, int]) -> None:
    width, height = size
    found = {
        (x1 - x0, y1 - y0)
        for x in range(0, width - 20, 7)
        for y in range(0, height - 20, 7)
        for side in (20, 90, 200)
        for x0, y0, x1, y1 in [fitted((x, y, min(x + side, width), min(y + side, height)), size)]
    }
    assert len(found) <= 40
