"""How numbers, times and foreign text are written. Owns their form, in one place for every renderer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from facerecon.report.language import tr, trc, trn

DASH = "–"
_JOINERS = "\u200c\u200d"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: object) -> str:
    """Return text from outside with every invisible or direction-changing character made visible: [U+202E]."""
    return "".join(_visible(character) for character in str(text))


def shown_lines(text: str) -> str:
    """Like `shown`, for text of several lines."""
    return "\n".join(shown(line) for line in text.splitlines())


def code_point(character: str) -> str:
    """Return a character's number in words that any font can show."""
    return f"[U+{ord(character):04X}]"


def clock_time(seconds: Fraction, decimals: int = 3) -> str:
    """Return a time as h:mm:ss with `decimals` digits after the second, rounded half to even."""
    unit: int = 10**decimals
    ticks = round(abs(seconds) * unit)
    whole, rest = divmod(ticks, unit)
    sign = "-" if seconds < 0 and ticks else ""
    fraction = f".{rest:0{decimals}d}" if decimals else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


def utc(stamp: str) -> str:
    """Return an ISO 8601 UTC stamp in a form that is easier to read: 2024-05-01 10:00:00 UTC."""
    text = shown(stamp)
    if len(text) >= 20 and text[10] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:19]} UTC"
    return text


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits it."""
    if seconds < 120:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(count: int) -> str:
    """Return a size in bytes, and in a larger unit where that helps."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return tr("{count} bytes ({in_unit})", count=integer(count), in_unit=f"{count / factor:.2f} {unit}")
    return tr("{count} bytes", count=count)


def integer(count: int) -> str:
    """Return a whole number with narrow spaces between its thousands."""
    return f"{count:,}".replace(",", "\u202f") if abs(count) >= 10_000 else str(count)


def pixels(width: int, height: int) -> str:
    """Return a size in pixels."""
    return f"{width} × {height} px"


def short(digest: str) -> str:
    """Return the first 12 hex digits of a digest."""
    return f"{digest[:12]}…"


def plural(one: str, several: str, count: int, /, **values: object) -> str:
    """Return a sentence with a number, `{count}`, in the plural form that the report's language has for it."""
    return trn(one, several, count, count=integer(count), **values)


def similarity(score: float) -> str:
    """Return a similarity with the decimals that it is decided with."""
    return f"{score:.4f}"


def threshold(score: float) -> str:
    """Return a threshold as it stands in the profile, with at least two decimals."""
    text = f"{score:.4f}".rstrip("0")
    return text + "0" * (2 - len(text.partition(".")[2]))


def value(anything: Any) -> str:
    """Return a parameter's value as it would stand in a profile."""
    if isinstance(anything, str):
        return shown(anything)
    if anything is None:
        return trc("value", "none")
    if isinstance(anything, bool):
        return tr("yes") if anything else tr("no")
    return shown(json.dumps(anything, ensure_ascii=False, sort_keys=True, default=str))


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value in words) of nested data, lists of plain values kept in one line."""
    for key, item in data.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            yield from flat(item, f"{name}.")
        elif isinstance(item, (list, tuple)) and any(isinstance(part, Mapping) for part in item):
            yield from flat({str(index): part for index, part in enumerate(item)}, f"{name}.")
        else:
            yield shown(name), value(item)


def _visible(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return code_point(character)
