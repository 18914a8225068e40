"""What a filter that must estimate something hands back. Owns the record, no processing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from facerecon.records import RGB


@dataclass(frozen=True, eq=False)
class Filtered:
    """A picture, whether the filter changed it, and why.

    Attributes:
        pixels: RGB picture; the very input where `applied` is False.
        applied: False when the estimate was too weak to act on.
        note: one line for the record: what was found, or why nothing was done.
        facts: what was estimated or used; each name ends in its unit where there is one.
    """

    pixels: RGB
    applied: bool
    note: str
    facts: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse a note that is empty or longer than a line.

        Raises:
            ValueError: the note is not one line.
        """
        if not self.note or "\n" in self.note:
            raise ValueError("a filter's note is one line")
        object.__setattr__(self, "facts", MappingProxyType({key: float(self.facts[key]) for key in self.facts}))
