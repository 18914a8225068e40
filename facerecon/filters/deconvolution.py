"""Blur: takes a known or estimated smear back. Never acts on a weak estimate, and works on brightness only."""

from __future__ import annotations

from typing import Literal

import numpy as np
from skimage import restoration  # loads its parts, and scipy.stats, when they are first used

from facerecon.filters.blur import (
    MIN_SIDE_PX,
    Floats,
    defocus_blur_estimate,
    disc_kernel,
    motion_blur_estimate,
    motion_kernel,
)
from facerecon.filters.light import add_luma, luma, luminance, to_levels, to_linear
from facerecon.filters.outcome import Filtered
from facerecon.records import RGB

Method = Literal["richardson-lucy", "wiener"]

_DARK = 0.005
_LARGEST_RATIO = 4.0
_POSITIVE = 1e-4


def deconvolve_motion(
    pixels: RGB,
    *,
    angle_deg: float | None = None,
    length_px: float | None = None,
    method: Method = "richardson-lucy",
    iterations: int = 15,
    balance: float = 0.03,
    linear_light: bool = True,
    min_confidence: float = 0.5,
) -> Filtered:
    """Undo a straight, even motion during the exposure.

    Args:
        pixels: RGB picture.
        angle_deg: direction, counter-clockwise from the right; None (then `length_px` too) estimates both.
        length_px: length of the smear, at least 1.
        method: "richardson-lucy" or "wiener".
        iterations: of Richardson-Lucy, at least 1; more are sharper and noisier.
        balance: regularisation of Wiener, above 0; less is sharper and noisier.
        linear_light: work on the luminance of linear light, where blur arises; False works on coded luma, which suits
            footage that was blurred after coding (scaled or filtered by a recorder).
        min_confidence: 0 to 1; an estimate below it changes nothing.

    Returns:
        Facts `angle_deg`, `length_px`, and when estimated `confidence`.

    Reference: Richardson, JOSA 62, 1972; Lucy, Astron. J. 79, 1974; Orieux, Giovannelli, Rodet, JOSA A 27, 2010
    (Wiener-Hunt); scikit-image's implementations. The estimate: see `motion_blur_estimate`.

    Raises:
        ValueError: a parameter is out of range, or only one of angle and length is given.
    """
    if (angle_deg is None) != (length_px is None):
        raise ValueError("deconvolve_motion needs both angle_deg and length_px, or neither")
    facts: dict[str, float] = {}
    if angle_deg is None or length_px is None:
        estimate = motion_blur_estimate(pixels)
        if estimate is None:
            return Filtered(pixels, False, _unmeasurable("motion blur"))
        angle_deg, length_px = estimate.angle_deg, estimate.length_px
        facts = {"confidence": estimate.confidence}
    facts |= {"angle_deg": angle_deg, "length_px": length_px}
    if facts.get("confidence", 1.0) < min_confidence:
        return Filtered(pixels, False, "motion blur left as it is: no direction and length stand out", facts)
    sharp = _deconvolved(pixels, motion_kernel(angle_deg, length_px), method, iterations, balance, linear_light)
    return Filtered(
        sharp, True, f"motion of {length_px:.1f} px at {angle_deg:.0f} degrees taken back ({method})", facts
    )


def deconvolve_defocus(
    pixels: RGB,
    *,
    radius_px: float | None = None,
    method: Method = "richardson-lucy",
    iterations: int = 15,
    balance: float = 0.03,
    linear_light: bool = True,
    min_confidence: float = 0.5,
) -> Filtered:
    """Undo a lens that was out of focus, taken as the same disc everywhere in the picture.

    Args:
        pixels: RGB picture.
        radius_px: radius of the disc, at least 0.5; None estimates it.
        method: "richardson-lucy" or "wiener".
        iterations: of Richardson-Lucy, at least 1.
        balance: regularisation of Wiener, above 0.
        linear_light: as for `deconvolve_motion`.
        min_confidence: 0 to 1; an estimate below it changes nothing.

    Returns:
        Facts `radius_px`, and when estimated `confidence`.

    Reference: as for `deconvolve_motion`; the estimate: see `defocus_blur_estimate`.

    Raises:
        ValueError: a parameter is out of range.
    """
    facts: dict[str, float] = {}
    if radius_px is None:
        estimate = defocus_blur_estimate(pixels)
        if estimate is None:
            return Filtered(pixels, False, _unmeasurable("defocus"))
        radius_px, facts = estimate.radius_px, {"confidence": estimate.confidence}
    facts |= {"radius_px": radius_px}
    if facts.get("confidence", 1.0) < min_confidence:
        return Filtered(pixels, False, "defocus left as it is: no radius stands out", facts)
    sharp = _deconvolved(pixels, disc_kernel(radius_px), method, iterations, balance, linear_light)
    return Filtered(sharp, True, f"defocus of radius {radius_px:.1f} px taken back ({method})", facts)


def _unmeasurable(what: str) -> str:
    return f"{what} left as it is: the picture is flat, or a side is under {MIN_SIDE_PX} px"


def _deconvolved(
    pixels: RGB, kernel: Floats, method: Method, iterations: int, balance: float, linear_light: bool
) -> RGB:
    if iterations < 1 or balance <= 0:
        raise ValueError("deconvolution needs iterations of at least 1 and a balance above 0")
    if not linear_light:
        coded = luma(pixels)
        change = 255.0 * _sharpened(coded.astype(np.float64) / 255.0, kernel, method, iterations, balance) - coded
        return add_luma(pixels, change.astype(np.float32))
    linear = to_linear(pixels)
    before = luminance(linear).astype(np.float64)
    after = np.clip(_sharpened(before, kernel, method, iterations, balance), 0.0, 1.0)
    # One factor for the three channels keeps the hue; in the dark it is held back, where it would only amplify noise.
    ratio = np.clip((after + _DARK) / (before + _DARK), 1 / _LARGEST_RATIO, _LARGEST_RATIO)
    return to_levels(linear * ratio[:, :, np.newaxis].astype(np.float32))


def _sharpened(plane: Floats, kernel: Floats, method: Method, iterations: int, balance: float) -> Floats:
    margin = 2 * kernel.shape[0]
    wide = _tapered(np.pad(plane.astype(np.float64), margin, mode="symmetric"), kernel, margin)
    if method == "wiener":
        sharp = restoration.wiener(wide, kernel, balance, clip=False)  # type: ignore[no-untyped-call]
    else:
        sharp = restoration.richardson_lucy(  # type: ignore[no-untyped-call]
            np.maximum(wide, _POSITIVE), kernel, num_iter=iterations, clip=False, filter_epsilon=_POSITIVE
        )
    return np.asarray(sharp[margin:-margin, margin:-margin], dtype=np.float64)


def _tapered(plane: Floats, kernel: Floats, margin_px: int) -> Floats:
    """Blend the margin into a blurred, wrapped copy: the Fourier transform sees no border, so none rings inwards."""
    from scipy.fft import irfft2, rfft2

    wrapped = np.zeros_like(plane)
    wrapped[: kernel.shape[0], : kernel.shape[1]] = kernel
    wrapped = np.roll(wrapped, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), axis=(0, 1))
    blurred = irfft2(rfft2(plane) * rfft2(wrapped), s=plane.shape)
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) / margin_px for n in plane.shape)
    inside = np.outer(np.minimum(rows, 1.0), np.minimum(columns, 1.0))
    return np.asarray(inside * plane + (1 - inside) * blurred, dtype=np.float64)
