"""Collects the sentences that a report can say from its sources, without running them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import facerecon.report
from facerecon.report.html import said_in

SOURCES = Path(facerecon.report.__file__).parent
_IN_TEMPLATE = re.compile(r'\btr\("([^"]+)"')


@dataclass(frozen=True)
class Said:
    """A message id as a catalogue has it; `plural` and `context` are "" for most."""

    text: str
    plural: str = ""
    context: str = ""


def said() -> dict[Said, str]:
    """Every message with the file that says it, in the order of the files."""
    found: dict[Said, str] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for each in _calls(path):
            found.setdefault(each, path.name)
    for path in sorted((SOURCES / "templates").iterdir()):
        text = path.read_text(encoding="utf-8")
        for each in said_in(text) if path.suffix == ".js" else _IN_TEMPLATE.findall(text):
            found.setdefault(Said(each), path.name)
    return found


def _calls(path: Path) -> Iterator[Said]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from _said(node.func.id, [_literal(argument) for argument in node.args], path)


def _said(function: str, given: list[str | None], path: Path) -> Iterator[Said]:
    if function in ("tr", "message") and given[:1] and given[0] is not None:
        yield Said(given[0])
    elif function == "trc":
        assert len(given) == 2, f"{path.name}: trc needs a context and a sentence"
        yield Said(str(given[1]), context=str(given[0]))
    elif function == "plural":
        one, several = given[0], given[1]
        assert one is not None, f"{path.name}: plural needs sentences that can be collected"
        assert several is not None, f"{path.name}: plural needs sentences that can be collected"
        yield Said(one, plural=several)


def _literal(argument: ast.expr) -> str | None:
    """The text of a literal, or None for what is translated elsewhere."""
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None
