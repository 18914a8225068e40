"""Draws a report as an archival PDF with Typst: PDF/A-2a and PDF/UA-1. Owns no wording.

Everything a case says reaches Typst as JSON data, never as markup, so no name can become code. Equal reports give
equal bytes: the document's date is the ledger's, and only fonts inside the typst package are used.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import typst

from facerecon.report import wording
from facerecon.report.blocks import Comparison, Document, Plot, plots_of
from facerecon.report.content import CaseReport
from facerecon.report.figures import Picture
from facerecon.report.glyphs import covered, printable
from facerecon.report.sections import document

# Level a of PDF/A is level b with tags; PDF/UA makes them usable. Nothing is attached, so part 2 is enough.
STANDARDS: list[Literal["a-2a", "ua-1"]] = ["a-2a", "ua-1"]


def render_pdf(report: CaseReport) -> bytes:
    """Return the report as a PDF/A-2a document.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    content = document(report)
    try:
        return _compile(content, strict=False)
    except typst.TypstError as error:
        # Marks that no one font can set on their letter; a report that names them by number is better than none.
        if "could not be displayed" not in str(error):
            raise
        return _compile(content, strict=True)


def _compile(content: Document, strict: bool) -> bytes:
    with tempfile.TemporaryDirectory(prefix="facerecon-report-") as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        for picture in content.pictures:
            (folder / "pictures" / picture.name).write_bytes(picture.data)
        for plot in plots_of(content.sections):
            (folder / "pictures" / plot.name).write_text(plot.svg, encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(_data(content, strict)), encoding="utf-8")
        template = folder / "report.typ"
        template.write_bytes(files("facerecon.report").joinpath("templates/report.typ").read_bytes())
        return typst.compile(
            template,
            root=folder,
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=[*STANDARDS],
            timestamp=_date(content),
        )


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
        "glyph_note": wording.GLYPH_NOTE if _lacks_glyphs(content) or strict else "",
    }
    return {**plain, **extra}


def _plain(anything: Any, strict: bool) -> Any:
    """Turn blocks into JSON data whose every string can be set."""
    if isinstance(anything, str):
        return printable(anything, strict)
    if isinstance(anything, Picture):
        return {"name": anything.name, "kind": anything.kind, "alt": printable(anything.alt, strict)}
    if isinstance(anything, Comparison):
        return _comparison(anything, strict)
    if isinstance(anything, Plot):
        words = {"label": anything.label, "caption": anything.caption, "alt": anything.alt}
        return {"kind": anything.kind, "name": anything.name, **_plain(words, strict)}
    if is_dataclass(anything):
        kind = {"kind": anything.kind} if hasattr(anything, "kind") else {}
        return kind | {field.name: _plain(getattr(anything, field.name), strict) for field in fields(anything)}
    if isinstance(anything, dict):
        return {key: _plain(item, strict) for key, item in anything.items()}
    return [_plain(item, strict) for item in anything] if isinstance(anything, (list, tuple)) else anything


def _comparison(block: Comparison, strict: bool) -> dict[str, Any]:
    """Give both pictures their sizes in one unit, the restored picture's pixel."""
    figure = block.figure
    words = {
        "label": block.label,
        "caption": block.caption,
        "original_label": wording.ORIGINAL,
        "original_caption": block.original_caption,
        "restored_label": block.restored_label,
        "restored_caption": block.restored_caption,
        "warnings": block.warnings,
        "alt": f"{figure.original.alt}; {figure.restored.alt}",
    }
    return {
        "kind": block.kind,
        **_plain(words, strict),
        "original": {"picture": _plain(figure.original, strict), "display": figure.content[0]},
        "restored": {
            "picture": _plain(figure.restored, strict),
            "display": figure.restored.width_px,
            "display_height": figure.restored.height_px,
        },
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
