"""Since when: a date, a time, or a length of time before now. Owns how that is written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from facerecon.errors import UsageError

_LENGTH = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def length_s(option: str, text: str) -> float:
    """Return the seconds of 90s, 10m, 2h, 1d or 2w.

    Raises:
        UsageError: it is no such length.
    """
    found = _LENGTH.fullmatch(text)
    if not found or not int(found[1]):
        raise UsageError(f"{option} '{text}' is not a length of time like 90s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()


def since_s(text: str, now: datetime) -> float:
    """Return seconds since 1970 of `2026-11-01`, `2026-11-01T06:00`, or `7d` before `now`.

    A date or time without an offset is meant in `now`'s time zone.

    Raises:
        UsageError: it is none of these.
    """
    try:
        if found := _LENGTH.fullmatch(text):
            return (now - timedelta(**{_UNITS[found[2]]: int(found[1])})).timestamp()
        stamp = datetime.fromisoformat(text)
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=now.tzinfo)).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since '{text}' is neither a date nor a length of time; write 2026-11-01, 2026-11-01T06:00, or 7d "
            "(s, m, h, d, w)"
        ) from None
