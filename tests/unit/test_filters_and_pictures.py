"""Pictures round-trip; labels never touch the picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from facerecon.errors import EvidenceError
from facerecon.pictures import decode_picture, encode_png, with_label


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return data.astronaut()[40:200, 150:310]


def test_png_round_trips_with_its_words_and_without_a_clock(portrait: np.ndarray) -> None:
    one = encode_png(portrait, {"Title": "ORIGINAL", "Détail": "中文"})
    assert np.array_equal(decode_picture(one, "x"), portrait)
    assert Image.open(io.BytesIO(one)).text == {"Title": "ORIGINAL", "Détail": "中文"}  # type: ignore[attr-defined]
    assert encode_png(portrait, {"Title": "ORIGINAL", "Détail": "中文"}) == one


@pytest.mark.parametrize("width", [8, 60, 160])
def test_label_stands_below_the_picture_and_changes_no_pixel_of_it(width: int, portrait: np.ndarray) -> None:
    narrow = portrait[:, :width]
    labelled = with_label(narrow, "RESTORED by x: not original pixels, investigative aid")
    assert np.array_equal(labelled[: narrow.shape[0]], narrow)
    assert labelled.shape[1] == width
    assert labelled.shape[0] > narrow.shape[0]
    assert labelled[narrow.shape[0] :].max() > 150


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_exif_rotation_grey_depth_and_transparency(portrait: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_picture(encoded(Image.fromarray(portrait[:80]), "PNG", exif=exif), "x")
    assert np.array_equal(turned, np.rot90(portrait[:80], -1))
    grey16 = (np.linspace(0, 65535, 256).reshape(16, 16)).astype(np.uint16)
    levels = decode_picture(encoded(Image.fromarray(grey16), "PNG"), "x")
    assert (levels[0, 0, 0], levels[-1, -1, 0]) == (0, 255)
    clear = np.dstack([portrait, np.zeros(portrait.shape[:2], np.uint8)])
    assert decode_picture(encoded(Image.fromarray(clear), "PNG"), "x").min() == 255, "white shows through"


@pytest.mark.parametrize("data_", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_an_evidence_error(data_: bytes) -> None:
    with pytest.raises(EvidenceError, match=r"clip.jpg is not a readable picture"):
        decode_picture(data_, "clip.jpg")


def test_truncated_picture_is_refused(portrait: np.ndarray) -> None:
    data_ = encoded(Image.fromarray(portrait), "JPEG")
    with pytest.raises(EvidenceError):
        decode_picture(data_[: len(data_) // 2], "cut.jpg")
