"""Low light: LIME. Estimates how much light fell where, and divides by it. Must not denoise unless asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from facerecon.filters.denoise import non_local_means
from facerecon.filters.light import Plane
from facerecon.records import RGB

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

SOLVED_SIDE_PX = 384
"""Longest side on which the map is solved exactly; larger pictures use a reduced one and a guided enlargement."""
_EPSILON = 1e-3
_GUIDE_RADIUS_PX = 4
_GUIDE_EPSILON = 1e-4


def lime(
    pixels: RGB,
    *,
    gamma: float = 0.8,
    smoothness: float = 0.15,
    texture_px: float = 2.0,
    max_gain: float = 12.0,
    denoise_levels: float = 0.0,
) -> RGB:
    """Brighten by dividing through an estimated map of the light that keeps the edges of shadows.

    Args:
        pixels: RGB picture.
        gamma: how much of the light's unevenness is removed, 0 (nothing) to 1 (all); the paper's 0.8.
        smoothness: weight of smoothness against fidelity of the map, above 0; the paper's alpha, 0.15.
        texture_px: standard deviation of the window that tells texture from shadow edges, above 0.
        max_gain: largest brightening of a pixel, at least 1; bounds what happens to noise.
        denoise_levels: strength of non-local means in levels; its result is blended in by darkness, 0 is off.

    Returns:
        RGB picture of the same size, nowhere darker than the input when `denoise_levels` is 0.

    Reference: Guo, Li, Ling, "LIME: low-light image enhancement via illumination map estimation", IEEE TIP 26(2), 2017
    (sped-up solver, weight strategy III); for pictures beyond `SOLVED_SIDE_PX` the map is solved at reduced size and
    enlarged by He, Sun, "Fast guided filter", 2015.

    Raises:
        ValueError: a parameter is out of range.
    """
    if not (0 <= gamma <= 1 and smoothness > 0 and texture_px > 0 and max_gain >= 1 and denoise_levels >= 0):
        raise ValueError("lime needs gamma 0 to 1, smoothness and texture_px > 0, max_gain >= 1, denoise_levels >= 0")
    light = illumination(pixels, smoothness=smoothness, texture_px=texture_px)
    divisor = np.maximum(light**gamma, 1.0 / max_gain)[:, :, np.newaxis]
    bright = np.clip(np.rint(pixels / divisor), 0, 255).astype(np.uint8)
    return bright if denoise_levels == 0 else _recomposed(bright, light, denoise_levels)


def illumination(pixels: RGB, *, smoothness: float = 0.15, texture_px: float = 2.0) -> Plane:
    """Return the refined illumination map, (height, width), within the range of the brightest channels, 0 to 1."""
    initial = np.asarray(pixels.max(axis=2), dtype=np.float32) / 255.0
    reduction = max(initial.shape) / SOLVED_SIDE_PX
    if reduction <= 1:
        refined = _refined(initial, smoothness, texture_px)
    else:
        size = tuple(max(1, round(side / reduction)) for side in initial.shape[::-1])
        small = np.asarray(cv2.resize(initial, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        refined = _guided(initial, small, _refined(small, smoothness, texture_px / reduction))
    return np.asarray(np.clip(refined, 1e-6, 1.0), dtype=np.float32)


def _recomposed(bright: RGB, light: Plane, denoise_levels: float) -> RGB:
    # Only dark places were amplified, so only there is the denoised version taken (section III.D of the paper).
    smooth = non_local_means(bright, denoise_levels, denoise_levels)
    share = light[:, :, np.newaxis]
    return np.asarray(np.rint(bright * share + smooth * (1.0 - share)), dtype=np.uint8)


def _refined(initial: Plane, smoothness: float, texture_px: float) -> Plane:
    """Solve (I + D' W D) t = initial exactly: a weighted least-squares problem with one unknown per pixel."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import splu

    down = smoothness * _weights(np.diff(initial, axis=0), texture_px)
    right = smoothness * _weights(np.diff(initial, axis=1), texture_px)
    matrix = _laplacian(down, right) + identity(initial.size, format="csc")
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factors.solve(initial.ravel().astype(np.float64)).reshape(initial.shape), dtype=np.float32)


def _weights(gradient: Plane, texture_px: float) -> Plane:
    """Return small weights at consistent edges (the light changes there), large ones in flat and textured parts."""
    if gradient.size == 0:
        return gradient
    local = np.abs(cv2.GaussianBlur(gradient, (0, 0), max(texture_px, 0.3), borderType=cv2.BORDER_REPLICATE))
    return np.asarray(1.0 / ((local + _EPSILON) * (np.abs(gradient) + _EPSILON)), dtype=np.float32)


def _laplacian(down: Plane, right: Plane) -> csc_matrix:
    from scipy.sparse import csc_matrix

    height, width = right.shape[0], down.shape[1]
    number = np.arange(height * width).reshape(height, width)
    first = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    second = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    weight = np.concatenate([down.ravel(), right.ravel()]).astype(np.float64)
    rows, columns = np.concatenate([first, second, first, second]), np.concatenate([second, first, first, second])
    values = np.concatenate([-weight, -weight, weight, weight])
    return csc_matrix((values, (rows, columns)), shape=(number.size, number.size))


def _guided(guide: Plane, small_guide: Plane, small_map: Plane) -> Plane:
    """Enlarge a map: locally it is a linear function of the guide, whose coefficients are found at the small size."""
    mean_guide, mean_map = _mean(small_guide), _mean(small_map)
    slope = (_mean(small_guide * small_map) - mean_guide * mean_map) / (
        _mean(small_guide * small_guide) - mean_guide**2 + _GUIDE_EPSILON
    )
    offset = mean_map - slope * mean_guide
    size = guide.shape[::-1]
    large = [cv2.resize(_mean(part), size, interpolation=cv2.INTER_LINEAR) for part in (slope, offset)]
    return np.asarray(large[0] * guide + large[1], dtype=np.float32)


def _mean(plane: Plane) -> Plane:
    side = 2 * _GUIDE_RADIUS_PX + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), dtype=np.float32)
