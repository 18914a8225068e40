"""Reads the words of a PDF's pages back, as a viewer that copies text does: through each font's ToUnicode table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import pikepdf

_PAIR = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>")
_RANGE = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>")


def pages_words(document: pikepdf.Pdf) -> list[str]:
    """The words of every page in drawing order, each run of text set apart by a line break."""
    return ["\n".join(_runs(page)) for page in document.pages]


def _runs(page: pikepdf.Page) -> Iterator[str]:
    fonts = {name: _table(font) for name, font in page.resources.get("/Font", {}).items()}
    current: dict[int, str] = {}
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "Tf":
            current = fonts[str(operands[0])]
        elif str(operator) in ("Tj", "TJ"):
            parts = operands[0] if str(operator) == "TJ" else [operands[0]]
            codes = b"".join(bytes(part) for part in parts if isinstance(part, pikepdf.String))
            yield "".join(current.get(int.from_bytes(codes[i : i + 2]), "") for i in range(0, len(codes), 2))


def _table(font: pikepdf.Object) -> dict[int, str]:
    return _parsed(font.ToUnicode.read_bytes())


@lru_cache(maxsize=64)
def _parsed(cmap: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in re.findall(rb"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        found |= {int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in _PAIR.findall(part)}
    for part in re.findall(rb"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, start in _RANGE.findall(part):
            span = range(int(first, 16), int(last, 16) + 1)
            found |= {code: chr(int(start, 16) + index) for index, code in enumerate(span)}
    return found
