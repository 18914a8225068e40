"""YAML as plain data, from a file that somebody else may have written. Knows no profile, and runs nothing.

YAML can say much with little: an alias of an alias of an alias unfolds to any size, and a list can hold itself. What is
read is bounded before it is built.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

LARGEST_CHARACTERS = 1 << 18
"""Longest document; the longest profile that ships has 6,000 characters."""
MOST_BRACKETS = 100
"""Most brackets that are open at once, comments and texts included; the shipped profiles have three."""
MOST_NODES = 20_000
"""Most keys and values, aliases unfolded; the shipped profiles have some 200."""


def parse_yaml(text: str) -> Any:
    """Return a YAML document as plain data: only the types of JSON and dates are made.

    Raises:
        ValueError: not YAML, too long, too deep, unfolding to too much, or with one key twice; in one line.
    """
    if len(text) > LARGEST_CHARACTERS:
        raise ValueError(f"it has more than {LARGEST_CHARACTERS} characters")
    _require_shallow(text)
    try:
        _require_modest(yaml.compose(text, Loader=yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _require_shallow(text: str) -> None:
    """Make sure that few brackets are open at once: what the scanner does for each character grows with them.

    Raises:
        ValueError: they are not few.
    """
    depth = 0
    for bracket in re.findall(r"[][{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > MOST_BRACKETS:
            raise ValueError("it is nested too deeply")


def _require_modest(document: yaml.Node | None) -> None:
    """Make sure that a document unfolds to little, and that no key hides another one.

    Raises:
        ValueError: it does not.
    """
    left, seen = [document], 0
    while left:
        node = left.pop()
        seen += 1
        if seen > MOST_NODES:
            raise ValueError(f"it unfolds to more than {MOST_NODES} keys and values")
        if isinstance(node, yaml.MappingNode):
            _require_each_key_once(node)
            left += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            left += node.value


def _require_each_key_once(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in seen:
            raise ValueError(f"line {key.start_mark.line + 1}: the key '{key.value[:80]}' stands there twice")
        seen.add(key.value)
