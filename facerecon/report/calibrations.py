"""The calibrations behind the likelihood ratios: what they rest on, how well they do. Owns the rule that none is bare.

Every likelihood ratio of a report is traced to a calibration document and its bins before anything is drawn; one that
cannot be traced stops the report (R23).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facerecon.errors import IntegrityError
from facerecon.likelihood import Bin, Calibration, Estimate
from facerecon.likelihood.plots import tippett_svg
from facerecon.likelihood.quantities import as_measured, as_ranges
from facerecon.records import WITH_RESTORED, Candidate, Strength
from facerecon.report import wording
from facerecon.report.blocks import Block, Cell, Column, Fact, Facts, Plot, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.notation import DASH, integer, plural, shown, similarity, utc
from facerecon.report.strength import SCALE, ratio

SECTION = "strength"
SELECTED = (
    "Candidates are the most similar persons of a gallery, not persons who were suspected for other reasons. The more "
    "persons a gallery holds, the more of them are similar by chance: of persons who are not in the footage, up to one "
    "in 100 is expected to reach a ratio of 100, where the calibration holds. That belongs to the prior odds; a ratio "
    "takes no account of it."
)


@dataclass(frozen=True, eq=False)
class Use:
    """A candidate's likelihood ratio with the calibration and the bins that it comes from."""

    line: Candidate
    strength: Strength
    calibration: Calibration
    bins: tuple[Bin, ...]


def uses(report: CaseReport) -> tuple[Use, ...]:
    """Trace every likelihood ratio of a case to its calibration, in order of the candidates (R23).

    Raises:
        IntegrityError: the case lacks a calibration or bin that a candidate names, the calibration was made for
            something else, or a computed picture has a likelihood ratio.
    """
    documents = {document.sha256: document for document in report.calibrations}
    return tuple(_use(line, line.strength, documents) for line in report.candidates if line.strength is not None)


def _use(line: Candidate, strength: Strength, documents: Mapping[str, Calibration]) -> Use:
    who = f"candidate {shown(line.identity)} of track {shown(line.track)}"
    if not line.primary and line.variant != WITH_RESTORED:
        raise IntegrityError(f"{who}: a computed picture ({line.variant}) has a likelihood ratio; it must have none")
    document = documents.get(strength.calibration_sha256)
    if document is None or document.name != strength.calibration:
        raise IntegrityError(
            f"{who} has a likelihood ratio by calibration {strength.calibration}, which the case lacks"
        )
    if (document.model, document.variant) != (line.model, line.variant):
        raise IntegrityError(f"{who}: calibration {document.name} was made for {document.model}, {document.variant}")
    bins = _named(strength.bin, document.bins)
    if bins is None:
        raise IntegrityError(f"{who} names the bin {strength.bin}, which calibration {document.name} lacks")
    return Use(line, strength, document, bins)


def _named(text: str, bins: Sequence[Bin]) -> tuple[Bin, ...] | None:
    """Return the bins that a list "one, two" names; a bin's own name may hold a comma."""
    for part in bins:
        if text == part.id:
            return (part,)
        rest = _named(text[len(part.id) + 2 :], bins) if text.startswith(f"{part.id}, ") else None
        if rest is not None:
            return (part, *rest)
    return None


# --- the plot ---------------------------------------------------------------------------------------------------------


def tippett_plots(use: Use) -> Iterator[Plot]:
    """Yield the Tippett plot of each bin behind a candidate's likelihood ratio, with this comparison marked."""
    for part in use.bins:
        where = "These" if len(use.bins) == 1 else "One of its gallery pictures lies in these"
        yield _plot(
            part,
            use.strength.log10,
            f"{_curves_words(part, use.calibration)} {where} conditions: {_conditions(part)}. The upright line is this "
            f"comparison, track {shown(use.line.track)} with candidate {shown(use.line.identity)}: likelihood ratio "
            f"{ratio(use.strength.likelihood_ratio)}, log10 {use.strength.log10:.2f}. "
            f"{_reached(part, use.strength.log10)}",
        )


def _plain_plot(part: Bin, calibration: Calibration) -> Plot:
    return _plot(part, None, f"{_curves_words(part, calibration)} These conditions: {_conditions(part)}.")


def _plot(part: Bin, marked: float | None, caption: str) -> Plot:
    # The name goes into the drawing's markup, where a control character would not be allowed.
    named = part.model_copy(update={"id": shown(part.id)})
    return Plot(tippett_svg(named, marked), f"Tippett plot of bin {named.id}", caption)


def _curves_words(part: Bin, calibration: Calibration) -> str:
    return wording.TIPPETT.format(
        bin=shown(part.id),
        calibration=shown(calibration.name),
        same=plural(part.genuine, "comparison"),
        different=plural(part.impostor, "comparison"),
    )


def _reached(part: Bin, log10_lr: float) -> str:
    same, different = part.curves.tippett_same, part.curves.tippett_different
    if log10_lr >= 0:
        shares, side = (_share_above(same, log10_lr), _share_above(different, log10_lr)), "at least"
    else:
        shares, side = (_share_below(same, log10_lr), _share_below(different, log10_lr)), "at most"
    return (
        f"In the calibration {shares[0]} of the comparisons of one person and {shares[1]} of those of different "
        f"persons had {side} this ratio."
    )


def _share_above(quantiles: Sequence[float], value: float) -> str:
    return _share(len(quantiles) - bisect_left(quantiles, value), len(quantiles))


def _share_below(quantiles: Sequence[float], value: float) -> str:
    return _share(bisect_right(quantiles, value), len(quantiles))


def _share(count: int, quantiles: int) -> str:
    """Say which share lies beyond, of which `count` of evenly spread quantiles do; no finer than they are."""
    if count == 0:
        return "none"
    if count == quantiles:
        return "all"
    percent = round(100 * (count - 0.5) / (quantiles - 1))
    if count == 1:
        return f"less than {100 / (quantiles - 1):g} %"
    return f"about {percent} %"


# --- the section ------------------------------------------------------------------------------------------------------


def strength_section(report: CaseReport, traced: Sequence[Use], leading: Sequence[Use]) -> tuple[Section, ...]:
    """Return the section on the calibrations, or nothing when the comparison had none.

    Args:
        report: the case.
        traced: all likelihood ratios of the case.
        leading: those whose plots the tracks show; other bins in use are drawn here.
    """
    if not report.calibrations:
        return ()
    blocks: list[Block] = [Text(wording.LIKELIHOOD_RATIO), Text(SELECTED), _scale()]
    if not traced:
        blocks.append(Text(wording.CALIBRATED_BUT_NONE))
    children = tuple(
        _calibration(number, document, traced, leading) for number, document in enumerate(report.calibrations, 1)
    )
    return (Section(SECTION, "Strength of evidence: the calibrations used", tuple(blocks), children),)


def _scale() -> Table:
    columns = (
        Column("Ratio in support of one person", weight=1.4),
        Column("Ratio in support of different persons", weight=1.4),
        Column("Verbal equivalent", weight=2),
    )
    rows = tuple(
        (Cell(_band(low, high)), Cell(_mirrored(low, high)), Cell(_band_words(word, low))) for low, high, word in SCALE
    )
    return Table(wording.SCALE_CAPTION, columns, rows)


def _band(low: int, high: int | None) -> str:
    return f"{integer(low)} and more" if high is None else f"{integer(low)} to {integer(high)}"


def _mirrored(low: int, high: int | None) -> str:
    if high is None:
        return f"1/{integer(low)} and less"
    return f"1/{integer(high)} to {'1' if low == 1 else f'1/{integer(low)}'}"


def _band_words(word: str, low: int) -> str:
    return "no support for either proposition" if low == 1 else f"{word} support"


def _calibration(number: int, document: Calibration, traced: Sequence[Use], leading: Sequence[Use]) -> Section:
    mine = [use for use in traced if use.calibration is document]
    used = {part.id: sum(part in use.bins for use in mine) for part in document.bins}
    drawn = {part.id for use in leading if use.calibration is document for part in use.bins}
    blocks: list[Block] = [Facts(_facts(document, len(mine))), _bins(document, used)]
    blocks += [
        Text(f"Bin {shown(part.id)} holds for: {_conditions(part)}.", "note") for part in document.bins if used[part.id]
    ]
    blocks.append(_measures(document, used))
    blocks += [_plain_plot(part, document) for part in document.bins if used[part.id] and part.id not in drawn]
    return Section(f"{SECTION}-{number}", f"Calibration {shown(document.name)}", tuple(blocks))


def _facts(document: Calibration, used: int) -> tuple[Fact, ...]:
    made = f"{utc(document.created)}, facerecon {shown(document.tool_version)}, seed {document.seed}"
    return (
        Fact("SHA-256", document.sha256, mono=True),
        Fact("Used for", f"{plural(used, 'comparison')} of this case"),
        Fact("Model", shown(document.model)),
        Fact("Weights SHA-256", document.weights_sha256, mono=True),
        Fact("Treatment", shown(document.treatment)),
        Fact("Variant", wording.VARIANT_TITLES[document.variant]),
        Fact("Data set", shown(document.dataset)),
        Fact("Protocol", shown(document.protocol)),
        Fact("Degradations", "; ".join(map(shown, document.degradations)) or "none"),
        Fact("Faces not found", _not_found(document.bins[0])),
        Fact("Made", made),
    )


def _not_found(part: Bin) -> str:
    missed = part.failures_to_acquire
    return f"{integer(missed.failed)} of {integer(missed.of)} degraded pictures" if missed.of else "not counted"


def _bins(document: Calibration, used: Mapping[str, int]) -> Table:
    columns = (
        Column("Bin", weight=2.4),
        Column("Pairs, one person", "right", weight=1.1),
        Column("Pairs, different persons", "right", weight=1.3),
        Column("Persons", "right", weight=0.9),
        Column("Likelihood ratio within", "right", weight=1.4),
        Column("Used for", "right", weight=0.9),
    )
    return Table(wording.BINS_CAPTION, columns, tuple(_bin_row(part, used[part.id]) for part in document.bins))


def _bin_row(part: Bin, used: int) -> tuple[Cell, ...]:
    return (
        Cell(shown(part.id), strong=used > 0),
        Cell(integer(part.genuine)),
        Cell(integer(part.impostor)),
        Cell(integer(part.subjects)),
        Cell(f"{ratio(10**part.log10_lower)} to {ratio(10**part.log10_upper)}"),
        Cell(integer(used) if used else DASH, strong=used > 0),
    )


def _conditions(part: Bin) -> str:
    limited = part.ranges.items()
    parts = [f"{as_measured(name, None)} {as_ranges(name, [(each.low, each.high)])}" for name, each in limited]
    return shown("; ".join(parts).removeprefix("the ")) or "all conditions"


def _measures(document: Calibration, used: Mapping[str, int]) -> Table:
    columns = (
        Column("Bin", weight=1.9),
        Column("Cllr", weight=1.4),
        Column("Cllr_min", weight=1.4),
        Column("Cllr, other persons", weight=1),
        Column("EER", weight=1.4),
        Column("True accepts at 1 %", weight=1.5),
    )
    rows = tuple(_measure_row(part, used[part.id] > 0) for part in document.bins)
    return Table(wording.MEASURES_CAPTION, columns, rows)


def _measure_row(part: Bin, used: bool) -> tuple[Cell, ...]:
    metrics = part.metrics
    validation = DASH if metrics.cllr_validation is None else f"{metrics.cllr_validation:.3f}"
    return (
        Cell(shown(part.id), strong=used),
        Cell(_bits(metrics.cllr)),
        Cell(_bits(metrics.cllr_min)),
        Cell(validation),
        Cell(_percent(metrics.eer)),
        Cell(_percent(metrics.tar_at_far_1pct)),
    )


def _bits(estimate: Estimate) -> str:
    within = "" if estimate.interval is None else " ({:.3f} to {:.3f})".format(*estimate.interval)
    return f"{estimate.value:.3f}{within}"


def _percent(estimate: Estimate) -> str:
    within = "" if estimate.interval is None else " ({:.1f} to {:.1f})".format(*(100 * e for e in estimate.interval))
    return f"{100 * estimate.value:.1f} %{within}"


# --- how similar different persons are by chance ----------------------------------------------------------------------


def impostor_words(found: float, impostors: Mapping[str, int] | None, nearest: Sequence[float]) -> str:
    """Return how many comparisons of different persons were at least as similar, and the similarities nearest to it."""
    if impostors is None:
        return wording.NO_IMPOSTORS
    low, high, total = (impostors[key] for key in ("low", "high", "of"))
    count = integer(low) if low == high else f"{integer(low)} to {integer(high)}"
    words = (
        f"Of the {integer(total)} comparisons of different persons that the calibration holds for such pictures, "
        f"{count} {'was' if high == 1 else 'were'} at least as similar as this ({similarity(found)})."
    )
    near = ", ".join(similarity(each) for each in nearest)
    return f"{words} Nearest to it among the most similar of them: {near}." if near else words
