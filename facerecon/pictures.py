"""Picture files and labels: bytes to RGB and back, and the strip that says what a picture is. Owns PNG metadata.

Equal pixels and equal metadata give equal bytes: nothing here writes a time of day.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin, UnidentifiedImageError

from facerecon.errors import EvidenceError
from facerecon.records import RGB

MAX_PIXELS = 178_956_970
"""Largest picture, in pixels: Pillow's limit against decompression bombs (an 8K frame has 33 million)."""
LARGEST_BYTES = 1 << 31
"""Largest picture file that is read (2 GiB): `MAX_PIXELS` of four 16-bit channels, uncompressed, and metadata."""
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")
"""What is decoded, whatever a file is called. Of Pillow's others, some start programs (EPS: Ghostscript)."""
_TOO_LARGE = f"the limit is {MAX_PIXELS}; crop it, or make it smaller, and state that it was changed"
_STRIP_BACKGROUND = (24, 24, 27)
_PNG_LEVEL = 4


def decode_picture(data: bytes, name: str) -> RGB:
    """Decode a still picture to RGB, as `rgb_of` does.

    Raises:
        EvidenceError: not a picture of one of `FORMATS`, damaged, or larger than `MAX_PIXELS`; the message names it.
    """
    # Loads all formats' readers; without it a list of formats finds only the most common ones.
    Image.init()
    return _decoded(data, name, FORMATS)


def decode_png(data: bytes, name: str) -> RGB:
    """Decode a picture that this tool wrote to RGB, as `rgb_of` does: a case may come from somebody else, and no other
    decoder than that of PNG is to be given its bytes.

    Raises:
        EvidenceError: not a PNG, damaged, or larger than `MAX_PIXELS`; the message names it.
    """
    return _decoded(data, name, ("PNG",))


def _decoded(data: bytes, name: str, formats: tuple[str, ...]) -> RGB:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise EvidenceError(f"{name} has {image.width}x{image.height} pixels; {_TOO_LARGE}")
                return rgb_of(image)
    except (EvidenceError, MemoryError):
        raise
    except UnidentifiedImageError:
        # Pillow's own words hold a memory address, and records must be equal in every run.
        wanted = "it is not a PNG, as all pictures of a case are" if len(formats) == 1 else "no known picture format"
        raise EvidenceError(f"{name} is not a readable picture: {wanted}") from None
    except Image.DecompressionBombError:
        raise EvidenceError(f"{name} has more than {2 * MAX_PIXELS} pixels; {_TOO_LARGE}") from None
    except Exception as error:
        # A decoder that is given crafted bytes may raise anything.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EvidenceError(f"{name} is not a readable picture: {reason}") from None


def rgb_of(image: Image.Image) -> RGB:
    """Convert the current page to RGB, uint8, shape (height, width, 3): EXIF orientation applied, 16-bit grey scaled.

    Transparent pixels show white, as in a browser. Colour profiles are not applied.

    Raises:
        ValueError: a pixel type without a defined brightness scale (float, or integers beyond 16 bits).
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_16_bit(upright)
    if upright.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in upright.info:
        return over_white(np.asarray(upright.convert("RGBA")))
    return np.array(upright.convert("RGB"))


def _from_16_bit(image: Image.Image) -> RGB:
    values = np.asarray(image)
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels of type {image.mode} have no defined brightness scale")
    grey = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def over_white(rgba: RGB) -> RGB:
    """Composite RGBA, uint8, shape (height, width, 4), over white."""
    alpha = rgba[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3])
    wide = alpha.astype(np.uint16)
    return ((rgba[..., :3] * wide + 255 * (255 - wide) + 127) // 255).astype(np.uint8)


def encode_png(pixels: RGB, text: Mapping[str, str]) -> bytes:
    """Encode RGB pixels as PNG with `text` in its metadata (UTF-8 iTXt chunks, in the order given)."""
    info = PngImagePlugin.PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", pnginfo=info, compress_level=_PNG_LEVEL)
    return stream.getvalue()


def with_label(
    pixels: RGB, text: str, *, colour: tuple[int, int, int] = (251, 191, 36), letters_px: int | None = None
) -> RGB:
    """Return the picture with a strip of text below it; no pixel of the picture itself is covered or changed.

    Args:
        pixels: the picture, (height, width, 3).
        text: what the strip says; wrapped to the width.
        colour: RGB of the text.
        letters_px: their height; None: 9 to 14 px, by the width.

    Returns:
        RGB of the same width and a greater height.
    """
    width = pixels.shape[1]
    font = _font(letters_px or min(14, max(9, width // 32)))
    lines, height = _wrapped(text, font, width - 8), round(font.size * 1.4)
    strip = Image.new("RGB", (width, len(lines) * height + 6), _STRIP_BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((4, 3 + number * height), line, font=font, fill=colour)
    return np.concatenate([pixels, np.asarray(strip, dtype=np.uint8)], axis=0)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType, so labels cannot be drawn")
    return font
