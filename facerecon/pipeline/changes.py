"""Two JSON values side by side: which keys differ. Owns the flat form of nested data; knows nothing of cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json

ABSENT = "absent"
"""What stands for a key that one side does not have."""
_MOST_KEYS = 200_000


@dataclass(frozen=True)
class Change:
    """One thing that differs: what it is, its value on both sides, and in which runs ("extract", "enhance 2")."""

    subject: str
    a: Any
    b: Any
    runs: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"subject": self.subject, "a": self.a, "b": self.b, "runs": list(self.runs)}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested data as one mapping of dotted keys, such as enhance.steps.0.scale; empty parts stay as they are.

    Raises:
        IntegrityError: it is nested too deeply, or holds too much, to be what this tool has written.
    """
    found: dict[str, Any] = {}
    try:
        for key, leaf in _leaves(value, prefix):
            found[key] = leaf
            if len(found) > _MOST_KEYS:
                raise IntegrityError(f"{prefix or 'a document'} holds more than {_MOST_KEYS} values")
    except RecursionError:
        raise IntegrityError(f"{prefix or 'a document'} is nested too deeply") from None
    return found


def changed(a: Any, b: Any, prefix: str = "") -> tuple[Change, ...]:
    """Return what differs between two JSON values, in order of the keys."""
    left, right = flat(a, prefix), flat(b, prefix)
    return tuple(
        Change(key, left.get(key, ABSENT), right.get(key, ABSENT))
        for key in sorted({*left, *right})
        if key not in left or key not in right or not same(left[key], right[key])
    )


def same(a: Any, b: Any) -> bool:
    """Tell whether two plain values are one and the same: True is not 1, and 1 is not 1.0."""
    return type(a) is type(b) and bool(a == b)


def gathered(found: Iterable[tuple[str, Change]]) -> tuple[Change, ...]:
    """Return (run, change) pairs with equal changes as one, which names its runs in the order they came."""
    runs: dict[bytes, list[str]] = {}
    first: dict[bytes, Change] = {}
    for run, change in found:
        key = canonical_json([change.subject, change.a, change.b])
        first.setdefault(key, change)
        runs.setdefault(key, []).append(run)
    return tuple(Change(each.subject, each.a, each.b, tuple(runs[key])) for key, each in first.items())


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _leaves(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)) and value:
        for number, part in enumerate(value):
            yield from _leaves(part, f"{key}.{number}" if key else str(number))
    else:
        yield key, value
