"""Whole made-up cases, of which reports are made."""

from __future__ import annotations

from functools import lru_cache

from report_builder import Builder
from report_calibrations import calibration
from report_facts import (
    ARABIC,
    CHINESE,
    CYRILLIC,
    LONG,
    OVERRIDE,
    SCRIPT,
    SECONDARY,
    TOO_SMALL,
    TYPST,
    frame,
    info,
)
from report_ledger import (
    EXTRACT_LINES,
    SKIPPED,
    ledger,
)

from facerecon.records import (
    Skipped,
)
from facerecon.report.content import CaseReport


def full_case() -> CaseReport:
    """Two tracks, candidates above and below the threshold, omissions, measurements."""
    build = Builder()
    one = build.add_track(1, 45, 119, [(41, 47), (36, 44), (28, 34)], enhanced=1)
    two = build.add_track(2, 140, 186, [(68, 82), (23, 27)], mirrored=True, enhanced=1, learned=False)
    build.add_gallery("Eileen Collins", "collins/portrait.jpg")
    build.add_gallery("Mirror Person", "mirror.jpg", mirrored=True)
    build.add_gallery(CYRILLIC, "petrova.jpg", refused="2 faces found, 1 needed")
    build.fuse(one)
    build.correct(one)
    build.compare(one, "fused", [0.5634, 0.4021], by=calibration())
    build.compare(one, "original", [0.5411, 0.3321])
    build.compare(one, "fused-image", [0.5512, 0.3987], why_none=SECONDARY)
    build.compare(one, "restored", [0.4471, 0.4012], why_none=SECONDARY)
    build.explain(one)
    build.compare(two, "fused", [0.3121, 0.2604], why_none=TOO_SMALL)
    build.compare(two, "original", [0.3007, 0.2611])
    return build.report()


def hostile_case() -> CaseReport:
    """Names that try to be markup, to reverse their direction, to burst the layout, or to lack a font."""
    build = Builder()
    track = build.add_track(1, 45, 119, [(41, 47), (36, 44)])
    for index, name in enumerate((SCRIPT, TYPST, LONG, ARABIC, CHINESE, OVERRIDE)):
        build.add_gallery(name, f"{index}/{name}")
    build.compare(track, "fused", [0.71, 0.65, 0.55, 0.45, 0.35, 0.2])
    build.compare(track, "original", [0.61, 0.55, 0.45, 0.41, 0.25, 0.1])
    base = info(SCRIPT)
    hostile = base.model_copy(
        update={
            "case_id": f"{TYPST} {SCRIPT}",
            "operator": CYRILLIC + " " + ARABIC,
            "purpose": LONG,
            "profile_name": "</style><b>",
        }
    )
    skipped = (*SKIPPED, Skipped(stage="extract", kind="frame", subject=SCRIPT, reason=TYPST, detail=CHINESE))
    return build.report(
        info=hostile,
        skipped=skipped,
        probe={SCRIPT: {TYPST: [OVERRIDE, CHINESE]}},
        profile_yaml=f"name: {SCRIPT}\nx: '{TYPST}'\n",
    )


def no_face_case() -> CaseReport:
    """Extracted, enhanced and compared, and no face in it."""
    return Builder().report(skipped=(), measurements=())


def extract_only_case() -> CaseReport:
    """Only the first stage has run."""
    build = Builder()
    build.add_track(1, 45, 119, [(41, 47), (36, 44)], enhanced=0)
    lines = ledger(*EXTRACT_LINES)
    return build.report(ledger=lines, ledger_head=lines[-1].hash, measurements=(), skipped=SKIPPED[:4])


@lru_cache(maxsize=2)
def large_case(tracks: int = 60) -> CaseReport:
    """Many tracks, each with two shots and a restored picture."""
    build = Builder()
    names = [
        build.add_track(
            number,
            3 * number,
            3 * number + 40,
            [(41 + number % 20, 47 + number % 20), (36, 44)],
            mirrored=number % 2 == 0,
        )
        for number in range(1, tracks + 1)
    ]
    build.frames = [frame(index, index / 12.5) for index in range(3 * tracks + 60)]
    build.add_gallery("Eileen Collins", "collins/portrait.jpg")
    build.add_gallery("Mirror Person", "mirror.jpg", mirrored=True)
    for name in names:
        build.compare(name, "fused", [0.61, 0.2])
        build.compare(name, "original", [0.58, 0.2])
        build.compare(name, "restored", [0.48, 0.2])
    return build.report()


CASES = {"full": full_case, "hostile": hostile_case, "no-face": no_face_case, "extract-only": extract_only_case}
