"""What the colours of a map stand for, drawn under it. Owns the colours of these scales as a report shows them.

They are those that the stage gave its maps (a test holds one to the other); a report colours no map itself.
"""

from __future__ import annotations

from facerecon.report.blocks import RGB8, Scale
from facerecon.report.language import tr

# Nine even steps of Magma (matplotlib), in which equal differences look equal; the maps have all 256.
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


def deviation_scale(levels: float) -> Scale:
    """Return the scale of a map of how far fused frames differ, from 0 to a number of grey levels."""
    return Scale(
        stops=_MAGMA,
        low="0",
        high=tr("{levels} grey levels or more", levels=f"{levels:g}"),
        apart=tr("hardly more than one frame"),
        apart_colour=_LIGHT_GREY,
    )
