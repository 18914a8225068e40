"""One picture to a core: what a picture gives depends neither on the number of cores nor on its company (R11, R13)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from facerecon.engines.by_torch import each_on_a_core
from facerecon.engines.catalogue import open_detector, open_recognizer
from facerecon.engines.cores import core_count, on_cores
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


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("0", None), ("", None), ("many", None)])
def test_cores_are_those_that_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch, told: str, expected: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert core_count() == (expected or len(os.sched_getaffinity(0)))
