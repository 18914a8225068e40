"""A gallery picture's face as it is kept and compared: original pixels and where they lay. Reads no file itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.records import RGB, Detection, Embedding, GalleryRecord, shift_landmarks


@dataclass(frozen=True, eq=False)
class KeptCrop:
    """A face as a gallery keeps it: original pixels, and where their top-left pixel lay in the picture."""

    pixels: RGB
    origin: tuple[int, int]

    def local(self, detection: Detection) -> Detection:
        """Return a detection of the whole picture in the crop's pixels."""
        (x, y), (x0, y0, x1, y1) = self.origin, detection.box
        landmarks = shift_landmarks(detection.landmarks, -x, -y)
        return Detection(box=(x0 - x, y0 - y, x1 - x, y1 - y), score=detection.score, landmarks=landmarks)


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A gallery picture that a comparison may use; `crop` reads its pixels when they are wanted."""

    record: GalleryRecord
    embedding: Embedding
    crop: Callable[[], KeptCrop]


def entry_id(sha256: str, detection: Detection) -> str:
    """Return the id of a face in a file: 16 hex digits, equal whenever file and face are."""
    return sha256_bytes(canonical_json([sha256, list(detection.box)]))[:16]
