"""Enhancement against doing less: each sample's picture by each method, measured at the reference's size.

A picture of another size is brought to the reference's by bicubic interpolation (Keys 1981) where it is smaller and by
area means where it is larger; then the face region is compared (PSNR, SSIM), the face is embedded at the reference's
landmarks (identity), and the whole picture is judged without a reference (NIQE). Never enhances itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from facerecon.errors import RestorationError
from facerecon.evaluation.metrics import Interval, cosine, interval_of_mean
from facerecon.evaluation.samples import STAGE, Sample
from facerecon.fidelity import psnr_db, ssim
from facerecon.records import RGB, FaceView, Skipped
from facerecon.stages import Recognizer

Method = Callable[[Sample], RGB | Skipped]
"""Makes the picture that is measured: the sample's framing, any size; or says why there is none."""
Naturalness = Callable[[RGB], float | None]
METRICS = ("psnr", "ssim", "identity", "niqe")


@dataclass(frozen=True)
class Scores:
    """One picture's figures: PSNR in dB, SSIM, cosine to the pristine face, NIQE (lower is more natural; or None)."""

    psnr: float
    ssim: float
    identity: float
    niqe: float | None


@dataclass(frozen=True, eq=False)
class Judge:
    """Who measures: a recognizer, and NIQE or a stand-in for it."""

    recognizer: Recognizer
    naturalness: Naturalness

    def scores(self, sample: Sample, pictures: Sequence[RGB]) -> list[Scores]:
        """Return the figures of pictures of one sample, in order.

        Raises:
            RestorationError: the landmarks coincide.
        """
        sized = [at_size_of(sample.reference.pixels, picture) for picture in pictures]
        views = [FaceView(picture, sample.reference.landmarks) for picture in sized]
        pristine, *others = self.recognizer.embed([sample.reference, *views])
        x0, y0, x1, y1 = sample.region
        truth = sample.reference.pixels[y0:y1, x0:x1]
        return [
            Scores(
                psnr_db(picture[y0:y1, x0:x1], truth),
                ssim(picture[y0:y1, x0:x1], truth),
                cosine(embedding, pristine),
                self.naturalness(picture),
            )
            for picture, embedding in zip(sized, others, strict=True)
        ]


def at_size_of(reference: RGB, picture: RGB) -> RGB:
    """Return a picture at the reference's size: bicubic where it is smaller, area means where it is larger."""
    return _resized(reference, picture, cv2.INTER_CUBIC)


def unprocessed(reference: RGB, picture: RGB) -> RGB:
    """Return a picture at the reference's size with its pixels repeated: what doing nothing shows."""
    return _resized(reference, picture, cv2.INTER_NEAREST)


def _resized(reference: RGB, picture: RGB, enlarging: int) -> RGB:
    height, width = reference.shape[:2]
    if picture.shape == reference.shape:
        return picture
    method = enlarging if picture.shape[0] * picture.shape[1] <= height * width else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


@dataclass
class Evaluation:
    """The figures of all samples: per method one `Scores` per measured picture, in one order; and what was left out."""

    scores: dict[str, list[Scores]] = field(default_factory=dict)
    omitted: list[Skipped] = field(default_factory=list)

    @property
    def images(self) -> int:
        """How many pictures were measured."""
        return len(next(iter(self.scores.values()), []))

    def values(self, method: str, metric: str) -> list[float]:
        """Return one metric of one method, for the pictures that have it."""
        found = (getattr(scores, metric) for scores in self.scores.get(method, []))
        return [value for value in found if value is not None]

    def mean(self, method: str, metric: str) -> float | None:
        """Return the mean, or None when no picture has this metric."""
        values = self.values(method, metric)
        return float(np.mean(values)) if values else None

    def means(self, method: str) -> dict[str, float | None]:
        """Return all means of a method, rounded."""
        return {metric: _rounded(self.mean(method, metric)) for metric in METRICS}

    def intervals(self, method: str, seed: int) -> dict[str, list[float] | None]:
        """Return the 95 % bootstrap interval of each mean."""
        return {metric: _ends(interval_of_mean(self.values(method, metric), seed=seed)) for metric in METRICS}

    def gains(self, method: str, over: str, seed: int) -> dict[str, dict[str, Any]]:
        """Return the mean of method minus `over` per metric, picture by picture, with its paired interval."""
        found: dict[str, dict[str, Any]] = {}
        for metric in METRICS:
            pairs = zip(self.scores.get(method, []), self.scores.get(over, []), strict=True)
            both = ((getattr(one, metric), getattr(other, metric)) for one, other in pairs)
            values = [one - other for one, other in both if one is not None and other is not None]
            mean = _rounded(float(np.mean(values))) if values else None
            found[metric] = {"mean": mean, "interval": _ends(interval_of_mean(values, seed=seed))}
        return found


def evaluate(
    items: Iterable[Sample | Skipped],
    methods: Mapping[str, Method],
    judge: Judge,
    seen: Callable[[Sample | Skipped], None] = lambda _: None,
) -> Evaluation:
    """Measure every sample with every method; a sample that one method refuses or fails on counts for none.

    Args:
        items: samples, or the reason for none.
        methods: by name, what makes the picture that is measured.
        judge: who measures.
        seen: hears of every item when it is done.
    """
    evaluation = Evaluation({name: [] for name in methods})
    for item in items:
        outcome = item if isinstance(item, Skipped) else _measured(item, methods, judge)
        if isinstance(outcome, Skipped):
            evaluation.omitted.append(outcome)
        else:
            for name, scores in outcome.items():
                evaluation.scores[name].append(scores)
        seen(item)
    return evaluation


def _measured(sample: Sample, methods: Mapping[str, Method], judge: Judge) -> dict[str, Scores] | Skipped:
    pictures: list[RGB] = []
    try:
        for method in methods.values():
            made = method(sample)
            if isinstance(made, Skipped):
                return made.model_copy(update={"subject": sample.name})
            pictures.append(made)
        return dict(zip(methods, judge.scores(sample, pictures), strict=True))
    except RestorationError as error:
        return Skipped(
            stage=STAGE,
            kind="image",
            subject=sample.name,
            reason="enhancement-failed",
            detail=str(error),
            outcome="failed",
        )


def summary(evaluation: Evaluation, seed: int) -> dict[str, Any]:
    """Return the document of an evaluation with the methods "bicubic" and "result"."""
    failures = [item for item in evaluation.omitted if item.outcome == "failed"]
    skipped = [item for item in evaluation.omitted if item.outcome == "skipped"]
    return {
        "requested": evaluation.images + len(evaluation.omitted),
        "images": evaluation.images,
        "bicubic": evaluation.means("bicubic"),
        "result": evaluation.means("result"),
        "intervals": {name: evaluation.intervals(name, seed) for name in ("bicubic", "result")},
        "gain": evaluation.gains("result", "bicubic", seed),
        "failures": [_omission(item) for item in failures],
        "skipped": [_omission(item) for item in skipped],
    }


def below(evaluation: Evaluation, limits: Mapping[str, float | None]) -> list[str]:
    """Return which means of "result" are below their limits, in words; a limit that is no number is never reached."""
    means = {metric: evaluation.mean("result", metric) for metric in limits}
    return [
        f"{metric} {mean:.4g} is below {limit:g}"
        for metric, limit in limits.items()
        if limit is not None and (mean := means[metric]) is not None and not mean >= limit
    ]


def _omission(item: Skipped) -> dict[str, str]:
    return {"image": item.subject, "reason": item.reason, "detail": item.detail}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(end, 4) for end in interval]
