"""Blur: how an edge was smeared. Estimates motion and defocus from the spectrum and draws the kernels; removes nothing.

A picture smeared along a line of L pixels has a spectrum multiplied by sinc(L u), whose dark stripes lie square to the
motion and 1 / L apart; out of focus, the stripes are the rings of a disc's spectrum. The logarithm turns the product
into a sum, smooth trends are taken away, and what remains is compared with the pattern of every candidate blur.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.filters.light import luma
from facerecon.records import RGB

Floats = npt.NDArray[np.float64]

MIN_SIDE_PX = 48
"""Smallest side from which a blur is estimated."""
_WINDOW_PX = 128
_FLOOR = 0.02
_ANGLES_DEG = np.arange(0.0, 180.0, 3.0)
_LENGTHS_PX = np.arange(3.0, 25.5, 0.5)
_RADII_PX = np.arange(1.5, 9.05, 0.1)
_RIVAL_DEG = 20.0
_SURE_MARGIN = 0.24
_SURE_DISC_MARGIN = 0.16
_SURE_DISC_DEPTH = 2.0
_SMALLEST_DISC_PX = 1.8


@dataclass(frozen=True)
class MotionBlur:
    """An estimated straight, even motion: direction, length, and how sure it is.

    Attributes:
        angle_deg: direction in the picture, 0 to 180, counter-clockwise from the right.
        length_px: length of the smear, 3 to 25.
        confidence: 0 to 1; below 0.5 the estimate is no better than those from sharp pictures.
    """

    angle_deg: float
    length_px: float
    confidence: float


@dataclass(frozen=True)
class DefocusBlur:
    """An estimated defocus: radius of the disc into which a point was spread, and how sure it is.

    Attributes:
        radius_px: 1.5 to 9.
        confidence: 0 to 1; below 0.5 the estimate is no better than those from sharp pictures.
    """

    radius_px: float
    confidence: float


def motion_blur_estimate(pixels: RGB) -> MotionBlur | None:
    """Return the likeliest straight motion blur, however unlikely; None when the picture is too small or flat.

    The confidence is the smaller of two: by how much the best candidate's correlation exceeds the best one of another
    direction (0.24 counts as 1), and how deep the found stripes are compared with the expected ones.

    Args:
        pixels: RGB picture, at least 48 px each way.

    Reference: Cannon, "Blind deconvolution of spatially invariant image blurs with phase", IEEE TASSP 24(1), 1976
    (homomorphic averaging over windows); Krahmer et al., "Blind image deconvolution: motion blur estimation", IMA 2006.
    """
    found = _log_spectrum(pixels)
    if found is None:
        return None
    match, depth = _compare(found, _motion_bank())
    grid = match.reshape(_ANGLES_DEG.size, _LENGTHS_PX.size)
    angle, length = np.unravel_index(int(grid.argmax()), grid.shape)
    away = np.abs((_ANGLES_DEG - _ANGLES_DEG[angle] + 90) % 180 - 90) > _RIVAL_DEG
    margin = float(grid.max() - grid[away].max())
    confidence = min(margin / _SURE_MARGIN, float(depth[int(match.argmax())]))
    return MotionBlur(float(_ANGLES_DEG[angle]), float(_LENGTHS_PX[length]), float(np.clip(confidence, 0.0, 1.0)))


def defocus_blur_estimate(pixels: RGB) -> DefocusBlur | None:
    """Return the likeliest defocus, however unlikely; None when the picture is too small or flat.

    The confidence grows as for motion; it is 0 where a straight motion explains the spectrum better, and under 1.8 px,
    where a disc, a soft lens and an enlarged picture look the same.

    Args:
        pixels: RGB picture, at least 48 px each way.

    Reference: Gennery, "Determination of optical transfer function by inspection of frequency-domain plot", JOSA 63,
    1973 (rings of the disc's spectrum); Cannon 1976 as above.
    """
    found = _log_spectrum(pixels)
    if found is None:
        return None
    match, depth = _compare(found, _disc_bank())
    best = int(match.argmax())
    radius = float(_RADII_PX[best])
    away = np.abs(_RADII_PX - radius) > 0.35 * radius
    confidence = min(float(match[best] - match[away].max()) / _SURE_DISC_MARGIN, float(depth[best]) / _SURE_DISC_DEPTH)
    believable = radius >= _SMALLEST_DISC_PX and match[best] > _compare(found, _motion_bank())[0].max()
    return DefocusBlur(radius, float(np.clip(confidence, 0.0, 1.0)) if believable else 0.0)


def motion_kernel(angle_deg: float, length_px: float) -> Floats:
    """Return the kernel of a straight, even motion: odd square, sum 1.

    Raises:
        ValueError: `length_px` is under 1.
    """
    if length_px < 1:
        raise ValueError(f"a motion of {length_px} px is no blur")
    side = 2 * int(np.ceil(length_px / 2)) + 3
    along = np.linspace(-0.5, 0.5, 20 * side + 1) * length_px
    # Rows grow downwards, angles counter-clockwise.
    turn = np.radians(angle_deg)
    x, y = side // 2 + along * np.cos(turn), side // 2 - along * np.sin(turn)
    kernel = np.zeros((side, side))
    for column, row in ((0, 0), (0, 1), (1, 0), (1, 1)):
        left, top = np.floor(x).astype(int) + column, np.floor(y).astype(int) + row
        np.add.at(kernel, (top, left), (1 - np.abs(x - left)) * (1 - np.abs(y - top)))
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


def disc_kernel(radius_px: float) -> Floats:
    """Return the kernel of a defocused lens with a round stop: odd square, sum 1, its rim anti-aliased.

    Raises:
        ValueError: `radius_px` is under half a pixel.
    """
    if radius_px < 0.5:
        raise ValueError(f"a disc of radius {radius_px} px is no blur")
    half, fine = int(np.ceil(radius_px)) + 1, 9
    axis = (np.arange((2 * half + 1) * fine) - ((2 * half + 1) * fine - 1) / 2) / fine
    inside = (axis[:, np.newaxis] ** 2 + axis**2 <= radius_px**2).astype(np.float64)
    kernel = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


# --- spectra --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _frequencies() -> tuple[Floats, Floats]:
    axis = np.fft.fftshift(np.fft.fftfreq(_WINDOW_PX))
    across, down = np.meshgrid(axis, axis)
    return across, down


@lru_cache(maxsize=1)
def _ring() -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return where patterns are compared, the same smoothed, and one half of it."""
    # Neither the lowest frequencies (the scene), nor the highest (noise), nor the axes (the window's leakage).
    across, down = _frequencies()
    radius = np.hypot(across, down)
    axes = np.minimum(np.abs(across), np.abs(down)) <= 1.5 / _WINDOW_PX
    ring = np.asarray((radius > 0.03) & (radius < 0.45) & ~axes, dtype=np.float64)
    return ring, np.maximum(_smooth(ring), 1e-6), (ring > 0) & (down > 0)


def _smooth(plane: Floats) -> Floats:
    # In the spectrum of the logarithm this is a low-pass at 2.5 px: what varies more slowly belongs to the scene.
    reach = _WINDOW_PX / (2 * np.pi * 2.5)
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), reach), dtype=np.float64)


def _pattern(log_power: Floats) -> Floats:
    """Return what is left when slow trends are taken away, over one half of the plane (the other mirrors it)."""
    ring, share, half = _ring()
    left = (log_power - _smooth(log_power * ring) / share)[half]
    return np.asarray(left - left.mean(), dtype=np.float64)


def _log_spectrum(pixels: RGB) -> Floats | None:
    plane = luma(pixels).astype(np.float64)
    side = min(_WINDOW_PX, *plane.shape)
    if side < MIN_SIDE_PX:
        return None
    fade = np.outer(np.hanning(side), np.hanning(side))
    total = np.zeros((_WINDOW_PX, _WINDOW_PX))
    for top in _window_starts(plane.shape[0], side):
        for left in _window_starts(plane.shape[1], side):
            part = plane[top : top + side, left : left + side]
            power = np.abs(np.fft.fft2((part - part.mean()) * fade, s=total.shape)) ** 2
            total += power / max(power.sum(), 1.0)
    return _pattern(np.log(np.fft.fftshift(total) + 1e-9 * total.max())) if total.max() > 1e-6 else None


def _window_starts(length_px: int, side_px: int) -> list[int]:
    count = max(1, 2 * length_px // side_px - 1)
    return sorted({round(start) for start in np.linspace(0, length_px - side_px, count)})


@lru_cache(maxsize=1)
def _motion_bank() -> npt.NDArray[np.float32]:
    across, down = _frequencies()
    rows = []
    for angle in np.radians(_ANGLES_DEG):
        along = across * np.cos(angle) - down * np.sin(angle)
        rows += [_pattern(np.log(np.sinc(length * along) ** 2 + _FLOOR)) for length in _LENGTHS_PX]
    return np.stack(rows).astype(np.float32)


@lru_cache(maxsize=1)
def _disc_bank() -> npt.NDArray[np.float32]:
    from scipy.special import j1

    radius = np.hypot(*_frequencies()) + 1e-9
    waves = [2 * np.pi * disc * radius for disc in _RADII_PX]
    return np.stack([_pattern(np.log((2 * j1(wave) / wave) ** 2 + _FLOOR)) for wave in waves]).astype(np.float32)


def _compare(found: Floats, bank: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return for each candidate its correlation with what was found, and the found depth relative to the expected."""
    energy = np.linalg.norm(bank, axis=1).astype(np.float64) + 1e-9
    shared = (bank @ found.astype(np.float32)).astype(np.float64)
    return shared / (energy * (np.linalg.norm(found) + 1e-9)), shared / energy**2
