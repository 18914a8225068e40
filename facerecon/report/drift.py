"""Identity drift: how far a restoration moved the face vector (R17). Owns that one distance."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from facerecon.records import EmbeddingRecord


def drift_of(track: str, embeddings: Iterable[EmbeddingRecord]) -> float | None:
    """Return the distance between a track's original and restored vector, None unless both show the same frame."""
    found = {vector.variant: vector for vector in embeddings if vector.track == track}
    original, restored = found.get("original"), found.get("restored")
    if original is None or restored is None:
        return None
    if (original.model, original.frames) != (restored.model, restored.frames):
        return None
    return float(np.linalg.norm(np.subtract(original.vector, restored.vector)))
