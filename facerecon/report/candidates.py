"""A track's candidates: ranked lists per kind of probe, and pictures side by side. Owns the words about similarity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from facerecon.records import PRIMARY_VARIANTS, Candidate, Variant
from facerecon.report import wording
from facerecon.report.blocks import Block, Card, Cards, Cell, Column, Table, Text
from facerecon.report.figures import Picture
from facerecon.report.notation import shown, similarity, threshold

VARIANTS: tuple[Variant, ...] = PRIMARY_VARIANTS
_PICTURES = 3
_UNCALIBRATED = ("", "none", "not calibrated")


def similarity_words(line: Candidate) -> str:
    """Return how strong a candidate is, in the only words the report uses for it."""
    return (
        f"similarity {similarity(line.similarity)}, threshold {threshold(line.threshold)}, "
        f"likelihood ratio: {likelihood_words(line)}"
    )


def likelihood_words(line: Candidate) -> str:
    """Return the likelihood ratio with its calibration, or in short why there is none (R23)."""
    named = line.calibration.strip()
    if line.likelihood_ratio is None:
        return shown(named.partition(":")[0]) or "not calibrated"
    if named.partition(":")[0].lower() in _UNCALIBRATED:
        return "not given, no calibration is named"
    return f"{line.likelihood_ratio:.3g} (calibration {shown(named)})"


def candidate_blocks(
    lines: tuple[Candidate, ...], probe: Picture | None, gallery: Mapping[str, Picture], compared: bool
) -> Iterator[Block]:
    """Yield a track's comparison with the gallery: the decision tables first, the restored picture's last."""
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
    yield from _table("restored", [line for line in lines if not line.primary])


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
    lines = (similarity_words(line),)
    return Card(place, pictures, lines, strong=f"Candidate: {shown(line.identity)}")


def _table(variant: Variant, lines: list[Candidate]) -> Iterator[Table]:
    if not lines:
        return
    columns = (
        Column("Rank", "right", weight=0.6),
        Column("Candidate", weight=2.2),
        Column("Gallery file", weight=1.9),
        Column("Similarity", "right", weight=1),
        Column("Threshold", "right", weight=1.2),
        Column("Likelihood ratio", weight=1.8),
        Column("Quality, track", "right", weight=0.9),
        Column("Quality, gallery", "right", weight=0.9),
    )
    caption = (
        f"{wording.VARIANT_TITLES[variant]}. {wording.VARIANT_NOTES[variant]} Model: {shown(lines[0].model)}."
        f"{_why_no_ratio(lines)}"
    )
    rows = tuple(_row(line) for line in sorted(lines, key=lambda line: line.rank))
    yield Table(caption, columns, rows, quiet=variant == "restored")


def _why_no_ratio(lines: list[Candidate]) -> str:
    reasons = dict.fromkeys(line.calibration.strip() for line in lines if line.likelihood_ratio is None)
    return "".join(f" Likelihood ratio {shown(reason)}." for reason in reasons if ":" in reason)


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
