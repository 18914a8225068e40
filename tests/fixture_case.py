"""Makes the case in tests/data/cases, with fake engines and drawn pictures: python -m tests.fixture_case FOLDER.

For a new schema only: what a released version wrote must stay as it is, so that tests see whether it can still be read.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from facerecon.case import Case
from facerecon.likelihood import Calibration, Range, fit_bin
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.rendering import Tools, render
from facerecon.pipeline.reporting import report
from facerecon.stages import Silent
from tests.fakes import FakeDetector, FakeRestorer, FakeSource
from tests.unit.pipeline.stage_cases import compare_again, extracted, profile, walk

SETTINGS = (
    "enhance.fuse.scale=2",
    "shots.best=1",
    "shots.burst=3",
    "enhance.shots=1",
    "output.frame_upscaler=nearest",
    "output.faces=false",
)


def make(root: Path) -> Case:
    """Make a case of 6 drawn frames, at an absolute path: enhanced, fused, compared, rendered, reported."""
    frames, settings = walk(6, size=28), profile(*SETTINGS)
    case, context = extracted(root, frames, *SETTINGS), Context(settings, Silent())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, context)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        compare_again(case, Path("gallery"), settings, [_calibration()])
    render(case, FakeSource(frames), "frame", Tools(FakeDetector(), "nearest", None), 1, context)
    report(case, lambda content: f"<!doctype html><title>{content.info.case_id}</title>\n", None, context)
    return case


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
    make(Path(sys.argv[1]).absolute()).close()
