"""Optics and sampling: blur kernels, moving the picture, and the reduction to the sensor's pixels.

Kernels are centred, sum to 1, and repeat the picture's border. Never adds noise and knows no colour.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.degradation.light import Floats

Affine = npt.NDArray[np.float64]
Kernel = npt.NDArray[np.float64]
_FINE = 8


def gaussian_blur(picture: Floats, sigma_px: float) -> Floats:
    """Blur as lens and pixel aperture together do, near enough: a Gaussian of `sigma_px`, cut at 4 sigma."""
    if sigma_px <= 0:
        return picture
    side = 2 * math.ceil(4 * sigma_px) + 1
    blurred = cv2.GaussianBlur(picture, (side, side), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)


def convolve(picture: Floats, kernel: Kernel) -> Floats:
    """Convolve every channel with a kernel."""
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])
    return np.asarray(cv2.filter2D(picture, -1, flipped, borderType=cv2.BORDER_REPLICATE), np.float32)


def disc_kernel(radius_px: float) -> Kernel:
    """Return the uniform disc of confusion of geometric optics (Pentland, IEEE TPAMI 9(4), 1987).

    Edge pixels count by the share of them that lies inside (8 x 8 points each); a radius below all of them is a point.
    """
    reach = math.ceil(radius_px)
    points = _fine_points(reach)
    inside = (points[:, None] ** 2 + points[None, :] ** 2 <= radius_px**2).astype(np.float64)
    if not inside.any():
        return np.ones((1, 1))
    return _summed(inside, 2 * reach + 1)


def motion_kernel(length_px: float, angle_deg: float) -> Kernel:
    """Return the kernel of a uniform linear motion during the exposure: a line segment of the given length.

    Angles run counter-clockwise from the image's right, as seen (y points down in pixels). The line is spread over
    neighbouring pixels bilinearly, so no angle is favoured (Banham and Katsaggelos, IEEE Signal Processing
    Magazine 14(2), 1997).
    """
    reach = math.ceil(length_px / 2) + 1
    count = 2 * math.ceil(length_px * _FINE)
    steps = ((np.arange(count) + 0.5) / count - 0.5) * length_px
    x = steps * math.cos(math.radians(angle_deg)) + reach
    y = -steps * math.sin(math.radians(angle_deg)) + reach
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - left, y - top
    for dx, dy, share in ((0, 0, (1 - fx) * (1 - fy)), (1, 0, fx * (1 - fy)), (0, 1, (1 - fx) * fy), (1, 1, fx * fy)):
        np.add.at(kernel, (np.minimum(top + dy, 2 * reach), np.minimum(left + dx, 2 * reach)), share)
    return np.asarray(kernel / kernel.sum())


def _fine_points(reach: int) -> npt.NDArray[np.float64]:
    count = (2 * reach + 1) * _FINE
    return (np.arange(count) + 0.5) / _FINE - reach - 0.5


def _summed(fine: npt.NDArray[np.float64], side: int) -> Kernel:
    kernel = fine.reshape(side, _FINE, side, _FINE).sum(axis=(1, 3))
    return np.asarray(kernel / kernel.sum())


def moved(picture: Floats, matrix: Affine) -> Floats:
    """Return the picture in which `matrix` (2x3, pixel centres at integers) puts each point of `picture`; bicubic."""
    height, width = picture.shape[:2]
    warped = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # Bicubic weights are partly negative; light is not.
    return np.maximum(warped, 0).astype(np.float32)


def interlaced(first: Floats, second: Floats) -> Floats:
    """Return two fields woven into one picture, as a recorder stores them: even lines of the first, odd of the second.

    What moved between the fields (1/50 s or 1/60 s apart) has a comb along its upright edges. De Haan and Bellers,
    "Deinterlacing: an overview", Proc. IEEE 86(9), 1998.
    """
    woven = first.copy()
    woven[1::2] = second[1::2]
    return woven


def reduced(picture: Floats, width_px: int, height_px: int) -> Floats:
    """Return the picture on the sensor's pixels: each gets the mean light of the area it covers."""
    if picture.shape[:2] == (height_px, width_px):
        return picture
    return np.asarray(cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA), np.float32)


def reduction(from_size: tuple[int, int], to_size: tuple[int, int]) -> Affine:
    """Return the 2x3 transform of pixel centres from one (width, height) to another, both showing the same scene."""
    (w0, h0), (w1, h1) = from_size, to_size
    sx, sy = w1 / w0, h1 / h0
    return np.array([[sx, 0.0, (sx - 1) / 2], [0.0, sy, (sy - 1) / 2]])


def rigid(angle_deg: float, dx_px: float, dy_px: float, centre: tuple[float, float]) -> Affine:
    """Return the 2x3 rotation about `centre` (counter-clockwise as seen) followed by a shift."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    cx, cy = centre
    return np.array([[c, s, cx - c * cx - s * cy + dx_px], [-s, c, cy + s * cx - c * cy + dy_px]])


def then(first: Affine, second: Affine) -> Affine:
    """Return the 2x3 transform that applies `first` and then `second`."""
    matrix = np.empty((2, 3))
    matrix[:, :2] = second[:, :2] @ first[:, :2]
    matrix[:, 2] = second[:, :2] @ first[:, 2] + second[:, 2]
    return matrix
