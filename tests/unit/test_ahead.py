"""Working ahead: the same items in the same order, never too many of them, and nothing left running."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.ahead import ahead
from facerecon.interruption import AbandonedError, check_wanted


def running() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


class Numbers:
    """Counts up; knows how far it came, whether it was closed, and by which thread it was used."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count, self.fail_at = count, fail_at
        self.made = 0
        self.closed = False
        self.threads: set[int] = set()

    def __call__(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.threads.add(threading.get_ident())
                if number == self.fail_at:
                    raise ValueError("the disk is gone")
                self.made += 1
                yield number
        finally:
            self.closed = True
            self.threads.add(threading.get_ident())


@given(st.integers(0, 40), st.integers(1, 8))
def test_items_come_unchanged_and_in_order(count: int, depth: int) -> None:
    numbers = Numbers(count)
    assert list(ahead(numbers(), depth)) == list(range(count))
    assert numbers.closed
    assert running() == 0


def test_never_more_than_the_depth_is_made_ahead() -> None:
    numbers = Numbers(1000)
    for used, _ in enumerate(ahead(numbers(), 3), start=1):
        # Those that wait, the one that is used, and the one that waits for room.
        assert numbers.made <= used + 4


def test_an_error_comes_after_the_items_before_it() -> None:
    found = []
    with pytest.raises(ValueError, match="the disk is gone"):
        for number in ahead(Numbers(9, fail_at=5)(), 2):
            found.append(number)
    assert found == [0, 1, 2, 3, 4]
    assert running() == 0


def test_a_consumer_that_stops_ends_the_thread_and_closes_the_source() -> None:
    numbers = Numbers(10**9)
    for number in (items := ahead(numbers(), 2)):
        if number == 3:
            items.close()
            break
    assert numbers.closed
    assert running() == 0


def test_a_consumer_that_fails_ends_the_thread_too() -> None:
    numbers = Numbers(10**9)

    def use() -> None:
        items = ahead(numbers(), 2)
        try:
            for number in items:
                if number == 3:
                    raise KeyboardInterrupt
        finally:
            items.close()

    with pytest.raises(KeyboardInterrupt):
        use()
    assert numbers.closed
    assert running() == 0


def test_the_source_is_used_by_one_thread_only_and_not_by_this_one() -> None:
    numbers = Numbers(20)
    list(ahead(numbers(), 2))
    assert len(numbers.threads) == 1
    assert threading.get_ident() not in numbers.threads


def test_what_takes_long_learns_that_nobody_waits_for_it() -> None:
    begun, ended = threading.Event(), []

    def long() -> Iterator[int]:
        yield 0
        begun.set()
        try:
            while True:
                check_wanted()
                time.sleep(0.001)
        except AbandonedError:
            ended.append(True)
            raise

    items = ahead(long(), 1)
    assert next(items) == 0
    assert begun.wait(10)
    items.close()
    assert ended == [True]
    assert running() == 0
    # Whoever is in the main thread is always waited for.
    check_wanted()


@pytest.mark.usefixtures("ctrl_c_as_a_thread_starts")
def test_ctrl_c_while_the_thread_starts_leaves_nothing_running() -> None:
    """Else it goes on while the interpreter is taken down, and the process ends by SIGABRT in place of 130."""
    numbers = Numbers(1000)
    with pytest.raises(KeyboardInterrupt):
        list(ahead(numbers(), 3))
    assert running() == 0
    assert numbers.closed or not numbers.made


def test_a_second_ctrl_c_does_not_wait_and_the_end_of_the_process_knows_of_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    join, waiting = threading.Thread.join, list[threading.Thread]()

    def impatient(thread: threading.Thread, timeout: float | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facerecon.ahead.left_waiting", waiting.append)
    items = ahead(Numbers(1000)(), 3)
    next(items)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", impatient)
        with pytest.raises(KeyboardInterrupt):
            items.close()
    (thread,) = waiting
    join(thread)
    assert running() == 0


def test_a_thread_that_cannot_be_started_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(ahead(Numbers(3)(), 3))


class Large:
    """Something whose memory is wanted back."""


def test_nothing_of_a_failed_item_is_kept_once_its_error_was_handled() -> None:
    """Not even until the garbage collector comes."""

    def items() -> Iterator[int]:
        large = Large()
        kept.append(weakref.ref(large))
        yield 1
        raise MemoryError

    kept: list[weakref.ref[Large]] = []
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(MemoryError):
            list(ahead(items(), 1))
        assert kept[0]() is None
    finally:
        gc.enable()
