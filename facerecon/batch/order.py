"""The order of an archive: as people count, clip2 before clip10. Owns the order; reads no file."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

_NUMBERS = re.compile(r"([0-9]+)")
Key = tuple[tuple[tuple[int, int, str], ...], ...]


def natural(path: str | os.PathLike[str]) -> tuple[Key, str]:
    """Return a sort key: parts of the path one by one, numbers in them by value, letters without regard to case.

    Different paths have different keys, so the order does not depend on the order of what is sorted.
    """
    pure = PurePath(path)
    return tuple(_part(part) for part in pure.parts), str(pure)


def _part(text: str) -> tuple[tuple[int, int, str], ...]:
    # Numbers are compared by length, then digit by digit: a name can hold more digits than Python converts.
    found = (piece for piece in _NUMBERS.split(text) if piece)
    return tuple(_number(piece) if piece[0] in "0123456789" else (1, 0, piece.casefold()) for piece in found)


def _number(digits: str) -> tuple[int, int, str]:
    value = digits.lstrip("0")
    return 0, len(value), value
