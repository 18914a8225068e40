"""What a report says of a redacted copy: that it is one, of what, which tracks are hidden and why. Draws nothing.

All of it is read from the ledger's entry `case.redacted`, tolerantly: what is missing is not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from facerecon.ledger import LedgerEntry
from facerecon.report.blocks import Block, Card, Cards, Cell, Column, Fact, Facts, Section, Table, Text
from facerecon.report.history import mapping, mappings
from facerecon.report.language import message, tr
from facerecon.report.notation import DASH, integer, shown, utc
from facerecon.report.recorded import recorded

REDACTED = "case.redacted"
"""The ledger's action of a redaction."""
WORDS = message("redacted for disclosure")
OTHERS = message("What this report says of comparisons is about the other tracks only.")
EXPLAINED = message(
    "The faces of the tracks named here are covered in every picture of this copy with one flat colour, which cannot "
    "be undone; their vectors, candidates and likelihood ratios are not in it. What stages are said to have done was "
    "taken over from the original case: the times of the ledger are those of the redaction. A person whose face is "
    "covered can still be known by clothes, gait, place and time. Faces that the detector did not find are not covered."
)


def redactions(ledger: Sequence[LedgerEntry]) -> tuple[Mapping[str, Any], ...]:
    """Return what the ledger says of each redaction, the oldest first; none for a case that is no redacted copy."""
    entries = [{**mapping(entry.details), "utc": entry.utc} for entry in ledger if entry.action == REDACTED]
    return tuple(each for entry in entries for each in (*mappings(entry.get("earlier")), entry))


def redacted_tracks(ledger: Sequence[LedgerEntry]) -> dict[str, str]:
    """Return the tracks that are hidden, each with the reason."""
    return {str(track): str(each.get("reason", "")) for each in redactions(ledger) for track in _tracks(each)}


def notice(ledger: Sequence[LedgerEntry]) -> Iterator[Block]:
    """Yield what stands at the top of the report of a redacted copy; nothing for any other case."""
    for each in redactions(ledger):
        tracks = ", ".join(shown(track) for track in _tracks(each))
        reason = shown(each.get("reason", ""))
        words = tr("REDACTED COPY for disclosure. Hidden: {tracks}. Reason: {reason}", tracks=tracks, reason=reason)
        yield Text(f"{words}. {tr(OTHERS)}", "warning")
        yield Facts(tuple(_facts(each)))
        if table := _withheld(each):
            yield table
    if redactions(ledger):
        yield Text(tr(EXPLAINED), "note")


def _tracks(each: Mapping[str, Any]) -> list[str]:
    tracks = each.get("tracks")
    return [str(track) for track in tracks] if isinstance(tracks, (list, tuple)) else []


def _count(anything: Any, default: int = 0) -> int:
    return anything if isinstance(anything, int) else default


def _facts(each: Mapping[str, Any]) -> Iterator[Fact]:
    original, counts = mapping(each.get("original")), mapping(each.get("counts"))
    yield Fact(tr("Original case"), shown(original.get("case_id", DASH)))
    yield Fact(tr("Ledger head of the original"), shown(original.get("ledger_head", DASH)), mono=True)
    yield Fact(tr("Manifest digest of the original"), shown(original.get("manifest_digest", DASH)), mono=True)
    yield Fact(tr("Redacted"), utc(str(each.get("utc", ""))))
    yield Fact(tr("Redacted by"), shown(each.get("operator", DASH)))
    numbers = {key: integer(_count(counts.get(key))) for key in ("requested", "copied", "redacted", "withheld")}
    told = tr("{requested} = {copied} copied, {redacted} redacted, {withheld} withheld", **numbers)
    yield Fact(tr("Files of the original"), told)
    if each.get("faces_of_no_track"):
        yield Fact(tr("Faces that belong to no track"), tr("covered as well"))


def _withheld(each: Mapping[str, Any]) -> Table | None:
    """Return how many files were left out, by reason; the ledger names each with its digest."""
    reasons: dict[str, int] = {}
    for item in (*mappings(each.get("withheld")), *mappings(each.get("withheld_unnamed"))):
        reason = str(item.get("reason", DASH))
        reasons[reason] = reasons.get(reason, 0) + _count(item.get("files"), 1)
    if not reasons:
        return None
    columns = (Column(tr("Files that are not in this copy"), weight=5), Column(tr("Count"), "right", weight=1))
    rows = tuple((Cell(recorded(reason)), Cell(integer(count))) for reason, count in sorted(reasons.items()))
    caption = tr("Left out, by reason. The ledger's entry case.redacted names the files with their SHA-256.")
    return Table(caption, columns, rows)


def marked_cards(cards: Cards, ledger: Sequence[LedgerEntry]) -> Cards:
    """Return the overview with the cards of hidden tracks saying so."""
    hidden = redacted_tracks(ledger)
    return replace(cards, cards=tuple(_marked(card) if card.title in hidden else card for card in cards.cards))


def _marked(card: Card) -> Card:
    return replace(card, lines=(*card.lines[:1], tr(WORDS)))


def marked_section(section: Section, track: str, ledger: Sequence[LedgerEntry]) -> Section:
    """Return a track's section; of a hidden track only its facts, and why there is no more."""
    reason = redacted_tracks(ledger).get(track)
    if reason is None:
        return section
    words = Text(tr("This track is redacted for disclosure: {reason}", reason=shown(reason)), "warning")
    return replace(section, blocks=(words, *section.blocks[:1]))
