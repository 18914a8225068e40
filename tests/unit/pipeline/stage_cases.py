"""Cases made with fake engines, at every stage: what the tests of the pipeline start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facerecon.case import Case
from facerecon.likelihood import Calibration
from facerecon.pictures import encode_png
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.enrolment import enroll
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.recognition import Comparers, recognize
from facerecon.pipeline.strength import Calibrations
from facerecon.profiles import Profile, load_profile
from facerecon.records import RGB, CaseInfo, FaceView
from facerecon.stages import Restoration, RestorationOutcome, Silent
from tests.fakes import OTHER, SKIN, FakeDetector, FakeRecognizer, FakeRestorer, FakeSource, picture


def walk(frames: int = 20, size: int = 40, colour: tuple[int, int, int] = SKIN) -> list[RGB]:
    """Draw somebody who walks to the right, grows a little, and shimmers, so that every frame moved."""
    return [
        picture(faces=[(5 + 4 * n, 30, size)], background=30 + 15 * (n % 2), colours=[colour]) for n in range(frames)
    ]


def holds(window: tuple[int, ...], box: tuple[float, ...]) -> bool:
    """Say whether a window, its right and lower ends outside, shows all of a box."""
    return window[0] <= box[0] and window[1] <= box[1] and window[2] > box[2] and window[3] > box[3]


OVERRIDES = ("extract.motion.enabled=false", "enhance.fuse.restore=null")


def profile(*overrides: str) -> Profile:
    """Return profile `standard` without motion gate; the fused pictures are corrected where an override says so."""
    return load_profile("standard", (*OVERRIDES, *overrides))


class FakeCorrector(FakeRestorer):
    """Makes a picture lighter by some levels and keeps its size; expects an error of 12 levels everywhere."""

    def __init__(self, model_id: str = "restorer-unet", by: int = 0) -> None:
        super().__init__(model_id, scale=1)
        self.by = by

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        return [self._changed(face.pixels) for face in faces]

    def _changed(self, pixels: RGB) -> Restoration:
        levels = np.full(pixels.shape[:2], 12, np.float32)
        lighter = np.clip(pixels.astype(int) + self.by, 0, 255).astype(np.uint8)
        return Restoration(lighter, "fp32", "1 tile", "feathered square", levels)


def new_case(root: Path, source: FakeSource, settings: Profile) -> Case:
    info = CaseInfo(
        case_id="C",
        operator="O",
        purpose="P",
        created_utc="2026-01-01T00:00:00Z",
        tool_version="0",
        source=source.record,
        profile_name=settings.name,
        profile_sha256=settings.digest,
    )
    return Case.create(root, info, settings, source.probe)


def extracted(root: Path, frames: Sequence[RGB | None], *overrides: str, **source: object) -> Case:
    evidence, settings = FakeSource(frames, **source), profile(*overrides)  # type: ignore[arg-type]
    case = new_case(root, evidence, settings)
    try:
        extract(case, evidence, FakeDetector(), Context(settings, Silent()))
    except BaseException:
        case.close()
        raise
    return case


def save(path: Path, pixels: RGB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels, {}))
    return path


def compared(tmp_path: Path, *overrides: str, calibrations: Sequence[Calibration] = (), explain: bool = False) -> Case:
    case = extracted(tmp_path / "c", walk())
    settings = profile(*overrides)
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(settings, Silent()))
    compare_again(case, tmp_path / "gallery", settings, calibrations, explain=explain)
    return case


def compare_again(
    case: Case, folder: Path, settings: Profile, calibrations: Sequence[Calibration] = (), *, explain: bool = False
) -> None:
    """Compare a case with a gallery of Ada (the walker's colour), Bob (another) and a corridor without a face."""
    save(folder / "Ada/1.png", picture(faces=[(40, 20, 80)]))
    save(folder / "Bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    save(folder / "Corridor.png", picture())
    compare_with(case, folder, settings, calibrations, explain=explain)


def compare_with(
    case: Case, folder: Path, settings: Profile, calibrations: Sequence[Calibration] = (), *, explain: bool = False
) -> None:
    """Compare a case with a gallery as it is."""
    recognizer = FakeRecognizer()
    gallery = enroll(folder, FakeDetector(), recognizer, settings, Silent())
    comparers = Comparers(recognizer, FakeDetector(), Calibrations(calibrations, recognizer), explain)
    recognize(case, gallery, comparers, Context(settings, Silent()))
