"""Pictures of one face, coded side by side: the same files, in the given order, as one after the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from facerecon.hashing import sha256_bytes
from facerecon.pictures import encode_png, with_label
from facerecon.pipeline.drawings import Drawing, write_drawings
from facerecon.records import RGB


def noise(seed: int, side: int) -> RGB:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_files_and_digests_are_those_of_coding_one_after_the_other() -> None:
    written: dict[str, bytes] = {}

    def write(path: str, data: bytes) -> str:
        written[path] = data
        return sha256_bytes(data)

    # The first takes longest to code.
    drawings = [
        Drawing(f"{number}.png", noise(number, side), f"picture {number}", {"Steps": str(number)}, labelled=number != 1)
        for number, side in enumerate((300, 20, 20, 40))
    ]
    digests = write_drawings(cast("Any", SimpleNamespace(write=write)), drawings)
    expected = {
        each.path: encode_png(
            with_label(each.pixels, each.title) if each.labelled else each.pixels, {"Title": each.title, **each.text}
        )
        for each in drawings
    }
    assert list(written) == list(expected)
    assert written == expected
    assert digests == [sha256_bytes(data) for data in expected.values()]


def test_no_drawing_writes_nothing() -> None:
    assert write_drawings(cast("Any", SimpleNamespace()), []) == []
