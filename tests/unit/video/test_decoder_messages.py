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
from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped, Timestamp
from facerecon.video import isolation, messages
from facerecon.video.container import Examined, HowRead
from facerecon.video.isolation import IsolatedReader
from facerecon.video.messages import MalformedError
from facerecon.video.sources import Left, Omission, Taken, accounted
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
    head, pixels = messages.step(
        Taken(Timestamp(pts=pts, time_base=(1, 25)), np.zeros((height, width, 3), np.uint8), True)
    )
    assert pixels is not None
    return head + pixels.tobytes()


def frame_head(**changes: int) -> bytes:
    values = {"pts": 5, "numerator": 1, "denominator": 25, "width": 4, "height": 2, "keyframe": 1} | changes
    return struct.pack("<qIIIIB", *values.values())


OMISSION = messages.step(Left(Omission("corrupt", "failed", "a detail"), 3))[0]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PIECES = (
    st.binary(max_size=40)
    | st.builds(picture, st.integers(0, 20))
    | st.just(OMISSION)
    | st.builds(
        lambda kind, body: messages.HEADER.pack(kind, len(body)) + body, st.integers(0, 9), st.binary(max_size=60)
    )
    | st.builds(lambda kind, value: document(kind, value), st.integers(0, 9), JSON)
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
    items: list[Frame | Skipped] = []
    try:
        for item in accounted(IsolatedReader(1.0).video(footage, FOUND, Sample())):
            items.append(item)
    except EvidenceError as error:
        assert len(str(error).splitlines()) == 1
    index = 0
    for item in items:
        first = item.index if isinstance(item, Frame) else int(item.subject.partition("-")[0][1:])
        assert first == index
        index += 1 if isinstance(item, Frame) else item.count
    times = [item.timestamp.seconds for item in items if isinstance(item, Frame)]
    assert all(earlier < later for earlier, later in pairwise(times))


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
        {"pts": 4},
        {"pts": 3},
        {"denominator": 26},
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_is_refused_before_memory_is_taken(changes: dict[str, int]) -> None:
    before = Timestamp(pts=4, time_base=(1, 25))
    assert messages.head(frame_head(), before).width == 4
    with pytest.raises(MalformedError):
        messages.head(frame_head(**changes), before)


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
