"""The source, its digests, the ledger, and the appendices. Owns what the report says of the chain of custody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facerecon.hashing import sha256_bytes
from facerecon.ledger import COPIED, LedgerEntry
from facerecon.records import FusedRecord, FusedRestoredRecord, RestoredRecord
from facerecon.report import wording
from facerecon.report.blocks import Block, Cell, Column, Fact, Facts, Raw, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.figures import Picture
from facerecon.report.history import source_digests
from facerecon.report.language import message, tr
from facerecon.report.notation import flat, integer, pixels, short, shown, shown_lines, size, utc
from facerecon.report.recorded import ATTACHED, known

_Made = RestoredRecord | FusedRecord | FusedRestoredRecord
_PROBE_FACTS = 48
_CLOCKS = {
    "stream": message("presentation time stamps of the stream"),
    "order": message("none: pictures in order of their names"),
}
_WHEN = {"before": message("before {action} ({entry})"), "after": message("after {action} ({entry})")}


# --- source -----------------------------------------------------------------------------------------------------------


def source_section(report: CaseReport) -> Section:
    """Return the section on the evidence file as it was found (R08)."""
    source = report.info.source
    facts = Facts(
        (
            Fact(tr("Name"), shown(source.name)),
            *_origin(report.ledger),
            Fact(tr("Path when examined"), shown(source.path), mono=True),
            Fact(tr("Kind"), source.kind),
            Fact(tr("Size"), size(source.size_bytes)),
            Fact("SHA-256", source.sha256, mono=True),
            Fact(tr("Clock"), tr(_CLOCKS[source.clock])),
        )
    )
    return Section("source", tr("Source"), (facts, *_probe_table(report)))


def _origin(ledger: Sequence[LedgerEntry]) -> Iterator[Fact]:
    """Yield where a source was copied from, and what the store said of it: the copy is gone after the examination."""
    copied = [entry.details for entry in ledger if entry.action == COPIED]
    if copied:
        yield Fact(tr("Copied from"), shown(copied[-1].get("url", "")), mono=True)
        yield Fact(tr("What the store said of it"), ", ".join(_stated(copied[-1])))


def _stated(details: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(details.get("size_bytes"), int):
        yield size(details["size_bytes"])
    if details.get("etag"):
        yield f"ETag {shown(details['etag'])}"
    if details.get("modified_utc"):
        yield tr("changed {time}", time=shown(details["modified_utc"]))


def _probe_table(report: CaseReport) -> Iterator[Block]:
    pairs = [(key, text) for key, text in flat(report.probe) if text]
    if not pairs:
        yield Text(tr("No probe of the source was stored."), "note")
        return
    columns = (Column(tr("Field"), weight=1), Column(tr("Value"), weight=1.6))
    rows = tuple((Cell(key), Cell(text)) for key, text in pairs[:_PROBE_FACTS])
    caption = tr("What the source says of itself, as read by the tool.")
    if len(pairs) > len(rows):
        first = message("The first {shown} of {all} fields; all are in the appendix.")
        caption += f" {tr(first, shown=len(rows), all=integer(len(pairs)))}"
    yield Table(caption, columns, rows)


# --- integrity --------------------------------------------------------------------------------------------------------


def integrity_section(report: CaseReport) -> Section:
    """Return the section on digests and ledger, with what they prove and do not prove (R01, R04)."""
    blocks: list[Block] = [*_source_digests(report)]
    if report.ledger:
        blocks.append(_ledger_table(report.ledger))
    blocks += [
        Facts(
            (
                Fact(tr("Ledger head"), report.ledger_head, mono=True),
                Fact(tr("Entries"), integer(len(report.ledger))),
                Fact(tr("To verify"), "facerecon verify CASE", mono=True),
            )
        ),
        Text(tr(wording.HEAD_NOTE)),
        Text(tr(wording.CHAIN)),
        *_attached(report),
    ]
    return Section("integrity", tr("Integrity"), tuple(blocks))


def _source_digests(report: CaseReport) -> Iterator[Block]:
    recorded = source_digests(report.ledger)
    columns = (Column(tr("Recorded"), weight=1.5), Column(tr("Source SHA-256"), weight=4, mono=True))
    rows = [(Cell(tr("case description")), Cell(report.info.source.sha256))]
    rows += [
        (Cell(tr(_WHEN[when], action=shown(entry.action), entry=entry.seq)), Cell(shown(digest)))
        for entry, when, digest in recorded
    ]
    yield Table(tr("The source's digest wherever it was recorded."), columns, tuple(rows))
    different = any(digest != report.info.source.sha256 for _, _, digest in recorded)
    if different:
        yield Text(tr(wording.DIGESTS_DIFFER), "warning")
    elif any(when == "after" for _, when, _ in recorded):
        yield Text(tr(wording.DIGESTS_EQUAL))
    else:
        yield Text(tr(wording.DIGEST_AFTER_MISSING))


def _attached(report: CaseReport) -> Iterator[Block]:
    if not report.attachments:
        return
    yield Text(tr("Files that are embedded in the PDF of this report, as they stood when it was made"), "lead")
    for each in report.attachments:
        words = f"{known(each.description, ATTACHED)} {size(len(each.data))}, {each.mime_type}."
        yield Facts((Fact(each.name, words), Fact("SHA-256", sha256_bytes(each.data), mono=True)))


def _ledger_table(ledger: tuple[LedgerEntry, ...]) -> Table:
    columns = (
        Column(tr("No."), "right", weight=0.5),
        Column("UTC", weight=1.7),
        Column(tr("Action"), weight=1.5),
        Column(tr("Digest of the entry"), weight=4.6, mono=True),
    )
    rows = tuple(
        (Cell(str(entry.seq)), Cell(utc(entry.utc).removesuffix(" UTC")), Cell(shown(entry.action)), Cell(entry.hash))
        for entry in ledger
    )
    return Table(tr("Ledger entries, oldest first."), columns, rows)


# --- appendices -------------------------------------------------------------------------------------------------------


def profile_appendix(report: CaseReport) -> Section:
    """Return the profile in effect, in full."""
    facts = Facts(
        (
            Fact(tr("Profile"), shown(report.info.profile_name)),
            Fact(tr("Profile SHA-256"), report.info.profile_sha256, mono=True),
        )
    )
    text = Raw("profile.yaml", shown_lines(report.profile_yaml))
    return Section("profile", tr("Profile in effect"), (facts, text), appendix=True)


def probe_appendix(report: CaseReport) -> Section:
    """Return the raw probe of the source, in full."""
    text = json.dumps(dict(report.probe), indent=2, sort_keys=True, ensure_ascii=False, default=str)
    raw = Raw("records/probe.json", shown_lines(text))
    return Section("probe", tr("Raw probe of the source"), (raw,), appendix=True)


def steps_appendix(report: CaseReport) -> tuple[Section, ...]:
    """Return the digests of every step's input and output (R10), or nothing when no picture was enhanced."""
    if not report.restored and not report.fused:
        return ()
    columns = (
        Column(tr("Picture"), weight=2.2),
        Column(tr("Step"), weight=1.4),
        Column(tr("Input"), weight=1.1, mono=True),
        Column(tr("Output"), weight=1.1, mono=True),
    )
    made: tuple[_Made, ...] = (*report.fused, *report.fused_restored, *report.restored)
    rows = tuple(row for record in made for row in _step_rows(record))
    caption = (
        tr(
            "Pixel digests before and after every step; in full in records/restored.jsonl, records/fused.jsonl and "
            "records/fused-restored.jsonl."
        )
        if report.fused_restored
        else tr("Pixel digests before and after every step; in full in records/restored.jsonl and records/fused.jsonl.")
    )
    return (Section("steps", tr("Digests of every processing step"), (Table(caption, columns, rows),), appendix=True),)


def _step_rows(record: _Made) -> Iterator[tuple[Cell, ...]]:
    for step in record.steps:
        yield (
            Cell(shown(record.id)),
            Cell(shown(step.name)),
            Cell(short(step.input_sha256)),
            Cell(short(step.output_sha256)),
        )


def pictures_appendix(pictures: tuple[Picture, ...]) -> tuple[Section, ...]:
    """Return every picture of the report with its digest, or nothing when there is none."""
    if not pictures:
        return ()
    columns = (
        Column(tr("File in the case"), weight=2.6),
        Column(tr("Size"), weight=1.3),
        Column("SHA-256", weight=4.6, mono=True),
    )
    rows = tuple(
        (Cell(shown(picture.path)), Cell(pixels(picture.width_px, picture.height_px)), Cell(picture.sha256))
        for picture in pictures
    )
    return (
        Section(
            "pictures",
            tr("Pictures in this report"),
            (Table(tr("Every picture, byte for byte as it lies in the case."), columns, rows),),
            appendix=True,
        ),
    )
