"""A case of three people, two of them close to each other, made with fake engines; and a redacted copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facerecon.case import Case
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.redaction import Wish, redact
from facerecon.pipeline.rendering import render
from facerecon.pipeline.reporting import report
from facerecon.records import RGB
from facerecon.report.html import render_html
from facerecon.stages import Silent
from tests.fakes import OTHER, SKIN, FakeRestorer, FakeSource
from tests.unit.pipeline.rendered_cases import INTERPOLATED
from tests.unit.pipeline.stage_cases import FakeCorrector, compare_again, extracted, profile

HIDDEN, BESIDE, APART = "t0001", "t0002", "t0003"
"""Who is hidden; whose pictures show a part of that face; whose do not."""
FACE_PX = 40
WHY = "a bystander; not part of the charge"
_COLOURS = {HIDDEN: SKIN, BESIDE: OTHER, APART: (120, 190, 170)}
_LEFT = {HIDDEN: 20, BESIDE: 71, APART: 220}


def left_of(track: str, number: int) -> int:
    """Return where a face begins in a frame."""
    return _LEFT[track] + 2 * number


def face(track: str) -> RGB:
    """Return somebody's face: a colour, a texture of their own, and eyes."""
    noise = np.random.default_rng(list(_COLOURS).index(track)).integers(-55, 56, (FACE_PX // 4, FACE_PX // 4, 1))
    pixels = np.asarray(_COLOURS[track]) + noise.repeat(4, axis=0).repeat(4, axis=1)
    return np.clip(pixels, 105, 255).astype(np.uint8)


def scene(number: int, people: Sequence[str] = (HIDDEN, BESIDE, APART)) -> RGB:
    """Return a frame in which everybody walks to the right."""
    canvas = np.full((120, 320, 3), 30 + 15 * (number % 2), np.uint8)
    for track in people:
        left = left_of(track, number)
        canvas[40 : 40 + FACE_PX, left : left + FACE_PX] = face(track)
    return canvas


def crowd(folder: Path, *overrides: str, explain: bool = True) -> Path:
    """Make the case: extracted, enhanced, compared, rendered both ways, with a report."""
    overrides = ("enhance.fuse.restore=restorer-unet", *overrides)
    settings = profile(*overrides)
    with extracted(folder / "case", [scene(number) for number in range(12)], *overrides) as case:
        context = Context(settings, Silent())
        enhance(case, {"restorer-unet": FakeRestorer()}, None, context, FakeCorrector(by=5))
        compare_again(case, folder / "gallery", settings, explain=explain)
        evidence = FakeSource([scene(number) for number in range(12)])
        for kind in ("frame", "video"):
            render(case, evidence, kind, INTERPOLATED, None, context)  # type: ignore[arg-type]
        told(case)
    return folder / "case"


def told(case: Case) -> None:
    """Write the report."""
    report(case, render_html, None, Context(profile(), Silent()))


def redacted(root: Path, out: Path, **wish: Any) -> dict[str, Any]:
    """Make a copy in which `HIDDEN` is hidden, unless another wish is given."""
    asked = {"hide": (HIDDEN,), "reason": WHY, "operator": "L"} | wish
    return redact(root, out, Wish(**asked), told)


def files_of(root: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def pictures_of(root: Path) -> dict[str, RGB]:
    """Return every picture of a folder, decoded."""
    return {name: decode_picture(data, name) for name, data in files_of(root).items() if name.endswith(".png")}
