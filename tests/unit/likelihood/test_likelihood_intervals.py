"""The subject bootstrap: persons, not comparisons, are what was sampled."""

from __future__ import annotations

import numpy as np
import pytest
from likelihood_samples import people

from facerecon.errors import UsageError
from facerecon.likelihood import Compared, Subjects, auc, bootstrap_intervals, cllr, eer
from facerecon.likelihood.intervals import split_halves


def _compared(persons: int, spread: float = 0.3, seed: int = 0) -> tuple[Compared, Subjects]:
    genuine, impostor, subjects = people(persons, spread=spread, seed=seed)
    return Compared(genuine, impostor, genuine - 1.25, impostor - 1.25), subjects


def test_intervals_hold_the_estimates() -> None:
    compared, subjects = _compared(60)
    intervals = bootstrap_intervals(compared, subjects, 100, 1)
    assert intervals["eer"][0] < eer(compared.genuine, compared.impostor) < intervals["eer"][1]
    assert intervals["auc"][0] < auc(compared.genuine, compared.impostor) < intervals["auc"][1]
    cost = cllr(compared.genuine_log10_lr, compared.impostor_log10_lr)
    assert intervals["cllr"][0] < cost < intervals["cllr"][1]
    assert all(low < high for low, high in intervals.values())


def test_more_persons_give_narrower_intervals() -> None:
    few, many = (bootstrap_intervals(*_compared(persons), 60, 1)["auc"] for persons in (20, 160))
    assert many[1] - many[0] < 0.7 * (few[1] - few[0])


def test_repeating_comparisons_of_the_same_persons_adds_no_certainty() -> None:
    compared, subjects = _compared(40)
    once = bootstrap_intervals(compared, subjects, 60, 1)
    scores = (compared.genuine, compared.impostor, compared.genuine_log10_lr, compared.impostor_log10_lr)
    labels = (subjects.genuine, subjects.impostor_first, subjects.impostor_second)
    copies = Compared(*(np.tile(part, 9) for part in scores)), Subjects(*(np.tile(part, 9) for part in labels))
    repeated = bootstrap_intervals(*copies, 60, 1)
    for name in ("cllr", "auc", "eer"):
        assert repeated[name] == pytest.approx(once[name], abs=0.01)


def test_rungs_and_weights_give_what_repeating_each_comparison_would() -> None:
    compared, subjects = _compared(30)
    random, rates, costs = np.random.default_rng(4), [], []
    for _ in range(40):
        drawn = np.bincount(random.integers(0, 30, 30), minlength=30)
        ours = drawn[subjects.genuine]
        theirs = drawn[subjects.impostor_first] * drawn[subjects.impostor_second]
        rates.append(eer(np.repeat(compared.genuine, ours), np.repeat(compared.impostor, theirs)))
        costs.append(
            cllr(np.repeat(compared.genuine_log10_lr, ours), np.repeat(compared.impostor_log10_lr, theirs)),
        )
    intervals = bootstrap_intervals(compared, subjects, 40, 4)
    assert intervals["eer"] == pytest.approx(np.percentile(rates, [2.5, 97.5]), abs=0.002)
    assert intervals["cllr"] == pytest.approx(np.percentile(costs, [2.5, 97.5]), abs=0.002)


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    """Persons that differ, 40 data sets: a 95 % interval that held in fewer than 33 of them would be a wrong one."""
    truth = np.mean([auc(*people(300, seed=900 + seed)[:2]) for seed in range(3)])
    held = 0
    for seed in range(40):
        low, high = bootstrap_intervals(*_compared(40, seed=seed), 60, seed)["auc"]
        held += low <= truth <= high
    assert held >= 33


def test_seeded() -> None:
    compared, subjects = _compared(30)
    assert bootstrap_intervals(compared, subjects, 20, 5) == bootstrap_intervals(compared, subjects, 20, 5)
    assert bootstrap_intervals(compared, subjects, 20, 5) != bootstrap_intervals(compared, subjects, 20, 6)


def test_names_of_persons_do_not_matter_only_who_is_who() -> None:
    compared, subjects = _compared(30)
    parts = (subjects.genuine, subjects.impostor_first, subjects.impostor_second)
    renamed = Subjects(*(part * 7 - 100 for part in parts))
    assert bootstrap_intervals(compared, renamed, 20, 5) == bootstrap_intervals(compared, subjects, 20, 5)


def test_a_handful_of_persons_gives_no_interval() -> None:
    assert bootstrap_intervals(*_compared(6), 50, 0) == {}


def test_halves_share_no_person() -> None:
    _, subjects = _compared(31)
    (one_genuine, one_impostor), (two_genuine, two_impostor) = split_halves(subjects, 3)
    assert not (one_genuine & two_genuine).any()
    assert (one_genuine | two_genuine).all()
    one, two = (
        set(np.concatenate([subjects.impostor_first[mask], subjects.impostor_second[mask]]))
        for mask in (one_impostor, two_impostor)
    )
    assert not one & two
    assert abs(len(one) - len(two)) <= 1


def test_labels_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="both sides"):
        Subjects(np.array([1]), np.array([1, 2]), np.array([2, 2]))
    with pytest.raises(UsageError, match="two persons"):
        Subjects(np.array([1]), np.array([1, 2]), np.array([2]))


def test_the_side_with_fewer_persons_counts() -> None:
    assert Subjects(np.array([1, 1, 2]), np.array([1, 2, 3]), np.array([2, 3, 4])).count() == 2
