"""Our figures against `lir` of the Netherlands Forensic Institute, which was written independently (R26)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from likelihood_samples import Array, normal_scores

from facerecon.likelihood import cllr, cllr_min, ece, elub, fit_logistic

with warnings.catch_warnings():
    # What lir and the libraries it brings warn about on import is not ours.
    warnings.simplefilter("ignore")
    from lir.algorithms.bayeserror import ELUBBounder
    from lir.data.models import LLRData
    from lir.metrics import cllr as lir_cllr
    from lir.metrics import cllr_min as lir_cllr_min
    from lir.plotting.expected_calibration_error import calculate_ece

pytestmark = pytest.mark.filterwarnings("ignore")


def _calibrated() -> tuple[Array, Array]:
    genuine, impostor = normal_scores(2.0, 400, 3_000, seed=4)
    model = fit_logistic(genuine, impostor)
    return model.log10_lr(genuine), model.log10_lr(impostor)


def _overstated() -> tuple[Array, Array]:
    same, different = _calibrated()
    return 2.5 * same + 0.4, 2.5 * different + 0.4


def _tied() -> tuple[Array, Array]:
    same, different = _calibrated()
    return np.round(same, 1) + 0.003, np.round(different, 1) + 0.003


SETS = pytest.mark.parametrize("made", [_calibrated, _overstated, _tied])


def _theirs(same: Array, different: Array) -> LLRData:
    labels = np.concatenate([np.ones(same.size, dtype=int), np.zeros(different.size, dtype=int)])
    return LLRData(features=np.concatenate([same, different]), labels=labels)


@SETS
def test_cllr_equals_lir(made: Callable[[], tuple[Array, Array]]) -> None:
    assert cllr(*made()) == pytest.approx(lir_cllr(_theirs(*made())), abs=1e-6)


@SETS
def test_cllr_min_equals_lir(made: Callable[[], tuple[Array, Array]]) -> None:
    assert cllr_min(*made()) == pytest.approx(lir_cllr_min(_theirs(*made())), abs=1e-6)


@SETS
def test_elub_equals_lir(made: Callable[[], tuple[Array, Array]]) -> None:
    bounder = ELUBBounder()
    bounder.fit(_theirs(*made()))
    assert elub(*made()) == pytest.approx((bounder.lower_llr_bound, bounder.upper_llr_bound), abs=1e-9)


@SETS
def test_ece_equals_lir(made: Callable[[], tuple[Array, Array]]) -> None:
    same, different = made()
    odds = np.array([-2.0, -0.5, 0.0, 1.0])
    data = _theirs(same, different)
    theirs = calculate_ece(10.0**data.llrs, data.labels, 10.0**odds / (1.0 + 10.0**odds))
    assert ece(same, different, odds).system == pytest.approx(theirs, abs=1e-6)
    assert math.isfinite(theirs.sum())
