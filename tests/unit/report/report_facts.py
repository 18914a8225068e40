"""Small facts of made-up cases: names that are hostile, faces (skimage's astronaut), frames, steps, the case."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from facerecon.records import (
    RGB,
    CaseInfo,
    Detection,
    FaceQuality,
    FrameRecord,
    SourceRecord,
    StepRecord,
    Timestamp,
)

SOURCE_SHA = "5f" * 32
SCRIPT = "<script>alert(1)</script>.mp4"
TYPST = '#eval("1+1") *bold* _x_ $x$ @label `raw` \\'
LONG = "very-long-" * 24 + "name"
ARABIC, CYRILLIC, CHINESE = "محمد علي", "Анна Петрова", "王小明"
OVERRIDE = "invoice\u202egpj.exe"
TIME_BASE = (1, 90_000)
NOT_CALIBRATED = "not calibrated: there is no calibration for this model"
TOO_SMALL = (
    "outside the calibration: 5.1 px between the eyes (worse side) lies outside what calibration cctv-2024 holds for: "
    "8 to 24 px"
)
SECONDARY = "not calibrated: a computed picture is secondary and never gets a likelihood ratio"


def stamp(seconds: float) -> Timestamp:
    """A time in ticks of 1/90000 s."""
    return Timestamp(pts=round(Fraction(seconds) * 90_000), time_base=TIME_BASE)


@lru_cache(maxsize=256)
def face(width: int, height: int, mirrored: bool = False, gain: float = 1.0) -> RGB:
    """The astronaut's face at a size, darkened and made noisy like a camera at night."""
    crop = Image.fromarray(_astronaut()[20:210, 145:300])
    small = np.asarray(crop.resize((width, height), Image.Resampling.BOX)).astype(float)
    small = small[:, ::-1] if mirrored else small
    noise = np.random.default_rng(width * 7 + height).normal(0, 5, small.shape)
    pixels = np.clip(small * gain + noise, 0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=1)
def _astronaut() -> RGB:
    return data.astronaut()


def quality(score: float, inter_eye: float) -> FaceQuality:
    return FaceQuality(
        inter_eye_px=inter_eye,
        sharpness=score / 4,
        fine_detail=0.03,
        brightness=118.4,
        clipped=0.012,
        yaw_deg=-12.0,
        pitch_deg=4.0,
        roll_deg=1.5,
        detector_score=0.93,
        score=score,
    )


def detection(width: int, height: int) -> Detection:
    eyes = width / 4
    return Detection(
        box=(10, 10, 10 + width, 10 + height),
        score=0.93,
        landmarks=((10 + eyes, 24), (10 + 2 * eyes, 24), (10 + 1.5 * eyes, 34), (10 + eyes, 44), (10 + 2 * eyes, 44)),
    )


def frame(index: int, seconds: float) -> FrameRecord:
    time = stamp(seconds)
    return FrameRecord(
        id=f"f{index:06d}",
        index=index,
        timestamp=time,
        iso_offset=time.iso_offset,
        width_px=640,
        height_px=480,
        keyframe=index % 25 == 0,
        pixels_sha256=f"{index:064x}",
    )


def steps(learned: bool) -> list[StepRecord]:
    classical = StepRecord(
        name="gamma",
        description="Brightens dark parts by one power curve for all pixels.",
        reference="Poynton, Digital Video and HD, 2nd ed. 2012, ch. 27",
        parameters={"gamma": 1.6},
        learned=False,
        input_sha256="a1" * 32,
        output_sha256="b2" * 32,
    )
    restore = StepRecord(
        name="restore (realesrgan-x4plus)",
        reference="Wang et al., Real-ESRGAN, ICCVW 2021",
        description="Enlarges with a trained neural network. It may add detail that was not recorded.",
        parameters={"precision": "fp32", "tile_px": 256},
        learned=True,
        input_sha256="b2" * 32,
        output_sha256="c3" * 32,
    )
    return [classical, restore] if learned else [classical]


def info(name: str = "camera 4, night, 2024-05-01.mp4", kind: Any = "video", clock: Any = "stream") -> CaseInfo:
    source = SourceRecord(
        path=f"/evidence/{name}", name=name, sha256=SOURCE_SHA, size_bytes=48_213_977, kind=kind, clock=clock
    )
    return CaseInfo(
        case_id="2024-0417-B",
        operator="A. Examiner",
        purpose="Who enters by the rear door?",
        created_utc="2024-05-02T08:00:00.000Z",
        tool_version="0.1.0",
        source=source,
        profile_name="lowlight",
        profile_sha256="7e" * 32,
    )
