"""Reads rendered reports back for the tests: tags, attributes and words of a page; every word of a document."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from html.parser import HTMLParser
from typing import Any

from facerecon.report.blocks import Document, Section
from facerecon.report.figures import Picture

VOID = frozenset({"meta", "img", "col", "br", "wbr", "link", "input"})
NOT_WORDS = frozenset(
    {"id", "kind", "target", "tone", "align", "number", "sha256", "path", "svg", "alt", "map_of", "map_name"}
)


class Page(HTMLParser):
    """A parsed page; parsing fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.tags if attribute in attributes]


def squeezed(text: str) -> str:
    """Text without the white space in which layouts differ."""
    return " ".join(text.split())


def strings(anything: Any) -> list[str]:
    """Every text of a document that a reader must find, in order."""
    if isinstance(anything, str):
        return [anything] if anything else []
    if isinstance(anything, Picture):
        return []
    if is_dataclass(anything):
        unread = NOT_WORDS | ({"label"} if hasattr(anything, "numbered_as") else set())
        return [
            text
            for field in fields(anything)
            if field.name not in unread
            for text in strings(getattr(anything, field.name))
        ]
    if isinstance(anything, (list, tuple)):
        return [text for item in anything for text in strings(item)]
    return []


def as_text(document: Document) -> str:
    """A document as plain lines, for the golden file."""
    lines = [document.head.title, document.head.case_id, document.head.state]
    for section in document.sections:
        lines += _section_lines(section, "#")
    return "\n".join(lines) + "\n"


def _section_lines(section: Section, mark: str) -> list[str]:
    lines = ["", f"{mark} {section.number} {section.title}"]
    for block in section.blocks:
        label = getattr(block, "label", "")
        words = " | ".join(text for text in strings(block))
        lines.append(f"[{block.kind}] {label + ': ' if label else ''}{words}")
    for child in section.children:
        lines += _section_lines(child, f"{mark}#")
    return lines
