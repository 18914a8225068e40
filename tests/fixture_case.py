"""Makes the cases in tests/data/cases, with fake engines and drawn pictures: python -m tests.fixture_case FOLDER.

FOLDER becomes a case with something of everything, FOLDER-redacted a redacted copy of another one. For a new schema
only: what a released version wrote must stay as it is, so that tests see whether it can still be read.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facerecon.case import Case
from facerecon.likelihood import Calibration, Range, fit_bin
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.redaction import Wish, redact
from facerecon.pipeline.rendering import Tools, render
from facerecon.pipeline.reporting import report
from facerecon.pipeline.reviews import review
from facerecon.pipeline.signatures import sign
from facerecon.records import RGB
from facerecon.report.content import CaseReport
from facerecon.stages import Silent
from tests.fakes import OTHER, SKIN, FakeDetector, FakeRestorer, FakeSource, picture
from tests.unit.pipeline.stage_cases import compare_again, extracted, profile, walk

SETTINGS = (
    "enhance.fuse.scale=2",
    "shots.best=1",
    "shots.burst=3",
    "enhance.shots=1",
    "output.frame_upscaler=nearest",
    "output.faces=false",
)


HIDDEN = "t0001"


def make(root: Path) -> Path:
    """Make a case of 6 drawn frames: enhanced, fused, compared, rendered, reported, signed, and reviewed by one of two.

    Args:
        root: an absolute path; the case is `root`.
    """
    with _examined(root, walk(6, size=28)) as case:
        _told(case)
        sign(case, _key("operator"), "operator", case.info.operator)
        review(case, "R. Viewer", "agree", "Every step was looked at.", None, _key("reviewer"))
        _told(case)
        sign(case, _key("reviewer"), "reviewer", "R. Viewer")
    return root


def make_redacted(root: Path) -> Path:
    """Make a redacted copy of a case of two persons, of whom one is hidden, at an absolute path."""
    with tempfile.TemporaryDirectory() as folder:
        with _examined(Path(folder) / "case", [_two(number) for number in range(6)]) as case:
            _told(case)
        redact(Path(folder) / "case", root, Wish((HIDDEN,), (), "not part of the charge", "O"), _told)
    return root


def _two(number: int) -> RGB:
    faces = [(5 + 4 * number, 20, 28), (95 + 4 * number, 60, 28)]
    return picture(faces=faces, background=30 + 15 * (number % 2), colours=[SKIN, OTHER])


def _examined(root: Path, frames: list[RGB]) -> Case:
    settings = profile(*SETTINGS)
    case, context = extracted(root, frames, *SETTINGS), Context(settings, Silent())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, context)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        compare_again(case, Path("gallery"), settings, [_calibration()])
    render(case, FakeSource(frames), "frame", Tools(FakeDetector(), "nearest", None), 1, context)
    return case


def _told(case: Case) -> None:
    def page(content: CaseReport) -> str:
        return f"<!doctype html><title>{content.info.case_id}</title>\n"

    report(case, page, None, Context(profile(*SETTINGS), Silent()))


def _key(whose: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(whose.ljust(32).encode())


def _calibration() -> Calibration:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.9, 0.1, 60), rng.normal(0.3, 0.1, 120)
    return Calibration(
        name="fixture",
        model="dlib-resnet",
        weights_sha256="1" * 64,
        treatment="fake",
        variant="original",
        dataset="drawn numbers",
        protocol="all pairs",
        degradations=("none",),
        created="2026-01-01",
        tool_version="0",
        seed=0,
        bins=(fit_bin("all", {"inter_eye_px": Range(low=6, high=60)}, one, other, 60),),
    )


if __name__ == "__main__":
    place = Path(sys.argv[1]).absolute()
    make(place)
    make_redacted(place.with_name(f"{place.name}-redacted"))
