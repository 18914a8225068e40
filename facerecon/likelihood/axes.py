"""The frame of a plot as SVG text. Owns axes, ticks, curves and the legend; knows nothing of what is drawn.

One document of 480 x 320 px, with no script, no font file and no reference to anything outside. Curves differ by dashes
as well as by shade, so that a print in grey can be read. Same input, same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH_PX, HEIGHT_PX = 480, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 466.0, 44.0, 272.0
_LABEL_LETTERS = 30
_INK, _GRID = "#222222", "#d9d9d9"


@dataclass(frozen=True)
class Style:
    """How a curve looks: colour, SVG dash pattern ("" is a full line) and width in px."""

    colour: str
    dashes: str = ""
    width_px: float = 1.8


@dataclass(frozen=True)
class Curve:
    """A curve in data units, with its entry in the legend."""

    label: str
    points: tuple[tuple[float, float], ...]
    style: Style


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its range in data units, and its ticks (value, text)."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def part(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end; values beyond lie at the ends."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True)
class Mark:
    """An upright line at a value of the horizontal axis, with its words."""

    at: float
    label: str


def drawing(title: str, across: Axis, up: Axis, curves: Sequence[Curve], mark: Mark | None = None) -> str:
    """Return the SVG of up to four curves over two axes; `title` is what a screen reader says."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{HEIGHT_PX}" '
        f'viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" role="img" font-family="sans-serif" font-size="11" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="#ffffff"/>',
        *_across(across),
        *_up(up),
        *(_line(curve, across, up) for curve in curves),
        *_mark(mark, across),
        _frame(),
        *_legend(curves),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(axis: Axis, value: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * axis.part(value)


def _y(axis: Axis, value: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * axis.part(value)


def _across(axis: Axis) -> Iterable[str]:
    for value, text in axis.ticks:
        x = _x(axis, value)
        yield f'<path d="M{x:.1f} {_TOP}V{_BOTTOM}" stroke="{_GRID}"/>'
        yield f'<text x="{x:.1f}" y="{_BOTTOM + 15}" text-anchor="middle">{escape(text)}</text>'
    middle = (_LEFT + _RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT_PX - 12}" text-anchor="middle" font-size="12">{escape(axis.title)}</text>'


def _up(axis: Axis) -> Iterable[str]:
    for value, text in axis.ticks:
        y = _y(axis, value)
        yield f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="{_GRID}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
    middle = (_TOP + _BOTTOM) / 2
    yield (
        f'<text transform="translate(15 {middle}) rotate(-90)" text-anchor="middle" font-size="12">'
        f"{escape(axis.title)}</text>"
    )


def _line(curve: Curve, across: Axis, up: Axis) -> str:
    points = " ".join(f"{_x(across, x):.2f},{_y(up, y):.2f}" for x, y in curve.points)
    return f'<polyline points="{points}" fill="none" stroke-linejoin="round" {_stroke(curve.style)}/>'


def _stroke(style: Style) -> str:
    dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    return f'stroke="{style.colour}" stroke-width="{style.width_px}"{dashes}'


def _mark(mark: Mark | None, across: Axis) -> Iterable[str]:
    if mark is None:
        return
    x = _x(across, mark.at)
    anchor, shift = ("end", -5) if across.part(mark.at) > 0.5 else ("start", 5)
    yield f'<path d="M{x:.1f} {_TOP}V{_BOTTOM}" stroke="{_INK}" stroke-width="1.4"/>'
    yield (
        f'<text x="{x + shift:.1f}" y="{_BOTTOM - 8}" text-anchor="{anchor}" font-weight="bold" '
        f'stroke="#ffffff" stroke-width="3" paint-order="stroke">{escape(mark.label)}</text>'
    )


def _frame() -> str:
    return (
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="none" stroke="{_INK}"/>'
    )


def _legend(curves: Sequence[Curve]) -> Iterable[str]:
    """Yield the legend above the frame, two entries a row (a lone one has all of it), where it hides no curve."""
    letters = _LABEL_LETTERS * (1 if len(curves) > 1 else 2)
    for place, curve in enumerate(curves):
        x, y = _LEFT + (_RIGHT - _LEFT) / 2 * (place % 2), 14 + 17 * (place // 2)
        label = curve.label if len(curve.label) <= letters else curve.label[: letters - 1] + "…"
        yield f'<path d="M{x:.1f} {y}h28" {_stroke(curve.style)}/>'
        yield f'<text x="{x + 34:.1f}" y="{y + 4}">{escape(label)}</text>'
