"""Square pixels: a circle that was stored as an ellipse is round again; nothing is ever reduced."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerecon.errors import EvidenceError
from facerecon.profiles import Sample
from facerecon.records import Frame
from facerecon.video import container, open_source
from facerecon.video.aspect import stretch_for
from tests.synthetic import Pixels, number_in, read, write_video

SIZE = (160, 120)


def disc(ratio: Fraction) -> Pixels:
    """Return a picture of a round disc of 80 px as pixels of this aspect ratio store it."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 30, np.uint8)
    radii = (round(40 / max(ratio, 1)), round(40 * min(ratio, 1)))
    return np.asarray(cv2.ellipse(pixels, (80, 60), radii, 0, 0, 360, (220, 220, 220), -1), dtype=np.uint8)


def extent_px(pixels: Pixels) -> tuple[int, int]:
    bright = pixels.mean(axis=2) > 125
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


def write_disc(path: Path, ratio: Fraction, rotation: int = 0) -> Path:
    return write_video(
        path,
        picture=lambda *_: disc(ratio),
        size=SIZE,
        frames=3,
        sample_aspect_ratio=ratio,
        rotation=rotation,
        options={"crf": "5"},
    )


@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(12, 11), Fraction(2), Fraction(8, 9), Fraction(1, 2)])
@pytest.mark.parametrize("rotation", [0, 90])
def test_a_disc_becomes_round_and_nothing_is_reduced(tmp_path: Path, ratio: Fraction, rotation: int) -> None:
    path = write_disc(tmp_path / "a.mp4", ratio, rotation)
    source = open_source(path, square_pixels=True)
    frames, _ = read(path, square_pixels=True)
    width, height = extent_px(frames[0].pixels)
    assert abs(width - height) <= 3
    assert abs(width - 80 * max(1, 1 / ratio) * min(1, ratio)) <= 3
    shape = frames[0].pixels.shape[:2] if not rotation else frames[0].pixels.shape[1::-1]
    assert shape == (round(SIZE[1] * max(1, 1 / ratio)), round(SIZE[0] * max(1, ratio)))
    word = "widened" if ratio > 1 else "heightened"
    stated = f"{word} to square pixels (sample aspect ratio {ratio.numerator}:{ratio.denominator}, Lanczos)"
    assert source.preparation == (stated,)
    video = source.probe["streams"][source.probe["analysed_stream"]]
    assert video["sample_aspect_ratio_from_header"] == f"{ratio.numerator}/{ratio.denominator}"


def test_off_is_the_default(tmp_path: Path) -> None:
    path = write_disc(tmp_path / "a.mp4", Fraction(4, 3))
    source = open_source(path)
    assert source.preparation == ()
    width, height = extent_px(read(path)[0][0].pixels)
    assert height > 1.25 * width


@pytest.mark.parametrize("ratio", [None, Fraction(1)])
def test_square_pixels_stay_untouched(tmp_path: Path, ratio: Fraction | None) -> None:
    path = write_video(tmp_path / "a.mp4", frames=3, sample_aspect_ratio=ratio)
    assert open_source(path, square_pixels=True).preparation == ()
    for one, other in zip(read(path)[0], read(path, square_pixels=True)[0], strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_an_absurd_ratio_is_not_applied_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=3, sample_aspect_ratio=Fraction(50))
    source = open_source(path, square_pixels=True)
    assert source.preparation == ("sample aspect ratio 50:1 in the header is not credible and was not applied",)
    frame = next(iter(source.frames(Sample())))
    assert isinstance(frame, Frame)
    assert frame.pixels.shape == (96, 160, 3)


def test_a_stretched_picture_keeps_to_the_limit_of_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2, size=(640, 480), sample_aspect_ratio=Fraction(2))
    monkeypatch.setattr(container, "MAX_PIXELS", 1000 * 600)
    assert len(read(path)[0]) == 2
    with pytest.raises(EvidenceError, match="has pictures of 1280x480 pixels, more than the limit"):
        open_source(path, square_pixels=True)


def test_numbers_and_times_do_not_change(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(16, 11), b_frames=2)
    before, after = read(path)[0], read(path, square_pixels=True)[0]
    assert [each.timestamp for each in after] == [each.timestamp for each in before]
    assert all(number_in(each.pixels) == each.index for each in after)


def test_flat_areas_keep_their_level() -> None:
    stretch, _ = stretch_for(Fraction(59, 54))
    assert stretch is not None
    flat = np.full((48, 64, 3), (10, 128, 250), np.uint8)
    assert np.array_equal(stretch.apply(flat), np.full((48, 70, 3), (10, 128, 250), np.uint8))
