"""How long a gallery keeps pictures. Owns the arithmetic of dates; removes nothing itself."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta

from facerecon.errors import UsageError

_AGE = re.compile(r"([1-9][0-9]{0,4})([dmy])")


def cutoff(age: str, now: datetime) -> datetime:
    """Return the moment that lies `age` before `now`: "90d", "12m" or "2y" (days, calendar months, years).

    A month back from a day that the earlier month lacks is that month's last day.

    Raises:
        UsageError: not an age, or it reaches back before the calendar.
    """
    parsed = _AGE.fullmatch(age)
    if parsed is None:
        raise UsageError(f"'{age}' is not an age; say 90d (days), 12m (months) or 2y (years)")
    count, unit = int(parsed[1]), parsed[2]
    try:
        return now - timedelta(days=count) if unit == "d" else _months_back(now, count * (12 if unit == "y" else 1))
    except (OverflowError, ValueError):
        raise UsageError(f"'{age}' reaches back before the calendar; say a shorter age") from None


def _months_back(now: datetime, months: int) -> datetime:
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return now.replace(year=year, month=month + 1, day=min(now.day, last))


def utc_text(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the second: 2026-01-31T10:00:00Z; such texts sort by time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
