"""suspects.json: what is known of each person. Owns its form; keeps what it does not understand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerecon.characters import acting
from facerecon.errors import UsageError

SUSPECTS = "suspects.json"
LARGEST_BYTES = 10_000_000
"""No suspects file is larger: a hundred thousand persons, and no parser is given more."""


@dataclass(frozen=True)
class Person:
    """A person of the gallery, as its folder and suspects.json name them."""

    identity: str
    person_id: str | None
    status: str | None


def read_suspects(path: Path) -> bytes | None:
    """Return the bytes of a suspects file after checking its form; None where there is none.

    Raises:
        UsageError: it is not a list of objects with "name" and optionally "id" and "status", or is too large.
    """
    if not path.exists():
        return None
    if not path.is_file():
        raise UsageError(f"{path} is not a file")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise UsageError(f"{path} has more than {LARGEST_BYTES} bytes; divide the gallery into several")
        people(content)
    except (OSError, ValueError, RecursionError):
        raise UsageError(
            f'{path}: must be a list of objects with "name" and optionally "id" and "status", all text of one line'
        ) from None
    return content


def people(content: bytes) -> dict[str, Person]:
    """Return a suspects file's persons by name.

    Raises:
        ValueError: it does not have the form.
    """
    return {person.identity: person for person in (_person(entry) for entry in _listed(json.loads(content)))}


def merged(held: bytes | None, given: bytes) -> bytes:
    """Return a suspects file with the persons of both; `given` wins, and is kept as it is where nothing was held."""
    if held is None:
        return given
    news = people(given)
    kept = [entry for entry in _listed(json.loads(held)) if entry["name"] not in news]
    return held if held == given else _written([*kept, *_listed(json.loads(given))])


def without(held: bytes, names: frozenset[str]) -> bytes | None:
    """Return a suspects file without these persons, None when nobody is left; untouched where none of them is in it."""
    document = json.loads(held)
    kept = [entry for entry in _listed(document) if entry["name"] not in names]
    if len(kept) == len(_listed(document)):
        return held
    return _written(kept) if kept else None


def _written(entries: list[dict[str, Any]]) -> bytes:
    return (json.dumps(entries, indent=2, ensure_ascii=False) + "\n").encode()


def _listed(document: Any) -> list[dict[str, Any]]:
    listed = document.get("suspects") if isinstance(document, dict) else document
    if not isinstance(listed, list):
        raise ValueError("not a list")
    return listed


def _person(entry: Any) -> Person:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError("no name")
    number, status = entry.get("id"), entry.get("status")
    if not isinstance(number, (str, int, type(None))) or not isinstance(status, (str, type(None))):
        raise ValueError("id or status is not text")
    person = Person(entry["name"], None if number is None else str(number), status)
    if any(acting(text) for text in (person.identity, person.person_id or "", status or "")):
        raise ValueError("a character that cannot be shown")
    return person
