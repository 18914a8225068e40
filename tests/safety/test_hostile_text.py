"""Text from outside on the terminal: names, remarks and file names are shown, and act on nothing."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from facerecon.characters import acting, inert, json_escaped
from facerecon.console import Console
from facerecon.records import LARGEST_INTEGER, Counts, FrameRecord, Timestamp

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
HOSTILE = "\x1b]0;title\x07 \x1b[2J\x1b[1;1H \x9b31m \u202egnp.exe \udcff \x08\x08 \r \u2028"


def is_acting(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in (
        "LRE",
        "RLE",
        "PDF",
        "LRO",
        "RLO",
        "LRI",
        "RLI",
        "FSI",
        "PDI",
    )


@given(ANY)
def test_inert_text_holds_nothing_that_acts_and_all_that_is_shown(text: str) -> None:
    shown = inert(text)
    assert not any(is_acting(each) for each in shown)
    assert acting(shown) is None
    # Character by character, and whatever does not act stays as it is.
    assert shown == "".join(inert(each) for each in text)
    assert all(inert(each) == each for each in text if acting(each) is None)
    shown.encode()


@given(st.recursive(ANY | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(ANY, inner), max_leaves=6))
def test_json_on_stdout_is_the_same_document_and_acts_on_nothing(document: object) -> None:
    text = json_escaped(json.dumps(document, ensure_ascii=False, indent=1))
    assert json.loads(text) == document
    assert not any(is_acting(each) for each in text if each != "\n")
    text.encode()


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_that_is_printed_acts_on_the_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    console, streams = Console(), (io.StringIO(), io.StringIO())
    for each, stream in zip((console.out, console.err), streams, strict=True):
        each.file, each._force_terminal = stream, terminal
    table = Table("name", "remark")
    table.add_row(HOSTILE, Text(HOSTILE))
    console.show(table)
    console.show(Text.assemble(("problem", "bold red"), HOSTILE))
    console.show(f"[green]verified[/] {HOSTILE}")
    for said in (console.noted, console.warn, console.error):
        said(f"file {HOSTILE}\nforged line")
    for stream in streams:
        text = stream.getvalue()
        assert not {"\x07", "\x9b", "\u202e", "\udcff", "\x08", "\r", "\u2028"} & set(text)
        assert "\x1b]0" not in text
        assert "\x1b[2J" not in text
        assert "\\x1b" in text
        text.encode()
    assert len(streams[1].getvalue().splitlines()) == 3, "a message is one line"


def test_the_json_result_acts_on_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).result({"name": HOSTILE})
    out = capsys.readouterr().out
    assert json.loads(out)["name"] == HOSTILE
    assert "\x1b" not in out
    assert "\udcff" not in out


def test_records_hold_no_number_beyond_64_bits() -> None:
    time = {"pts": 1, "time_base": [1, 25]}
    Timestamp.model_validate({**time, "pts": LARGEST_INTEGER})
    for wrong in ({"pts": LARGEST_INTEGER + 1}, {"pts": -(10**4000)}, {"time_base": [1, 10**30]}):
        with pytest.raises(ValidationError, match="beyond 64 bits"):
            Timestamp.model_validate({**time, **wrong})
    with pytest.raises(ValidationError, match="beyond 64 bits"):
        Counts(requested=10**30, written=10**30, failed=0, skipped=0)
    with pytest.raises(ValidationError):
        FrameRecord.model_validate_json(b'{"index": ' + b"9" * 5000 + b"}")
