"""Pictures that somebody crafted: bombs, programs in disguise, damage. One clear refusal, and no program is started."""

from __future__ import annotations

import io
import struct
import subprocess
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

import facerecon
from facerecon.errors import EvidenceError
from facerecon.pictures import FORMATS, MAX_PIXELS, decode_picture, decode_png


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG that says it has this size, with these chunks between header and end."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ZEROS = zlib.compress(bytes(10_000_000), 9)


@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 100_000), (100_000, 2_000), (2_000, 100_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_png_of_100_000_pixels_a_side_is_refused_before_it_is_unpacked(width: int, height: int) -> None:
    with pytest.raises(EvidenceError, match=rf"^bomb\.png has .* pixels; the limit is {MAX_PIXELS}; crop it"):
        decode_picture(png(width, height, (b"IDAT", ZEROS)), "bomb.png")


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def tiff(width: int, height: int) -> bytes:
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 9))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


def ppm(width: int, height: int) -> bytes:
    return b"P6 %d %d 255\n" % (width, height)


@pytest.mark.parametrize("make", [bmp, tiff, ppm], ids=lambda each: each.__name__)
def test_other_formats_are_bounded_alike(make: object) -> None:
    with pytest.raises(EvidenceError, match=r"x has .* pixels; the limit"):
        decode_picture(make(60_000, 60_000), "x")  # type: ignore[operator]


def test_8k_frames_and_large_photographs_are_far_inside_the_limit() -> None:
    assert MAX_PIXELS > 5 * 7680 * 4320
    stream = io.BytesIO()
    Image.new("L", (7680, 4320)).save(stream, "PNG")
    assert decode_picture(stream.getvalue(), "8k").shape == (4320, 7680, 3)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_metadata_that_unpacks_to_much_does_not(kind: bytes) -> None:
    packed = zlib.compress(bytes(200_000_000), 9)
    head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[kind]
    pixel = (b"IDAT", zlib.compress(bytes(4)))
    try:
        assert decode_picture(png(1, 1, (kind, head + packed), pixel), "text.png").shape == (1, 1, 3)
    except EvidenceError as error:
        assert "text.png is not a readable picture" in str(error)


def test_a_file_that_would_start_a_program_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    for name in ("Popen", "run", "check_call", "call", "check_output"):
        monkeypatch.setattr(subprocess, name, started)
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(%pipe%id) (w) file\nshowpage\n%%EOF\n"
    with pytest.raises(EvidenceError, match="no known picture format"):
        decode_picture(script, "suspect.jpg")
    assert not {"EPS", "WMF", "FITS", "PDF", "HDF5", "GRIB", "BUFR"} & set(FORMATS)


def samples() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    found = []
    for name in ("JPEG", "PNG", "TIFF", "BMP", "GIF", "PPM", *(("WEBP",) if features.check("webp") else ())):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, name)
        found.append(stream.getvalue())
    return found


def test_a_picture_of_a_case_reaches_no_decoder_but_that_of_png(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case may be forged with digests that fit; what is called .png in it need not be one."""
    found = samples()
    (whole,) = (data for data in found if data.startswith(b"\x89PNG"))
    assert np.array_equal(decode_png(whole, "x"), decode_picture(whole, "x"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    for data in found:
        if data is not whole:
            with pytest.raises(EvidenceError, match=r"^faces/a\.png is not a readable picture: it is not a PNG"):
                decode_png(data, "faces/a.png")


def test_only_what_reads_galleries_takes_other_formats_than_png() -> None:
    package = Path(facerecon.__file__).parent
    modules = [
        *(package / "pipeline").glob("*.py"),
        *(package / "batch").glob("*.py"),
        *(package / "report").glob("*.py"),
    ]
    assert {path.name for path in modules if "decode_picture" in path.read_text()} == {"enrolment.py"}
    assert {"enhancement.py", "outputs.py"} <= {path.name for path in modules if "decode_png" in path.read_text()}


@settings(max_examples=200)
@given(
    st.sampled_from(samples()),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 2000),
)
def test_damaged_pictures_are_pixels_or_one_line(whole: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(whole)
    for place, value in changes:
        data[place % len(data)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert decode_picture(bytes(data[: max(cut, 4)]), "x").dtype == np.uint8
        except EvidenceError as error:
            assert str(error).startswith("x ")
            assert "\n" not in str(error)
