"""The ledger: any edit, removal, insertion or reordering of lines is found (R04)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import GENESIS, Ledger

WHERE = Path("ledger.jsonl")


def made(count: int = 4) -> Ledger:
    ledger = Ledger()
    for number in range(count):
        ledger.append(f"step{number}", {"n": number, "text": "é中"}, {"in": "a" * 64}, {"out": "b" * 64})
    return ledger


def test_written_ledger_reads_back_equal() -> None:
    ledger = made()
    assert Ledger.parse(ledger.to_bytes(), WHERE).entries == ledger.entries
    assert Ledger.parse(b"", WHERE).head == GENESIS


def test_each_line_names_the_one_before() -> None:
    entries = made().entries
    assert [entry.seq for entry in entries] == [0, 1, 2, 3]
    assert [entry.prev for entry in entries] == [GENESIS, *(entry.hash for entry in entries[:-1])]


@given(st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    content = bytearray(made().to_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(IntegrityError, match="ledger"):
        Ledger.parse(bytes(content), WHERE)


@pytest.mark.parametrize("order", [[1, 2, 3], [0, 2, 3], [0, 1, 3], [1, 0, 2, 3], [0, 0, 1, 2, 3]])
def test_removed_moved_and_doubled_lines_are_found(order: list[int]) -> None:
    lines = made().to_bytes().splitlines(keepends=True)
    with pytest.raises(IntegrityError, match="does not follow"):
        Ledger.parse(b"".join(lines[i] for i in order), WHERE)


def test_an_edited_line_with_a_new_digest_breaks_the_next_one() -> None:
    lines = made().to_bytes().splitlines()
    entry = json.loads(lines[1])
    entry["details"]["n"] = 99
    entry["hash"] = sha256_bytes(canonical_json({k: v for k, v in entry.items() if k != "hash"}))
    lines[1] = canonical_json(entry)
    with pytest.raises(IntegrityError, match="line 3"):
        Ledger.parse(b"\n".join(lines) + b"\n", WHERE)


def test_same_content_in_another_form_counts_as_edited() -> None:
    line = json.dumps(json.loads(made(1).to_bytes())).encode() + b"\n"
    with pytest.raises(IntegrityError, match="canonical"):
        Ledger.parse(line, WHERE)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    try:
        Ledger.parse(data, WHERE)
    except IntegrityError:
        return
    assert data == b""


def test_missing_file_is_an_integrity_error(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        Ledger.read(tmp_path / "ledger.jsonl")


def test_text_that_no_file_can_hold_is_refused_not_a_crash() -> None:
    line = made(1).to_bytes().replace("中".encode(), b"\\ud800")
    with pytest.raises(IntegrityError, match="not a ledger entry"):
        Ledger.parse(line, WHERE)


def test_outputs_are_every_stated_file_and_a_second_digest_for_one_is_refused() -> None:
    ledger = Ledger()
    ledger.append("a", {}, {"source": "c" * 64}, {"one": "a" * 64})
    ledger.append("b", {}, {"one": "a" * 64}, {"one": "a" * 64, "two": "b" * 64})
    assert ledger.outputs == {"one": "a" * 64, "two": "b" * 64}
    ledger.append("c", {}, {}, {"one": "d" * 64})
    Ledger.parse(ledger.to_bytes(), WHERE)
    with pytest.raises(IntegrityError, match="entry 2 states another digest for one"):
        _ = ledger.outputs
