"""How strong a comparison is: which calibration holds for it, its likelihood ratio, or why there is none (R23, R24).

A person with several gallery pictures gets the arithmetic mean of the pictures' likelihood ratios. Taking the best of
them would overstate: under the proposition of different persons a likelihood ratio is 1 on average, and so is a mean of
several, whatever their dependence, but not their maximum (Shafer, "Testing by betting", JRSS A 184, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from facerecon.errors import UsageError
from facerecon.likelihood import Assessed, Calibration, verbal_support
from facerecon.pipeline.steps import base_treatment
from facerecon.records import WITH_RESTORED, Strength, Variant
from facerecon.stages import Recognizer

NONE_FOR_VARIANT = {
    "restored": "not calibrated: a restored picture is secondary and never gets a likelihood ratio",
    "fused-image": "not calibrated: a computed picture is secondary and never gets a likelihood ratio",
}


class Calibrations:
    """The calibrations that a comparison may use: at most one per variant and treatment.

    The recognizer's treatment is the same for all; `original+restored` also depends on how pictures were restored.
    """

    def __init__(self, documents: Sequence[Calibration], recognizer: Recognizer, *, asked_for: bool = False) -> None:
        """Choose those that hold for this recognizer.

        Args:
            documents: calibrations.
            recognizer: model, weights and treatment that they must have been made for.
            asked_for: the user named them, so that one for another model is an error and not left aside.

        Raises:
            UsageError: one that was asked for does not apply, or two are for one variant.
        """
        self._of: dict[tuple[str, str], Calibration] = {}
        self._digests: dict[tuple[str, str], str] = {}
        self._why_none: dict[str, str] = {}
        stamp, self._treatment = recognizer.stamp, recognizer.treatment
        for document in documents:
            own = base_treatment(document.treatment) == recognizer.treatment
            treatment = document.treatment if own and document.variant == WITH_RESTORED else recognizer.treatment
            problem = document.applies_to(stamp.id, stamp.weights_sha256, treatment, document.variant)
            if problem and asked_for:
                raise UsageError(f"{problem}; make one for it with 'facerecon evaluate recognition --calibrate'")
            if problem:
                if document.model == stamp.id:
                    self._why_none[document.variant] = f"not calibrated: {problem}"
                continue
            key = (document.variant, document.treatment)
            if key in self._of:
                raise UsageError(
                    f"calibrations {self._of[key].name} and {document.name} are both for variant {document.variant}; "
                    "give one"
                )
            self._of[key] = document
            # Once: it is a digest of the whole document, and candidates are many.
            self._digests[key] = document.sha256

    @property
    def documents(self) -> tuple[Calibration, ...]:
        """Those that are in use."""
        return tuple(self._of.values())

    def of(self, treatments: Collection[str]) -> tuple[Calibration, ...]:
        """Return those that vectors of these treatments can use."""
        return tuple(document for (_, treatment), document in self._of.items() if treatment in treatments)

    def strength(
        self, variant: Variant, compared: Sequence[tuple[float, Mapping[str, float]]], treatment: str | None = None
    ) -> tuple[Strength | None, str]:
        """Return the strength of a comparison with one person, or None and the reason.

        Args:
            variant: how the probe's vector was made.
            compared: per gallery picture of the person, the similarity and the conditions of the comparison.
            treatment: of the probe's vector; None: the recognizer's.
        """
        if variant in NONE_FOR_VARIANT:
            return None, NONE_FOR_VARIANT[variant]
        key = (variant, treatment or self._treatment)
        calibration = self._of.get(key)
        if calibration is None:
            return None, self._why_none.get(variant, _missing(variant))
        outcomes = [calibration.assess(similarity, conditions) for similarity, conditions in compared]
        assessed = [outcome for outcome in outcomes if isinstance(outcome, Assessed)]
        if not assessed:
            reasons = [outcome.reason for outcome in outcomes if not isinstance(outcome, Assessed)]
            return None, f"outside the calibration: {reasons[0]}"
        ratio = float(np.mean([10.0**each.log10_lr for each in assessed]))
        log10 = round(float(np.log10(ratio)), 4)
        bins = dict.fromkeys(each.bin_id for each in assessed)
        return (
            Strength(
                likelihood_ratio=rounded_ratio(log10),
                log10=log10,
                limited=any(each.bounded for each in assessed),
                support=verbal_support(log10).sentence,
                calibration=calibration.name,
                calibration_sha256=self._digests[key],
                bin=", ".join(bins),
                pictures=len(assessed),
                left_out=len(outcomes) - len(assessed),
            ),
            "",
        )


def _missing(variant: Variant) -> str:
    restored = ", with pictures restored in this way" if variant == WITH_RESTORED else ""
    return f"not calibrated: there is no calibration for this model and variant {variant}{restored}"


def rounded_ratio(log10: float) -> float:
    """Return a likelihood ratio with two significant digits, rounded towards 1: never more than was computed."""
    digits = math.floor(abs(log10)) - 1
    step = math.pow(10.0, digits)
    size = math.floor(math.pow(10.0, abs(log10) - digits) + 1e-9) * step
    return size if log10 >= 0 else 1 / size


def joint_conditions(probe: Mapping[str, float], gallery: Mapping[str, float]) -> dict[str, float]:
    """Return the conditions of a comparison: the probe's, but eye distance, turn and nod of the worse side."""
    return {
        **probe,
        "inter_eye_px": min(probe["inter_eye_px"], gallery["inter_eye_px"]),
        "yaw_deg": max(probe["yaw_deg"], gallery["yaw_deg"]),
        "pitch_deg": max(probe["pitch_deg"], gallery["pitch_deg"]),
    }
