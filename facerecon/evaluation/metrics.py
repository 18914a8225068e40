"""What is compared of a face, identity, and the interval of a mean. The metrics of pictures are in `fidelity`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facerecon.degradation import face_width_px
from facerecon.records import RGB, Embedding, Landmarks5

Region = tuple[int, int, int, int]
Interval = tuple[float, float]
REGION_FACE_WIDTHS = 1.2
MIN_REGION_PX = 16
_CHUNK = 1_000_000


def face_region(pixels: RGB, landmarks: Landmarks5) -> Region:
    """Return what is compared of a picture: (x0, y0, x1, y1), a square of 1.2 face widths, clipped to the picture.

    It is centred half way between the eyes' and the mouth's middle, and holds brow, chin and cheeks but little
    background. Face width is that of the degradation model.

    Raises:
        ValueError: less than 16 x 16 px of it lie inside the picture.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    x, y = (points[:2].mean(axis=0) + points[3:].mean(axis=0)) / 2
    half = face_width_px(pixels, landmarks) * REGION_FACE_WIDTHS / 2
    height, width = pixels.shape[:2]
    x0, x1 = (int(np.clip(round(x + side * half), 0, width)) for side in (-1, 1))
    y0, y1 = (int(np.clip(round(y + side * half), 0, height)) for side in (-1, 1))
    if min(x1 - x0, y1 - y0) < MIN_REGION_PX:
        raise ValueError(f"only {max(x1 - x0, 0)}x{max(y1 - y0, 0)} px of the face lie inside the picture")
    return x0, y0, x1, y1


def cosine(one: Embedding, other: Embedding) -> float:
    """Return the cosine similarity of two embeddings, -1..1.

    Raises:
        ValueError: they come from different models, or one is zero.
    """
    if one.model != other.model:
        raise ValueError(f"embeddings of {one.model} and {other.model} cannot be compared")
    a, b = one.vector.astype(np.float64), other.vector.astype(np.float64)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not length:
        raise ValueError("an embedding is zero; it has no direction")
    return float(np.clip(a @ b / length, -1, 1))


def interval_of_mean(
    values: Sequence[float], *, seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> Interval | None:
    """Return the bootstrap percentile interval of a mean (Efron and Tibshirani, CRC Press, 1993).

    For the difference of two methods hand in the differences picture by picture: the interval is then a paired one.

    Args:
        values: one value per picture.
        seed: of the resampling; equal input and seed give equal intervals.
        resamples: how many.
        level: the coverage, 0..1.

    Returns:
        Lower and upper end, or None for fewer than two values, which tell nothing of their spread.
    """
    if len(values) < 2:
        return None
    data, rng = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(data))
    means = [
        data[rng.integers(len(data), size=(min(rows, resamples - start), len(data)))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
