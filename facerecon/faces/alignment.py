"""Similarity alignment of faces by five landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.records import RGB, Landmarks5

Affine = npt.NDArray[np.float64]

# Mean landmark positions of the FFHQ alignment on a 512x512 picture, as GFPGAN and facexlib use them.
FFHQ_512: Landmarks5 = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)


def similarity_transform(source: Landmarks5, target: Landmarks5) -> Affine:
    """Return the 2x3 similarity (rotation, uniform scale, shift) that best maps source onto target points.

    Least squares after Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    IEEE TPAMI 13(4), 1991; without reflection.

    Raises:
        ValueError: the source points coincide.
    """
    a, b = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    centred_a, centred_b = a - mean_a, b - mean_b
    variance = float((centred_a**2).sum())
    if variance <= 0:
        raise ValueError("landmarks coincide; no alignment")
    # In the plane a turn and a scale are one complex factor, and least squares give it without a decomposition.
    cosine = float((centred_a * centred_b).sum()) / variance
    sine = float((centred_a[:, 0] * centred_b[:, 1] - centred_a[:, 1] * centred_b[:, 0]).sum()) / variance
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    matrix[:, 2] = mean_b - matrix[:, :2] @ mean_a
    return matrix


def scaled_template(size_px: int) -> Landmarks5:
    """Return the FFHQ template for a square picture of `size_px` (pixel centres at integers)."""
    factor = size_px / 512
    a, b, c, d, e = (((x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5) for x, y in FFHQ_512)
    return (a, b, c, d, e)


def warp(pixels: RGB, matrix: Affine, size_px: int) -> RGB:
    """Resample a picture into a square chip: Lanczos (8x8), reflected at the borders."""
    warped = cv2.warpAffine(
        pixels, matrix, (size_px, size_px), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, dtype=np.uint8)
