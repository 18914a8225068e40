"""One function on several items at once: the order stays, and what goes wrong comes when its turn comes."""

from __future__ import annotations

import threading

import pytest

from facerecon.pipeline.beside import side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            first_may_end.wait(0.2)
        else:
            first_may_end.set()
        return 10 * item

    assert list(side_by_side(call, range(20))) == [10 * each for each in range(20)]


def test_an_error_comes_after_the_results_before_it_and_no_thread_stays() -> None:
    def call(item: int) -> int:
        if item == 2:
            raise ZeroDivisionError
        return item

    results = side_by_side(call, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [each for each in threading.enumerate() if each.name.startswith("beside")]


def test_nothing_to_do_starts_nothing() -> None:
    assert list(side_by_side(abs, [])) == []
