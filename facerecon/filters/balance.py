"""Colour of the light: grey world and von Kries. Estimates the light, and must leave a merely coloured scene alone."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.filters.light import to_levels, to_linear
from facerecon.filters.outcome import Filtered
from facerecon.records import RGB

Method = Literal["grey-world", "von-kries"]
Triple = npt.NDArray[np.float64]

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_TO_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_RGB_TO_CONES = _TO_CONES @ _TO_XYZ
_COOLEST_K, _HOTTEST_K = 2000.0, 20000.0
_MINIMUM_SHARE = 0.05
_NORM = 6.0
_LIGHT_PX = 256


def white_balance(
    pixels: RGB,
    *,
    method: Method = "grey-world",
    strength: float = 1.0,
    light_k: float | None = None,
    light_rgb: tuple[float, float, float] | None = None,
    max_distance_uv: float = 0.03,
) -> Filtered:
    """Remove the colour of the light.

    "grey-world" takes the average colour for the light's and scales red, green and blue; afterwards, at strength 1, the
    three have equal means. "von-kries" takes a mean that favours bright pixels (Minkowski norm 6) and scales the
    responses of the eye's three cone types, to daylight (D65). Both work in linear light and keep the luminance of the
    light's colour. Pixels that are nearly black or at the sensor's limit have no say in the estimate.

    Args:
        pixels: RGB picture.
        method: see above.
        strength: 0 changes nothing, 1 removes the cast wholly.
        light_k: colour temperature of the light in kelvin, 1700 to 25000; None estimates.
        light_rgb: the light's colour in linear light, each above 0, for instance as estimated from a whole frame (a
            face alone is no grey world: skin is warm); goes before `light_k`.
        max_distance_uv: farthest that an estimated light may lie from the colours of lamps and daylight (2000 K to
            20000 K) in the CIE 1960 diagram; beyond, the scene itself is coloured and the picture is left alone.

    Returns:
        Facts `light_red`, `light_green`, `light_blue` (linear, mean 1), `distance_uv`, `light_k` (of the nearest lamp,
        2000 to 20000).

    Reference: Buchsbaum, "A spatial processor model for object colour perception", J. Franklin Inst. 310, 1980;
    von Kries, "Chromatic adaptation", 1902, with the cone space of Lam, thesis, Bradford 1985; Finlayson, Trezzi,
    "Shades of gray and colour constancy", CIC 2004; Krystek, Color Res. Appl. 10, 1985 (colours of lamps).

    Raises:
        ValueError: a parameter is out of range.
    """
    if not 0 <= strength <= 1 or max_distance_uv < 0 or (light_k is not None and not 1700 <= light_k <= 25000):
        raise ValueError("white_balance needs 0 <= strength <= 1, max_distance_uv >= 0, 1700 <= light_k <= 25000")
    linear = to_linear(pixels)
    given = _given_light(light_k, light_rgb)
    light = given if given is not None else _estimate(pixels, 1.0 if method == "grey-world" else _NORM)
    if light is None:
        return Filtered(pixels, False, "colour unchanged: too few pixels that are neither black nor at the limit")
    distance, kelvin = _nearest_lamp(light)
    facts = dict(zip(("light_red", "light_green", "light_blue"), light / light.mean(), strict=True))
    facts |= {"distance_uv": distance, "light_k": kelvin}
    if given is None and distance > max_distance_uv:
        return Filtered(pixels, False, "colour unchanged: the average colour is none of a lamp or of daylight", facts)
    if strength == 0:
        return Filtered(pixels, False, "colour unchanged: strength is 0", facts)
    balanced = to_levels(linear @ _matrix(light, method, strength).T.astype(np.float32))
    return Filtered(balanced, True, f"light of about {facts['light_k']:.0f} K balanced to daylight ({method})", facts)


def scene_light(pixels: RGB, *, max_distance_uv: float = 0.03) -> tuple[float, float, float] | None:
    """Return the colour of a frame's light in linear red, green, blue (mean 1), for `white_balance` of its crops.

    Estimated as "von-kries" does, on `reduced_scene`; None where there is no estimate, or where it is the colour of no
    lamp and of no daylight.
    """
    light = _estimate(reduced_scene(pixels), _NORM)
    if light is None or _nearest_lamp(light)[0] > max_distance_uv:
        return None
    red, green, blue = (round(float(value), 6) for value in light / light.mean())
    return red, green, blue


def reduced_scene(pixels: RGB) -> RGB:
    """Return a frame reduced by a whole number to at most 256 px, area by area; a smaller one as it is."""
    shrink = max(1, math.ceil(max(pixels.shape[:2]) / _LIGHT_PX))
    small = pixels[: pixels.shape[0] // shrink * shrink, : pixels.shape[1] // shrink * shrink]
    size = (small.shape[1] // shrink, small.shape[0] // shrink)
    if shrink == 1 or min(size) == 0:
        return pixels
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)


def _given_light(light_k: float | None, light_rgb: tuple[float, float, float] | None) -> Triple | None:
    if light_rgb is None:
        return None if light_k is None else _light_of_k(light_k)
    if min(light_rgb) <= 0:
        raise ValueError("white_balance needs a light_rgb of three values above 0")
    return np.asarray(light_rgb, dtype=np.float64)


def _estimate(pixels: RGB, norm: float) -> Triple | None:
    """Return the norm of each channel's linear light over the usable pixels, counted by their 256 levels."""
    peak = pixels.max(axis=2)
    usable = (peak > 4) & (peak < 252)
    if usable.mean() < _MINIMUM_SHARE:
        return None
    counts = np.stack([np.bincount(channel, minlength=256) for channel in pixels[usable].T])
    light = (counts @ _powers(norm) / usable.sum()) ** (1 / norm)
    return np.asarray(np.maximum(light, 1e-3 * light.max()), dtype=np.float64)


def _matrix(light: Triple, method: Method, strength: float) -> npt.NDArray[np.float64]:
    brightness = float(_TO_XYZ[1] @ light)
    if method == "grey-world":
        return np.asarray(np.diag((brightness / light) ** strength), dtype=np.float64)
    seen = np.maximum(_RGB_TO_CONES @ light, 1e-4)
    wanted = _RGB_TO_CONES @ np.full(3, brightness)
    adapted = np.diag((wanted / seen) ** strength)
    return np.asarray(np.linalg.inv(_RGB_TO_CONES) @ adapted @ _RGB_TO_CONES, dtype=np.float64)


def _uv(light: Triple) -> Triple:
    x, y, z = _TO_XYZ @ light
    return np.asarray(np.array([4 * x, 6 * y]) / (x + 15 * y + 3 * z), dtype=np.float64)


def _lamp_uv(kelvin: Triple) -> Triple:
    """Return CIE 1960 u, v of a black body, (..., 2); Krystek's rational fit, 1000 K to 15000 K, smooth beyond."""
    k = kelvin
    u = (0.860117757 + 1.54118254e-4 * k + 1.28641212e-7 * k**2) / (1 + 8.42420235e-4 * k + 7.08145163e-7 * k**2)
    v = (0.317398726 + 4.22806245e-5 * k + 4.20481691e-8 * k**2) / (1 - 2.89741816e-5 * k + 1.61456053e-7 * k**2)
    return np.stack([u, v], axis=-1)


@lru_cache(maxsize=8)
def _powers(norm: float) -> Triple:
    """Return the linear light of each level, to the power of `norm`."""
    return np.asarray(to_linear(np.arange(256, dtype=np.uint8)).astype(np.float64) ** norm)


@lru_cache(maxsize=1)
def _lamps() -> tuple[Triple, Triple]:
    """Return the temperatures of black bodies, K, and their colours."""
    kelvin = 1 / np.linspace(1 / _HOTTEST_K, 1 / _COOLEST_K, 400)
    return kelvin, _lamp_uv(kelvin)


def _nearest_lamp(light: Triple) -> tuple[float, float]:
    kelvin, colours = _lamps()
    distances = np.linalg.norm(colours - _uv(light), axis=1)
    best = int(distances.argmin())
    return float(distances[best]), float(kelvin[best])


def _light_of_k(kelvin: float) -> Triple:
    u, v = _lamp_uv(np.array(kelvin))
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    light = np.linalg.inv(_TO_XYZ) @ (np.array([x, y, 1 - x - y]) / y)
    return np.asarray(np.maximum(light, 1e-3), dtype=np.float64)
