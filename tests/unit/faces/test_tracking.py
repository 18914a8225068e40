"""Tracking: one person, one track; gaps, crossings, weak detections and variable time."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from facerecon.faces.tracking import LiveTrack, Tracker, association_cost, box_iou, cheapest_links
from facerecon.profiles import Track
from facerecon.records import Detection


def face(x: float, y: float = 50, size: float = 20, score: float = 0.95) -> Detection:
    box = (x, y, x + size, y + size)
    points = tuple(
        (x + size * px, y + size * py) for px, py in ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.3, 0.8), (0.7, 0.8))
    )
    return Detection(box=box, score=score, landmarks=points)  # type: ignore[arg-type]


def tracker(**settings: float) -> Tracker:
    return Tracker(Track(**settings), start_score=0.8)  # type: ignore[arg-type]


def keys(owners: list[LiveTrack | None]) -> list[int | None]:
    return [owner.key if owner else None for owner in owners]


def test_moving_face_stays_one_track_at_irregular_times() -> None:
    follow = tracker()
    times = [Fraction(n) for n in (0, "0.08", "0.3", "0.34", "0.7", "1.1")]
    seen = {keys(follow.update(now, (face(40 + 60 * float(now)),)))[0] for now in times}
    assert seen == {1}


def test_two_people_who_pass_each_other_keep_their_tracks() -> None:
    follow = tracker()
    rows = []
    for step in range(20):
        now = Fraction(step, 10)
        a, b = face(10 + 10 * step, y=50), face(210 - 10 * step, y=62)
        rows.append(keys(follow.update(now, (a, b))))
    assert all(row == [1, 2] for row in rows)


def test_weak_detection_continues_a_track_but_starts_none() -> None:
    follow = tracker()
    assert keys(follow.update(Fraction(0), (face(10, score=0.5),))) == [None]
    assert keys(follow.update(Fraction(1, 10), (face(10),))) == [1]
    assert keys(follow.update(Fraction(2, 10), (face(11, score=0.5),))) == [1]


def test_strong_detection_is_served_before_a_weak_one() -> None:
    follow = tracker()
    follow.update(Fraction(0), (face(10),))
    assert keys(follow.update(Fraction(1, 10), (face(10, score=0.5), face(12)))) == [None, 1]


def test_track_survives_a_short_gap_and_ends_after_a_long_one() -> None:
    follow = tracker(max_gap_s=1.0)
    follow.update(Fraction(0), (face(10),))
    follow.update(Fraction(1, 2), ())
    assert not follow.ended(Fraction(1, 2))
    assert keys(follow.update(Fraction(9, 10), (face(11),))) == [1]
    follow.update(Fraction(2), ())
    follow.update(Fraction(3), ())
    assert [track.key for track in follow.ended(Fraction(3))] == [1]
    assert keys(follow.update(Fraction(31, 10), (face(11),))) == [2]


def test_one_missed_frame_never_ends_a_track_however_rare_frames_are() -> None:
    follow = tracker(max_gap_s=1.0)
    follow.update(Fraction(0), (face(10),))
    follow.update(Fraction(10), ())
    assert not follow.ended(Fraction(10))


def test_time_in_which_nothing_moved_is_no_absence() -> None:
    follow = tracker(max_gap_s=1.0)
    follow.update(Fraction(0), (face(10),))
    follow.idle(Fraction(60))
    follow.update(Fraction(601, 10), ())
    follow.update(Fraction(602, 10), ())
    assert not follow.ended(Fraction(602, 10))
    assert keys(follow.update(Fraction(603, 10), (face(10),))) == [1]


def test_face_of_another_size_or_place_is_another_track() -> None:
    follow = tracker()
    follow.update(Fraction(0), (face(10, size=20),))
    assert keys(follow.update(Fraction(1, 10), (face(10, size=60),))) == [2]
    assert keys(follow.update(Fraction(2, 10), (face(120, size=20),))) == [3]


def test_finish_gives_all_tracks_in_order() -> None:
    follow = tracker()
    follow.update(Fraction(0), (face(10), face(100)))
    assert [track.key for track in follow.finish()] == [1, 2]
    assert not follow.finish()


def test_iou_of_known_boxes() -> None:
    a = np.array([[0, 0, 10, 10.0]])
    b = np.array([[0, 0, 10, 10.0], [5, 0, 15, 10], [20, 20, 30, 30]])
    assert box_iou(a, b)[0] == pytest.approx([1, 1 / 3, 0])
    cost = association_cost(a, b, 0.2)[0]
    assert cost[0] < cost[1] < np.inf
    assert cost[2] == np.inf


@pytest.mark.parametrize("seed", range(40))
def test_links_cost_what_the_whole_assignment_costs(seed: int) -> None:
    """Against every assignment there is: as many links as possible, and the cheapest of these."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 6, 2)
    cost = np.where(rng.random((rows, columns)) < rng.uniform(0.1, 0.9), rng.uniform(0, 1.7, (rows, columns)), np.inf)
    links = cheapest_links(cost)
    assert len({row for row, _ in links}) == len({column for _, column in links}) == len(links)
    wide = cost if rows <= columns else cost.T
    every = (wide[np.arange(len(wide)), order] for order in permutations(range(wide.shape[1]), len(wide)))
    best = min((-int(np.isfinite(each).sum()), float(each[np.isfinite(each)].sum())) for each in every)
    assert (-len(links), sum(float(cost[link]) for link in links)) == pytest.approx(best)
