"""Cases whose reports are tried in a browser."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image
from report_builder import Builder
from report_calibrations import calibration
from report_example import extract_only_case, full_case, hostile_case
from report_redacted import redacted_case

from facerecon.pictures import encode_png
from facerecon.records import ReviewRecord
from facerecon.report.content import CaseReport, Reviewed

INJECTED = '<img src="https://example.org/x.png" onerror="alert(1)"><script>alert(2)</script>'
QUALITIES = {"t0001": 0.55, "t0002": 0.91, "t0003": 0.42, "t0004": 0.73}


def varied_case() -> CaseReport:
    """Four tracks: two with a candidate above the threshold, one below it, one that was not compared."""
    build = Builder()
    names = [
        build.add_track(number, 20 * number, 20 * number + 10 * number, [(41, 47), (36, 44)], mirrored=number % 2 == 0)
        for number in range(1, 5)
    ]
    build.chips = [
        chip.model_copy(update={"quality": chip.quality.model_copy(update={"score": QUALITIES[chip.track]})})
        for chip in build.chips
    ]
    build.add_gallery("Eileen Collins", "collins/portrait.jpg")
    build.add_gallery("Mirror Person", "mirror.jpg", mirrored=True)
    build.compare(names[0], "fused", [0.45, 0.2], by=calibration())
    build.compare(names[1], "fused", [0.31, 0.2])
    build.compare(names[3], "fused", [0.58, 0.41], by=calibration())
    return build.report()


def injected_case() -> CaseReport:
    """A gallery, as from a suspects.json, whose names are markup; two tracks, so that they are filtered by them."""
    build = Builder()
    build.add_gallery(INJECTED, f"{INJECTED}/a.jpg")
    for number in (1, 2):
        build.compare(build.add_track(number, 45, 119, [(41, 47)]), "fused", [0.61])
    return build.report()


def doubted_case() -> CaseReport:
    """The full case, whose restoring model also says by how much it expects to be off."""
    case = full_case()
    restored = tuple(
        record.model_copy(update={"uncertainty_path": record.invention_path.replace("invented", "uncertainty")})
        if record.invention_path
        else record
        for record in case.restored
    )
    return replace(case, restored=restored, picture=lambda path: _turned(case, path))


def _turned(case: CaseReport, path: str) -> bytes:
    """Read a picture; that of a restored shot's uncertainty is the invention's, turned."""
    if "uncertainty" not in path or "fused" in path:
        return case.picture(path)
    pixels = np.asarray(Image.open(io.BytesIO(case.picture(path.replace("uncertainty", "invented")))))
    return encode_png(np.ascontiguousarray(pixels[:, ::-1]), {"Title": "MAP"})


def reviewed_case() -> CaseReport:
    """The full case, which one person disagrees with, and another's review is about earlier findings."""
    record = ReviewRecord(
        number=1,
        reviewer="Second Examiner",
        conclusion="disagree",
        note="The candidate of t0001 wears another pair of glasses.",
        report="report/report.html",
        report_sha256="1" * 64,
        ledger_entries=7,
        ledger_head="2" * 64,
        key_sha256="3" * 64,
    )
    other = record.model_copy(update={"number": 2, "reviewer": "Third Examiner", "conclusion": "agree", "note": ""})
    reviews = (
        Reviewed(record, "2024-05-03T10:00:00.000Z", superseded=False, signed=True),
        Reviewed(other, "2024-05-03T11:00:00.000Z", superseded=True, signed=False),
    )
    return replace(full_case(), reviews=reviews, review_state="DISAGREED")


CASES = {
    "full": full_case,
    "doubted": doubted_case,
    "hostile": hostile_case,
    "extract-only": extract_only_case,
    "varied": varied_case,
    "injected": injected_case,
    "reviewed": reviewed_case,
    "redacted": lambda: redacted_case("t0002"),
}
