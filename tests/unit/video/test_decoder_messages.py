"""What a decoder tells is not trusted: any bytes are frames and omissions of known form, or one reason."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerecon.errors import EvidenceError
from facerecon.pictures import MAX_PIXELS
from facerecon.profiles import Motion, Sample
from facerecon.records import Frame, Skipped, Timestamp
from facerecon.video import Look, Unmoving, Watched, isolation, messages
from facerecon.video.container import Examined, HowRead
from facerecon.video.isolation import IsolatedReader
from facerecon.video.messages import MalformedError
from facerecon.video.motion import BRIGHTEST, DARKEST
from facerecon.video.sources import Left, Omission, Step, Taken, Unmoved, accounted, watched
from facerecon.video.spawning import Ending, GoneError

FOUND = Examined(probe={}, how=HowRead(times="pts"), frame_count_from_header=None, frames_expected=9)
SEGFAULT = Ending(11)


class Liar:
    """A decoder that tells given bytes and dies."""

    told = b""

    def __init__(self, *_: Any) -> None:
        self._left = memoryview(self.told)

    def __enter__(self) -> Liar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_into(self, view: memoryview) -> None:
        if len(view) > len(self._left):
            raise GoneError
        view[:] = self._left[: len(view)]
        self._left = self._left[len(view) :]

    def read(self, count: int) -> bytes:
        data = bytearray(count)
        self.read_into(memoryview(data))
        return bytes(data)

    def end(self, *, leave: bool = False) -> Ending:
        return SEGFAULT


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("footage") / "a.mp4"
    path.write_bytes(bytes(100))
    return path


def picture(pts: int, width: int = 4, height: int = 2) -> bytes:
    return step(Taken(Timestamp(pts=pts, time_base=(1, 25)), np.zeros((height, width, 3), np.uint8), True))


def step(told: Step) -> bytes:
    head, arrays = messages.step(told)
    return head + b"".join(each.tobytes() for each in arrays)


def watched_picture(pts: int, level: int, clock: bool) -> bytes:
    """A picture of two cells, with what a gate saw of it."""
    look = Look(True, np.full((1, 2), level, np.int16), np.array([[True, False]]) if clock else None)
    return step(Taken(Timestamp(pts=pts, time_base=(1, 25)), np.zeros((8, 16, 3), np.uint8), False, look))


def unmoved(pts: int) -> bytes:
    return step(Unmoved(Timestamp(pts=pts, time_base=(1, 25))))


def frame_head(**changes: int) -> bytes:
    values = {"pts": 5, "numerator": 1, "denominator": 25, "width": 4, "height": 2, "keyframe": 1, "seen": 0} | changes
    return struct.pack("<qIIIIBB", *values.values())


OMISSION = step(Left(Omission("corrupt", "failed", "a detail"), 3))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PIECES = (
    st.binary(max_size=40)
    | st.builds(picture, st.integers(0, 20))
    | st.builds(watched_picture, st.integers(0, 20), st.integers(-400, 4600), st.booleans())
    | st.builds(unmoved, st.integers(0, 20))
    | st.just(OMISSION)
    | st.builds(
        lambda kind, body: messages.HEADER.pack(kind, len(body)) + body, st.integers(0, 10), st.binary(max_size=60)
    )
    | st.builds(lambda kind, value: document(kind, value), st.integers(0, 10), JSON)
)


def document(kind: int, value: Any) -> bytes:
    body = json.dumps(value).encode()
    return messages.HEADER.pack(kind, len(body)) + body


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_whatever_a_decoder_tells_is_accounted_for_or_one_reason(
    footage: Path, monkeypatch: pytest.MonkeyPatch, told: bytes
) -> None:
    monkeypatch.setattr(isolation, "Decoder", type("Told", (Liar,), {"told": told}))
    for motion in (None, Motion()):
        items: list[Frame | Unmoving | Skipped] = []
        steps = IsolatedReader(1.0).video(footage, FOUND, Sample(), motion)
        try:
            for item in accounted(steps) if motion is None else watched(steps):
                items.append(item.frame if isinstance(item, Watched) else item)
        except EvidenceError as error:
            assert len(str(error).splitlines()) == 1
        index = 0
        for each in items:
            first = int(each.subject.partition("-")[0][1:]) if isinstance(each, Skipped) else each.index
            assert first == index
            index += each.count if isinstance(each, Skipped) else 1
        times = [each.timestamp.seconds for each in items if not isinstance(each, Skipped)]
        assert all(earlier < later for earlier, later in pairwise(times))


def told_of(monkeypatch: pytest.MonkeyPatch, footage: Path, told: bytes, motion: Motion | None) -> list[Any]:
    monkeypatch.setattr(isolation, "Decoder", type("Told", (Liar,), {"told": told + messages.bare(messages.END)}))
    return list(IsolatedReader(1.0).video(footage, FOUND, Sample(), motion))


def test_what_a_gate_saw_comes_as_it_was_sent(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = watched_picture(3, 1234, clock=True) + unmoved(52) + watched_picture(53, -7, clock=False)
    first, second, third = told_of(monkeypatch, footage, told, Motion())
    assert (first.look.cells.tolist(), first.look.clock.tolist()) == ([[1234, 1234]], [[True, False]])
    assert second == Unmoved(Timestamp(pts=52, time_base=(1, 25)))
    assert (third.look.cells.tolist(), third.look.clock) == ([[-7, -7]], None)


@pytest.mark.parametrize(
    ("told", "motion"),
    [
        (unmoved(1), None),
        (unmoved(1), Motion()),
        (watched_picture(1, 9, clock=False) + unmoved(51), Motion(refresh_s=2)),
        (watched_picture(1, 9, clock=False), None),
        (picture(1), Motion()),
        (watched_picture(1, DARKEST - 1, clock=False), Motion()),
        (watched_picture(1, BRIGHTEST + 1, clock=True), Motion()),
        (watched_picture(1, 9, clock=False) + unmoved(2) + unmoved(2), Motion()),
        (watched_picture(1, 9, clock=False) + unmoved(2) + watched_picture(2, 9, clock=False), Motion()),
        (watched_picture(2, 9, clock=False) + unmoved(1), Motion()),
    ],
    ids=[
        "time without a gate",
        "nothing moved in the first frame",
        "nothing moved for too long",
        "look without a gate",
        "no look",
        "too dark",
        "too bright",
        "same time",
        "frame at the time",
        "earlier time",
    ],
)
def test_a_look_that_cannot_be_ends_the_decoder(
    footage: Path, monkeypatch: pytest.MonkeyPatch, told: bytes, motion: Motion | None
) -> None:
    monkeypatch.setattr(isolation, "Decoder", type("Told", (Liar,), {"told": told + messages.bare(messages.END)}))
    steps: list[Any] = []
    try:
        steps.extend(IsolatedReader(1.0).video(footage, FOUND, Sample(), motion))
    except EvidenceError as error:
        assert "told what no decoder tells" in str(error)
        return
    assert "told what no decoder tells" in steps[-1].omission.detail


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=3).map(b"".join))
def test_whatever_a_decoder_answers_is_of_known_form_or_one_reason(
    footage: Path, monkeypatch: pytest.MonkeyPatch, told: bytes
) -> None:
    monkeypatch.setattr(isolation, "Decoder", type("Told", (Liar,), {"told": told}))
    reader = IsolatedReader(1.0)
    facts = reader.facts(footage)
    assert "error" in facts or facts["pages"] >= 1
    page = reader.page(footage, 0)
    assert isinstance(page, Omission) or page.shape[2] == 3
    for ask in (lambda: reader.kind(footage), lambda: reader.examine(footage, "auto", True)):
        try:
            assert ask() in (None, "image", "animated-webp") or isinstance(ask(), Examined)
        except EvidenceError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"height": 0},
        {"width": MAX_PIXELS, "height": 2},
        {"width": (1 << 32) - 1, "height": (1 << 32) - 1},
        {"numerator": 0},
        {"denominator": 0},
        {"keyframe": 2},
        {"seen": 1},
        {"seen": 3},
        {"pts": 4},
        {"pts": 3},
        {"denominator": 26},
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_is_refused_before_memory_is_taken(changes: dict[str, int]) -> None:
    before = Timestamp(pts=4, time_base=(1, 25))
    assert messages.head(frame_head(), before, gated=False).width == 4
    with pytest.raises(MalformedError):
        messages.head(frame_head(**changes), before, gated=False)


@pytest.mark.parametrize("kind", [messages.RESULT, messages.LEFT, messages.FAILED, messages.ALIVE, 0, 200])
def test_no_message_is_read_that_is_longer_than_its_kind_may_be(kind: int) -> None:
    asked: list[int] = []

    def read(count: int) -> bytes:
        asked.append(count)
        return messages.HEADER.pack(kind, (1 << 32) - 1)

    with pytest.raises(MalformedError):
        messages.receive(read)
    assert asked == [messages.HEADER.size]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "NaN",
        "[1e999999, Infinity]",
        '"\\ud800"',
        "9" * 30,
        "9" * 10_000,
        '{"a": [9223372036854775808]}',
        "",
    ],
)
def test_json_that_no_record_can_hold_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        messages.plain(text.encode())


@pytest.mark.parametrize(
    "value", [["decoder-ended", "", 1], ["corrupt", "", 0], ["corrupt", "x" * 9000, 1], ["corrupt", 1, 1], []]
)
def test_a_reason_that_decoders_do_not_give_is_refused(value: list[Any]) -> None:
    with pytest.raises(MalformedError):
        messages.left(document(messages.LEFT, value)[messages.HEADER.size :])


@pytest.mark.parametrize("answer", [[], {}, "picture", 7, True])
def test_an_answer_of_another_form_is_one_reason(footage: Path, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    told = document(messages.RESULT, answer) + messages.bare(messages.END)
    monkeypatch.setattr(isolation, "Decoder", type("Told", (Liar,), {"told": told}))
    with pytest.raises(EvidenceError, match="told what no decoder tells"):
        IsolatedReader(1.0).kind(footage)
