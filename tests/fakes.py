"""Stand-ins for the engines: exact, fast, no torch. A face is a square of one colour with a dark frame around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from facerecon.hashing import sha256_bytes
from facerecon.profiles import Profile, Sample
from facerecon.records import (
    RGB,
    CaseInfo,
    Detection,
    Embedding,
    FaceView,
    Frame,
    Metric,
    ModelStamp,
    Skipped,
    SourceRecord,
    Timestamp,
)
from facerecon.stages import Restoration, RestorationFailure, RestorationOutcome
from facerecon.video import Source

SKIN = (200, 150, 120)
OTHER = (120, 150, 200)
PAINT = (10, 250, 10)


def stamp(model_id: str, role: str) -> ModelStamp:
    return ModelStamp(
        id=model_id,
        role=role,
        architecture="fake",
        provider="packaged",
        source="tests",
        source_sha256="0" * 64,
        weights_sha256="1" * 64,
        licence="none",
        training_data="none",
        reference="tests/fakes.py",
        device="cpu",
        precision="fp32",
    )


def picture(
    width: int = 160,
    height: int = 120,
    faces: Sequence[tuple[int, int, int]] = (),
    colours: Sequence[tuple[int, int, int]] = (),
    background: int = 30,
) -> RGB:
    """Draw a frame; faces are (x, y, size) of their top-left corner."""
    canvas = np.full((height, width, 3), background, np.uint8)
    for number, (x, y, size) in enumerate(faces):
        colour = colours[number] if number < len(colours) else SKIN
        cv2.rectangle(canvas, (x, y), (x + size - 1, y + size - 1), colour, -1)
        for ex in (0.3, 0.7):
            cv2.circle(canvas, (round(x + ex * size), round(y + 0.4 * size)), max(1, size // 12), (20, 20, 20), -1)
    return canvas


class FakeDetector:
    """Finds bright squares."""

    def __init__(self, score: float = 0.95) -> None:
        self.score = score
        self.calls = 0
        self.stamp = stamp("fake-detector", "detection")

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        self.calls += 1
        return [self._faces(image) for image in images]

    def _faces(self, image: RGB) -> tuple[Detection, ...]:
        mask = (image.max(axis=2) > 100).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes = [stats[i, :4] for i in range(1, count) if stats[i, 2] >= 8 and stats[i, 3] >= 8]
        return tuple(self._face(*(float(v) for v in box)) for box in boxes)

    def _face(self, x: float, y: float, w: float, h: float) -> Detection:
        points = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
        a, b, c, d, e = ((x + px * w, y + py * h) for px, py in points)
        return Detection(box=(x, y, x + w - 1, y + h - 1), score=self.score, landmarks=(a, b, c, d, e))


class FakeRestorer:
    """Repeats pixels, of a face or a whole picture; fails on request."""

    def __init__(self, model_id: str = "restorer-unet", scale: int = 4, fail: bool = False) -> None:
        self.scale, self.fail = scale, fail
        self.stamp = stamp(model_id, "super-resolution")

    companions = ()

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        return self.enlarge([face.pixels for face in faces])

    def enlarge(self, pictures: Sequence[RGB]) -> list[RestorationOutcome]:
        if self.fail:
            return [RestorationFailure("tile 0,0 is not finite, also in fp32") for _ in pictures]
        return [Restoration(each.repeat(self.scale, 0).repeat(self.scale, 1), "fp32", "1 tile") for each in pictures]

    def restore_onto(self, canvas: RGB, faces: Sequence[FaceView], scale: int) -> tuple[RGB, list[RestorationOutcome]]:
        """Paint `PAINT` between the outermost landmarks of each face."""
        outcomes = self.restore(faces)
        result = canvas.copy()
        for face in faces if not self.fail else ():
            (x0, y0), (x1, y1) = (np.round(f(face.landmarks, axis=0) * scale).astype(int) for f in (np.min, np.max))
            result[y0:y1, x0:x1] = PAINT
        return result, outcomes


class FakeRecognizer:
    """The mean colour around the nose is the identity."""

    metric: Metric = "euclidean"

    def __init__(self, threshold: float | None = 0.4, treatment: str = "fake") -> None:
        self.stamp = stamp("dlib-resnet", "recognition")
        self.threshold, self.treatment = threshold, treatment

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        return [Embedding("dlib-resnet", self._vector(face), self.metric) for face in faces]

    @staticmethod
    def _vector(face: FaceView) -> np.ndarray:
        x, y = (round(v) for v in face.landmarks[2])
        patch = face.pixels[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].reshape(-1, 3)
        return (patch.mean(axis=0) / 255).astype(np.float32)


class FakeSource(Source):
    """Frames from a list; `changes` makes it differ when it is hashed again; None stands for an undecodable frame."""

    def __init__(
        self,
        pictures: Sequence[RGB | None],
        *,
        clock: str = "stream",
        changes: bool = False,
        interrupt_at: int | None = None,
        preparation: tuple[str, ...] = (),
    ) -> None:
        self.preparation = preparation
        digest = sha256_bytes(b"".join(p.tobytes() if p is not None else b"?" for p in pictures))
        self.record = SourceRecord(
            path="/evidence/clip.mp4",
            name="clip.mp4",
            sha256=digest,
            size_bytes=1,
            kind="video" if clock == "stream" else "folder",
            clock=clock,
        )  # type: ignore[arg-type]
        self.probe = {"format": "fake"}
        self.frame_count_from_header = len(pictures)
        self._pictures, self._changes, self._interrupt_at = pictures, changes, interrupt_at

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        step = int(sample.value or 1) if sample.mode == "every" else 1
        for index, pixels in enumerate(self._pictures):
            if index == self._interrupt_at:
                raise KeyboardInterrupt
            if pixels is None:
                yield Skipped(
                    stage="extract", kind="frame", subject=f"f{index:06d}", reason="undecodable", outcome="failed"
                )
            elif index % step:
                yield Skipped(stage="extract", kind="frame", subject=f"f{index:06d}", reason="not-sampled")
            else:
                time_base = (1, 10) if self.record.clock == "stream" else (1, 1)
                yield Frame(index, Timestamp(pts=index, time_base=time_base), pixels, index == 0)

    def _digest(self) -> str:
        return "f" * 64 if self._changes else self.record.sha256


def case_info(profile: Profile, **changes: Any) -> CaseInfo:
    """Return what a case is about: a source that is named only, and this profile."""
    source = SourceRecord(
        path="/e/clip.mp4", name="clip.mp4", sha256="a" * 64, size_bytes=3, kind="video", clock="stream"
    )
    facts = {
        "case_id": "C1",
        "operator": "O",
        "purpose": "P",
        "created_utc": "2026-01-01T00:00:00Z",
        "tool_version": "0",
        "source": source,
        "profile_name": profile.name,
        "profile_sha256": profile.digest,
    }
    return CaseInfo.model_validate({**facts, **changes})
