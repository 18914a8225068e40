"""A language that wraps every sentence in brackets, and a page's words that stand outside of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from gettext import NullTranslations
from html.parser import HTMLParser
from typing import Any

from pydantic import BaseModel

from facerecon.report.content import CaseReport
from facerecon.report.history import STAGES
from facerecon.report.language import Language

LEFT, RIGHT = "⟦", "⟧"
SPOKEN = frozenset({"alt", "aria-label", "data-label", "data-map-name", "title", "placeholder"})
SENTENCES = frozenset(
    {"description", "reason", "warnings", "support", "no_strength", "method", "note", "detail", "rejected"}
)
"""Fields of records that hold words of the program, not values."""
WORD = re.compile(r"[^\W\d_]{2,}")
UNITS = frozenset(
    {"px", "dB", "min", "ms", "MB", "GB", "kB", "UTC", "SHA", "PSNR", "Cllr", "Cllr_min", "log"}
    | {"facerecon", "verify", "CASE", "png", "zz", "profile", "yaml", "records", "probe", "json", *STAGES}
    | set(WORD.findall("Bewley et al., SORT, ICIP 2016; Zhang et al., ByteTrack, ECCV 2022"))
)
"""What stands between values in every language: units, commands, file names, stages, literature."""


class Pseudo(NullTranslations):
    """Every translation is the English sentence in brackets."""

    def gettext(self, message: str) -> str:
        return f"{LEFT}{message}{RIGHT}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"{LEFT}{msgid1 if n == 1 else msgid2}{RIGHT}"

    def pgettext(self, context: str, message: str) -> str:
        return f"{LEFT}{message}{RIGHT}"


PSEUDO = Language("zz", Pseudo())


class Outside(HTMLParser):
    """Collects what a page says outside of the brackets, and neither marks as English nor quotes whole."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._depth = 0
        self._quiet: list[str] = []
        self.feed(text)
        self.close()
        assert self._depth == 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script", "pre") or ("lang", "en") in attrs or self._quiet:
            self._quiet += [tag] if tag not in ("img", "wbr", "col", "meta") else []
        for name, value in attrs:
            if name in SPOKEN and value:
                self.found += unbracketed(value)

    def handle_endtag(self, tag: str) -> None:
        if self._quiet:
            self._quiet.pop()

    def handle_data(self, data: str) -> None:
        for character in re.split(f"([{LEFT}{RIGHT}])", data):
            if character in (LEFT, RIGHT):
                self._depth += 1 if character == LEFT else -1
            elif character.strip() and not self._depth and not self._quiet:
                self.found.append(character.strip())


def unbracketed(text: str) -> list[str]:
    """The pieces of a text that stand outside of the brackets."""
    pieces, depth = [], 0
    for part in re.split(f"([{LEFT}{RIGHT}])", text):
        if part in (LEFT, RIGHT):
            depth += 1 if part == LEFT else -1
        elif part.strip() and not depth:
            pieces.append(part.strip())
    return pieces


def values_of(report: CaseReport) -> set[str]:
    """Every word of the values that a case holds: names, keys, digests, identifiers; not the program's sentences."""
    found: set[str] = set()
    for field in dataclasses.fields(report):
        if field.name not in ("picture", "profile_yaml"):
            found |= {word for text in _texts(getattr(report, field.name)) for word in WORD.findall(text)}
    return found | UNITS


def _texts(anything: Any) -> Iterator[str]:
    if isinstance(anything, str):
        yield anything
    elif isinstance(anything, BaseModel):
        yield from _texts(anything.model_dump(mode="json"))
    elif dataclasses.is_dataclass(anything):
        for field in dataclasses.fields(anything):
            yield from _texts(getattr(anything, field.name))
    elif isinstance(anything, Mapping):
        for key, value in anything.items():
            yield str(key)
            if key not in SENTENCES:
                yield from _texts(value)
    elif isinstance(anything, (list, tuple)):
        for item in anything:
            yield from _texts(item)
