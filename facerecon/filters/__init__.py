"""Classical, deterministic image operations, each after a named paper. No learned model, no file access."""

from __future__ import annotations

from facerecon.filters.catalogue import DESCRIPTIONS, FilterText
from facerecon.filters.outcome import Filtered

__all__ = ["DESCRIPTIONS", "FilterText", "Filtered"]
