"""A stage's journal: what was added comes back in order, and damage costs what lies behind it, never more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.errors import IntegrityError, ResourceError
from facerecon.journal import Journal, answers_of, journal_digest, journal_name, remove_journal, vouched_for

BY = {"facerecon version": "1", "source": {"source": "a" * 64}, "models": [{"id": "m", "threshold": 0.1}]}
ANSWERS: list[Any] = [[1, 2.5], {"files": {"faces/a.png": "0" * 64}}, [], "text é"]


def journal(root: Path, **changes: Any) -> Journal:
    return Journal(root, "extract", {**BY, **changes})


def filled(root: Path) -> bytes:
    """Write a journal and return its bytes."""
    with_answers = journal(root)
    assert with_answers.known("q0") is None
    for number, answer in enumerate(ANSWERS):
        with_answers.add(f"q{number}", answer)
    with_answers.close()
    return (root / journal_name("extract")).read_bytes()


def recalled(again: Journal) -> list[Any]:
    found = []
    while (answer := again.known(f"q{len(found)}")) is not None:
        found.append(answer)
    return found


def test_answers_come_back_in_order_and_more_can_be_added(tmp_path: Path) -> None:
    filled(tmp_path)
    again = journal(tmp_path)
    assert (recalled(again), again.refusal, again.exhausted) == (ANSWERS, "", True)
    again.add("q4", 4)
    again.close()
    assert recalled(journal(tmp_path)) == [*ANSWERS, 4]
    assert list(answers_of(tmp_path, "extract")) == [*ANSWERS, 4]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_come_back_bit_for_bit(numbers: list[float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        first = journal(Path(folder))
        assert first.known("q") is None
        first.add("q", numbers)
        first.close()
        again = journal(Path(folder))
        assert [value.hex() for value in again.known("q") or ()] == [value.hex() for value in numbers]
        again.close()


def test_another_question_ends_what_is_known_and_the_rest_is_forgotten(tmp_path: Path) -> None:
    filled(tmp_path)
    again = journal(tmp_path)
    assert again.known("q0") == ANSWERS[0]
    assert again.known("other") is None
    assert again.known("q1") is None
    again.add("other", "new")
    again.close()
    assert list(answers_of(tmp_path, "extract")) == [ANSWERS[0], "new"]


def test_a_rejected_answer_is_forgotten_with_what_follows(tmp_path: Path) -> None:
    filled(tmp_path)
    again = journal(tmp_path)
    assert [again.known("q0"), again.known("q1")] == ANSWERS[:2]
    again.reject()
    again.close()
    assert list(answers_of(tmp_path, "extract")) == ANSWERS[:1]


def test_every_cut_leaves_whole_answers_and_can_be_gone_on_from(tmp_path: Path) -> None:
    data = filled(tmp_path)
    for length in range(len(data)):
        (tmp_path / journal_name("extract")).write_bytes(data[:length])
        again = journal(tmp_path)
        found = recalled(again)
        assert found == ANSWERS[: max(data[:length].count(b"\n") - 1, 0)]
        again.add(f"q{len(found)}", "new")
        again.close()
        assert list(answers_of(tmp_path, "extract")) == [*found, "new"]


def test_every_flipped_bit_costs_only_what_lies_behind_it(tmp_path: Path) -> None:
    data = filled(tmp_path)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        (tmp_path / journal_name("extract")).write_bytes(changed)
        again = journal(tmp_path)
        whole = data[:position].count(b"\n")
        assert recalled(again) == (ANSWERS[: whole - 1] if whole else [])
        assert bool(again.refusal) == (whole == 0)
        again.close()


@pytest.mark.parametrize("name", ["facerecon version", "source", "models"])
def test_a_journal_that_was_made_otherwise_is_begun_anew_and_says_why(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    again = journal(tmp_path, **{name: "other"})
    assert again.refusal == f"it was made with another {name}"
    assert recalled(again) == []
    again.close()
    assert recalled(journal(tmp_path)) == []


def test_links_and_second_names_are_refused_and_left_alone(tmp_path: Path) -> None:
    data = filled(tmp_path)
    path, outside = tmp_path / journal_name("extract"), tmp_path / "outside"
    os.link(path, outside)
    with pytest.raises(IntegrityError, match="no file of its own"):
        journal(tmp_path)
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(IntegrityError, match="is a link"):
        journal(tmp_path)
    with pytest.raises(IntegrityError, match="link"):
        journal_digest(tmp_path, "extract")
    path.unlink()
    path.parent.rmdir()
    (tmp_path / "elsewhere").mkdir()
    path.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is a link, or no folder"):
        journal(tmp_path)
    assert outside.read_bytes() == data
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_full_disk_is_a_resource_error_and_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    again = journal(tmp_path)
    recalled(again)

    def half(handle: int, data: bytes) -> int:
        if len(data) < 8:
            raise OSError(28, os.strerror(28))
        return real(handle, data[: len(data) // 2])

    real = os.write
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(ResourceError, match="No space left on device; free some space"):
        again.add("q4", "x" * 100)
    monkeypatch.undo()
    again.close()
    assert recalled(journal(tmp_path)) == ANSWERS


def test_files_that_answers_name_are_vouched_for(tmp_path: Path) -> None:
    assert vouched_for(tmp_path, "extract") == {}
    filled(tmp_path)
    assert vouched_for(tmp_path, "extract") == {"faces/a.png": "0" * 64}


def test_a_removed_journal_leaves_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    assert len(journal_digest(tmp_path, "extract")) == 64
    remove_journal(tmp_path, "extract")
    remove_journal(tmp_path, "extract")
    assert journal_digest(tmp_path, "extract") == ""
    assert list(tmp_path.iterdir()) == []
