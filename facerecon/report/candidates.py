"""A track's candidates: ranked lists per kind of probe, and pictures side by side. Owns the words about similarity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from facerecon.records import PRIMARY_VARIANTS, WITH_RESTORED, Candidate, Variant
from facerecon.report import wording
from facerecon.report.blocks import Block, Card, Cards, Cell, Column, Table, Text
from facerecon.report.figures import Picture
from facerecon.report.language import message, tr
from facerecon.report.notation import shown, similarity, threshold
from facerecon.report.recorded import recorded
from facerecon.report.strength import likelihood_words, reason_words, source_words

VARIANTS: tuple[Variant, ...] = PRIMARY_VARIANTS
_SECONDARY: tuple[Variant, ...] = (WITH_RESTORED, "fused-image", "restored")
_PICTURES = 3
ONE_COMPARISON = message(
    "The likelihood ratios of one person in these two lists rest on the same footage: they are two measurements of one "
    "comparison and not two pieces of evidence. They must not be multiplied, and not be chosen from by size. The first "
    "list leads; the second speaks where the first has no likelihood ratio."
)


def similarity_lines(line: Candidate) -> tuple[str, ...]:
    """Return how similar a candidate is and how strong that is, in the only words the report uses for it."""
    found = tr(
        "similarity {similarity}, threshold {threshold}",
        similarity=similarity(line.similarity),
        threshold=threshold(line.threshold),
    )
    if line.strength is None:
        return found, tr("likelihood ratio: {reason}", reason=likelihood_words(line))
    return (
        found,
        tr("likelihood ratio {ratio}", ratio=likelihood_words(line)),
        tr("calibration {name}", name=shown(line.strength.calibration)),
    )


def candidate_blocks(
    lines: tuple[Candidate, ...],
    probe: Picture | None,
    gallery: Mapping[str, Picture],
    compared: bool,
    leading: Iterable[Block] = (),
) -> Iterator[Block]:
    """Yield a track's comparison with the gallery: the decision tables first, those of computed pictures last.

    `leading` says more of the leading candidate and stands between them.
    """
    if not compared:
        yield Text(tr("Comparison with a gallery was not run."), "note")
        return
    if not lines:
        yield Text(tr("This track was not compared; the reason is listed under what was not processed."), "note")
        return
    primary = [line for variant in VARIANTS for line in lines if line.variant == variant and line.primary]
    if not any(line.above_threshold for line in primary):
        yield Text(f"{tr('No gallery picture reached the threshold.')} {tr(wording.NO_CANDIDATE)}")
    yield from _pairs(primary, probe, gallery)
    for variant in VARIANTS:
        yield from _table(variant, [line for line in primary if line.variant == variant])
    if len({line.variant for line in primary if line.strength is not None}) > 1:
        yield Text(tr(ONE_COMPARISON), "note")
    yield from leading
    for variant in _SECONDARY:
        yield from _table(variant, [line for line in lines if line.variant == variant and not line.primary])


def _pairs(primary: list[Candidate], probe: Picture | None, gallery: Mapping[str, Picture]) -> Iterator[Block]:
    shown_lines = _pictured(primary)
    cards = tuple(
        _pair(line, probe, gallery[line.gallery_file])
        for line in shown_lines
        if probe is not None and line.gallery_file in gallery
    )
    if cards:
        yield Cards(
            tr(
                "Best original shot of the track (left) beside the gallery picture (right), both enlarged to fit. "
                "Look at the pictures before you look at the numbers."
            ),
            cards,
            wide=True,
        )


def _pictured(primary: list[Candidate]) -> list[Candidate]:
    """Choose the candidates whose pictures are shown: the first of the leading list, and others above the threshold."""
    if not primary:
        return []
    leading = sorted((line for line in primary if line.variant == primary[0].variant), key=lambda line: line.rank)
    return [line for line in leading[:_PICTURES] if line.rank == 1 or line.above_threshold]


def _pair(line: Candidate, probe: Picture | None, picture: Picture) -> Card:
    pictures = (picture,) if probe is None else (probe, picture)
    place = (
        tr("Rank {rank}", rank=line.rank)
        if line.above_threshold
        else tr("Rank {rank}, below the threshold", rank=line.rank)
    )
    lines = similarity_lines(line)
    if line.strength is not None and line.rank == 1:
        cut = (tr(wording.LIMITED),) if line.strength.limited else ()
        lines = (*lines[:-1], source_words(line.strength), *cut, recorded(line.strength.support))
    return Card(place, pictures, lines, strong=tr("Candidate: {name}", name=shown(line.identity)))


def _table(variant: Variant, lines: list[Candidate]) -> Iterator[Table]:
    if not lines:
        return
    columns = (
        Column(tr("Rank"), "right", weight=0.6),
        Column(tr("Candidate"), weight=2),
        Column(tr("Gallery file"), weight=1.8),
        Column(tr("Similarity"), "right", weight=1),
        Column(tr("Threshold"), "right", weight=1.1),
        Column(tr("Likelihood ratio"), weight=2.4),
        Column(tr("Quality, track"), "right", weight=0.85),
        Column(tr("Quality, gallery"), "right", weight=0.85),
    )
    caption = (
        f"{tr(wording.VARIANT_TITLES[variant])}. {tr(wording.VARIANT_NOTES[variant])} "
        f"{tr('Model: {name}.', name=shown(lines[0].model))}{_ratios_from(lines)}{_why_no_ratio(lines)}"
    )
    rows = tuple(_row(line) for line in sorted(lines, key=lambda line: line.rank))
    yield Table(caption, columns, rows, quiet=variant in _SECONDARY)


def _ratios_from(lines: list[Candidate]) -> str:
    strengths = [line.strength for line in lines if line.strength is not None]
    sources = dict.fromkeys(
        tr("{calibration}, bin {bin}", calibration=shown(each.calibration), bin=recorded(each.bin))
        for each in strengths
    )
    named = f" {tr('Likelihood ratios by calibration {sources}.', sources='; '.join(sources))}" if sources else ""
    return named + (f" {tr(wording.LIMITED)}" if any(each.limited for each in strengths) else "")


def _why_no_ratio(lines: list[Candidate]) -> str:
    reasons = dict.fromkeys(reason_words(line) for line in lines)
    some = any(line.strength is not None for line in lines)
    told = [
        tr("Where no likelihood ratio is given: {reason}.", reason=reason)
        if some
        else tr("Likelihood ratio {reason}.", reason=reason)
        for reason in reasons
        if ":" in reason
    ]
    return "".join(f" {each}" for each in told)


def _row(line: Candidate) -> tuple[Cell, ...]:
    person = shown(line.identity) + (f" ({shown(line.person_id)})" if line.person_id else "")
    side = message("{threshold}, above") if line.above_threshold else message("{threshold}, below")
    decided = line.above_threshold and line.primary
    return (
        Cell(str(line.rank)),
        Cell(person, strong=decided),
        Cell(shown(line.gallery_file)),
        Cell(similarity(line.similarity), strong=decided),
        Cell(tr(side, threshold=threshold(line.threshold))),
        Cell(likelihood_words(line)),
        Cell(f"{line.probe_quality:.2f}", line.probe_quality),
        Cell(f"{line.gallery_quality:.2f}", line.gallery_quality),
    )
