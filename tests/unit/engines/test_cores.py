"""One picture to a core: what a picture gives depends neither on the number of cores nor on its company (R11, R13)."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from facerecon.engines.by_torch import each_on_a_core
from facerecon.engines.catalogue import open_detector, open_recognizer
from facerecon.engines.cores import core_count, on_cores, on_own_threads
from facerecon.engines.trained import open_trained_restorer
from facerecon.records import RGB, FaceView
from facerecon.stages import Restoration
from facerecon.weights import entry

Answer = Callable[[FaceView, int], bytes]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(request.param))
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def detected(face: FaceView, company: int) -> bytes:
    detector = open_detector("retinaface-mobile0.25", device="cpu", batch=2)
    return repr(detector.detect([face.pixels, *[mirrored(face.pixels)] * company])[0]).encode()


def embedded(face: FaceView, company: int) -> bytes:
    other = FaceView(mirrored(face.pixels), face.landmarks)
    vectors = open_recognizer("dlib-lq", device="cpu").embed([face, *[other] * company])
    return vectors[0].vector.tobytes()


def restored(face: FaceView, company: int) -> bytes:
    return restored_in("fp32", face, company)


def restored_by_torch(face: FaceView, company: int) -> bytes:
    return restored_in("bf16", face, company)


def restored_in(precision: str, face: FaceView, company: int) -> bytes:
    restorer = open_trained_restorer(entry("restorer-unet"), torch.device("cpu"), precision=precision, batch=3)
    found = restorer.restore([face, *[FaceView(mirrored(face.pixels), face.landmarks)] * company])[0]
    assert isinstance(found, Restoration)
    return found.pixels.tobytes()


def mirrored(pixels: RGB) -> RGB:
    return np.ascontiguousarray(pixels[:, ::-1])


@pytest.mark.parametrize("answer", [detected, embedded, restored, restored_by_torch])
@pytest.mark.parametrize("company", [0, 3])
def test_neither_cores_nor_company_matter(
    face: FaceView, answer: Answer, company: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answer(face, company)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    assert found == answer(face, 0), threads


def test_answers_come_in_order_each_from_one_thread_without_gradients(threads: int) -> None:
    def told(number: int) -> tuple[int, int, bool, str]:
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled(), threading.current_thread().name

    found = each_on_a_core(told, range(20))
    assert [each[0] for each in found] == list(range(20))
    assert {each[1:3] for each in found} == {(1, True)}
    assert len({each[3] for each in found}) <= threads
    assert torch.get_num_threads() == threads


def test_an_error_comes_out() -> None:
    def fails(number: int) -> int:
        return 1 // number

    for each in (on_cores, each_on_a_core):
        with pytest.raises(ZeroDivisionError):
            each(fails, [1, 0])
        assert each(fails, []) == []


def test_nobody_waits_for_threads_that_others_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    begun, over = threading.Barrier(3), threading.Event()

    def busy(_: int) -> None:
        begun.wait(60)
        over.wait(60)

    other = threading.Thread(target=on_own_threads, args=(busy, range(2)))
    other.start()
    begun.wait(60)
    assert on_cores(lambda number: number + 1, range(5)) == [1, 2, 3, 4, 5]
    assert not over.is_set()
    over.set()
    other.join(60)


def test_whatever_ends_a_call_comes_out_and_is_held_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a thread that only helps: the caller's own item ends after the other one has failed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    caller, failed = threading.current_thread(), threading.Event()

    class Result:
        pass

    results: list[weakref.ref[Result]] = []

    def call(_: int) -> Result:
        if threading.current_thread() is not caller:
            failed.set()
            raise SystemExit("told")
        assert failed.wait(60)
        result = Result()
        results.append(weakref.ref(result))
        return result

    gc.disable()
    try:
        with pytest.raises(SystemExit, match="told"):
            on_cores(call, range(4))
        assert [each() for each in results] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("0", None), ("", None), ("many", None)])
def test_cores_are_those_that_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch, told: str, expected: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert core_count() == (expected or len(os.sched_getaffinity(0)))


def test_mkls_number_counts_where_the_other_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    assert core_count() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert core_count() == 4
