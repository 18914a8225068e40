"""Draws a report as an archival PDF with Typst: PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1). Owns no wording.

Part 3 because manifest, ledger and CASE/UCO export are embedded as files. Everything a case says reaches Typst as JSON
data, never as markup, so no name can become code. Equal reports give equal bytes: the document's date is the ledger's,
and only fonts inside the typst package are used.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from facerecon.report import wording
from facerecon.report.blocks import Comparison, Document, Plot, Section, plots_of
from facerecon.report.content import Attachment, CaseReport
from facerecon.report.figures import ComparisonFigure, Picture
from facerecon.report.glyphs import covered, printable
from facerecon.report.language import ENGLISH, Language, speaking, spoken, tr
from facerecon.report.recorded import bare
from facerecon.report.sections import document
from facerecon.report.typesetting import TypesettingError, typesetter

# Level a of PDF/A is level b with tags; PDF/UA makes them usable.
STANDARDS = ("a-3a", "ua-1")
TEMPLATE = "report.typ"


def render_pdf(report: CaseReport, language: Language = ENGLISH) -> bytes:
    """Return the report as a PDF/A-3a document with the report's attachments embedded, in a language.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
        ResourceError: the process that sets it cannot be started, or dies.
    """
    with setting_pdf(report, language) as finished:
        return finished()


@contextlib.contextmanager
def setting_pdf(report: CaseReport, language: Language = ENGLISH) -> Iterator[Callable[[], bytes]]:
    """Set the report as `render_pdf` does, while the block does something else.

    Yields:
        What waits for the document and returns it; it may raise ResourceError.

    Raises:
        IntegrityError, ResourceError: as for `render_pdf`.
    """
    with speaking(language):
        content = document(report)
    with _setting(content, report.attachments, language, strict=False) as first:

        def finished() -> bytes:
            try:
                return first()
            except TypesettingError as error:
                # Marks that no one font can set on their letter: better a report that names them by number than none.
                if "could not be displayed" not in str(error):
                    raise
            with _setting(content, report.attachments, language, strict=True) as second:
                return second()

        yield finished


@contextlib.contextmanager
def _setting(
    content: Document, attached: Sequence[Attachment], language: Language, *, strict: bool
) -> Iterator[Callable[[], bytes]]:
    with typesetter() as setter:
        with speaking(language):
            _prepare(setter.folder, content, attached, strict)
        setter.begin(TEMPLATE, STANDARDS, _date(content))
        yield setter.finished


def _prepare(folder: Path, content: Document, attached: Sequence[Attachment], strict: bool) -> None:
    """Write what the template reads."""
    data = {**_data(content, strict), "attachments": [_attachment(each) for each in attached]}
    (folder / "report.json").write_text(json.dumps(data), encoding="utf-8")
    _write_pictures(content, folder / "pictures")
    _write_attachments(attached, folder / "attachments")
    (folder / TEMPLATE).write_bytes(files("facerecon.report").joinpath(f"templates/{TEMPLATE}").read_bytes())


def _write_pictures(content: Document, folder: Path) -> None:
    folder.mkdir()
    for picture in content.pictures:
        (folder / picture.name).write_bytes(picture.data)
    for plot in plots_of(content.sections):
        (folder / plot.name).write_text(plot.svg, encoding="utf-8")


def _write_attachments(attached: Sequence[Attachment], folder: Path) -> None:
    folder.mkdir()
    for each in attached:
        (folder / each.name).write_bytes(each.data)


# --- data -------------------------------------------------------------------------------------------------------------


def _data(content: Document, strict: bool) -> dict[str, Any]:
    plain = _plain(
        {
            "head": content.head,
            "sections": content.sections,
            "footer": content.footer,
            "title": f"{content.head.title}: {content.head.case_id}",
        },
        strict,
    )
    date = _date(content)
    extra = {
        "date": [date.year, date.month, date.day, date.hour, date.minute, date.second],
        "ledger_short": content.ledger_head[:16],
        "numbers": _numbers(content.sections),
        "language": spoken().code,
        "words": _words(),
        "glyph_note": tr(wording.GLYPH_NOTE) if _lacks_glyphs(content) or strict else "",
    }
    return {**plain, **extra}


def _words() -> dict[str, str]:
    """Return what the template itself says."""
    words = {
        "appendix": tr("Appendix {number}"),
        "contents": tr("Contents"),
        "ledger_head": tr("Ledger head"),
        "no_picture": tr("no picture"),
        "page": tr("Page {page} of {pages}"),
    }
    return {name: printable(text) for name, text in words.items()}


def _attachment(attachment: Attachment) -> dict[str, str]:
    words = {field: getattr(attachment, field) for field in ("name", "mime_type", "relationship", "description")}
    return {**words, "path": f"attachments/{attachment.name}"}


def _numbers(sections: tuple[Section, ...]) -> dict[str, str]:
    """Return the number of every section by its id, for references to it."""
    found: dict[str, str] = {}
    for section in sections:
        found |= {section.id: section.number, **_numbers(section.children)}
    return found


def _plain(anything: Any, strict: bool) -> Any:
    """Turn blocks into JSON data whose every string can be set."""
    if isinstance(anything, str):
        return printable(anything, strict)
    if isinstance(anything, Picture):
        return {"name": anything.name, "kind": anything.kind, "alt": printable(bare(anything.alt), strict)}
    if isinstance(anything, Comparison):
        return _comparison(anything, strict)
    if isinstance(anything, Plot):
        words = {"label": anything.label, "caption": anything.caption, "alt": bare(anything.alt)}
        return {"kind": anything.kind, "name": anything.name, **_plain(words, strict)}
    if is_dataclass(anything):
        kind = {"kind": anything.kind} if hasattr(anything, "kind") else {}
        return kind | {field.name: _plain(getattr(anything, field.name), strict) for field in fields(anything)}
    if isinstance(anything, dict):
        return {key: _plain(item, strict) for key, item in anything.items()}
    return [_plain(item, strict) for item in anything] if isinstance(anything, (list, tuple)) else anything


def _comparison(block: Comparison, strict: bool) -> dict[str, Any]:
    """Give every picture its size as multiples of the width of its content, which all of them share."""
    figure = block.figure
    result = _view(figure, block.restored_label, block.restored_caption, strict)
    steps = [_view(step.figure, step.label, step.caption, strict) for step in block.steps]
    pictures = (figure.original, *(step.figure.restored for step in block.steps), figure.restored)
    words = {
        "label": block.label,
        "caption": block.caption,
        "warnings": tuple(tr("Warning: {warning}", warning=warning) for warning in block.warnings),
        "alt": bare("; ".join(picture.alt for picture in pictures)),
    }
    original = {
        "label": printable(tr(wording.ORIGINAL), strict),
        "caption": printable(block.original_caption, strict),
        "picture": _plain(figure.original, strict),
        "share": 1.0,
        "height": figure.original.height_px / figure.original.width_px,
        "original": True,
    }
    return {"kind": block.kind, **_plain(words, strict), "original": original, "steps": steps, "restored": result}


def _view(figure: ComparisonFigure, label: str, caption: str, strict: bool) -> dict[str, Any]:
    # The label strip may be wider than the content.
    width = figure.content[0]
    return {
        "label": printable(label, strict),
        "caption": printable(caption, strict),
        "picture": _plain(figure.restored, strict),
        "share": figure.restored.width_px / width,
        "height": figure.restored.height_px / width,
        "original": False,
    }


def _lacks_glyphs(content: Document) -> bool:
    return any(not covered(character) for character in _characters((content.head, content.sections)))


def _characters(anything: Any) -> set[str]:
    if isinstance(anything, str):
        return set(anything)
    if isinstance(anything, Picture):
        return set(anything.alt)
    if isinstance(anything, Plot):
        return set(anything.alt) | set(anything.caption)
    if is_dataclass(anything):
        return set().union(*(_characters(getattr(anything, field.name)) for field in fields(anything)))
    return set().union(*map(_characters, anything)) if isinstance(anything, (list, tuple)) else set()


def _date(content: Document) -> datetime:
    try:
        date = datetime.fromisoformat(content.date_utc.replace("Z", "+00:00"))
        return date.astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
