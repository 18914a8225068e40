"""Strength of evidence: what a similarity is worth. Owns scores to likelihood ratios, their bounds, measures and words.

Works on numbers only. It never opens a picture, never runs a network, and gives no likelihood ratio outside the
conditions that a calibration was made in.
"""

from __future__ import annotations

from facerecon.likelihood.bounding import bounds, elub
from facerecon.likelihood.calibration import (
    Acquisition,
    Assessed,
    Bin,
    Calibration,
    Curves,
    Estimate,
    Impostors,
    ImpostorsAbove,
    Metrics,
    Range,
    Refused,
)
from facerecon.likelihood.documents import calibration_bytes, read_calibration, write_calibration
from facerecon.likelihood.fitting import BoundedModel, cllr_validation, fit_bin
from facerecon.likelihood.intervals import Compared, Subjects, bootstrap_intervals
from facerecon.likelihood.ladder import Roc
from facerecon.likelihood.logistic import LogisticModel, fit_logistic
from facerecon.likelihood.measures import (
    Det,
    Ece,
    Tippett,
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
from facerecon.likelihood.plots import det_svg, ece_svg, tippett_svg
from facerecon.likelihood.verbal import VerbalSupport, verbal_support

__all__ = [
    "Acquisition",
    "Assessed",
    "Bin",
    "BoundedModel",
    "Calibration",
    "Compared",
    "Curves",
    "Det",
    "Ece",
    "Estimate",
    "Impostors",
    "ImpostorsAbove",
    "LogisticModel",
    "Metrics",
    "Range",
    "Refused",
    "Roc",
    "Subjects",
    "Tippett",
    "VerbalSupport",
    "auc",
    "bootstrap_intervals",
    "bounds",
    "calibration_bytes",
    "cllr",
    "cllr_min",
    "cllr_validation",
    "det_points",
    "det_svg",
    "ece",
    "ece_svg",
    "eer",
    "elub",
    "false_match_rate",
    "false_non_match_rate",
    "fit_bin",
    "fit_logistic",
    "proportion_interval",
    "read_calibration",
    "roc",
    "tippett",
    "tippett_svg",
    "true_accept_rate",
    "verbal_support",
    "write_calibration",
]
