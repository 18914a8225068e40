"""The look at a header: footage or not, and how long, for whoever looks; nothing is decoded and nothing is guessed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facerecon.errors import EvidenceError
from facerecon.video.isolation import IsolatedReader
from facerecon.video.readers import LOCAL, Reader
from tests.synthetic import write_gif, write_video

READERS = [
    pytest.param(LOCAL, id="here"),
    pytest.param(
        IsolatedReader(60.0),
        id="isolated",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only"),
    ),
]
each_reader = pytest.mark.parametrize("reader", READERS)


def _picture(path: Path) -> Path:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(path)
    return path


def _animated(path: Path) -> Path:
    frames = [Image.fromarray(np.full((9, 9, 3), 40 * k, np.uint8)) for k in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def _text(path: Path) -> Path:
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n" if path.suffix == ".ffconcat" else "some words\n" * 99)
    return path


MEDIA: dict[str, tuple[Callable[[Path], Path], float | None]] = {
    "a.mp4": (lambda path: write_video(path, frames=50), 2.0),
    "a.mkv": (lambda path: write_video(path, frames=50), 2.0),
    "a.avi": (lambda path: write_video(path, frames=50, codec="mjpeg", pixel_format="yuvj420p"), 2.0),
    "moving.gif": (lambda path: write_gif(path, [100, 200, 300]), 0.6),
    "moving.webp": (_animated, None),
    "a.png": (_picture, 0.0),
    "still.gif": (_picture, 0.0),
    "a.recording": (lambda path: write_video(path.with_suffix(".mp4"), frames=50).rename(path), 2.0),
}


@each_reader
@pytest.mark.parametrize("name", MEDIA)
def test_footage_and_its_length(tmp_path: Path, reader: Reader, name: str) -> None:
    make, seconds = MEDIA[name]
    found = reader.header(make(tmp_path / name))
    assert found.media
    assert found.footage_s == (pytest.approx(seconds, abs=0.11) if seconds else seconds)


@each_reader
@pytest.mark.parametrize("name", ["a.txt", "list.ffconcat", "a.mp4", "empty.mp4", "noise.avi"])
def test_what_is_no_footage(tmp_path: Path, reader: Reader, name: str) -> None:
    path = _text(tmp_path / name)
    if name == "empty.mp4":
        path.write_bytes(b"")
    if name == "noise.avi":
        path.write_bytes(np.random.default_rng(0).bytes(4000))
    found = reader.header(path)
    assert (found.media, found.footage_s) == (False, None)


@each_reader
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(EvidenceError, match="does not exist"):
        reader.header(tmp_path / "none.mp4")


@each_reader
def test_the_length_is_the_header_s_also_of_a_file_that_was_cut_off(tmp_path: Path, reader: Reader) -> None:
    whole = write_video(tmp_path / "a.mkv", frames=50)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert reader.header(cut).footage_s == reader.header(whole).footage_s == pytest.approx(2.0)


IMPOSSIBLE = [{"media": True, "footage_s": -1.0}, {"media": True}, [], {"media": 9, "footage_s": 1}]


@pytest.mark.parametrize("told", IMPOSSIBLE, ids=str)
def test_a_header_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    monkeypatch.setattr(IsolatedReader, "_result", lambda *_: told)
    with pytest.raises(EvidenceError, match="told what no decoder tells"):
        IsolatedReader(60.0).header(Path("a.mp4"))
