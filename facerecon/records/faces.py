"""What was found: detections, their quality, tracks, best shots."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from facerecon.records.evidence import Record, Sha256, Timestamp

Point = tuple[float, float]
Landmarks5 = tuple[Point, Point, Point, Point, Point]
Box = tuple[float, float, float, float]


class Detection(Record):
    """A face that a detector found.

    `box` is (x0, y0, x1, y1) and `landmarks` are (x, y) of image-left eye, image-right eye, nose tip, image-left mouth
    corner, image-right mouth corner; all in frame pixels, pixel centres at integers. `score` is in 0..1.
    """

    box: Box
    score: Annotated[float, Field(ge=0, le=1)]
    landmarks: Landmarks5

    @model_validator(mode="after")
    def _box_has_area(self) -> Detection:
        x0, y0, x1, y1 = self.box
        if x1 <= x0 or y1 <= y0:
            raise ValueError(f"box {self.box} has no area")
        return self

    @property
    def inter_eye_px(self) -> float:
        """Distance between the eye centres in frame pixels."""
        (ax, ay), (bx, by) = self.landmarks[0], self.landmarks[1]
        return math.hypot(bx - ax, by - ay)

    @property
    def frontal_inter_eye_px(self) -> float:
        """The distance between the eyes that this face would show from the front: what size limits are about.

        A turned head brings the eyes together, but not eyes and mouth; their distance is 1.043 eye distances in the
        mean FFHQ face.
        """
        (ax, ay), (bx, by), _, (cx, cy), (dx, dy) = self.landmarks
        to_mouth_px = math.hypot((cx + dx - ax - bx) / 2, (cy + dy - ay - by) / 2)
        return max(self.inter_eye_px, to_mouth_px / 1.043)

    @property
    def alignable(self) -> bool:
        """Whether the landmarks lie far enough apart to define a transform; networks rarely give others."""
        return self.frontal_inter_eye_px >= MIN_ALIGNABLE_PX


def frontal_inter_eye_px(landmarks: Landmarks5) -> float:
    """Return the distance between the eyes of five points, as `Detection.frontal_inter_eye_px` has it."""
    return Detection(box=(0, 0, 1, 1), score=1, landmarks=landmarks).frontal_inter_eye_px


MIN_ALIGNABLE_PX = 1.0


class FaceQuality(Record):
    """Quality of one face in one frame; `score` in 0..1 combines the rest (see facerecon.faces.quality)."""

    inter_eye_px: Annotated[float, Field(ge=0)]
    sharpness: Annotated[float, Field(ge=0)]
    fine_detail: Annotated[float, Field(ge=0)]
    brightness: Annotated[float, Field(ge=0, le=255)]
    clipped: Annotated[float, Field(ge=0, le=1)]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    detector_score: Annotated[float, Field(ge=0, le=1)]
    score: Annotated[float, Field(ge=0, le=1)]


class DetectionRecord(Record):
    """A detection in the case: which frame, which track (None when it belongs to none, with a `Skipped` beside it)."""

    frame: str
    track: str | None
    detection: Detection
    quality: FaceQuality


class ChipRecord(Record):
    """A best shot: an exact crop of the frame (`path`), never resampled, and how it is aligned.

    `origin` is the frame position of the crop's top-left pixel. `to_aligned` is the 2x3 similarity transform from frame
    pixels to the aligned chip (`aligned_path`, Lanczos, for viewing and for models that want it). `scene_light` is the
    colour of the whole frame's light, linear red, green, blue of mean 1; None where it could not be estimated.
    """

    id: str
    track: str
    frame: str
    timestamp: Timestamp
    origin: tuple[int, int]
    size: tuple[int, int]
    detection: Detection
    quality: FaceQuality
    path: str
    file_sha256: Sha256
    pixels_sha256: Sha256
    to_aligned: tuple[tuple[float, float, float], tuple[float, float, float]]
    aligned_path: str
    aligned_sha256: Sha256
    scene_light: tuple[float, float, float] | None = None


class TrackRecord(Record):
    """One person's unbroken appearance: its detections in time, and the ids of its kept shots.

    `best` is best first, spread in time; `burst` is in order of time, the frames round the best one (for fusion).
    """

    id: str
    first: Timestamp
    last: Timestamp
    detections: Annotated[int, Field(ge=1)]
    best: tuple[str, ...]
    burst: tuple[str, ...] = ()
