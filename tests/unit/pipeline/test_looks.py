"""Looks at parts of a frame: where their faces lie in it, and which of several looks counts."""

from __future__ import annotations

import pytest

from facerecon.pipeline.detection import Part
from facerecon.pipeline.looks import joined
from facerecon.records import Detection
from tests.fakes import picture

SIZE = (1280, 720)


def face(*box: float) -> Detection:
    x0, y0, x1, y1 = box
    return Detection(box=(x0, y0, x1, y1), score=0.9, landmarks=((x0, y0), (x1, y0), (x0, y1), (x1, y1), (x1, y0 + 1)))


def test_what_a_close_window_shows_of_a_large_face_does_not_stand_for_it() -> None:
    """Its box may end before the window does, as detectors guess where a face ends."""
    large, small = face(100, 100, 400, 400), face(420, 200, 450, 230)
    glance = Part(picture(*SIZE), None, 2), (large,)
    part = Part(picture(*SIZE), (320, 96, 576, 352))
    shown = face(324, 100, 396, 345)
    assert joined([glance, (part, (small, shown))], 0.4) == (large, small)
    all_of_it = Part(picture(*SIZE), (64, 64, 576, 416))
    other = face(102, 101, 399, 402)
    assert joined([glance, (all_of_it, (small, other))], 0.4) == (small, other)


def test_what_a_wide_window_shows_of_a_small_face_does_not_stand_beside_it() -> None:
    """The reduced window ends inside the small face; the one for the small face shows it whole."""
    middle, small, shown = face(100, 100, 300, 300), face(560, 200, 600, 240), face(561, 201, 571, 239)
    wide, narrow = Part(picture(*SIZE), (0, 0, 576, 416), 2), Part(picture(*SIZE), (480, 128, 704, 352))
    assert not wide.cuts(shown.box)
    for looks in ([(wide, (middle, shown)), (narrow, (small,))], [(narrow, (small,)), (wide, (middle, shown))]):
        assert joined(looks, 0.4) == (middle, small)


def test_a_face_that_a_window_cuts_does_not_count() -> None:
    part, small = Part(picture(*SIZE), (320, 96, 576, 352), 2), face(420, 200, 450, 230)
    assert joined([(part, (small, face(540, 200, 574, 234)))], 0.4) == (small,)


def test_what_the_closest_look_does_not_show_is_kept_of_the_one_before() -> None:
    """A window for a face of middle size shows a small one that no closer one holds, and one that another holds."""
    middle, beside, small = face(100, 100, 300, 300), face(420, 110, 450, 140), face(420, 200, 450, 230)
    rough = face(419, 199, 452, 232)
    wide, narrow = Part(picture(*SIZE), (0, 0, 576, 416), 2), Part(picture(*SIZE), (352, 160, 544, 352))
    found = joined([(narrow, (small,)), (wide, (middle, beside, rough))], 0.4)
    assert found == (middle, beside, small)


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_what_is_near_a_windows_end_is_so_as_the_detector_sees_it(reduction: int) -> None:
    part = Part(picture(*SIZE), (320, 96, 576, 352), reduction)
    near, far = 320 + 2 * reduction - 0.5, 320 + 2 * reduction
    assert part.cuts((near, 150, 400, 250))
    assert not part.cuts((far, 150, 400, 250))
    assert part.cuts((400, 150, 575 - 2 * reduction + 0.5, 250))
    assert not part.cuts((400, 150, 575 - 2 * reduction, 250))


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
