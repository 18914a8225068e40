"""The parts of a report: sections of blocks, all words and figures final. Owns no wording and no markup.

Both renderers draw these and nothing else, so the HTML and the PDF of a case cannot say different things.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from facerecon.hashing import sha256_bytes
from facerecon.report.figures import COMPUTED, ComparisonFigure, Picture
from facerecon.report.language import message, tr
from facerecon.report.timeline import Timeline

RGB8 = tuple[int, int, int]
Tone = Literal["body", "lead", "note", "warning", "result"]
_LABELS = {"Figure": message("Figure {number}"), "Table": message("Table {number}")}


@dataclass(frozen=True)
class Text:
    """A paragraph. "result" is a finding in large type, "note" is small print."""

    kind: ClassVar[str] = "text"
    text: str
    tone: Tone = "body"


@dataclass(frozen=True)
class Bullets:
    """A list of statements; `heads` are the words set in bold before each."""

    kind: ClassVar[str] = "bullets"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fact:
    """A labelled value. `mono` sets it in a monospaced face (digests, paths, keys)."""

    label: str
    value: str
    mono: bool = False


@dataclass(frozen=True)
class Facts:
    """Labelled values, one a line; `inline` sets short ones side by side."""

    kind: ClassVar[str] = "facts"
    rows: tuple[Fact, ...]
    inline: bool = False


@dataclass(frozen=True)
class Stats:
    """A few large numbers with what they count."""

    kind: ClassVar[str] = "stats"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Beside:
    """A picture that stands beside a card's own where there is room; a computed one brings its `figure` (R14)."""

    label: str
    picture: Picture
    figure: ComparisonFigure | None = None

    def __post_init__(self) -> None:
        """Refuse a computed picture whose size is not bound to its original's."""
        if self.picture.kind in COMPUTED and (self.figure is None or self.figure.restored is not self.picture):
            raise ValueError(f"{self.picture.path} cannot be shown without the size of its original")


@dataclass(frozen=True)
class TrackKeys:
    """What tracks are sorted and filtered by. `similarity` and `log10_lr` are of the strongest candidate, if any."""

    first: float
    length: float
    quality: float
    similarity: float | None = None
    log10_lr: float | None = None
    above_threshold: bool = False


@dataclass(frozen=True)
class Scale:
    """What the colours of a map stand for: `stops` (RGB, 0..255) in even steps from `low` to `high`, which are words.

    `apart` says what `apart_colour`, which is none of the scale's, stands for; "" where there is no such colour.
    """

    stops: tuple[RGB8, ...]
    low: str
    high: str
    apart: str = ""
    apart_colour: RGB8 = (0, 0, 0)


@dataclass(frozen=True)
class Card:
    """Pictures of one thing and a few lines about it; `target` is the id of the section with more.

    A card with `keys` stands for a track; renderers with room draw what is `beside` its picture. A card with `map_of`
    holds a map that covers the content of that original (its path), from its top; `map_name` is its name in a viewer,
    and `scale` what its colours stand for.
    """

    title: str
    pictures: tuple[Picture, ...]
    lines: tuple[str, ...]
    strong: str = ""
    target: str = ""
    beside: tuple[Beside, ...] = ()
    keys: TrackKeys | None = None
    map_of: str = ""
    map_name: str = ""
    scale: Scale | None = None


@dataclass(frozen=True)
class Cards:
    """A row of cards that wraps. `wide` cards hold two pictures side by side."""

    kind: ClassVar[str] = "cards"
    caption: str
    cards: tuple[Card, ...]
    wide: bool = False
    label: str = ""
    numbered_as: ClassVar[str] = "Figure"


@dataclass(frozen=True)
class StepView:
    """The picture after one step on the way to a restored one, at its original's size, for renderers with room."""

    figure: ComparisonFigure
    label: str
    caption: str


@dataclass(frozen=True)
class Comparison:
    """Original beside restored (R14), with the words under each and the warnings of the record.

    `landmarks` are the detector's five points as shares (0..1) of the original's width and height.
    """

    kind: ClassVar[str] = "comparison"
    figure: ComparisonFigure
    caption: str
    original_caption: str
    restored_label: str
    restored_caption: str
    warnings: tuple[str, ...] = ()
    steps: tuple[StepView, ...] = ()
    landmarks: tuple[tuple[float, float], ...] = ()
    label: str = ""
    numbered_as: ClassVar[str] = "Figure"


@dataclass(frozen=True)
class Timelines:
    """When each track appears."""

    kind: ClassVar[str] = "timeline"
    timeline: Timeline
    caption: str
    label: str = ""
    numbered_as: ClassVar[str] = "Figure"


@dataclass(frozen=True)
class Plot:
    """A drawing of figures, as one SVG document without any reference to the outside; `alt` says what it shows."""

    kind: ClassVar[str] = "plot"
    svg: str
    alt: str
    caption: str
    label: str = ""
    numbered_as: ClassVar[str] = "Figure"

    @property
    def name(self) -> str:
        """A file name that depends on the content only."""
        return f"{sha256_bytes(self.svg.encode())}.svg"


@dataclass(frozen=True)
class Column:
    """A table column. `weight` is its share of the width."""

    heading: str
    align: Literal["left", "right"] = "left"
    weight: float = 1
    mono: bool = False


@dataclass(frozen=True)
class Cell:
    """A table cell; `bar` (0..1) draws a bar under the number, `limits` (0..1) mark it, `target` links to a section."""

    text: str
    bar: float | None = None
    strong: bool = False
    target: str = ""
    limits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table. `quiet` sets it back: figures that are not for decision."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    quiet: bool = False
    label: str = ""
    numbered_as: ClassVar[str] = "Table"

    def __post_init__(self) -> None:
        """Refuse ragged rows."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table '{self.caption}': a row does not have {len(self.columns)} cells")


@dataclass(frozen=True)
class Raw:
    """Preformatted text as it is kept in the case."""

    kind: ClassVar[str] = "raw"
    title: str
    text: str


Block = Text | Bullets | Facts | Stats | Cards | Comparison | Timelines | Plot | Table | Raw


@dataclass(frozen=True)
class Section:
    """A headed part of the report. `number` is given by `numbered`."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    children: tuple[Section, ...] = ()
    appendix: bool = False
    number: str = ""


@dataclass(frozen=True)
class Head:
    """The head of the report: what it is, of what, and whether anybody has reviewed it (R30, R31)."""

    title: str
    case_id: str
    state: str
    state_note: str
    facts: tuple[Fact, ...]
    reviewers: tuple[str, ...]
    review_fields: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A whole report. `date_utc` comes from the ledger; `ledger_head` is the full digest."""

    head: Head
    sections: tuple[Section, ...]
    date_utc: str
    ledger_head: str
    footer: str = ""
    pictures: tuple[Picture, ...] = field(default=())


def numbered(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    """Number sections (1, 1.1; A, B for appendices), figures and tables, each in reading order."""
    counters: dict[str, Iterator[int]] = {"Figure": _counter(), "Table": _counter()}
    plain, letters = _counter(), _counter()
    done = []
    for section in sections:
        number = chr(ord("A") - 1 + next(letters)) if section.appendix else str(next(plain))
        done.append(_numbered(section, number, counters))
    return tuple(done)


def pictures_of(sections: tuple[Section, ...]) -> tuple[Picture, ...]:
    """Return every picture once, in the order in which they first appear."""
    found: dict[str, Picture] = {}
    for section in sections:
        for block in section.blocks:
            for picture in _block_pictures(block):
                found.setdefault(picture.path, picture)
        for picture in pictures_of(section.children):
            found.setdefault(picture.path, picture)
    return tuple(found.values())


def plots_of(sections: tuple[Section, ...]) -> tuple[Plot, ...]:
    """Return every plot, in reading order."""
    found: list[Plot] = []
    for section in sections:
        found += [block for block in section.blocks if isinstance(block, Plot)]
        found += plots_of(section.children)
    return tuple(found)


def _block_pictures(block: Block) -> tuple[Picture, ...]:
    if isinstance(block, Comparison):
        return (block.figure.original, *(step.figure.restored for step in block.steps), block.figure.restored)
    if isinstance(block, Cards):
        return tuple(
            picture for card in block.cards for picture in (*card.pictures, *(beside.picture for beside in card.beside))
        )
    return ()


def _numbered(section: Section, number: str, counters: dict[str, Iterator[int]]) -> Section:
    blocks = tuple(_labelled(block, counters) for block in section.blocks)
    children = tuple(
        _numbered(child, f"{number}.{index}", counters) for index, child in enumerate(section.children, start=1)
    )
    return replace(section, number=number, blocks=blocks, children=children)


def _labelled(block: Block, counters: dict[str, Iterator[int]]) -> Block:
    if isinstance(block, (Cards, Comparison, Timelines, Plot, Table)):
        return replace(block, label=tr(_LABELS[block.numbered_as], number=next(counters[block.numbered_as])))
    return block


def _counter() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number
