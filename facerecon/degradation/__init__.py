"""The documented CCTV model: what optics, sensor, light and coding do to a sharp picture. One model for all uses.

Evaluation, calibration and training degrade with this package and nothing else, so that their figures are about one
thing. Never touches evidence: it makes test pictures out of pristine ones.
"""

from facerecon.degradation.chain import (
    FACE_WIDTHS_PER_EYE,
    FACE_WIDTHS_PER_SIDE,
    Degraded,
    degrade,
    degrade_track,
    face_width_px,
)
from facerecon.degradation.drawing import Drawn, Ranges, draw
from facerecon.degradation.specification import Degradation

__all__ = [
    "FACE_WIDTHS_PER_EYE",
    "FACE_WIDTHS_PER_SIDE",
    "Degradation",
    "Degraded",
    "Drawn",
    "Ranges",
    "degrade",
    "degrade_track",
    "draw",
    "face_width_px",
]
