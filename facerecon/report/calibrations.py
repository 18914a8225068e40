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
from facerecon.report.language import message, tr, trc
from facerecon.report.notation import DASH, integer, plural, shown, similarity, utc
from facerecon.report.recorded import QUANTITIES, RANGES, drawn, known, recorded
from facerecon.report.strength import SCALE, SUPPORT, ratio

SECTION = "strength"
SELECTED = message(
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
        where = (
            tr("These conditions: {conditions}.", conditions=_conditions(part))
            if len(use.bins) == 1
            else tr("One of its gallery pictures lies in these conditions: {conditions}.", conditions=_conditions(part))
        )
        line = tr(
            "The upright line is this comparison, track {track} with candidate {candidate}: likelihood ratio {ratio}, "
            "log10 {log10}.",
            track=shown(use.line.track),
            candidate=shown(use.line.identity),
            ratio=ratio(use.strength.likelihood_ratio),
            log10=f"{use.strength.log10:.2f}",
        )
        words = (_curves_words(part, use.calibration), where, line, _reached(part, use.strength.log10))
        yield _plot(part, use.strength.log10, " ".join(words))


def _plain_plot(part: Bin, calibration: Calibration) -> Plot:
    where = tr("These conditions: {conditions}.", conditions=_conditions(part))
    return _plot(part, None, f"{_curves_words(part, calibration)} {where}")


def _plot(part: Bin, marked: float | None, caption: str) -> Plot:
    # The name goes into the drawing's markup, where a control character would not be allowed.
    named = part.model_copy(update={"id": shown(part.id)})
    return Plot(drawn(tippett_svg(named, marked)), tr("Tippett plot of bin {bin}", bin=named.id), caption)


def _curves_words(part: Bin, calibration: Calibration) -> str:
    return tr(
        wording.TIPPETT,
        bin=recorded(part.id),
        calibration=shown(calibration.name),
        same=plural("{count} comparison", "{count} comparisons", part.genuine),
        different=plural("{count} comparison", "{count} comparisons", part.impostor),
    )


def _reached(part: Bin, log10_lr: float) -> str:
    same, different = part.curves.tippett_same, part.curves.tippett_different
    if log10_lr >= 0:
        return tr(
            "In the calibration {same} of the comparisons of one person and {different} of those of different persons "
            "had at least this ratio.",
            same=_share_above(same, log10_lr),
            different=_share_above(different, log10_lr),
        )
    return tr(
        "In the calibration {same} of the comparisons of one person and {different} of those of different persons "
        "had at most this ratio.",
        same=_share_below(same, log10_lr),
        different=_share_below(different, log10_lr),
    )


def _share_above(quantiles: Sequence[float], value: float) -> str:
    return _share(len(quantiles) - bisect_left(quantiles, value), len(quantiles))


def _share_below(quantiles: Sequence[float], value: float) -> str:
    return _share(bisect_right(quantiles, value), len(quantiles))


def _share(count: int, quantiles: int) -> str:
    """Say which share lies beyond, of which `count` of evenly spread quantiles do; no finer than they are."""
    if count == 0:
        return trc("share of comparisons", "none")
    if count == quantiles:
        return trc("share of comparisons", "all")
    percent = round(100 * (count - 0.5) / (quantiles - 1))
    if count == 1:
        return tr("less than {percent} %", percent=f"{100 / (quantiles - 1):g}")
    return tr("about {percent} %", percent=percent)


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
    blocks: list[Block] = [Text(tr(wording.LIKELIHOOD_RATIO)), Text(tr(SELECTED)), _scale()]
    if not traced:
        blocks.append(Text(tr(wording.CALIBRATED_BUT_NONE)))
    children = tuple(
        _calibration(number, document, traced, leading) for number, document in enumerate(report.calibrations, 1)
    )
    return (Section(SECTION, tr("Strength of evidence: the calibrations used"), tuple(blocks), children),)


def _scale() -> Table:
    columns = (
        Column(tr("Ratio in support of one person"), weight=1.4),
        Column(tr("Ratio in support of different persons"), weight=1.4),
        Column(tr("Verbal equivalent"), weight=2),
    )
    rows = tuple(
        (Cell(_band(low, high)), Cell(_mirrored(low, high)), Cell(_band_words(word, low))) for low, high, word in SCALE
    )
    return Table(tr(wording.SCALE_CAPTION), columns, rows)


def _band(low: int, high: int | None) -> str:
    if high is None:
        return tr("{low} and more", low=integer(low))
    return tr("{low} to {high}", low=integer(low), high=integer(high))


def _mirrored(low: int, high: int | None) -> str:
    if high is None:
        return tr("{high} and less", high=f"1/{integer(low)}")
    return tr("{low} to {high}", low=f"1/{integer(high)}", high="1" if low == 1 else f"1/{integer(low)}")


def _band_words(word: str, low: int) -> str:
    return tr("no support for either proposition") if low == 1 else tr(SUPPORT[word])


def _calibration(number: int, document: Calibration, traced: Sequence[Use], leading: Sequence[Use]) -> Section:
    mine = [use for use in traced if use.calibration is document]
    used = {part.id: sum(part in use.bins for use in mine) for part in document.bins}
    drawn = {part.id for use in leading if use.calibration is document for part in use.bins}
    blocks: list[Block] = [Facts(_facts(document, len(mine))), _bins(document, used)]
    blocks += [
        Text(tr("Bin {bin} holds for: {conditions}.", bin=recorded(part.id), conditions=_conditions(part)), "note")
        for part in document.bins
        if used[part.id]
    ]
    blocks.append(_measures(document, used))
    blocks += [_plain_plot(part, document) for part in document.bins if used[part.id] and part.id not in drawn]
    return Section(f"{SECTION}-{number}", tr("Calibration {name}", name=shown(document.name)), tuple(blocks))


def _facts(document: Calibration, used: int) -> tuple[Fact, ...]:
    made = tr(
        "{utc}, facerecon {version}, seed {seed}",
        utc=utc(document.created),
        version=shown(document.tool_version),
        seed=document.seed,
    )
    degradations = "; ".join(map(recorded, document.degradations)) or trc("degradations", "none")
    return (
        Fact("SHA-256", document.sha256, mono=True),
        Fact(tr("Used for"), plural("{count} comparison of this case", "{count} comparisons of this case", used)),
        Fact(tr("Model"), shown(document.model)),
        Fact(tr("Weights SHA-256"), document.weights_sha256, mono=True),
        Fact(tr("Treatment"), recorded(document.treatment)),
        Fact(tr("Variant"), tr(wording.VARIANT_TITLES[document.variant])),
        Fact(tr("Data set"), recorded(document.dataset)),
        Fact(tr("Protocol"), recorded(document.protocol)),
        Fact(tr("Degradations"), degradations),
        Fact(tr("Faces not found"), _not_found(document.bins[0])),
        Fact(tr("Made"), made),
    )


def _not_found(part: Bin) -> str:
    missed = part.failures_to_acquire
    if not missed.of:
        return tr("not counted")
    return tr("{failed} of {all} degraded pictures", failed=integer(missed.failed), all=integer(missed.of))


def _bins(document: Calibration, used: Mapping[str, int]) -> Table:
    columns = (
        Column(tr("Bin"), weight=2.4),
        Column(tr("Pairs, one person"), "right", weight=1.1),
        Column(tr("Pairs, different persons"), "right", weight=1.3),
        Column(tr("Persons"), "right", weight=0.9),
        Column(tr("Likelihood ratio within"), "right", weight=1.4),
        Column(tr("Used for"), "right", weight=0.9),
    )
    return Table(tr(wording.BINS_CAPTION), columns, tuple(_bin_row(part, used[part.id]) for part in document.bins))


def _bin_row(part: Bin, used: int) -> tuple[Cell, ...]:
    return (
        Cell(recorded(part.id), strong=used > 0),
        Cell(integer(part.genuine)),
        Cell(integer(part.impostor)),
        Cell(integer(part.subjects)),
        Cell(tr("{low} to {high}", low=ratio(10**part.log10_lower), high=ratio(10**part.log10_upper))),
        Cell(integer(used) if used else DASH, strong=used > 0),
    )


def _conditions(part: Bin) -> str:
    parts = [
        f"{known(as_measured(name, None), QUANTITIES)} {known(as_ranges(name, [(each.low, each.high)]), RANGES)}"
        for name, each in part.ranges.items()
    ]
    return shown("; ".join(parts).removeprefix("the ")) or tr("all conditions")


def _measures(document: Calibration, used: Mapping[str, int]) -> Table:
    columns = (
        Column(tr("Bin"), weight=1.9),
        Column("Cllr", weight=1.4),
        Column("Cllr_min", weight=1.4),
        Column(tr("Cllr, other persons"), weight=1),
        Column(tr("EER"), weight=1.4),
        Column(tr("True accepts at 1 %"), weight=1.5),
    )
    rows = tuple(_measure_row(part, used[part.id] > 0) for part in document.bins)
    return Table(tr(wording.MEASURES_CAPTION), columns, rows)


def _measure_row(part: Bin, used: bool) -> tuple[Cell, ...]:
    metrics = part.metrics
    validation = DASH if metrics.cllr_validation is None else f"{metrics.cllr_validation:.3f}"
    return (
        Cell(recorded(part.id), strong=used),
        Cell(_bits(metrics.cllr)),
        Cell(_bits(metrics.cllr_min)),
        Cell(validation),
        Cell(_percent(metrics.eer)),
        Cell(_percent(metrics.tar_at_far_1pct)),
    )


def _bits(estimate: Estimate) -> str:
    return _within(estimate, 1, "{:.3f}", "{:.3f}")


def _percent(estimate: Estimate) -> str:
    return _within(estimate, 100, "{:.1f}", "{:.1f} %")


def _within(estimate: Estimate, times: int, form: str, alone: str) -> str:
    value = alone.format(times * estimate.value)
    if estimate.interval is None:
        return value
    low, high = (form.format(times * edge) for edge in estimate.interval)
    return f"{value} ({tr('{low} to {high}', low=low, high=high)})"


# --- how similar different persons are by chance ----------------------------------------------------------------------


def impostor_words(found: float, impostors: Mapping[str, int] | None, nearest: Sequence[float]) -> str:
    """Return how many comparisons of different persons were at least as similar, and the similarities nearest to it."""
    if impostors is None:
        return tr(wording.NO_IMPOSTORS)
    low, high, total = (impostors[key] for key in ("low", "high", "of"))
    words = plural(
        "Of the {total} comparisons of different persons that the calibration holds for such pictures, {found} was at "
        "least as similar as this ({similarity}).",
        "Of the {total} comparisons of different persons that the calibration holds for such pictures, {found} were at "
        "least as similar as this ({similarity}).",
        high,
        total=integer(total),
        found=integer(low) if low == high else tr("{low} to {high}", low=integer(low), high=integer(high)),
        similarity=similarity(found),
    )
    near = ", ".join(similarity(each) for each in nearest)
    return f"{words} {tr('Nearest to it among the most similar of them: {near}.', near=near)}" if near else words
