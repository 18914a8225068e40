"""A track's candidates: ranked lists per kind of probe, and pictures side by side. Owns the words about similarity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from facerecon.records import PRIMARY_VARIANTS, WITH_RESTORED, Candidate, Variant
from facerecon.report import wording
from facerecon.report.blocks import Block, Card, Cards, Cell, Column, Table, Text
from facerecon.report.figures import Picture
from facerecon.report.notation import shown, similarity, threshold
from facerecon.report.strength import likelihood_words, reason_words, source_words

VARIANTS: tuple[Variant, ...] = PRIMARY_VARIANTS
_SECONDARY: tuple[Variant, ...] = (WITH_RESTORED, "fused-image", "restored")
_PICTURES = 3
ONE_COMPARISON = (
    "The likelihood ratios of one person in these two lists rest on the same footage: they are two measurements of one "
    "comparison and not two pieces of evidence. They must not be multiplied, and not be chosen from by size. The first "
    "list leads; the second speaks where the first has no likelihood ratio."
)


def similarity_lines(line: Candidate) -> tuple[str, ...]:
    """Return how similar a candidate is and how strong that is, in the only words the report uses for it."""
    found = f"similarity {similarity(line.similarity)}, threshold {threshold(line.threshold)}"
    if line.strength is None:
        return found, f"likelihood ratio: {likelihood_words(line)}"
    return found, f"likelihood ratio {likelihood_words(line)}", f"calibration {shown(line.strength.calibration)}"


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
        yield Text("Comparison with a gallery was not run.", "note")
        return
    if not lines:
        yield Text("This track was not compared; the reason is listed under what was not processed.", "note")
        return
    primary = [line for variant in VARIANTS for line in lines if line.variant == variant and line.primary]
    if not any(line.above_threshold for line in primary):
        yield Text(f"No gallery picture reached the threshold. {wording.NO_CANDIDATE}")
    yield from _pairs(primary, probe, gallery)
    for variant in VARIANTS:
        yield from _table(variant, [line for line in primary if line.variant == variant])
    if len({line.variant for line in primary if line.strength is not None}) > 1:
        yield Text(ONE_COMPARISON, "note")
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
            "Best original shot of the track (left) beside the gallery picture (right), both enlarged to fit. "
            "Look at the pictures before you look at the numbers.",
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
    place = f"Rank {line.rank}" if line.above_threshold else f"Rank {line.rank}, below the threshold"
    lines = similarity_lines(line)
    if line.strength is not None and line.rank == 1:
        cut = (wording.LIMITED,) if line.strength.limited else ()
        lines = (*lines[:-1], source_words(line.strength), *cut, shown(line.strength.support))
    return Card(place, pictures, lines, strong=f"Candidate: {shown(line.identity)}")


def _table(variant: Variant, lines: list[Candidate]) -> Iterator[Table]:
    if not lines:
        return
    columns = (
        Column("Rank", "right", weight=0.6),
        Column("Candidate", weight=2),
        Column("Gallery file", weight=1.8),
        Column("Similarity", "right", weight=1),
        Column("Threshold", "right", weight=1.1),
        Column("Likelihood ratio", weight=2.4),
        Column("Quality, track", "right", weight=0.85),
        Column("Quality, gallery", "right", weight=0.85),
    )
    caption = (
        f"{wording.VARIANT_TITLES[variant]}. {wording.VARIANT_NOTES[variant]} Model: {shown(lines[0].model)}."
        f"{_ratios_from(lines)}{_why_no_ratio(lines)}"
    )
    rows = tuple(_row(line) for line in sorted(lines, key=lambda line: line.rank))
    yield Table(caption, columns, rows, quiet=variant in _SECONDARY)


def _ratios_from(lines: list[Candidate]) -> str:
    strengths = [line.strength for line in lines if line.strength is not None]
    sources = dict.fromkeys(f"{shown(each.calibration)}, bin {shown(each.bin)}" for each in strengths)
    named = f" Likelihood ratios by calibration {'; '.join(sources)}." if sources else ""
    return named + (f" {wording.LIMITED}" if any(each.limited for each in strengths) else "")


def _why_no_ratio(lines: list[Candidate]) -> str:
    reasons = dict.fromkeys(reason_words(line) for line in lines)
    some = "Where no likelihood ratio is given: " if any(line.strength is not None for line in lines) else ""
    return "".join(
        f" {some}{reason}." if some else f" Likelihood ratio {reason}." for reason in reasons if ":" in reason
    )


def _row(line: Candidate) -> tuple[Cell, ...]:
    person = shown(line.identity) + (f" ({shown(line.person_id)})" if line.person_id else "")
    side = "above" if line.above_threshold else "below"
    decided = line.above_threshold and line.primary
    return (
        Cell(str(line.rank)),
        Cell(person, strong=decided),
        Cell(shown(line.gallery_file)),
        Cell(similarity(line.similarity), strong=decided),
        Cell(f"{threshold(line.threshold)}, {side}"),
        Cell(likelihood_words(line)),
        Cell(f"{line.probe_quality:.2f}", line.probe_quality),
        Cell(f"{line.gallery_quality:.2f}", line.gallery_quality),
    )
