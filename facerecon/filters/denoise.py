"""Noise: non-local means over one picture or several, and wavelet shrinkage."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from skimage import restoration  # loads its parts, and scipy.stats, when they are first used

from facerecon.filters.outcome import Filtered
from facerecon.records import RGB

Floats = npt.NDArray[np.float64]

_QUIET_LEVELS = 1.0
_WAVELET_SIDE_PX = 16
_NOISE_GAINS = (0.669, 0.657, 0.623)
"""How equal, independent noise in R, G, B arrives in Y, Cr, Cb (norms of the rows of BT.601's matrix)."""


def non_local_means(
    pixels: RGB, strength_levels: float, color_strength_levels: float, patch_px: int = 7, search_px: int = 21
) -> RGB:
    """Replace each pixel by a mean of pixels whose surroundings look alike.

    Args:
        pixels: RGB picture.
        strength_levels: filter strength for lightness, in grey levels; about the noise's standard deviation.
        color_strength_levels: the same for colour.
        patch_px: side of the compared surroundings, odd.
        search_px: side of the searched window, odd.

    Reference: Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005 (OpenCV's implementation,
    in CIE Lab).
    """
    denoised = cv2.fastNlMeansDenoisingColored(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), None, strength_levels, color_strength_levels, patch_px, search_px
    )
    return np.asarray(cv2.cvtColor(denoised, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def non_local_means_multi(
    frames: Sequence[RGB],
    index: int,
    *,
    strength_levels: float,
    color_strength_levels: float,
    window: int = 5,
    patch_px: int = 7,
    search_px: int = 21,
) -> RGB:
    """Denoise one picture of a registered series, taking similar surroundings from its neighbours in time as well.

    Args:
        frames: RGB pictures of one size, registered, in order of time.
        index: which of them to denoise.
        strength_levels: filter strength for lightness, in grey levels.
        color_strength_levels: the same for colour.
        window: how many pictures take part, odd; the nearest in time (at the ends of the series, those of one side).
        patch_px: side of the compared surroundings, odd.
        search_px: side of the searched window, odd.

    Reference: Buades, Coll, Morel, "Denoising image sequences does not require motion estimation", AVSS 2005
    (OpenCV's implementation, in CIE Lab).

    Raises:
        ValueError: sizes differ, `index` is out of range, or `window` is even.
    """
    if not 0 <= index < len(frames) or window < 1 or window % 2 == 0:
        raise ValueError(f"index {index} and window {window} do not fit {len(frames)} pictures (the window is odd)")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError("the pictures of a series must have one size")
    chosen = _nearest_in_time(len(frames), index, window)
    if len(chosen) == 1:
        return non_local_means(frames[index], strength_levels, color_strength_levels, patch_px, search_px)
    series = [cv2.cvtColor(frames[number], cv2.COLOR_RGB2BGR) for number in chosen]
    denoised = cv2.fastNlMeansDenoisingColoredMulti(
        series, len(chosen) // 2, len(chosen), None, strength_levels, color_strength_levels, patch_px, search_px
    )
    return np.asarray(cv2.cvtColor(denoised, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _nearest_in_time(count: int, index: int, window: int) -> list[int]:
    """Return an odd number of picture numbers with `index` in the middle, where OpenCV wants it."""
    others = sorted((n for n in range(count) if n != index), key=lambda n: (abs(n - index), n))
    others = others[: min(window - 1, len(others) // 2 * 2)]
    # The order in time means nothing to the filter: it searches all pictures alike.
    half = len(others) // 2
    return [*others[:half], index, *others[half:]]


def wavelet(pixels: RGB, *, sigma_levels: float | None = None, strength: float = 1.0, shifts: int = 4) -> Filtered:
    """Shrink the small wavelet coefficients, in which noise lies, by a threshold that adapts to each scale.

    Args:
        pixels: RGB picture.
        sigma_levels: standard deviation of the noise in levels, per channel; None estimates it.
        strength: factor on sigma, above 0; 1 is the paper's.
        shifts: averages over this many diagonal shifts of the grid, which removes the filter's own block pattern; >= 1.

    Returns:
        Fact `sigma_levels`. Not applied when sigma is under one level, or a side is under 16 px.

    Reference: Chang, Yu, Vetterli, "Adaptive wavelet thresholding for image denoising and compression", IEEE TIP 9(9),
    2000 (BayesShrink, in YCbCr); Donoho, Johnstone, Biometrika 81, 1994 (sigma); Coifman, Donoho, 1995 (shifts).

    Raises:
        ValueError: a parameter is out of range.
    """
    if (sigma_levels is not None and sigma_levels < 0) or strength <= 0 or shifts < 1:
        raise ValueError("wavelet needs sigma_levels >= 0, strength > 0, shifts >= 1")
    if min(pixels.shape[:2]) < _WAVELET_SIDE_PX:
        return Filtered(pixels, False, f"noise left as it is: a side is under {_WAVELET_SIDE_PX} px")
    sigma = _noise_levels(pixels) if sigma_levels is None else sigma_levels
    facts = {"sigma_levels": sigma}
    if sigma < _QUIET_LEVELS:
        return Filtered(pixels, False, f"noise left as it is: {sigma:.1f} levels, under {_QUIET_LEVELS:.0f}", facts)
    return Filtered(_shrunk(pixels, sigma * strength, shifts), True, f"noise of {sigma:.1f} levels reduced", facts)


def _noise_levels(pixels: RGB) -> float:
    # A flat picture makes the estimator take the median of nothing.
    if int(np.ptp(pixels)) == 0:
        return 0.0
    return float(
        restoration.estimate_sigma(  # type: ignore[no-untyped-call]
            pixels.astype(np.float64), channel_axis=-1, average_sigmas=True
        )
    )


def _shrunk(pixels: RGB, sigma_levels: float, shifts: int) -> RGB:
    padded = np.pad(pixels.astype(np.float32), ((shifts, 0), (shifts, 0), (0, 0)), mode="reflect")
    planes = cv2.cvtColor(padded, cv2.COLOR_RGB2YCrCb).astype(np.float64)
    total = np.zeros((*pixels.shape[:2], 3))
    for shift in range(shifts):
        for channel, gain in enumerate(_NOISE_GAINS):
            part = planes[shifts - shift :, shifts - shift :, channel]
            total[:, :, channel] += _one_plane(part, sigma_levels * gain)[shift:, shift:]
    mean = (total / shifts).astype(np.float32)
    return np.clip(np.rint(cv2.cvtColor(mean, cv2.COLOR_YCrCb2RGB)), 0, 255).astype(np.uint8)


def _one_plane(plane: Floats, sigma_levels: float) -> Floats:
    return np.asarray(
        restoration.denoise_wavelet(plane, sigma=sigma_levels, wavelet="sym4", mode="soft", method="BayesShrink"),
        dtype=np.float64,
    )
