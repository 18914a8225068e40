"""What the colours of a map stand for, drawn under it. Owns the colours of these scales as a report shows them.

They are those that the stage gave its maps (a test holds one to the other); a report colours no map itself.
"""

from __future__ import annotations

from facerecon.report.blocks import RGB8, Scale
from facerecon.report.language import tr

LEVELS = 24.0
"""The brightest colour of the maps of invented detail and of expected error, in every case alike."""
# Nine even steps each of matplotlib's scales, in which equal differences look equal; the maps have all 256.
_VIRIDIS: tuple[RGB8, ...] = (
    (68, 1, 84),
    (71, 45, 123),
    (59, 82, 139),
    (44, 114, 142),
    (33, 145, 140),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
)
_INFERNO: tuple[RGB8, ...] = (
    (0, 0, 4),
    (33, 12, 74),
    (87, 16, 110),
    (138, 34, 106),
    (188, 55, 84),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
)
_MAGMA: tuple[RGB8, ...] = (
    (0, 0, 4),
    (29, 17, 71),
    (81, 18, 124),
    (131, 38, 129),
    (183, 55, 121),
    (231, 82, 99),
    (252, 137, 97),
    (254, 196, 136),
    (252, 253, 191),
)
_LIGHT_GREY: RGB8 = (200, 200, 200)


def frames_scale(frames: int) -> Scale:
    """Return the scale of a map of how many frames stand behind each pixel, of all that were to be fused."""
    return Scale(stops=_VIRIDIS, low="1", high=tr("{frames} frames", frames=str(max(2, frames))))


def levels_scale() -> Scale:
    """Return the scale of the maps of invented detail and of expected error."""
    return Scale(stops=_INFERNO, low="0", high=tr("{levels} grey levels or more", levels=f"{LEVELS:g}"))


def deviation_scale(levels: float) -> Scale:
    """Return the scale of a map of how far fused frames differ, from 0 to a number of grey levels."""
    return Scale(
        stops=_MAGMA,
        low="0",
        high=tr("{levels} grey levels or more", levels=f"{levels:g}"),
        apart=tr("hardly more than one frame"),
        apart_colour=_LIGHT_GREY,
    )
