"""Bounds: never wider than the data and the persons allow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from likelihood_samples import Array, normal_scores

from facerecon.errors import UsageError
from facerecon.likelihood import bounds, elub

LRS = arrays(np.float64, st.integers(1, 60), elements=st.floats(-8, 8))


def _lrs(genuine: int, impostor: int, distance: float = 3.0) -> tuple[Array, Array]:
    """Perfectly calibrated log10 LRs."""
    return tuple(  # type: ignore[return-value]
        (distance * side - distance**2 / 2.0) / math.log(10.0) for side in normal_scores(distance, genuine, impostor)
    )


@given(LRS, LRS)
def test_bounds_enclose_one_and_stay_within_the_numbers(same: Array, different: Array) -> None:
    lower, upper = elub(same, different)
    assert lower <= 0.0 <= upper
    assert lower >= -math.log10(same.size + 1) - 0.01
    assert upper <= math.log10(different.size + 1) + 0.01


@given(LRS, LRS, st.integers(1, 100))
def test_our_bounds_are_never_wider_than_elub_or_the_persons(same: Array, different: Array, persons: int) -> None:
    outer, inner = elub(same, different), bounds(same, different, persons)
    assert outer[0] <= inner[0] <= 0.0 <= inner[1] <= outer[1]
    assert max(-inner[0], inner[1]) <= math.log10(persons)


@given(LRS, LRS)
def test_within_the_bounds_acting_on_the_lrs_is_no_worse_than_acting_on_nothing(same: Array, different: Array) -> None:
    lower, upper = elub(same, different)
    inside = [step / 100 for step in range(round(100 * lower), round(100 * upper) + 1)]
    for threshold in (at for at in inside if lower < upper and (at != 0.0)):
        odds = 10.0**threshold
        missed = (np.sum(same <= threshold) + 1) / (same.size + 1)
        accepted = (np.sum(different > threshold) + 1) / (different.size + 1)
        assert missed + odds * accepted <= min(1.0, odds) * (1.0 + 1e-9)


def test_more_comparisons_allow_more() -> None:
    widths = [upper - lower for lower, upper in (elub(*_lrs(n, 10 * n)) for n in (30, 300, 3_000))]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_an_overstating_system_is_bounded_far_below_what_it_says() -> None:
    same, different = _lrs(500, 5_000)
    assert elub(3.0 * same + 2.0, 3.0 * different + 2.0)[1] < 0.5 * (3.0 * same + 2.0).max()


def test_persons_limit_what_many_comparisons_seem_to_allow() -> None:
    same, different = _lrs(1_000, 200_000, 6.0)
    assert elub(same, different)[1] > 3.0
    assert bounds(same, different, 50) == (-math.log10(50), math.log10(50))


def test_a_system_without_information_gets_no_room() -> None:
    assert elub([0.0] * 50, [0.0] * 500) == (0.0, 0.0)


@pytest.mark.parametrize(("same", "different", "persons"), [([], [0.0], 9), ([0.0], [math.nan], 9), ([0.0], [0.0], 0)])
def test_unusable_input_is_refused(same: list[float], different: list[float], persons: int) -> None:
    with pytest.raises(UsageError):
        bounds(same, different, persons)
