"""Streams that are captured as evidence: packets onto the disk as they come, hashed segments, gaps with their reasons.

`recording` captures; `following` is for whoever reads a capture folder, and loads no decoder. Nothing here decodes.
"""

from __future__ import annotations

from facerecon.capture.following import (
    CaptureProblemsError,
    Verified,
    finished,
    gaps,
    is_capture,
    running,
    segments,
    verified,
)
from facerecon.capture.records import Account, CaptureInfo, Gap, Segment

__all__ = [
    "Account",
    "CaptureInfo",
    "CaptureProblemsError",
    "Gap",
    "Segment",
    "Verified",
    "finished",
    "gaps",
    "is_capture",
    "running",
    "segments",
    "verified",
]
