"""What profiles, fusion and recognizers were measured to do, and whether that holds for a case. Owns no figure.

The figures are data that ships with the weights (`weights/figures.yaml`); each stands in a document of the project,
with the command that measured it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facerecon.errors import ResourceError
from facerecon.profiles import load_profile, shipped_profiles
from facerecon.records import CaseInfo
from facerecon.report.blocks import Block, Cell, Column, Table, Text
from facerecon.report.language import tr
from facerecon.report.notation import shown
from facerecon.report.recorded import MEASURED, known, recorded
from facerecon.resources import data_folder

Text1 = Annotated[str, Field(min_length=1)]
Concern = Literal["profile", "fusion", "recognizer"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Part):
    """One line of measured figures: `of` which profile or recognizer, under which condition, on how much."""

    of: Text1
    condition: Text1
    sample: Text1
    values: tuple[Text1, ...]


class FigureTable(_Part):
    """Figures of one kind. `columns` are the headings in the document, `measures` the same in plain words."""

    title: Text1
    concerns: Concern
    document: Text1
    section: Text1
    command: Text1
    measured: Text1
    note: Text1
    sample: Text1
    measures: tuple[Text1, ...]
    columns: tuple[Text1, ...]
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _rectangular(self) -> FigureTable:
        if any(len(part) != len(self.columns) for part in (self.measures, *(row.values for row in self.rows))):
            raise ValueError(f"table '{self.title}' needs as many values and measures as columns")
        return self


class Figures(_Part):
    """All measured figures that ship."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    tables: tuple[FigureTable, ...]


def load_figures(path: Path | None = None) -> Figures:
    """Return the measured figures; by default those that ship.

    Raises:
        ResourceError: the file is not there or not valid, so the installation is not.
    """
    where = path or data_folder("weights") / "figures.yaml"
    try:
        return Figures.model_validate(yaml.safe_load(where.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError, ValidationError):
        raise ResourceError(f"{where} is not a valid file of measured figures; install facerecon again") from None


@lru_cache(maxsize=1)
def _shipped() -> Figures:
    return load_figures()


# --- blocks -----------------------------------------------------------------------------------------------------------


def profile_blocks(info: CaseInfo) -> Iterator[Block]:
    """Yield the figures of the case's profile, with how far they hold for it."""
    tables = list(_tables("profile", info.profile_name))
    if not tables:
        yield Text(tr("No figures were published for profile {name}.", name=shown(info.profile_name)), "note")
        return
    if not _as_shipped(info):
        yield Text(
            tr(
                "The profile of this case is not profile {name} as this version of the tool ships it: the figures hold "
                "only as far as its steps are the same.",
                name=shown(info.profile_name),
            ),
            "warning",
        )
    yield from tables


def fusion_blocks() -> Iterator[Block]:
    """Yield the figures of fusion."""
    return _tables("fusion", "fusion")


def recognizer_blocks(model: str) -> Iterator[Block]:
    """Yield the figures of a recognizer, by the id of its weights."""
    tables = list(_tables("recognizer", model))
    none = tr("No figures were published for the comparison model {name}.", name=shown(model))
    yield from tables or (Text(none, "note"),)


def _tables(concern: Concern, of: str) -> Iterator[Block]:
    for table in _shipped().tables:
        rows = [row for row in table.rows if (table.concerns, row.of) == (concern, of)]
        if rows:
            yield _drawn(table, rows)


def _drawn(table: FigureTable, rows: list[Row]) -> Table:
    headings = [known(each, MEASURED) for each in (table.sample, *table.measures)]
    columns = (
        Column(tr("Condition"), weight=1.5),
        *(Column(each[0].upper() + each[1:], weight=1.3) for each in headings),
    )
    title = known(table.title, MEASURED)
    named = title if table.concerns == "fusion" else f"{title}, {rows[0].of}"
    measured = tr(
        "In brackets 95 % intervals. Measured on {dates} with '{command}'; {document}, '{section}'.",
        dates=_dates(table.measured),
        command=table.command,
        document=table.document,
        section=table.section,
    )
    return Table(f"{named}. {recorded(table.note, MEASURED)} {measured}", columns, tuple(_cells(row) for row in rows))


def _dates(text: str) -> str:
    return tr(" and ").join(text.split(" and "))


def _cells(row: Row) -> tuple[Cell, ...]:
    # width=24,noise=4 has no place for a line to break.
    condition = ", ".join(recorded(part.strip(), MEASURED) for part in row.condition.split(","))
    return (Cell(condition), Cell(recorded(row.sample, MEASURED)), *(Cell(_ranged(figure)) for figure in row.values))


def _ranged(figure: str) -> str:
    """Return a figure with its interval, "0.1 (0.0 to 0.2)", in the report's language."""
    low, to, high = figure.partition(" to ")
    return tr("{low} to {high}", low=low, high=high) if to else figure


def _as_shipped(info: CaseInfo) -> bool:
    # By name among those that ship only: a case's profile name is never read as a path.
    return (
        info.profile_name in shipped_profiles()
        and load_profile(str(shipped_profiles()[info.profile_name])).digest == info.profile_sha256
    )
