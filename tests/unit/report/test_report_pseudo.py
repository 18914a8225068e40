"""Nothing that a report says of its own is forgotten by the catalogues: told by a language that marks what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from report_example import CASES, full_case
from report_ledger import LEDGER
from report_messages import SOURCES
from report_pseudo import LEFT, PSEUDO, RIGHT, WORD, Outside, unbracketed, values_of
from report_redacted import redacted_case

from facerecon.ledger import LedgerEntry
from facerecon.records import Counts, RenderedRecord, ReviewRecord
from facerecon.report import html
from facerecon.report.content import Attachment, CaseReport, Reviewed
from facerecon.report.html import render_html, said_in
from facerecon.report.language import speaking
from facerecon.report.pdf import _data
from facerecon.report.sections import document

NOT_SAID = frozenset({"kind", "align", "tone", "id", "target", "number", "name", "language", "numbered_as", "path"})


def everything() -> CaseReport:
    """The full case, reviewed, rendered, and with files to embed."""
    record = ReviewRecord(
        number=1,
        reviewer="Second Examiner",
        conclusion="disagree",
        note="",
        report="report/report-2.html",
        report_sha256="1" * 64,
        ledger_entries=7,
        ledger_head="2" * 64,
        key_sha256="3" * 64,
    )
    reviews = tuple(
        Reviewed(record.model_copy(update={"conclusion": said}), "2024-05-03T10:00:00.000Z", set_back, signed)
        for said, set_back, signed in (("agree", True, False), ("inconclusive", False, True), ("disagree", False, True))
    )
    return replace(
        full_case(),
        reviews=reviews,
        review_state="DISAGREED",
        rendered=(rendered(), rendered(video=True)),
        ledger=(*LEDGER, rendering()),
        attachments=(Attachment("ledger.jsonl", b"{}", "application/jsonl", "data", LEDGERWORDS),),
    )


LEDGERWORDS = f"Ledger of the case: 7 entries, one a line, up to ledger head {'a' * 64}."


def rendered(video: bool = False) -> RenderedRecord:
    sound = {"copied": False, "note": "not copied: some recorder's words"}
    return RenderedRecord(
        kind="video" if video else "frame",
        place="video" if video else "frames",
        files={} if video else {"frames/f000002.enhanced.png": "4" * 64},
        frames=Counts(requested=3, written=1, failed=1, skipped=1),
        faces=Counts(requested=1, written=1, failed=0, skipped=0),
        upscaler="bicubic",
        scale=2,
        face_model="restorer-unet" if video else None,
        learned=video,
        steps=("wavelet",),
        video={"audio": [sound], "times": "rounded", "largest_time_error_s": 0.0004} if video else None,
    )


def rendering() -> LedgerEntry:
    details = {
        "skipped": {"below-minimum-size: 6 px between the eyes": 2},
        "steps": [{"name": "wavelet", "description": "Adds nothing.", "reference": "", "parameters": {}}],
        "models": [{"id": "restorer-unet", "role": "restoration", "training_data": None}],
    }
    return LEDGER[-1].model_copy(update={"action": "render.finished", "details": details})


MADE: dict[str, Callable[[], CaseReport]] = {
    **CASES,
    "everything": everything,
    "redacted": lambda: redacted_case("t0001"),
    "all redacted": lambda: redacted_case("t0001", "t0002"),
}


@pytest.fixture(params=list(MADE))
def report(request: pytest.FixtureRequest) -> CaseReport:
    return MADE[request.param]()


def strange(pieces: list[str], report: CaseReport) -> list[str]:
    """The pieces with a word that is no value of the case."""
    values = values_of(report)
    return [piece for piece in pieces if set(WORD.findall(re.sub(r"[0-9a-f]{12,}", "", piece))) - values]


def test_no_word_of_the_page_stands_outside_of_the_catalogue(report: CaseReport) -> None:
    assert strange(Outside(render_html(report, PSEUDO)).found, report) == []


def test_no_word_of_the_pdf_stands_outside_of_the_catalogue(report: CaseReport) -> None:
    with speaking(PSEUDO):
        data = _data(document(report), strict=False)
    assert strange([piece for text in _said(data) for piece in unbracketed(text)], report) == []


def _said(anything: Any) -> list[str]:
    """Every text that the template can show, without what it marks as English and what it quotes whole."""
    if isinstance(anything, str):
        return [re.sub("\ue000[^\ue001]*\ue001", "", anything).replace("\u200b", "")]
    if isinstance(anything, dict):
        if anything.get("kind") in ("raw", "plot"):
            anything = {"title": anything.get("caption", "")}
        return [text for key, value in anything.items() if key not in NOT_SAID for text in _said(value)]
    return [text for item in anything for text in _said(item)] if isinstance(anything, list) else []


def test_the_language_of_the_page_is_named(report: CaseReport) -> None:
    assert '<html lang="zz">' in render_html(report, PSEUDO)


def test_every_word_of_the_script_is_in_the_catalogue() -> None:
    script = (SOURCES / "templates" / "report.js").read_text(encoding="utf-8")
    code = re.sub(r"//[^\n]*", "", script)
    bare = re.sub(r'\bsay\(\s*"[^"]+"', "", code)
    quoted = re.findall(r'"([^"\n]*)"', bare)
    assert [text for text in quoted if re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", text)] == KNOWN_CODE
    page = render_html(full_case(), PSEUDO)
    words = json.loads(re.search(r"const WORDS = (\{.*?\});\n", page)[1])
    assert set(words) == set(said_in(script))
    assert set(words.values()) == {f"{LEFT}{said}{RIGHT}" for said in words}


KNOWN_CODE = ["use strict", "hidden-note warning", "tools filter", "order-note note", "tools sorting", "badge map"]
"""What of the script looks like a sentence: the directive, and classes."""


def test_a_catalogue_cannot_end_the_script() -> None:
    class Hostile(type(PSEUDO.sentences)):
        def gettext(self, message: str) -> str:
            return "</script><script>alert(1)</script><!--"

    with speaking(replace(PSEUDO, sentences=Hostile())):
        script = html._spoken_script('const WORDS = {}; say("x")')
    assert "<" not in script
