"""Comparing vectors: one pair at a time, and one against many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.records import Embedding, Metric, similarities, unit_length

METRICS: tuple[Metric, ...] = ("euclidean", "cosine")


def vectors(count: int, dimensions: int = 128, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (count, dimensions)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("count", "dimensions"), [(0, 8), (1, 1), (7, 128), (9000, 128), (50, 512)])
def test_search_gives_each_pair_s_similarity(metric: Metric, count: int, dimensions: int) -> None:
    """More than two blocks, one row, none; with the probe itself and near copies of it among the rows."""
    rows = vectors(count, dimensions)
    probe = Embedding("m", vectors(1, dimensions, seed=1)[0], metric)
    for place, noise in enumerate((0, 1e-7, 1e-5, 1e-3, 1e-2)):
        rows[place : place + 1] = probe.vector + noise * vectors(1, dimensions, seed=2)
    found = similarities(probe, rows, metric)
    assert (found.shape, found.dtype) == ((count,), np.float32)
    chosen = range(0, count, 1 + count // 300)
    expected = [probe.similarity(Embedding("m", rows[index], metric)) for index in chosen]
    np.testing.assert_allclose(found[list(chosen)], expected, atol=1e-5)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_search_is_exact_at_any_length_of_the_vectors(scale: float) -> None:
    rows, probe = scale * vectors(500), Embedding("m", scale * vectors(1, seed=1)[0])
    expected = [probe.similarity(Embedding("m", row)) for row in rows]
    np.testing.assert_allclose(similarities(probe, rows, "euclidean"), expected, atol=1e-5 * max(1, scale))


def test_search_repeats_and_reads_a_memory_map(tmp_path: Path) -> None:
    rows, probe = vectors(10_000), Embedding("m", vectors(1, seed=1)[0])
    np.save(tmp_path / "rows.npy", rows)
    found = similarities(probe, np.load(tmp_path / "rows.npy", mmap_mode="r"), "euclidean")
    assert np.array_equal(found, similarities(probe, rows, "euclidean"))


def test_search_refuses_what_does_not_fit() -> None:
    probe = Embedding("m", vectors(1)[0])
    for matrix in (vectors(3, 64), vectors(3).astype(np.float64), vectors(3)[0]):
        with pytest.raises(ValueError, match="float32 rows of 128"):
            similarities(probe, matrix, "euclidean")
    with pytest.raises(ValueError, match="compares by euclidean"):
        similarities(probe, vectors(3), "cosine")
    with pytest.raises(ValueError, match="zero"):
        similarities(Embedding("m", vectors(1)[0], "cosine"), np.zeros((2, 128), np.float32), "cosine")


def test_cosine_ignores_length_and_euclidean_does_not() -> None:
    a, b = vectors(2)
    cosine = Embedding("m", a, "cosine").similarity(Embedding("m", b, "cosine"))
    assert Embedding("m", 3 * a, "cosine").similarity(Embedding("m", b, "cosine")) == pytest.approx(cosine, abs=1e-7)
    assert Embedding("m", a, "cosine").similarity(Embedding("m", -a, "cosine")) == pytest.approx(-1)
    distance = np.linalg.norm(unit_length(a) - unit_length(b))
    assert 1 - distance**2 / 2 == pytest.approx(cosine, abs=1e-6)
    assert Embedding("m", 3 * a).similarity(Embedding("m", a)) == pytest.approx(1 - 2 * np.linalg.norm(a), abs=1e-6)


def test_vectors_of_other_metrics_are_refused_and_zero_has_no_direction() -> None:
    a = vectors(1)[0]
    with pytest.raises(ValueError, match="cannot be compared"):
        Embedding("m", a).similarity(Embedding("m", a, "cosine"))
    with pytest.raises(ValueError, match="no direction"):
        Embedding("m", 0 * a, "cosine")
    with pytest.raises(ValueError, match="no direction"):
        unit_length(0 * a)
