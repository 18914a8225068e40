"""Measures against their definitions, written out pair by pair on small sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from likelihood_samples import Array, normal_scores

from facerecon.errors import UsageError
from facerecon.likelihood import (
    auc,
    cllr,
    cllr_min,
    det_points,
    ece,
    eer,
    false_match_rate,
    false_non_match_rate,
    proportion_interval,
    roc,
    tippett,
    true_accept_rate,
)
from facerecon.likelihood.measures import different_cost, same_cost

# Few values, so that ties are common.
SIDE = arrays(np.float64, st.integers(1, 30), elements=st.integers(-5, 5).map(float))
LRS = arrays(np.float64, st.integers(1, 30), elements=st.floats(-6, 6))


@given(SIDE, SIDE)
def test_auc_counts_pairs_and_half_of_ties(genuine: Array, impostor: Array) -> None:
    above = (genuine[:, None] > impostor).mean() + 0.5 * (genuine[:, None] == impostor).mean()
    assert auc(genuine, impostor) == pytest.approx(above, abs=1e-12)


@given(SIDE, SIDE, st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.29, 0.5, 1.0]))
def test_true_accept_rate_is_the_best_allowed_threshold(genuine: Array, impostor: Array, far: float) -> None:
    thresholds = np.append(np.union1d(genuine, impostor), np.inf)
    allowed = [t for t in thresholds if round(float(np.mean(impostor >= t)), 12) <= far]
    assert true_accept_rate(genuine, impostor, far) == pytest.approx(max(float(np.mean(genuine >= t)) for t in allowed))


@given(SIDE, SIDE)
def test_roc_points_are_what_their_thresholds_give(genuine: Array, impostor: Array) -> None:
    curve = roc(genuine, impostor)
    for threshold, false_accept, true_accept in zip(
        curve.thresholds, curve.false_accept, curve.true_accept, strict=True
    ):
        assert false_accept == pytest.approx(false_match_rate(impostor, threshold), abs=1e-12)
        assert true_accept == pytest.approx(1.0 - false_non_match_rate(genuine, threshold), abs=1e-12)
    assert (curve.false_accept[0], curve.true_accept[0]) == (0.0, 0.0)
    assert (curve.false_accept[-1], curve.true_accept[-1]) == (1.0, 1.0)


@given(SIDE, SIDE)
def test_eer_lies_on_the_curve_where_both_errors_are_equal(genuine: Array, impostor: Array) -> None:
    rate, curve = eer(genuine, impostor), det_points(genuine, impostor)
    below = curve.false_match <= rate + 1e-12
    assert curve.false_non_match[below].min() >= rate - 1.0
    # Along the falling curve, points with fewer false matches than the EER have at least as many false non-matches.
    assert np.all(curve.false_non_match[curve.false_match < rate - 1e-12] >= rate - 1e-12)
    assert np.all(curve.false_non_match[curve.false_match > rate + 1e-12] <= rate + 1e-12)


@given(SIDE, SIDE)
def test_turning_scores_round_mirrors_eer_and_auc(genuine: Array, impostor: Array) -> None:
    assert eer(-impostor, -genuine) == pytest.approx(eer(genuine, impostor), abs=1e-12)
    assert auc(-impostor, -genuine) == pytest.approx(auc(genuine, impostor), abs=1e-12)
    assert cllr_min(-impostor, -genuine) == pytest.approx(cllr_min(genuine, impostor), abs=1e-9)


def test_normal_scores_have_the_error_rates_of_theory() -> None:
    genuine, impostor = normal_scores(2.0, 20_000, 100_000)
    assert eer(genuine, impostor) == pytest.approx(0.5 * math.erfc(1.0 / math.sqrt(2.0)), abs=0.005)
    assert auc(genuine, impostor) == pytest.approx(0.5 * math.erfc(-1.0), abs=0.003)


@given(LRS, LRS)
def test_cllr_is_the_mean_cost(same: Array, different: Array) -> None:
    by_hand = 0.5 * (np.mean(np.log2(1 + 10.0**-same)) + np.mean(np.log2(1 + 10.0**different)))
    assert cllr(same, different) == pytest.approx(by_hand, rel=1e-9)


@given(LRS, LRS)
def test_no_calibration_is_better_than_pav(same: Array, different: Array) -> None:
    least = cllr_min(same, different)
    assert -1e-12 <= least <= 1.0 + 1e-12
    assert least <= cllr(same, different) + 1e-9


@given(SIDE, SIDE)
def test_only_the_order_counts_for_cllr_min(same: Array, different: Array) -> None:
    assert cllr_min(same**3 - 1.0, different**3 - 1.0) == pytest.approx(cllr_min(same, different), abs=1e-12)


def test_known_costs() -> None:
    assert cllr([0.0, 0.0], [0.0]) == pytest.approx(1.0)
    assert cllr_min([2.0, 3.0], [0.0, 1.0]) == 0.0
    assert cllr_min([1.0, 1.0], [1.0, 1.0]) == pytest.approx(1.0)
    assert cllr([math.inf], [-math.inf]) == 0.0
    assert cllr([-math.inf], [0.0]) == math.inf


def test_costs_do_not_overflow() -> None:
    assert same_cost([-400.0])[0] == pytest.approx(400.0 * math.log2(10.0))
    assert different_cost([-400.0])[0] == pytest.approx(0.0, abs=1e-100)


@given(LRS, LRS)
def test_tippett_curves_count(same: Array, different: Array) -> None:
    curves = tippett(same, different)
    assert np.allclose(curves.same_at_least, [(same >= x).mean() for x in curves.log10_lr])
    assert np.allclose(curves.different_at_least, [(different >= x).mean() for x in curves.log10_lr])
    assert np.all(np.diff(curves.same_at_least) <= 0.0)


@given(LRS, LRS)
def test_ece_at_even_odds_is_cllr(same: Array, different: Array) -> None:
    entropy = ece(same, different, [-2.0, 0.0, 2.0])
    assert entropy.system[1] == pytest.approx(cllr(same, different), rel=1e-9)
    assert entropy.pav[1] == pytest.approx(cllr_min(same, different), abs=1e-9)
    assert entropy.neutral[1] == pytest.approx(1.0)
    assert np.all(entropy.pav <= entropy.neutral + 1e-9)
    assert np.all(entropy.pav <= entropy.system + 1e-9)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_rate_and_mirrors(one: int, other: int) -> None:
    low, high = proportion_interval(one, one + other)
    assert 0.0 <= low <= high <= 1.0
    if one + other:
        assert low <= one / (one + other) <= high
        assert proportion_interval(other, one + other) == pytest.approx((1.0 - high, 1.0 - low), abs=1e-12)


def test_wilson_solves_its_equation() -> None:
    for end in proportion_interval(7, 50):
        deviates = abs(7 / 50 - end) / math.sqrt(end * (1.0 - end) / 50)
        assert deviates == pytest.approx(1.959964, abs=1e-5)
    assert proportion_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: auc([], [1.0]),
        lambda: auc([1.0], [math.nan]),
        lambda: cllr([[1.0]], [1.0]),
        lambda: true_accept_rate([1.0], [0.0], 1.5),
        lambda: proportion_interval(3, 2),
    ],
)
def test_unusable_input_is_refused(call: object) -> None:
    with pytest.raises(UsageError):
        call()  # type: ignore[operator]
