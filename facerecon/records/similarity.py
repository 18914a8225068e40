"""One vector against many: the similarities of an exact search. Owns their arithmetic, keeps no gallery."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from facerecon.records.arrays import Embedding, Metric, Vector

Matrix = npt.NDArray[np.float32]
# Two megabytes of 128-D rows: what a processor's cache holds while their lengths and products are taken.
_ROWS = 4096
_MOST_THREADS = 8


def similarities(probe: Embedding, matrix: Matrix, metric: Metric) -> Vector:
    """Return the similarity of `probe` to each row, float32 (N,): within 1e-5 of `Embedding.similarity`.

    Needs a few megabytes beside the answer, however long the matrix is (it may be a memory map).

    Args:
        probe: the vector that is looked for.
        matrix: float32 (N, dimensions), vectors of the probe's model, one per row.
        metric: how that model's vectors compare.

    Raises:
        ValueError: shape, type or metric is not the probe's, or a vector has no direction.
    """
    if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape[1] != len(probe.vector):
        raise ValueError(f"needs float32 rows of {len(probe.vector)} numbers, not {matrix.dtype} {matrix.shape}")
    if metric != probe.metric:
        raise ValueError(f"{probe.model} compares by {probe.metric}, not {metric}")
    compare = _cosines if metric == "cosine" else _one_minus_distances
    found = np.empty(len(matrix), np.float32)

    def fill(start: int) -> None:
        found[start : start + _ROWS] = compare(probe.vector, np.asarray(matrix[start : start + _ROWS]))

    # By einsum, which runs beside others; a BLAS product starts threads of its own, and they take turns with these.
    # Every block is computed alike, whichever thread takes it.
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, range(0, len(matrix), _ROWS)):
            pass
    return found


def _one_minus_distances(probe: Vector, rows: Matrix) -> Vector:
    # Not by the product of both, quick as that is: of two close vectors it leaves rounding errors only.
    return np.asarray(1 - np.sqrt(_squared_lengths(rows - probe)), dtype=np.float32)


def _cosines(probe: Vector, rows: Matrix) -> Vector:
    lengths = np.sqrt(_squared_lengths(rows) * (probe @ probe))
    if not lengths.all():
        raise ValueError("a vector of the matrix is zero; it has no direction")
    return np.asarray(np.clip(np.einsum("ij,j->i", rows, probe) / lengths, -1, 1), dtype=np.float32)


def _squared_lengths(rows: Matrix) -> Vector:
    return np.asarray(np.einsum("ij,ij->i", rows, rows), dtype=np.float32)
