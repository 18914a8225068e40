"""From a study to a calibration: which conditions its bins hold for, and what cannot be calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import UsageError
from facerecon.evaluation.calibrating import Making as CalibrationMaking
from facerecon.evaluation.calibrating import calibrated
from facerecon.evaluation.comparison import compare
from facerecon.evaluation.recognition import comparisons, study
from facerecon.evaluation.subjects import read_clips
from facerecon.evaluation.templates import Making
from facerecon.likelihood import Assessed, Refused
from tests.fakes import FakeRecognizer
from tests.unit.evaluation.study_samples import (
    TINY,
    distance,
    engines,
    everybody,
    gaussian_people,
    template,
    three_persons,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return three_persons(tmp_path / "set")


def making(**changes: object) -> CalibrationMaking:
    settings = {
        "name": "test",
        "variant": "original",
        "dataset": "numbers",
        "protocol": "all pairs",
        "degradations": ("none",),
        "stamp": FakeRecognizer().stamp,
        "treatment": "fake",
        "seed": 0,
        "edges_px": (6.0, 9.0, 20.0),
        **changes,
    }
    return CalibrationMaking(**settings)  # type: ignore[arg-type]


def test_a_calibration_holds_for_its_conditions_and_refuses_others(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    comparison = compare(*gaussian_people(), distance)
    calibration, problems = calibrated(comparison, found, making())
    assert [part.id for part in calibration.bins] == ["9 to 20 px, detail 0.03 to 0.031"]
    assert problems == [
        "6 to 9 px between the eyes: 0 same-source pairs of 0 persons and 0 different-source pairs; 300 of 50 persons "
        "and 300 needed"
    ]
    usual = template("a", "a", 0).measured
    high, low = (calibration.assess(value, usual) for value in (0.99, -1.0))
    assert isinstance(high, Assessed)
    assert isinstance(low, Assessed)
    assert high.log10_lr > 0 > low.log10_lr
    assert high.log10_lr <= np.log10(60)
    for name, value in {"inter_eye_px": 7.0, "brightness": 10.0, "yaw_deg": 50.0}.items():
        assert isinstance(calibration.assess(0.9, {**usual, name: value}), Refused)


def test_secondary_variants_and_too_little_data_are_refused(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    comparison = comparisons(found, distance, 0)["original"]
    with pytest.raises(UsageError, match="never gets a likelihood ratio"):
        calibrated(comparison, found, making(variant="restored"))
    with pytest.raises(UsageError, match="no bin has enough pairs"):
        calibrated(comparison, found, making())


def test_faces_that_lost_less_are_calibrated_apart(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    probes, galleries = gaussian_people(120, 6)
    rng = np.random.default_rng(5)
    blurred = [number % 3 for number in range(len(probes))]
    spoilt = [
        template(
            each.clip.identity,
            each.clip.name,
            float(each.vector[0] + (2 - part) * rng.normal(0, 0.3)),
            fine_detail=0.02 + 0.02 * part + 0.001 * rng.random(),
        )
        for each, part in zip(probes, blurred, strict=True)
    ]
    calibration, _ = calibrated(compare(spoilt, galleries, distance), found, making(edges_px=(9.0, 20.0)))
    costs = [part.metrics.cllr_min.value for part in calibration.bins]
    assert len(costs) == 3
    assert costs[0] > costs[1] > costs[2]
    assert calibration.bins[0].ranges["fine_detail"].high == calibration.bins[1].ranges["fine_detail"].low


def test_pictures_and_their_own_twins_make_no_calibration(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    people = gaussian_people(400, 1)[0]
    with pytest.raises(UsageError, match="its own degraded twin"):
        calibrated(compare(people, people, distance), found, making())
