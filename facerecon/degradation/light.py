"""Light and sensor: linear light and back, colour of the light, exposure, shot noise, read noise.

Pictures are float32, shape (height, width, 3), 0..1: as sRGB code values, or as linear light where 1.0 is white and a
full well. Never touches geometry.
"""

from __future__ import annotations

import functools
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.records import RGB

Floats = npt.NDArray[np.float32]
CAMERA_KELVIN: Final = 6500.0
# Linear sRGB from CIE XYZ (IEC 61966-2-1:1999).
_SRGB_OF_XYZ = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], dtype=np.float64
)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
# The Planckian locus in CIE x, y (see `_planckian_rgb`): x of 1 / kelvin, y of x.
_X_WARM = (-0.2661239e9, -0.2343589e6, 0.8776956e3, 0.179910)
_X_COLD = (-3.0258469e9, 2.1070379e6, 0.2226347e3, 0.240390)
_Y_WARMEST = (-1.1063814, -1.34811020, 2.18555832, -0.20219683)
_Y_WARM = (-0.9549476, -1.37418593, 2.09137015, -0.16748867)
_Y_COLD = (3.0817580, -5.87338670, 3.75112997, -0.37001483)


def scene_of(pixels: RGB, linear: bool) -> Floats:
    """Return a picture of levels as code values 0..1, or as linear light; each level is worked out once."""
    return np.asarray(cv2.LUT(np.ascontiguousarray(pixels), _tables()[linear]), np.float32)


@functools.cache
def _tables() -> tuple[Floats, Floats]:
    coded = (np.arange(256) / np.float32(255)).astype(np.float32)
    return coded, linear_of(coded)


def linear_of(coded: Floats) -> Floats:
    """Return linear light 0..1 of sRGB code values 0..1 (IEC 61966-2-1:1999); light adds only here."""
    curve = np.where(coded <= 0.04045, coded / 12.92, ((np.maximum(coded, 0) + 0.055) / 1.055) ** 2.4)
    return curve.astype(np.float32)


def coded_of(linear: Floats) -> Floats:
    """Return the sRGB code values 0..1 of linear light, clipped to 0..1 first: a full well takes no more."""
    light = np.clip(linear, 0, 1)
    curve = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return curve.astype(np.float32)


def quantised(levels: npt.NDArray[np.floating]) -> RGB:
    """Return levels as uint8, rounded half up and clipped to 0..255."""
    return np.asarray(np.clip(np.floor(levels + 0.5), 0, 255), dtype=np.uint8)


def light_gains(kelvin: float) -> npt.NDArray[np.float64]:
    """Return the gains (red, green, blue) that a light puts on a camera which is set to 6500 K.

    A von Kries diagonal model in linear sRGB, von Kries, "Die Gesichtsempfindungen", 1905: the gains are the light's
    own colour on the Planckian locus, relative to that at 6500 K, at equal luminance. At 6500 K they are 1.

    Args:
        kelvin: 2000 (sodium, candle) to 25000 (blue sky).
    """
    gains = _planckian_rgb(kelvin) / _planckian_rgb(CAMERA_KELVIN)
    result: npt.NDArray[np.float64] = gains / (gains @ _LUMINANCE)
    return result


def _planckian_rgb(kelvin: float) -> npt.NDArray[np.float64]:
    """Linear sRGB of a black body (cubic fit of Kang et al., J. Korean Phys. Soc. 41(6), 2002; 1667..25000 K)."""
    x = np.polyval(_X_WARM if kelvin <= 4000 else _X_COLD, 1 / kelvin)
    y = np.polyval(_Y_WARMEST if kelvin <= 2222 else _Y_WARM if kelvin <= 4000 else _Y_COLD, x)
    return np.asarray(_SRGB_OF_XYZ @ np.array([x / y, 1.0, (1 - x - y) / y]))


def flicker(rows: int, amplitude: float, bands: float, phase: float) -> Floats:
    """Return the factor of linear light of each row under a flickering lamp, shape (rows, 1, 1); the mean light is 1.

    A rolling shutter exposes row after row while a lamp on the mains flickers at twice the mains frequency, so that
    rows get a sinusoid of light: bright and dark bands. `bands` is that frequency times the readout time of the
    picture's height (100 Hz x 20 ms: 2 bands); the exposure's own averaging lowers `amplitude` and leaves a sinusoid.
    Poplin, IEEE Trans. Consumer Electronics 52(2), 2006; Sheinin, Schechner and Kutulakos, "Rolling shutter imaging
    on the electric grid", IEEE ICCP 2018.

    Args:
        rows: the picture's height.
        amplitude: 0..1, of the mean light.
        bands: periods over the picture's height.
        phase: of the first row's upper edge, in periods, 0..1.
    """
    periods = bands * (np.arange(rows) + 0.5) / rows + phase
    return (1 + amplitude * np.sin(2 * np.pi * periods)).astype(np.float32)[:, None, None]


def with_shot_noise(linear: Floats, full_well: float, rng: np.random.Generator) -> Floats:
    """Return what is counted where `linear` x `full_well` photo-electrons are expected: Poisson, variance = mean.

    Janesick, "Photon Transfer", SPIE Press, 2007, ch. 3. Darkness is noisy because few photons arrive.
    """
    electrons = rng.poisson(np.maximum(linear, 0).astype(np.float64) * full_well)
    return np.asarray(electrons / full_well, dtype=np.float32)
