"""The records that flow between stages: frozen, validated on construction. Owns the data, never any processing.

Two kinds. *JSON records* (pydantic models) are what the case folder keeps, one JSON line each; they hold no time of day
and no absolute path of the case, so two runs of one input give identical lines. *Array records* (dataclasses) carry
pixels or vectors in memory; their arrays are made read-only. All pixels are RGB, uint8, shape (height, width, 3).
"""

from __future__ import annotations

from facerecon.records.arrays import (
    RGB,
    Embedding,
    FaceChip,
    FaceView,
    Frame,
    Metric,
    RestoredFace,
    Vector,
    shift_landmarks,
    unit_length,
    weighted_mean,
)
from facerecon.records.evidence import CaseInfo, Counts, FrameRecord, Record, Sha256, Skipped, SourceRecord, Timestamp
from facerecon.records.faces import (
    Box,
    ChipRecord,
    Detection,
    DetectionRecord,
    FaceQuality,
    Landmarks5,
    Point,
    TrackRecord,
    frontal_inter_eye_px,
)
from facerecon.records.processing import (
    FusedFrame,
    FusedRecord,
    Measurement,
    ModelStamp,
    RenderedRecord,
    RestoredRecord,
    StepRecord,
)
from facerecon.records.recognition import (
    NOT_STATED,
    PRIMARY_VARIANTS,
    WITH_RESTORED,
    Candidate,
    EmbeddingRecord,
    ExplanationRecord,
    GalleryEntry,
    GalleryInfo,
    GalleryRecord,
    RecognizerRecord,
    RefusedPicture,
    Strength,
    Variant,
)
from facerecon.records.review import MOST_REVIEWS, Conclusion, PersonName, Remark, ReviewRecord
from facerecon.records.similarity import similarities

__all__ = [
    "MOST_REVIEWS",
    "NOT_STATED",
    "PRIMARY_VARIANTS",
    "RGB",
    "WITH_RESTORED",
    "Box",
    "Candidate",
    "CaseInfo",
    "ChipRecord",
    "Conclusion",
    "Counts",
    "Detection",
    "DetectionRecord",
    "Embedding",
    "EmbeddingRecord",
    "ExplanationRecord",
    "FaceChip",
    "FaceQuality",
    "FaceView",
    "Frame",
    "FrameRecord",
    "FusedFrame",
    "FusedRecord",
    "GalleryEntry",
    "GalleryInfo",
    "GalleryRecord",
    "Landmarks5",
    "Measurement",
    "Metric",
    "ModelStamp",
    "PersonName",
    "Point",
    "RecognizerRecord",
    "Record",
    "RefusedPicture",
    "Remark",
    "RenderedRecord",
    "RestoredFace",
    "RestoredRecord",
    "ReviewRecord",
    "Sha256",
    "Skipped",
    "SourceRecord",
    "StepRecord",
    "Strength",
    "Timestamp",
    "TrackRecord",
    "Variant",
    "Vector",
    "frontal_inter_eye_px",
    "shift_landmarks",
    "similarities",
    "unit_length",
    "weighted_mean",
]
