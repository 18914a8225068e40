"""What was not processed and why, the accounts, and the gallery's pictures. Owns the aggregation of omissions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from facerecon.records import GalleryRecord, Skipped
from facerecon.report import wording
from facerecon.report.blocks import Block, Cell, Column, Section, Table, Text
from facerecon.report.content import CaseReport
from facerecon.report.history import Account, StageHistory
from facerecon.report.language import message, tr
from facerecon.report.notation import DASH, integer, plural, shown
from facerecon.report.recorded import recorded

_EXAMPLES = 3
_OUTCOMES = {"skipped": message("skipped"), "failed": message("failed")}


def omissions_section(report: CaseReport, stages: Mapping[str, StageHistory]) -> Section:
    """Return the section that accounts for every item that was not processed (R07)."""
    blocks: list[Block] = [Text(_sentence(report.skipped)), *_account_tables(stages)]
    if report.skipped:
        blocks.append(_omission_table(report.skipped))
    if report.gallery:
        blocks.append(_gallery_table(report.gallery))
    return Section("omissions", tr("What was not processed, and why"), tuple(blocks))


def _sentence(skipped: tuple[Skipped, ...]) -> str:
    if not skipped:
        return tr("Nothing was skipped and nothing failed.")
    left_out = sum(item.count for item in skipped if item.outcome == "skipped")
    failed = sum(item.count for item in skipped if item.outcome == "failed")
    return tr(
        "{skipped}; {failed}. Every one is in the records of the case, with its reason.",
        skipped=plural(
            "{count} item was skipped on purpose, by rule", "{count} items were skipped on purpose, by rule", left_out
        ),
        failed=plural("{count} item failed", "{count} items failed", failed),
    )


# --- accounts ---------------------------------------------------------------------------------------------------------


def _account_tables(stages: Mapping[str, StageHistory]) -> tuple[Block, ...]:
    accounts = [(history.name, account) for history in stages.values() for account in history.accounts]
    if not accounts:
        return (Text(tr("The ledger holds no account of items."), "note"),)
    columns = (
        Column(tr("Stage"), weight=1.2),
        Column(tr("Items"), weight=1.6),
        Column(tr("Requested"), "right", weight=1),
        Column(tr("Written"), "right", weight=1),
        Column(tr("Failed"), "right", weight=1),
        Column(tr("Skipped"), "right", weight=1),
    )
    table = Table(tr(wording.ACCOUNT_CAPTION), columns, tuple(_account_row(*pair) for pair in accounts))
    wrong = [f"{stage} {account.item}" for stage, account in accounts if not account.adds_up]
    if wrong:
        return (
            table,
            Text(tr("These accounts do NOT add up: {accounts}.", accounts=shown(", ".join(wrong))), "warning"),
        )
    return (table,)


def _account_row(stage: str, account: Account) -> tuple[Cell, ...]:
    numbers = (account.requested, account.written, account.failed, account.skipped)
    return (Cell(stage), Cell(shown(account.item)), *(Cell(integer(number)) for number in numbers))


# --- omissions --------------------------------------------------------------------------------------------------------


@dataclass
class _Group:
    count: int = 0
    subjects: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def add(self, item: Skipped) -> None:
        self.count += item.count
        _remember(self.subjects, item.subject)
        _remember(self.details, item.detail)


def _remember(texts: list[str], text: str) -> None:
    if text and text not in texts and len(texts) <= _EXAMPLES:
        texts.append(text)


def _omission_table(skipped: tuple[Skipped, ...]) -> Table:
    groups: dict[tuple[str, str, str, str], _Group] = {}
    for item in skipped:
        groups.setdefault((item.stage, item.kind, item.outcome, item.reason), _Group()).add(item)
    columns = (
        Column(tr("Stage"), weight=1),
        Column(tr("Items"), weight=0.8),
        Column(tr("Outcome"), weight=0.9),
        Column(tr("Reason"), weight=3.2),
        Column(tr("Count"), "right", weight=0.8),
        Column(tr("For example"), weight=1.8),
    )
    return Table(
        tr("Skipped and failed items by reason."),
        columns,
        tuple(_group_row(*key, group) for key, group in groups.items()),
    )


def _group_row(stage: str, kind: str, outcome: str, reason: str, group: _Group) -> tuple[Cell, ...]:
    details = f" ({_listed(group.details, recorded)})" if group.details else ""
    return (
        Cell(shown(stage)),
        Cell(kind),
        Cell(tr(_OUTCOMES[outcome]), strong=outcome == "failed"),
        Cell(f"{recorded(reason)}{details}"),
        Cell(integer(group.count)),
        Cell(_listed(group.subjects)),
    )


def _listed(texts: list[str], drawn: Callable[[object], str] = shown) -> str:
    named = "; ".join(drawn(text) for text in texts[:_EXAMPLES])
    return f"{named}; …" if len(texts) > _EXAMPLES else named


# --- gallery ----------------------------------------------------------------------------------------------------------


def _gallery_table(gallery: tuple[GalleryRecord, ...]) -> Table:
    enrolled = sum(record.enrolled for record in gallery)
    columns = (
        Column(tr("Person"), weight=1.6),
        Column(tr("File"), weight=1.9),
        Column(tr("Status"), weight=1.1),
        Column(tr("Enrolled"), weight=1),
        Column(tr("Quality"), "right", weight=0.8),
        Column(tr("Reason"), weight=3.2),
    )
    caption = tr(
        "Gallery pictures: {enrolled} enrolled, {refused} refused.", enrolled=enrolled, refused=len(gallery) - enrolled
    )
    return Table(caption, columns, tuple(_gallery_row(record) for record in gallery))


def _gallery_row(record: GalleryRecord) -> tuple[Cell, ...]:
    person = shown(record.identity) + (f" ({shown(record.person_id)})" if record.person_id else "")
    quality = record.quality.score if record.quality else None
    return (
        Cell(person),
        Cell(shown(record.file)),
        Cell(shown(record.status or DASH)),
        Cell(tr("enrolled") if record.enrolled else tr("refused"), strong=not record.enrolled),
        Cell(DASH if quality is None else f"{quality:.2f}", bar=quality),
        Cell(recorded(record.reason) or DASH),
    )
