"""Words for measured quantities. Owns how a value and its calibrated ranges read in a report; never measures.

A quantity that is not listed here is written with its own name.
"""

from __future__ import annotations

import math

_NAMES = {
    "inter_eye_px": "the distance between the eyes (worse side)",
    "sharpness": "the sharpness",
    "fine_detail": "the fine detail",
    "brightness": "the brightness",
    "contrast": "the contrast",
    "yaw_deg": "the turn of the head (worse side)",
    "pitch_deg": "the nod of the head (worse side)",
    "frames": "the number of frames",
}
_VALUES = {
    "inter_eye_px": "{} px between the eyes (worse side)",
    "sharpness": "a sharpness of {}",
    "fine_detail": "a fine detail of {}",
    "brightness": "a brightness of {}",
    "contrast": "a contrast of {}",
    "yaw_deg": "a head turned by {} degrees (worse side)",
    "pitch_deg": "a head nodding by {} degrees (worse side)",
    "frames": "a number of frames of {}",
}
_UNITS = {"inter_eye_px": " px", "yaw_deg": " degrees", "pitch_deg": " degrees"}


def as_measured(name: str, value: float | None) -> str:
    """Return a quantity with its value in words ("5.1 px between the eyes (worse side)"), or its name without one."""
    if value is None:
        return _NAMES.get(name, name)
    return _VALUES.get(name, name + " of {}").format(_number(value))


def as_ranges(name: str, ranges: list[tuple[float, float | None]]) -> str:
    """Return ranges in words, joined where they touch: "6 to 60 px", "6 to 12 px or 24 px and more"."""
    unit = _UNITS.get(name, "")
    return " or ".join(
        f"{low:g}{unit} and more" if high == math.inf else f"{low:g} to {high:g}{unit}" for low, high in _joined(ranges)
    )


def _joined(ranges: list[tuple[float, float | None]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for low, high in sorted((low, math.inf if high is None else high) for low, high in ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined


def _number(value: float) -> str:
    """Return three significant digits, and never fewer than the whole part."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
