"""Brightness: power-law correction, exposure in linear light, local contrast. Colours keep their hue."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.filters.light import LINEAR, Plane, luminance, to_levels, to_linear
from facerecon.filters.outcome import Filtered
from facerecon.records import RGB

Floats = npt.NDArray[np.float64]

_KNEE = 0.5
_SAMPLED_PIXELS = 65536
_SEARCHED_STOPS = 8.0


def gamma(pixels: RGB, exponent: float) -> RGB:
    """Brighten dark parts: out = 255 * (in / 255) ** (1 / exponent), the same curve for every pixel and channel.

    Args:
        pixels: RGB picture.
        exponent: above 1 brightens, below 1 darkens, 1 changes nothing.

    Reference: Poynton, "Digital Video and HD", 2nd ed. 2012, ch. 27 (gamma).

    Raises:
        ValueError: `exponent` is not positive.
    """
    if exponent <= 0:
        raise ValueError(f"gamma exponent must be above 0, not {exponent}")
    levels = np.rint(255.0 * (np.arange(256) / 255.0) ** (1.0 / exponent)).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, levels), dtype=np.uint8)


def clahe(pixels: RGB, *, clip_limit: float = 2.0, tiles: int = 8) -> RGB:
    """Spread the lightness in each part of the picture over a wider range; colour (a and b of CIE Lab) is kept.

    Args:
        pixels: RGB picture.
        clip_limit: bound on the contrast gain, as a multiple of an even histogram; above 0, 1 hardly changes anything.
        tiles: parts per side, at least 1.

    Reference: Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994 (OpenCV's, on L).

    Raises:
        ValueError: a parameter is out of range.
    """
    if clip_limit <= 0 or tiles < 1:
        raise ValueError("clahe needs clip_limit > 0 and tiles >= 1")
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    lightness = np.rint(lab[:, :, 0] * 2.55).astype(np.uint8)
    change = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(lightness).astype(np.float32) - lightness
    # Added to the unrounded lightness, so that the 256 bins do not make steps where the gain is small.
    lab[:, :, 0] = np.clip(lab[:, :, 0] + change / 2.55, 0, 100)
    return np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1) * 255).astype(np.uint8)


def exposure(pixels: RGB, *, stops: float) -> RGB:
    """Multiply the light by 2 ** stops, with a soft shoulder so that white stays white and nothing is cut off.

    Brightening and darkening by the same amount undo each other, up to rounding. A pixel's three channels are
    multiplied by one factor, so hue and saturation stay.

    Args:
        pixels: RGB picture.
        stops: photographic stops; above 0 brightens, below 0 darkens, 0 changes nothing. Output that would lie under
            half of white's light has exactly the stated gain; above, the shoulder takes over.

    Reference: linear light after IEC 61966-2-1:1999; the shoulder is the rational curve of Reinhard, Stark, Shirley,
    Ferwerda, "Photographic tone reproduction for digital images", SIGGRAPH 2002, eq. 4, begun at half of white.
    """
    if stops == 0:
        return pixels
    factor = _factors(stops)[pixels.max(axis=2)]
    return to_levels(to_linear(pixels) * factor[:, :, np.newaxis])


def auto_exposure(
    pixels: RGB,
    *,
    target_levels: float = 118.0,
    percentile: float = 50.0,
    max_stops: float = 4.0,
    strength: float = 1.0,
) -> Filtered:
    """Choose the stops that bring a percentile of the luminance to a stated level, then apply `exposure`.

    Args:
        pixels: RGB picture.
        target_levels: the level that the percentile shall have, 1 to 254; 118 is a surface that reflects 18 percent.
        percentile: 0 to 100; 50 is the median.
        max_stops: bound in both directions, at least 0.
        strength: share of the needed stops that is applied, 0 to 1.

    Returns:
        Facts `stops`, `wanted_stops`, `before_levels`, `after_levels`. Not applied to a picture that is black or white
        at the percentile (nothing there can be scaled), or that needs less than a twentieth of a stop.

    Raises:
        ValueError: a parameter is out of range.
    """
    if not (1 <= target_levels <= 254 and 0 <= percentile <= 100 and max_stops >= 0 and 0 <= strength <= 1):
        raise ValueError("auto_exposure needs 1 <= target_levels <= 254, 0 <= percentile <= 100, 0 <= strength <= 1")
    before = _level(pixels, percentile)
    facts = {"stops": 0.0, "wanted_stops": 0.0, "before_levels": before, "after_levels": before}
    if before < 1 or before >= 255:
        end = "black" if before < 1 else "white"
        return Filtered(pixels, False, f"exposure unchanged: the picture is {end} at its percentile", facts)
    wanted = _stops_to(pixels, percentile, target_levels)
    stops = float(np.clip(wanted * strength, -max_stops, max_stops))
    facts |= {"wanted_stops": wanted}
    if abs(stops) < 0.05:
        return Filtered(pixels, False, "exposure unchanged: the picture is as bright as wanted", facts)
    result = exposure(pixels, stops=stops)
    facts |= {"stops": stops, "after_levels": _level(result, percentile)}
    bound = ", the set limit" if abs(stops) == max_stops else ""
    return Filtered(result, True, f"exposure changed by {stops:+.2f} stops{bound}", facts)


def _level(pixels: RGB, percentile: float) -> float:
    light = np.float32(np.percentile(luminance(to_linear(pixels)), percentile))
    return float(np.interp(light, LINEAR, np.arange(256)))


def _stops_to(pixels: RGB, percentile: float, target_levels: float) -> float:
    """Return the stops that bring a percentile of the luminance to a level, the shoulder included (bisection)."""
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / _SAMPLED_PIXELS)))
    sample = pixels[::step, ::step]
    light, peak = luminance(to_linear(sample)), sample.max(axis=2)
    goal = float(np.interp(target_levels, np.arange(256), LINEAR))
    low, high = -_SEARCHED_STOPS, _SEARCHED_STOPS
    for _ in range(24):
        middle = (low + high) / 2
        reached = float(np.percentile(light * _factors(middle)[peak], percentile))
        low, high = (middle, high) if reached < goal else (low, middle)
    return (low + high) / 2


def _factors(stops: float) -> Plane:
    """Return the factor of light for each level of a pixel's brightest channel, 256 values."""
    light = LINEAR.astype(np.float64)
    light[0] = 1e-9
    return np.asarray(_curve(light, stops) / light, dtype=np.float32)


def _curve(light: Floats, stops: float) -> Floats:
    """Return the light after a change of exposure, of light 0 to 1."""
    if stops < 0:
        # Darkening is the inverse of brightening: highlights that a shoulder pressed together come apart again.
        samples = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 8192)])
        return np.asarray(np.interp(light, _curve(samples, -stops), samples), dtype=np.float64)
    gain = 2.0**stops
    white, above = (gain - _KNEE) / (1 - _KNEE), (light * gain - _KNEE) / (1 - _KNEE)
    above = np.maximum(above, 0.0)
    shoulder = _KNEE + (1 - _KNEE) * above * (1 + above / white**2) / (1 + above)
    return np.asarray(np.where(light * gain <= _KNEE, light * gain, shoulder), dtype=np.float64)
