"""Colour matrix and range, bit depth, transparency, rotation and odd sizes: what a pixel finally is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from facerecon.pictures import over_white
from facerecon.profiles import Sample
from facerecon.records import Frame
from facerecon.video import open_source
from facerecon.video.colour import turn
from tests.synthetic import number_in, read, write_video

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 150, 120), (30, 30, 30), (255, 255, 255), (0, 0, 0)]
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
AVCOL_SPACE = {"bt709": 1, "bt601": 5}
AVCOL_RANGE = {"limited": 1, "full": 2}


def ycbcr(rgb: tuple[int, int, int], matrix: str, scale: str) -> tuple[int, int, int]:
    """The definition, written out again: ITU-R BT.601 / BT.709, 8 bits."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if scale == "full":
        return round(255 * y), min(255, round(128 + 255 * cb)), min(255, round(128 + 255 * cr))
    return round(16 + 219 * y), round(128 + 224 * cb), round(128 + 224 * cr)


def write_flat(
    path: Path,
    matrix: str | None,
    scale: str,
    planes: Sequence[tuple[int, ...]],
    size: tuple[int, int] = (64, 48),
    pixel_format: str = "yuv420p",
) -> Path:
    """Write lossless FFV1 frames of one YCbCr value each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.color_range = AVCOL_RANGE[scale]
        if matrix:
            context.colorspace = AVCOL_SPACE[matrix]
        for number, values in enumerate(planes):
            frame = av.VideoFrame(*size, pixel_format)
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(_filled(value, plane.buffer_size, pixel_format))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _filled(value: int, size: int, pixel_format: str) -> bytes:
    return (value * 4).to_bytes(2, "little") * (size // 2) if "10le" in pixel_format else bytes([value]) * size


def assert_colours(path: Path, tolerance: int = 2) -> None:
    frames, _ = read(path)
    for frame, expected in zip(frames, COLOURS, strict=True):
        error = np.abs(frame.pixels.astype(int) - np.array(expected)).max()
        assert error <= tolerance, f"{expected}: off by {error}"


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("scale", ["limited", "full"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_known_colours(tmp_path: Path, matrix: str, scale: str, pixel_format: str) -> None:
    if pixel_format.endswith("10le") and scale == "full":
        pytest.skip("the 10-bit full-range values are not four times the 8-bit ones")
    planes = [ycbcr(colour, matrix, scale) for colour in COLOURS]
    path = write_flat(tmp_path / "a.mkv", matrix, scale, planes, pixel_format=pixel_format)
    assert open_source(path).probe["colour_matrix"] == matrix
    assert_colours(path)


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "bt601"), ((1280, 720), "bt709")])
def test_a_silent_header_means_the_matrix_of_its_size(tmp_path: Path, size: tuple[int, int], matrix: str) -> None:
    planes = [ycbcr(colour, matrix, "limited") for colour in COLOURS]
    path = write_flat(tmp_path / "a.mkv", None, "limited", planes, size)
    probe = open_source(path).probe
    assert (probe["colour_matrix"], probe["colour_matrix_source"]) == (matrix, "assumed_from_size")
    assert_colours(path)


def test_limited_range_grey_is_stretched(tmp_path: Path) -> None:
    flat = [(16,), (126,), (235,), (5,)]
    for scale, expected in (("limited", [0, 128, 255, 0]), ("full", [16, 126, 235, 5])):
        path = write_flat(tmp_path / f"{scale}.mkv", None, scale, flat, pixel_format="gray")
        assert [int(frame.pixels.mean()) for frame in read(path)[0]] == expected


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_metadata_is_applied(tmp_path: Path, degrees: int) -> None:
    frames, _ = read(write_video(tmp_path / "a.mp4", rotation=degrees, frames=3, options={"qp": "0"}))
    for frame in frames:
        assert number_in(np.rot90(frame.pixels, -degrees // 90)) == frame.index


def test_rotation_agrees_with_the_probe(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", rotation=90, frames=2)
    source = open_source(path)
    frame = next(iter(source.frames(Sample())))
    assert isinstance(frame, Frame)
    assert frame.pixels.shape == (160, 96, 3)
    assert source.probe["first_frame"]["rotation_deg"] == 90
    assert source.probe["first_frame"]["display_matrix"] == [0.0, -1.0, 1.0, 0.0]


ONE = 65536


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((ONE, 0, 0, ONE), [[1, 2, 3], [4, 5, 6]]),
        ((-ONE, 0, 0, ONE), [[3, 2, 1], [6, 5, 4]]),
        ((ONE, 0, 0, -ONE), [[4, 5, 6], [1, 2, 3]]),
        ((-ONE, 0, 0, -ONE), [[6, 5, 4], [3, 2, 1]]),
        ((0, ONE, ONE, 0), [[1, 4], [2, 5], [3, 6]]),
        ((0, ONE, -ONE, 0), [[4, 1], [5, 2], [6, 3]]),
        ((0, -ONE, ONE, 0), [[3, 6], [2, 5], [1, 4]]),
        ((0, -ONE, -ONE, 0), [[6, 3], [5, 2], [4, 1]]),
        ((ONE // 2, ONE // 2, -ONE // 2, ONE // 2), [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_turn(matrix: tuple[int, int, int, int], expected: list[list[int]]) -> None:
    grey = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert turn(np.repeat(grey[:, :, None], 3, axis=2), matrix)[..., 0].tolist() == expected


@pytest.mark.parametrize("size", [(161, 97), (33, 17)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    frames, _ = read(write_video(tmp_path / "a.mkv", codec="ffv1", size=size, frames=2))
    assert frames[0].pixels.shape == (size[1], size[0], 3)


def test_transparent_pixels_show_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 48), (10, 20, 30, 255))
    picture.paste((90, 90, 90, 0), (0, 0, 32, 48))
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.png", save_all=True, append_images=[picture.rotate(180)], duration=100)
    for name in ("a.png", "b.png"):
        pixels = read(tmp_path / name)[0][0].pixels
        assert pixels[5, 5].tolist() == [255, 255, 255]
        assert pixels[5, 60].tolist() == [10, 20, 30]


def test_half_transparency_is_blended() -> None:
    assert over_white(np.array([[[0, 100, 200, 128]]], np.uint8)).tolist() == [[[127, 177, 227]]]
