"""Datasets, engines and templates for tests of recognition studies: coloured faces, and persons who are numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facerecon.degradation import Degradation
from facerecon.evaluation.subjects import Clip
from facerecon.evaluation.templates import Engines, Template
from facerecon.pictures import encode_png
from facerecon.records import Detection, FaceQuality
from tests.fakes import FakeDetector, FakeRecognizer, picture

TINY = Degradation.parse("width=24,noise=2")


def save(path: Path, colour: tuple[int, int, int], *, faces: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [(40, 20, 80)] if faces else []
    path.write_bytes(encode_png(picture(160, 120, faces=drawn, colours=[colour]), {}))


def three_persons(root: Path) -> Path:
    """Write three persons of one colour each, in two or three shades of it."""
    for name, colour in {"ada": (200, 150, 120), "bob": (120, 150, 200), "cyd": (150, 200, 120)}.items():
        for shade in range(3 if name == "ada" else 2):
            save(root / name / f"{shade}.png", tuple(value + 2 * shade for value in colour))  # type: ignore[arg-type]
    return root


def engines(enhance=None) -> Engines:
    return Engines(FakeDetector().detect, FakeRecognizer(), enhance)


def distance(vector: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return (1 - np.linalg.norm(matrix - vector, axis=1)).astype(np.float32)


def everybody(_: Detection, __: FaceQuality) -> str:
    return ""


def template(identity: str, clip: str, value: float, **measured: float) -> Template:
    known = {"inter_eye_px": 12.0, "sharpness": 0.4, "brightness": 120.0, "yaw_deg": 5.0, "pitch_deg": 5.0}
    known["fine_detail"] = 0.03
    return Template(Clip(identity, clip, ()), np.array([value], np.float32), {**known, "frames": 1.0, **measured})


def gaussian_people(people: int = 60, pictures: int = 4, seed: int = 0) -> tuple[list[Template], list[Template]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, people)
    made = [
        [
            template(f"p{person:03d}", f"p{person:03d}/{kind}{number}", float(centres[person] + rng.normal(0, 0.15)))
            for person in range(people)
            for number in range(pictures)
        ]
        for kind in ("probe", "gallery")
    ]
    return made[0], made[1]
