"""NIQE: how natural a picture looks, without a reference. Owns the way to basicsr's implementation and parameters."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from facerecon.engines import compat
from facerecon.records import RGB

BLOCK_PX = 96


def niqe(pixels: RGB) -> float | None:
    """Return the NIQE of a picture; lower is more natural, sharp photographs have about 2 to 5.

    Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", IEEE Signal Processing Letters
    20(3), 2013. Statistics of 96 x 96 blocks of the luminance, against those of pristine photographs, with the
    parameters that basicsr ships. It judges texture, not truth: invented texture can score well.

    Args:
        pixels: RGB, uint8.

    Returns:
        The value, or None for a picture with fewer than two blocks, or of one colour: it has no statistics.
    """
    height, width = pixels.shape[:2]
    if (height // BLOCK_PX) * (width // BLOCK_PX) < 2:
        return None
    with warnings.catch_warnings():
        # Flat blocks have no statistics: numpy warns, basicsr leaves them out.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            value = float(_calculate_niqe()(np.ascontiguousarray(pixels[:, :, ::-1]), 0))
        except np.linalg.LinAlgError:
            return None
    return value if np.isfinite(value) else None


@cache
def _calculate_niqe() -> Callable[[Any, int], float]:
    compat.install()
    with warnings.catch_warnings():
        # It imports scipy.ndimage's function from the name of old.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        function: Callable[[Any, int], float] = importlib.import_module("basicsr.metrics.niqe").calculate_niqe
    return function
