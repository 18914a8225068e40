"""Pictures for the filter tests, how they are spoilt, and how far a result is from the truth."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image
from skimage import data

from facerecon.filters.light import to_levels, to_linear

Pixels = np.ndarray


def portrait(side_px: int = 128) -> Pixels:
    return reduced(data.astronaut()[10:266, 100:356], side_px / 256)


def camera() -> Pixels:
    return np.repeat(data.camera()[:, :, np.newaxis], 3, axis=2)


def reduced(pixels: Pixels, factor: float) -> Pixels:
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def rounded(values: Pixels) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def noisy(pixels: Pixels, sigma_levels: float, seed: int = 1) -> Pixels:
    return rounded(pixels + np.random.default_rng(seed).normal(0, sigma_levels, pixels.shape))


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def lit(pixels: Pixels, *gains: float) -> Pixels:
    """Multiply the linear light, by one gain or by three."""
    return to_levels((to_linear(pixels) * np.array(gains)).astype(np.float32))


def smeared(pixels: Pixels, kernel: Pixels, sigma_levels: float = 1.0) -> Pixels:
    """Blur linear light, then add sensor noise."""
    blurred = cv2.filter2D(to_linear(pixels), -1, kernel, borderType=cv2.BORDER_REFLECT)
    return noisy(to_levels(blurred), sigma_levels)


def psnr_db(one: Pixels, other: Pixels) -> float:
    error = float(((one.astype(float) - other) ** 2).mean())
    return 10 * np.log10(255**2 / error) if error else np.inf


def matched(pixels: Pixels, truth: Pixels) -> Pixels:
    """Give a picture the exposure of another: the one gain of linear light that fits best."""
    light, wanted = to_linear(pixels).ravel(), to_linear(truth).ravel()
    return lit(pixels, float(light @ wanted) / float(light @ light))
