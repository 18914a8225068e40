"""Two networks of one vector space: the one for sharp faces, and its student for faces that are too small for it.

Owns which of them is asked, by the distance between the eyes alone: nothing that a score could be steered by. It is
that of the recorded pixels: a small face that was enlarged, fused or restored is still one of few pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facerecon.engines.embedders import Embedder
from facerecon.errors import ResourceError
from facerecon.records import Embedding, FaceView, Metric, ModelStamp
from facerecon.weights import Entry


class AdaptiveEmbedder:
    """A `Recognizer`: a small face's vector by the student, a large one's by the base, between them a weighted mean."""

    def __init__(self, item: Entry, base_item: Entry, student: Embedder, base: Embedder) -> None:
        """Take both; `item` says from which eye distances on the base is asked, and alone.

        Raises:
            ResourceError: the registry does not say it.
        """
        rule = item.capabilities.teacher
        if rule is None:
            raise ResourceError(f"the registry's entry {item.id} names no teacher")
        self._rule, self._student, self._base = rule, student, base
        source = f"{student.stamp.source}; from {rule.mixed_from_px:g} px between the eyes with {base_item.id}"
        digest = f"weights SHA-256 {base.stamp.weights_sha256}"
        self._stamp = student.stamp.model_copy(update={"source": f"{source} ({digest})"})

    @property
    def stamp(self) -> ModelStamp:
        """Which models run, and how: the student's stamp, whose source names the base."""
        return self._stamp

    @property
    def metric(self) -> Metric:
        """How the vectors compare."""
        return self._student.metric

    @property
    def threshold(self) -> float | None:
        """The similarity of the published operating point."""
        return self._student.threshold

    @property
    def treatment(self) -> str:
        """What besides the weights makes the vector."""
        rule = self._rule
        return (
            f"{self._student.treatment}; {rule.id} from {rule.alone_from_px:g} px between the eyes, "
            f"mixed from {rule.mixed_from_px:g} px"
        )

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        """Return one embedding per face, in order.

        Raises:
            RestorationError: a face's landmarks coincide.
            ResourceError: out of memory.
        """
        shares = [self.base_share(face) for face in faces]
        small = iter(self._student.embed([face for face, share in zip(faces, shares, strict=True) if share < 1]))
        large = iter(self._base.embed([face for face, share in zip(faces, shares, strict=True) if share > 0]))
        return [
            self._mixed(next(small) if share < 1 else None, next(large) if share > 0 else None, share)
            for share in shares
        ]

    def base_share(self, face: FaceView) -> float:
        """Return the base's weight, 0..1, rising in proportion to the recorded distance between the eyes."""
        eyes = face.recorded_inter_eye_px
        span = self._rule.alone_from_px - self._rule.mixed_from_px
        return float(np.clip((eyes - self._rule.mixed_from_px) / span, 0, 1))

    def _mixed(self, small: Embedding | None, large: Embedding | None, share: float) -> Embedding:
        parts = [(each.vector, weight) for each, weight in ((small, 1 - share), (large, share)) if each is not None]
        vector = sum(np.float32(weight) * vector for vector, weight in parts)
        return Embedding(self._stamp.id, np.asarray(vector, np.float32), self.metric)
