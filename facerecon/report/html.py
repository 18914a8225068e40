"""Draws a report as one self-contained HTML page: no script, no remote asset, pictures as data URIs. Owns no words."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from facerecon.report import wording
from facerecon.report.blocks import Plot
from facerecon.report.content import CaseReport
from facerecon.report.figures import Picture
from facerecon.report.sections import document


def render_html(report: CaseReport) -> str:
    """Return the report as one HTML document.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    environment = _environment()
    source, _, _ = PackageLoader("facerecon.report").get_source(environment, "report.css")
    # The style sheet ships with the package: it is the only text that is not escaped.
    return environment.get_template("report.html.j2").render(
        document=document(report), css=Markup(source), original_label=wording.ORIGINAL
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("facerecon.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(text: str) -> Markup:
    """Escape text and let its lines break after the separators of paths and keys."""
    return Markup("/<wbr>").join(Markup("_<wbr>").join(part.split("_")) for part in text.split("/"))


def _data_uri(drawn: Picture | Plot) -> str:
    kind, data = ("svg+xml", drawn.svg.encode()) if isinstance(drawn, Plot) else ("png", drawn.data)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
