"""Pictures that go into a redacted copy: no metadata of others, and a layout that is known or none is covered."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from facerecon.pictures import decode_picture, encode_png
from facerecon.pipeline.masking import Mask
from facerecon.pipeline.outputs import Stated
from facerecon.pipeline.redacted_pictures import Layout, covered_frame, covered_png, covered_video, is_plain

PIXELS = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
SECRET = b"thumbnail-of-somebody"


def with_secret(**words: str) -> bytes:
    """Return a picture with words of this program's kind, and others in EXIF and an old kind of text."""
    info, stream, exif = PngImagePlugin.PngInfo(), io.BytesIO(), Image.Exif()
    for key, value in words.items():
        info.add_itxt(key, value)
    info.add_text("Comment", SECRET.decode())
    exif[270] = SECRET.decode()
    Image.fromarray(PIXELS).save(stream, "PNG", pnginfo=info, exif=exif)
    assert stream.getvalue().count(SECRET) == 2
    return stream.getvalue()


def test_what_this_program_writes_is_plain() -> None:
    assert is_plain(encode_png(PIXELS, {"Title": "a", "Source SHA-256": "b", "Frames": "c"}))


@pytest.mark.parametrize(
    "data",
    [
        with_secret(),
        encode_png(PIXELS, {"Vector": "0.1 0.2"}),
        encode_png(PIXELS, {"Title": "x" * (1 << 17)}),
        encode_png(PIXELS, {}) + SECRET,
        encode_png(PIXELS, {})[:-6],
        b"GIF89a",
    ],
    ids=["text-and-exif", "other-key", "long", "behind-the-end", "cut", "other-format"],
)
def test_what_somebody_else_may_have_put_there_is_not(data: bytes) -> None:
    assert not is_plain(data)


def test_a_covered_picture_is_plain_and_holds_nothing_of_what_was_in_the_metadata() -> None:
    words = {"Title": "RESTORED by x", "Crop": "x 1", "Original": "p, SHA-256 q", "Vector": "0.5"}
    made = covered_png(with_secret(**words), "a.png", [(5, 5, 20, 20)])
    assert is_plain(made)
    assert SECRET not in made
    text = Image.open(io.BytesIO(made)).info
    assert text["Title"].startswith("REDACTED COPY")
    assert text["Title"].endswith("RESTORED by x"), "what a picture is stays on record (R15)"
    assert (text["Crop"], "Original" in text, "Vector" in text) == ("x 1", False, False)


def test_a_frame_is_covered_in_both_halves_of_its_picture_and_the_label_stays() -> None:
    data = encode_png(np.vstack([np.hstack([PIXELS, PIXELS]), PIXELS[:10].repeat(2, axis=1)]), {})
    made = decode_picture(covered_frame(data, "f", [(5, 5, 20, 20)], Layout((30, 20), 2, 2)), "f")
    before = decode_picture(data, "f")
    changed = (made != before).any(axis=2)
    inside = np.zeros(changed.shape, bool)
    inside[10:40, 10:40] = inside[10:40, 70:100] = True
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.9


def test_a_frame_of_an_unknown_layout_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="do not show a frame"):
        covered_frame(encode_png(PIXELS, {}), "f", [(0, 0, 5, 5)], Layout((50, 20), 2))


def test_what_is_no_video_is_left_out_with_the_reason(tmp_path: Path) -> None:
    from facerecon.hashing import sha256_file

    path = tmp_path / "v.mp4"
    path.write_bytes(b"no video at all")
    none = Mask([], [], margin=0.5, hold_s=1, in_order=False)
    with pytest.raises(ValueError, match=r"v\.mp4"):
        covered_video(
            Stated(tmp_path, "v.mp4", sha256_file(path)), tmp_path / "o.mkv", none, Layout((2, 2), 1), Fraction(0)
        )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["v.mp4"]
