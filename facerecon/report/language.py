"""The language of a report: its catalogue, and the one that the current rendering speaks. Owns no sentence.

Message ids are the English sentences (GNU gettext); a language is a file `languages/<code>.po`. Nothing is global: a
rendering sets its language for itself (`speaking`), and outside of a rendering everything is English.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO

from facerecon.errors import UsageError


@dataclass(frozen=True)
class Language:
    """A language by its code (BCP 47, as the HTML and the PDF name it), with its sentences."""

    code: str
    sentences: NullTranslations

    @property
    def english(self) -> bool:
        """Whether its sentences are the message ids."""
        return self.code == "en"


ENGLISH = Language("en", NullTranslations())
_CURRENT: ContextVar[Language] = ContextVar("language of the report", default=ENGLISH)


def languages() -> tuple[str, ...]:
    """Return the codes of all languages that a report can be made in, in alphabetical order."""
    found = {entry.name.removesuffix(".po") for entry in _folder().iterdir() if entry.name.endswith(".po")}
    return tuple(sorted({ENGLISH.code, *found}))


def language(code: str) -> Language:
    """Return a language by its code.

    Raises:
        UsageError: there is no such language; the message names those that there are.
    """
    if code not in languages():
        raise UsageError(f"no report can be made in language '{code}'; there are: {', '.join(languages())}")
    return ENGLISH if code == ENGLISH.code else Language(code, _catalogue(code))


@lru_cache(maxsize=8)
def _catalogue(code: str) -> GNUTranslations:
    # Here only: a report in English needs no catalogue.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    binary = BytesIO()
    with (_folder() / f"{code}.po").open("rb") as stream:
        write_mo(binary, read_po(stream, abort_invalid=True))
    binary.seek(0)
    return GNUTranslations(binary)


def _folder() -> Traversable:
    return files("facerecon.report") / "languages"


# --- while a report is made -------------------------------------------------------------------------------------------


@contextmanager
def speaking(chosen: Language) -> Iterator[None]:
    """Let everything in this block, in this thread or task alone, be said in a language."""
    token = _CURRENT.set(chosen)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def spoken() -> Language:
    """Return the language of the current rendering; English outside of one."""
    return _CURRENT.get()


def message(text: str) -> str:
    """Mark a sentence for the catalogues where it cannot be translated yet; `tr` translates it."""
    return text


def tr(text: str, /, **values: object) -> str:
    """Return a sentence in the current language, with its named placeholders filled in."""
    return _filled(spoken().sentences.gettext(text), values)


def trc(context: str, text: str, /, **values: object) -> str:
    """Like `tr`, for words that need another translation in another context."""
    return _filled(spoken().sentences.pgettext(context, text), values)


def trn(one: str, several: str, number: int, /, **values: object) -> str:
    """Like `tr`, in the plural form that the language has for a number."""
    return _filled(spoken().sentences.ngettext(one, several, number), values)


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format(**values) if values else text
