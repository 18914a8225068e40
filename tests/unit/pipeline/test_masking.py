"""What is covered when, and with what: nothing of a face stays, and nothing else is touched."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.pipeline.masking import LEAST_MARGIN_PX, Mask, Region, Sighting, covered, placed, widened
from facerecon.records import Box
from tests.unit.pipeline.stage_cases import holds

RNG = np.random.default_rng(3)


def seen(*sightings: tuple[float, Box]) -> list[Sighting]:
    return [Sighting(Fraction(seconds), box) for seconds, box in sightings]


def mask(*hidden: list[Sighting], shown: list[list[Sighting]] | None = None, in_order: bool = False) -> Mask:
    return Mask(hidden, shown or [], margin=0.5, hold_s=1.0, in_order=in_order)


@given(
    first=st.tuples(st.floats(0, 300), st.floats(0, 300)),
    last=st.tuples(st.floats(0, 300), st.floats(0, 300)),
    share=st.fractions(0, 1),
)
def test_a_face_that_moves_straight_is_covered_all_the_way(
    first: tuple[float, float], last: tuple[float, float], share: Fraction
) -> None:
    (ax, ay), (bx, by) = first, last
    way = mask(seen((0, (ax, ay, ax + 20, ay + 20)), (2, (bx, by, bx + 30, by + 30))))
    s = float(share)
    x, y, side = ax + s * (bx - ax), ay + s * (by - ay), 20 + 10 * s
    (region,) = way.at(2 * share)
    assert holds(region, (x, y, x + side, y + side))


def test_before_and_after_the_detections_the_face_is_covered_for_a_while_and_the_cover_grows() -> None:
    way = mask(seen((5, (100, 100, 120, 120)), (6, (100, 100, 120, 120))))
    (at,), (soon,), (later,) = way.at(Fraction(6)), way.at(Fraction(13, 2)), way.at(Fraction(7))
    assert holds(soon, at)
    assert later[2] - later[0] > soon[2] - soon[0] > at[2] - at[0]
    assert way.at(Fraction(71, 10)) == way.at(Fraction(39, 10)) == ()
    assert len(way.at(Fraction(4))) == 1


def test_whoever_is_to_be_seen_is_not_covered_because_somebody_was_there_before() -> None:
    before, after = seen((0, (100, 100, 120, 120))), seen((0.5, (102, 100, 122, 120)), (3, (102, 100, 122, 120)))
    assert mask(before).at(Fraction(1, 2))
    assert mask(before, shown=[after]).at(Fraction(1, 2)) == ()
    assert mask(before, shown=[after]).at(Fraction(0))


def test_pictures_without_times_are_no_neighbours() -> None:
    way = mask(seen((0, (10, 10, 30, 30)), (2, (50, 50, 70, 70))), in_order=True)
    assert way.at(Fraction(1)) == way.at(Fraction(3)) == ()
    assert len(way.at(Fraction(2))) == 1


def test_a_small_face_gets_a_margin_in_pixels() -> None:
    assert widened((10, 10, 12, 12), 0.5)[0] == 10 - LEAST_MARGIN_PX


@pytest.mark.parametrize("region", [(5, 8, 40, 30), (-10, -10, 20, 20), (50, 40, 200, 200), (0, 0, 64, 48)])
def test_what_is_covered_depends_on_nothing_that_was_there_and_the_rest_is_untouched(region: Region) -> None:
    one, other = (RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(2))
    inside = np.zeros((48, 64), bool)
    inside[max(0, region[1]) : region[3], max(0, region[0]) : region[2]] = True
    a, b = covered(one, [region]), covered(other, [region])
    assert (a[inside] == b[inside]).all()
    assert (a[~inside] == one[~inside]).all()
    assert len(np.unique(a[inside], axis=0)) > 1, "a cover that nobody sees could be taken for the scene"


def test_the_label_below_a_picture_stays_legible() -> None:
    pixels = RNG.integers(0, 256, (60, 64, 3), dtype=np.uint8)
    made = covered(pixels, [(0, 0, 64, 60)], (64, 48))
    assert (made[48:] == pixels[48:]).all()
    assert (made[:48] != pixels[:48]).any()


def test_regions_are_placed_in_crops_and_those_beside_them_are_dropped() -> None:
    found = placed([(10, 10, 20, 20), (200, 0, 210, 10), (0, 50, 30, 60)], (10, 5), (40, 40), 4)
    assert found == [(0, 20, 40, 60)]
