"""Methods are measured at the reference's size, side by side; nothing vanishes; limits name what is below them."""

from __future__ import annotations

import numpy as np
import pytest

from facerecon.degradation import Degradation
from facerecon.errors import RestorationError
from facerecon.evaluation.enhancement import (
    Evaluation,
    Judge,
    Scores,
    at_size_of,
    below,
    evaluate,
    summary,
    unprocessed,
)
from facerecon.evaluation.samples import Sample, degraded
from facerecon.records import RGB, FaceView, Skipped
from tests.fakes import FakeDetector, FakeRecognizer, picture

JUDGE = Judge(FakeRecognizer(), lambda pixels: float(pixels.std()) if pixels.shape[0] >= 96 else None)


def sample(name: str = "a", model: str = "width=12,noise=4") -> Sample:
    pixels = picture(faces=((60, 30, 60),))
    view = FaceView(pixels, FakeDetector().detect([pixels])[0][0].landmarks)
    found = degraded(name, view, Degradation.parse(model))
    assert isinstance(found, Sample)
    return found


def refused(name: str, outcome: str = "skipped") -> Skipped:
    return Skipped(stage="evaluate", kind="image", subject=name, reason="why", outcome=outcome)  # type: ignore[arg-type]


def test_the_truth_scores_perfectly_and_the_degraded_picture_does_not() -> None:
    found = evaluate(
        [sample()], {"result": lambda one: one.reference.pixels, "bicubic": lambda one: one.given.pixels}, JUDGE
    )
    assert found.means("result") == {"psnr": 100, "ssim": 1, "identity": 1, "niqe": pytest.approx(52, abs=20)}
    assert found.mean("bicubic", "psnr") < 35  # type: ignore[operator]
    assert found.mean("bicubic", "ssim") < 1  # type: ignore[operator]


def test_only_the_face_region_counts() -> None:
    one = sample()
    x0, y0, x1, y1 = one.region
    painted = np.full_like(one.reference.pixels, 255)
    painted[y0:y1, x0:x1] = one.reference.pixels[y0:y1, x0:x1]
    (scores,) = JUDGE.scores(one, [painted])
    assert (scores.psnr, scores.ssim) == (100, pytest.approx(1))


@pytest.mark.parametrize("size", [(30, 40), (60, 80), (240, 320)])
def test_every_size_is_compared_at_the_references_size(size: tuple[int, int]) -> None:
    reference: RGB = picture(faces=((60, 30, 60),))
    flat = np.full((*size, 3), 90, np.uint8)
    assert at_size_of(reference, flat).shape == reference.shape
    assert (at_size_of(reference, flat) == 90).all()
    assert at_size_of(reference, reference) is reference


def test_doing_nothing_invents_no_pixel_value() -> None:
    one = sample()
    shown = unprocessed(one.reference.pixels, one.given.pixels)
    recorded = {tuple(value) for value in one.given.pixels.reshape(-1, 3).tolist()}
    assert {tuple(value) for value in shown.reshape(-1, 3).tolist()} <= recorded


def test_nothing_vanishes_and_a_failure_counts_for_no_method() -> None:
    def method(one: Sample) -> RGB | Skipped:
        if one.name == "fails":
            raise RestorationError("not finite")
        return refused("") if one.name == "refused" else one.given.pixels

    seen: list[str] = []
    items = [sample("fine"), refused("unread", "failed"), sample("fails"), sample("refused"), sample("good")]
    found = evaluate(
        items,
        {"bicubic": lambda one: one.given.pixels, "result": method},
        JUDGE,
        lambda item: seen.append(item.name if isinstance(item, Sample) else item.subject),
    )
    document = summary(found, 0)
    assert (document["requested"], document["images"]) == (5, 2)
    assert [len(found.scores[name]) for name in ("bicubic", "result")] == [2, 2]
    assert [(item["image"], item["reason"]) for item in document["failures"]] == [
        ("unread", "why"),
        ("fails", "enhancement-failed"),
    ]
    assert [item["image"] for item in document["skipped"]] == ["refused"]
    assert seen == ["fine", "unread", "fails", "refused", "good"]


def test_gains_are_paired_so_that_a_constant_gain_has_no_spread() -> None:
    truth = [Scores(20.0 + k, 0.5, 0.9, None if k else 5.0) for k in range(6)]
    better = [Scores(s.psnr + 1.5, s.ssim, s.identity - 0.01, s.niqe) for s in truth]
    found = Evaluation({"bicubic": truth, "result": better})
    document = summary(found, 0)
    assert document["gain"]["psnr"] == {"mean": 1.5, "interval": [1.5, 1.5]}
    assert document["gain"]["identity"] == {"mean": -0.01, "interval": [-0.01, -0.01]}
    low, high = document["intervals"]["result"]["psnr"]
    assert low < document["result"]["psnr"] < high
    assert document["gain"]["niqe"] == {"mean": 0.0, "interval": None}


def test_without_a_picture_there_are_no_figures() -> None:
    document = summary(evaluate([refused("x")], {"bicubic": _never, "result": _never}, JUDGE), 0)
    assert document["images"] == 0
    assert set(document["result"].values()) == {None}
    assert document["gain"]["psnr"] == {"mean": None, "interval": None}


def _never(_: Sample) -> RGB:
    raise AssertionError


def test_limits_name_what_is_below_them() -> None:
    found = Evaluation({"result": [Scores(25.0, 0.7, 0.9, None)], "bicubic": [Scores(1.0, 0.0, 0.0, None)]})
    assert below(found, {"psnr": 25.0, "ssim": 0.7, "identity": None}) == []
    assert below(found, {"psnr": 26.0, "ssim": 0.6, "identity": 0.95}) == [
        "psnr 25 is below 26",
        "identity 0.9 is below 0.95",
    ]
    assert below(found, {"psnr": float("nan")}) == ["psnr 25 is below nan"]
