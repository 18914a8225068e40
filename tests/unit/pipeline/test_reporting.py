"""The report stage, and measurement against a known truth."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import IntegrityError
from facerecon.manifest import verify
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.measurement import measure, psnr_db, ssim
from facerecon.pipeline.reporting import collect, report
from facerecon.pipeline.summaries import report_summary
from facerecon.report.content import CaseReport
from facerecon.stages import Silent
from tests.fakes import FakeRestorer
from tests.unit.pipeline.stage_cases import compared, extracted, profile, walk


def test_report_is_rendered_from_verified_records_and_kept(tmp_path: Path) -> None:
    case = compared(tmp_path)
    content = collect(case)
    assert len(content.restored) == 2
    printing = contextlib.nullcontext(lambda: b"%PDF")
    for expected in ("report/report.html", "report/report-2.html"):
        html, pdf = report(case, lambda c: f"<p>{len(c.tracks)}", lambda _: printing, Context(profile(), Silent()))
        assert html == expected
        assert pdf == expected.replace("html", "pdf")
    assert report_summary(case)["ledger_head"] == case.ledger.head
    verify(case.root)


def test_measurement_against_truth(tmp_path: Path) -> None:
    frames = walk()
    case = extracted(tmp_path / "c", frames)
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
    figures = measure(case, lambda index, scale: frames[index].repeat(scale, 0).repeat(scale, 1), "the drawing")
    best = {(f.variant, f.metric): f.value for f in figures}
    assert best[("restorer-unet", "PSNR")] > best[("bicubic", "PSNR")] > 20
    assert best[("restorer-unet", "SSIM")] == pytest.approx(1)
    assert collect(case).measurements == tuple(figures)


def test_psnr_and_ssim_ignore_gain_and_offset_only() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(40, 200, (32, 32, 3), dtype=np.uint8)
    dim = (truth * 0.5 + 20).astype(np.uint8)
    noisy = np.clip(truth + rng.normal(0, 20, truth.shape), 0, 255).astype(np.uint8)
    assert psnr_db(dim, truth) > 45
    assert psnr_db(noisy, truth) == pytest.approx(10 * np.log10(255**2 / 20**2), abs=1)
    assert ssim(noisy, truth) < ssim(dim, truth) <= 1


def test_no_time_is_told_for_a_pdf_that_nobody_wanted(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk(6))
    report(case, lambda _: "<p>", None, Context(profile(), Silent()))
    assert list(case.runs("report")[-1].details["durations_s"]) == ["html"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_pdf_is_set_while_the_page_is_rendered_and_ends_with_the_stage(tmp_path: Path, fails: bool) -> None:
    case = extracted(tmp_path / "c", walk(6))
    events: list[str] = []

    def page(content: CaseReport) -> str:
        events.append("page")
        if fails:
            raise IntegrityError("a picture is not what was recorded")
        return "<p>"

    def paper() -> bytes:
        events.append("waited for")
        return b"%PDF"

    @contextlib.contextmanager
    def printing(content: CaseReport) -> Iterator[Callable[[], bytes]]:
        events.append("begun")
        try:
            yield paper
        finally:
            events.append("ended")

    ending = pytest.raises(IntegrityError) if fails else contextlib.nullcontext()
    with ending:
        report(case, page, printing, Context(profile(), Silent()))
    assert events == ["begun", "page", *([] if fails else ["waited for"]), "ended"]
