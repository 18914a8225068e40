"""Words for the strength of a comparison: the ratio and its verbal equivalent, or why there is none. Computes none."""

from __future__ import annotations

import math

from facerecon.likelihood import verbal_support
from facerecon.records import Candidate, Strength
from facerecon.report.language import message, tr
from facerecon.report.notation import integer, plural, shown
from facerecon.report.recorded import recorded

SCALE: tuple[tuple[int, int | None, str], ...] = (
    (1, 2, "no"),
    (2, 10, "weak"),
    (10, 100, "moderate"),
    (100, 1_000, "moderately strong"),
    (1_000, 10_000, "strong"),
    (10_000, 1_000_000, "very strong"),
    (1_000_000, None, "extremely strong"),
)
"""The ENFSI bands as the report prints them: from, up to, word. A test holds them to the words that are used."""

SUPPORT = {
    "weak": message("weak support"),
    "moderate": message("moderate support"),
    "moderately strong": message("moderately strong support"),
    "strong": message("strong support"),
    "very strong": message("very strong support"),
    "extremely strong": message("extremely strong support"),
}
"""The bands' words with what they qualify, as messages of the report's language."""
_PROPOSITIONS = {"same source": message("same person"), "different sources": message("different persons")}
_NO_REASON = message("not calibrated")


def ratio(likelihood_ratio: float) -> str:
    """Return a likelihood ratio with two significant digits; below 1 as a fraction: 40, 1.6, 1/25."""
    if likelihood_ratio >= 1:
        return _two_digits(likelihood_ratio)
    below = _two_digits(1 / likelihood_ratio)
    return "1" if below == "1" else f"1/{below}"


def _two_digits(number: float) -> str:
    """Cut to two significant digits: a ratio is never printed larger than it is."""
    step = math.pow(10.0, math.floor(math.log10(number)) - 1)
    held = math.floor(number / step + 1e-6) * step
    return integer(round(held)) if held >= 10 else f"{held:.2g}"


def support_words(log10_lr: float) -> str:
    """Return the verbal equivalent in short, with the proposition that is supported."""
    support = verbal_support(log10_lr)
    if support.direction == "neither":
        return tr("no support either way")
    return f"{tr(SUPPORT[support.strength])} ({tr(_PROPOSITIONS[support.direction])})"


def strength_words(likelihood_ratio: float, log10_lr: float, limited: bool) -> str:
    """Return a ratio with its verbal equivalent: "40, moderate support (same person)"; a cut one is called limited."""
    if limited:
        return tr("{ratio} (limited), {support}", ratio=ratio(likelihood_ratio), support=support_words(log10_lr))
    return f"{ratio(likelihood_ratio)}, {support_words(log10_lr)}"


def likelihood_words(line: Candidate) -> str:
    """Return a candidate's likelihood ratio in words, or in short why there is none (R23, R24)."""
    if line.strength is None:
        return recorded(line.no_strength.strip().partition(":")[0]) or tr(_NO_REASON)
    return strength_words(line.strength.likelihood_ratio, line.strength.log10, line.strength.limited)


def reason_words(line: Candidate) -> str:
    """Return in full why a candidate has no likelihood ratio; "" when it has one."""
    return "" if line.strength is not None else recorded(line.no_strength.strip()) or tr(_NO_REASON)


def source_words(strength: Strength) -> str:
    """Return where a likelihood ratio comes from: calibration, bin, and which of the person's gallery pictures."""
    named = tr(
        "calibration {calibration}, bin {bin}", calibration=shown(strength.calibration), bin=recorded(strength.bin)
    )
    return f"{named}{_pictures_words(strength)}"


def _pictures_words(strength: Strength) -> str:
    """Say how many gallery pictures the ratio is the mean of, and how many lie outside the calibration."""
    used = plural(", by one gallery picture", ", mean over {count} gallery pictures", strength.pictures)
    if not strength.left_out:
        return used if strength.pictures > 1 else ""
    left_out = plural(
        "; {count} more outside the calibration", "; {count} more outside the calibration", strength.left_out
    )
    return used + left_out
