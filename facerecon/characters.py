"""Characters that act instead of being shown: which they are, and how text with them is shown. Knows no terminal.

A name or a remark from outside can hold escape sequences that recolour, retitle or rewrite a terminal, line breaks that
forge a line of output, and direction marks that make one name read as another (Unicode Technical Report 36, 2.5).
"""

from __future__ import annotations

import re

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They change the direction of what stands beside them, so a name could read as another one."""
# C0 and C1 controls, lone halves of surrogate pairs, line and paragraph separators.
_ACTING = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029{DIRECTIONS}]")
_ACTING_BUT_LINES = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029{DIRECTIONS}]")
_HALF = re.compile("[\ud800-\udfff]")


def is_text(name: str) -> bool:
    """Tell whether a name is text. Bytes in it that are not UTF-8 stand as lone halves of surrogate pairs (PEP 383)."""
    return _HALF.search(name) is None


def inert(text: str, *, lines: bool = False) -> str:
    r"""Return text in which every acting character is written as its escape: \x1b, \u202e.

    Args:
        text: anything.
        lines: whether line feeds stay as they are.
    """
    return (_ACTING_BUT_LINES if lines else _ACTING).sub(lambda found: _escape(found[0]), text)


def acting(text: str) -> str | None:
    """Return the first acting character as U+XXXX, None where there is none."""
    found = _ACTING.search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def json_escaped(document: str) -> str:
    r"""Return a JSON document with every acting character but line feeds as \uXXXX: the same document."""
    return _ACTING_BUT_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
