"""From decoded pictures to RGB, or luma: colour matrix, range, transparency, rotation.

Decides where a header is silent.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Interpolation

from facerecon.pictures import over_white
from facerecon.records import RGB
from facerecon.video.aspect import Stretch

Plane = npt.NDArray[np.uint8]
# Bilinear chroma at full horizontal resolution with exact rounding: within 1 level of the definition. FFmpeg's
# default takes the nearest chroma sample and was up to 27 levels off on a coloured texture.
_FLAGS = int(
    Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)
LARGE_PX = 1 << 19
"""From pictures of so many pixels on a second thread pays; the pixels are the same."""
_BT709, _BT601 = 1, 5
_KNOWN_MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_LIMITED, _FULL = 1, 2
_WIDE_LUMA = re.compile(r"(?:yuv4\d\dp|gray)\d+le")
_LIMITED_BY_DEFAULT = ("h264", "hevc", "vvc", "mpeg", "av1", "vp8", "vp9", "vc1", "wmv")
_LIMITED_TO_FULL = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def matrix_name(colorspace: int, width: int, height: int) -> tuple[str, str]:
    """Return the colour matrix that is used and where it comes from.

    Headers of CCTV files are often silent; then it is BT.709 from 1280x720 on and BT.601 below, as players assume.
    """
    known = _KNOWN_MATRICES.get(colorspace)
    if known is not None:
        return known, "from_header"
    return ("bt709" if width >= 1280 or height >= 720 else "bt601"), "assumed_from_size"


def to_rgb(image: Any, codec: str, stretch: Stretch | None = None) -> RGB:
    """Convert a decoded PyAV frame to RGB, uint8, shape (height, width, 3), with its rotation metadata applied.

    Transparent pixels show white, as in a browser. High bit depths are reduced to 8 bits. HDR is not tone-mapped.
    `stretch` makes pixels square, before the rotation, because a header states the aspect of the unrotated picture.
    """
    _state_colours(image, codec)
    pixels = over_white(_convert(image, "rgba").to_ndarray()) if _has_alpha(image.format) else _opaque(image)
    if image.format.name.startswith("gray") and image.color_range == _LIMITED:
        # swscale takes every grey picture for full range.
        pixels = _LIMITED_TO_FULL[pixels]
    return turn(stretch.apply(pixels) if stretch else pixels, display_matrix(image))


@dataclass(frozen=True, eq=False)
class Luma:
    """A decoded frame's luma, 8 bits, uint8 (height, width), turned as `to_rgb` turns, not stretched.

    `limited`: 16 is black and 235 white. `size`: width and height of the picture that `to_rgb` makes, px.
    """

    levels: Plane
    limited: bool
    size: tuple[int, int]


def luma(image: Any, codec: str, stretch: Stretch | None = None) -> Luma | None:
    """Return the luma of a decoded PyAV frame, at a tenth of what `to_rgb` costs.

    None: it is not coded by itself (RGB, packed formats), or the picture is transparent; `to_rgb` shows what such a
    frame is like. Of high bit depths the upper 8 bits are returned.
    """
    kind = image.format
    apart = (kind.is_planar and not kind.is_rgb and not _has_alpha(kind)) or kind.name.startswith("gray")
    bits = kind.components[0].bits
    # Others have their samples in the upper bits, or in the other byte order.
    if not apart or bits < 8 or (bits > 8 and not _WIDE_LUMA.fullmatch(kind.name)):
        return None
    _state_colours(image, codec)
    width, height = stretch.size_px(image.width, image.height) if stretch else (image.width, image.height)
    levels, matrix = _plane(image.planes[0], bits), display_matrix(image)
    if matrix != UPRIGHT:
        levels = turn(levels, matrix)
    limited = image.color_range == _LIMITED and not kind.name.startswith("yuvj")
    return Luma(levels, limited, (height, width) if _sideways(matrix) else (width, height))


def _state_colours(image: Any, codec: str) -> None:
    if image.format.is_rgb or image.format.has_palette:
        return
    if image.colorspace not in _KNOWN_MATRICES or image.colorspace == 0:
        name, _ = matrix_name(image.colorspace or 2, image.width, image.height)
        image.colorspace = _BT709 if name == "bt709" else _BT601
    if image.color_range not in (_LIMITED, _FULL):
        grey_full = image.format.name.startswith("gray") and not codec.startswith(_LIMITED_BY_DEFAULT)
        image.color_range = _FULL if grey_full or image.format.name.startswith("yuvj") else _LIMITED


def _opaque(image: Any) -> RGB:
    if image.format.is_rgb or image.format.has_palette or image.format.name.startswith("gray"):
        pixels: RGB = _convert(image, "rgb24").to_ndarray()
        return pixels
    # The same pixels as "rgb24" gives, at half the cost: swscale has vector code for planes of this exactness only.
    green, blue, red = (_plane(each) for each in _convert(image, "gbrp").planes)
    return np.asarray(cv2.merge((red, green, blue)), np.uint8)


def _plane(plane: Any, bits: int = 8) -> Plane:
    """Return the upper 8 bits of one plane's samples, uint8 (height, width), without the bytes that fill up its lines.

    Some decoders deliver pictures bottom line first, which is told by a negative line size.
    """
    lines = np.frombuffer(plane, np.uint8).reshape(plane.height, abs(plane.line_size))
    if bits > 8:
        lines = (lines.view("<u2") >> (bits - 8)).astype(np.uint8)
    lines = lines[:, : plane.width]
    return lines[::-1] if plane.line_size < 0 else lines


def _convert(image: Any, pixel_format: str) -> Any:
    threads = 2 if image.width * image.height >= LARGE_PX else 1
    return image.reformat(format=pixel_format, interpolation=_FLAGS, threads=threads)


def _has_alpha(pixel_format: Any) -> bool:
    return any(component.is_alpha for component in pixel_format.components)


Matrix = tuple[int, int, int, int]
UPRIGHT: Matrix = (65536, 0, 0, 65536)


def display_matrix(image: Any) -> Matrix:
    """Return (a, b, c, d) of the frame's display matrix, x' = a x + c y, y' = b x + d y, in 1/65536."""
    # Not `image.side_data`, which keeps what it made: a cycle, in which every frame waits for a garbage collection.
    for data in SideDataContainer(image):  # type: ignore[call-arg]
        if data.type.name == "DISPLAYMATRIX":
            values = struct.unpack("=9i", bytes(data)[:36])
            return (values[0], values[1], values[3], values[4])
    return UPRIGHT


def turn(pixels: Plane, matrix: Matrix) -> Plane:
    """Apply a display matrix of quarter turns and mirrorings; any other angle leaves the pixels as they are."""
    a, b, c, d = matrix
    if b == c == 0:
        turned = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    elif _sideways(matrix):
        turned = pixels.swapaxes(0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    else:
        turned = pixels
    return np.ascontiguousarray(turned)


def _sideways(matrix: Matrix) -> bool:
    a, b, c, d = matrix
    return a == d == 0 and not b == c == 0
