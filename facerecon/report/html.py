"""Draws a report as one self-contained HTML page: no remote asset, pictures as data URIs. Owns no words of the report.

The page is complete without its one script, which ships with the package, adds the controls (compare, zoom, filter) and
reads nothing but the page. The page's policy lets no other script run and no request be made.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from facerecon.report import wording
from facerecon.report.blocks import Block, Comparison, Plot
from facerecon.report.content import CaseReport
from facerecon.report.figures import Picture
from facerecon.report.language import ENGLISH, Language, speaking, spoken, tr
from facerecon.report.recorded import CLOSE, OPEN, bare
from facerecon.report.sections import document

_WORDS = "const WORDS = {};"
_SAID = re.compile(r'\bsay\("([^"]+)"')


def render_html(report: CaseReport, language: Language = ENGLISH) -> str:
    """Return the report as one HTML document, in a language.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    with speaking(language):
        made = environment()
        # Style sheet and script ship with the package: they are the only texts that are not escaped.
        script = _spoken_script(source(made, "report.js"))
        return made.get_template("report.html.j2").render(
            document=document(report),
            language=language.code,
            css=Markup(source(made, "report.css")),
            script=Markup(script),
            script_hash=_script_hash(script),
            labels={"original": tr(wording.ORIGINAL), "gallery": tr(wording.GALLERY), "map": tr(wording.MAP)},
        )


def _spoken_script(script: str) -> str:
    """Return the script with the translations of what it says."""
    if spoken().english:
        return script
    words = json.dumps({said: tr(said) for said in said_in(script)}, ensure_ascii=False)
    # A catalogue is a file that anybody may add: nothing in it may end the script.
    return script.replace(_WORDS, f"const WORDS = {words.replace('<', chr(92) + 'u003c')};", 1)


def said_in(script: str) -> tuple[str, ...]:
    """Return the sentences that a script says, in order."""
    return tuple(dict.fromkeys(_SAID.findall(script)))


def source(made: Environment, name: str) -> str:
    """Return a text that ships beside the templates, as it is."""
    text, _, _ = PackageLoader("facerecon.report").get_source(made, name)
    return text


def _script_hash(script: str) -> str:
    """Return the source expression that lets this inline script run (W3C, Content Security Policy Level 3, 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def environment() -> Environment:
    """Return what draws the templates: everything is escaped, and nothing undefined passes."""
    environment = Environment(
        loader=PackageLoader("facerecon.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        finalize=_marked,
    )
    environment.globals["tr"] = tr
    environment.filters["data_uri"] = _data_uri
    environment.filters["breakable"] = _breakable
    environment.filters["gathered"] = gathered
    environment.filters["bare"] = bare
    return environment


def _marked(value: object) -> object:
    """Set what stays English in another language apart, so that it is read aloud and hyphenated as English."""
    if not isinstance(value, str) or OPEN not in value:
        return value
    return Markup(str(escape(value)).replace(OPEN, '<span lang="en">').replace(CLOSE, "</span>"))


def gathered(blocks: Sequence[Block]) -> tuple[tuple[Block, ...], ...]:
    """Return the blocks with neighbouring comparisons of one original, drawn at one size, put together."""

    def key(numbered: tuple[int, Block]) -> object:
        position, block = numbered
        if not isinstance(block, Comparison):
            return position
        return block.figure.original.path, block.figure.display_width_px, block.original_caption

    return tuple(tuple(block for _, block in group) for _, group in groupby(enumerate(blocks), key))


def _breakable(text: str) -> Markup:
    """Escape text and let its lines break after the separators of paths and keys."""
    return Markup("/<wbr>").join(Markup("_<wbr>").join(part.split("_")) for part in text.split("/"))


def _data_uri(drawn: Picture | Plot) -> str:
    kind, data = ("svg+xml", drawn.svg.encode()) if isinstance(drawn, Plot) else ("png", drawn.data)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
