"""Capture folders that a test lets grow by hand, as a capture does: opened, added to, ended or killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facerecon.capture.folder import CaptureFolder
from facerecon.capture.records import CaptureInfo, Gap, Segment, Track
from facerecon.hashing import sha256_file
from facerecon.locks import LOCK
from facerecon.records import Timestamp
from tests.unit.batch.batch_cases import moving

DAY = "2026-11-22T06:30"
STALL = Gap(
    begin_ms=10_600, end_ms=20_000, begin_utc=f"{DAY}:01.600Z", end_utc=f"{DAY}:11.000Z", reason="stall"
)  # fmt: skip


def capture(root: Path) -> CaptureFolder:
    """Begin a capture, or go on with one."""
    info = CaptureInfo(
        source="rtsp://camera/1", case_id="c", operator="o", purpose="p", created_utc=f"{DAY}:00.000Z",
        tool_version="0", libraries={},
    )  # fmt: skip
    return CaptureFolder.opened(root, info)


def track(kind: Any = "video", first: Timestamp | None = None) -> Track:
    return Track(
        index=0, kind=kind, codec="gif", packets=5, bytes=9, keyframes=1, corrupt=0, refused=0, first=first, last=first
    )


def add(folder: CaptureFolder, number: int) -> None:
    """Add a segment as a capture does: the whole file, then its line."""
    path = f"segments/{number:06d}.nut"
    (folder.root / "segments").mkdir(exist_ok=True)
    moving(folder.root.parent / "made.gif", 5 + number).replace(folder.root / path)
    begin = 10_000 * number
    folder.add_segment(
        Segment(
            number=number, path=path, sha256=sha256_file(folder.root / path),
            size_bytes=(folder.root / path).stat().st_size, begin_ms=begin, end_ms=begin + 600,
            first_packet_utc=f"{DAY}:{number:02d}.000Z", last_packet_utc=f"{DAY}:{number:02d}.600Z",
            times="stream", tracks=(track(),),
        )
    )  # fmt: skip


def end(folder: CaptureFolder) -> None:
    """End a capture as one does that was stopped."""
    folder.note("capture.ended", {"ending": "stopped"}, {})
    folder.__exit__()


def kill(folder: CaptureFolder) -> None:
    """Leave a capture as a killed process does."""
    folder.__exit__()
    (folder.root / LOCK).touch()
