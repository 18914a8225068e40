"""The logistic calibration against the analytic likelihood ratio of normal scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from likelihood_samples import normal_scores
from scipy.optimize import minimize

from facerecon.errors import UsageError
from facerecon.likelihood import LogisticModel, fit_logistic

LN10 = math.log(10.0)


def test_two_normals_of_equal_variance_give_the_analytic_lr() -> None:
    model = fit_logistic(*normal_scores(2.0, 40_000, 200_000))
    scores = np.array([-1.0, 0.0, 1.0, 2.0, 3.0])
    assert model.log10_lr(scores) == pytest.approx((2.0 * scores - 2.0) / LN10, abs=0.03)


def test_numbers_of_comparisons_do_not_act_as_prior_odds() -> None:
    few, many = (fit_logistic(*normal_scores(2.0, 20_000, number)) for number in (20_000, 400_000))
    assert many.intercept == pytest.approx(few.intercept, abs=0.03)


def test_the_unit_of_the_score_does_not_matter() -> None:
    genuine, impostor = normal_scores(2.0, 500, 5_000)
    plain, scaled = fit_logistic(genuine, impostor), fit_logistic(0.01 * genuine + 7.0, 0.01 * impostor + 7.0)
    assert scaled.log10_lr(0.01 * genuine + 7.0) == pytest.approx(plain.log10_lr(genuine), abs=1e-8)


def test_swapping_labels_mirrors() -> None:
    genuine, impostor = normal_scores(1.5, 300, 2_000)
    model, mirrored = fit_logistic(genuine, impostor), fit_logistic(-impostor, -genuine)
    assert mirrored.slope == pytest.approx(model.slope, rel=1e-9)
    assert mirrored.intercept == pytest.approx(-model.intercept, abs=1e-9)


def test_shrinkage_pulls_towards_one_and_few_comparisons_more() -> None:
    genuine, impostor = normal_scores(3.0, 4_000, 4_000)
    slopes = [fit_logistic(genuine, impostor, ridge).slope for ridge in (1e-3, 1.0, 1e2, 1e8)]
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[-1] == pytest.approx(0.0, abs=1e-3)

    def shrinkage(number: int) -> float:
        some = genuine[:number], impostor[:number]
        return fit_logistic(*some, 1.0).slope / fit_logistic(*some, 1e-6).slope

    assert shrinkage(30) < shrinkage(300) < shrinkage(4_000) < 1.0


def test_separated_classes_stay_finite() -> None:
    model = fit_logistic([3.0, 3.1, 3.2], [0.0, 0.1, 0.2])
    assert 0.0 < model.slope < 10.0
    assert model.log10_lr([1.6]) == pytest.approx([0.0], abs=1e-6)


def test_a_score_that_points_the_wrong_way_says_nothing() -> None:
    assert fit_logistic([0.0, 0.1, 0.3], [0.9, 1.0, 1.1]) == LogisticModel(0.0, 0.0)
    with pytest.raises(ValueError, match="slope"):
        LogisticModel(-1.0, 0.0)


def test_newton_finds_the_minimum_that_another_solver_finds() -> None:
    genuine, impostor = normal_scores(2.0, 60, 700)
    centre = 0.5 * (genuine.mean() + impostor.mean())
    scale = math.sqrt(0.5 * (np.mean((genuine - centre) ** 2) + np.mean((impostor - centre) ** 2)))

    def loss(point: np.ndarray) -> float:
        ours, theirs = (point[0] + point[1] * (side - centre) / scale for side in (genuine, impostor))
        means = np.mean(np.logaddexp(0.0, -ours)) + np.mean(np.logaddexp(0.0, theirs))
        return float(0.5 * means + 0.5 * 0.5 / 60 * point[1] ** 2)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14}).x
    model = fit_logistic(genuine, impostor, ridge=0.5)
    assert model.slope * scale * LN10 == pytest.approx(found[1], rel=1e-5)
    assert (model.intercept + model.slope * centre) * LN10 == pytest.approx(found[0], abs=1e-5)


def test_same_input_same_bits() -> None:
    scores = normal_scores(2.0, 200, 900)
    assert fit_logistic(*scores) == fit_logistic(*scores)


@pytest.mark.parametrize(
    ("same", "different", "ridge"),
    [
        ([], [1.0], 1.0),
        ([1.0], [math.inf], 1.0),
        ([0.5, 0.5], [0.5], 1.0),
        ([1.0], [0.0], 0.0),
        ([math.nan], [1.0], 1.0),
    ],
)
def test_unusable_scores_are_refused(same: list[float], different: list[float], ridge: float) -> None:
    with pytest.raises(UsageError):
        fit_logistic(same, different, ridge)
