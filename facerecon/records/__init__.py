"""The records that flow between stages: frozen, validated on construction. Owns the data, never any processing.

Two kinds. *JSON records* (pydantic models) are what the case folder keeps, one JSON line each; they hold no time of day
and no absolute path of the case, so two runs of one input give identical lines. *Array records* (dataclasses) carry
pixels or vectors in memory; their arrays are made read-only. All pixels are RGB, uint8, shape (height, width, 3).
"""

from __future__ import annotations

from facerecon.records.arrays import RGB, Embedding, FaceChip, FaceView, Frame, RestoredFace, Vector, shift_landmarks
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
    PRIMARY_VARIANTS,
    Candidate,
    EmbeddingRecord,
    GalleryRecord,
    Variant,
)

__all__ = [
    "PRIMARY_VARIANTS",
    "RGB",
    "Box",
    "Candidate",
    "CaseInfo",
    "ChipRecord",
    "Counts",
    "Detection",
    "DetectionRecord",
    "Embedding",
    "EmbeddingRecord",
    "FaceChip",
    "FaceQuality",
    "FaceView",
    "Frame",
    "FrameRecord",
    "FusedFrame",
    "FusedRecord",
    "GalleryRecord",
    "Landmarks5",
    "Measurement",
    "ModelStamp",
    "Point",
    "Record",
    "RenderedRecord",
    "RestoredFace",
    "RestoredRecord",
    "Sha256",
    "Skipped",
    "SourceRecord",
    "StepRecord",
    "Timestamp",
    "TrackRecord",
    "Variant",
    "Vector",
    "shift_landmarks",
]
