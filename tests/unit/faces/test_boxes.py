"""Sizes, likeness and surroundings of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.faces.boxes import iou, longer_side, surroundings
from facerecon.faces.tracking import box_iou
from facerecon.records import Box

BOXES = st.tuples(*[st.integers(0, 400)] * 2, *[st.integers(1, 300)] * 2).map(
    lambda each: (each[0] / 2, each[1] / 2, each[0] / 2 + each[2], each[1] / 2 + each[3])
)


@given(BOXES, BOXES)
def test_iou_of_two_is_that_of_many(a: Box, b: Box) -> None:
    assert iou(a, b) == pytest.approx(float(box_iou(np.array([a]), np.array([b]))[0, 0]), abs=1e-9)
    assert iou(a, a) == 1


def test_boxes_that_touch_have_nothing_in_common() -> None:
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == iou((0, 0, 10, 10), (30, 30, 40, 40)) == 0


def test_surroundings_grow_with_the_longer_side_and_have_a_least() -> None:
    assert longer_side((3, 5, 13, 45)) == longer_side((5, 3, 45, 13)) == 40
    assert surroundings((10.5, 20.5, 20.0, 60.5), 0.5, 4) == (-10, 0, 41, 82)
    assert surroundings((10.5, 20.5, 20.0, 60.5), 0.5, 96) == (-86, -76, 117, 158)
