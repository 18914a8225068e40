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

MAX_PIXELS = 200_000_000
_STRIP_BACKGROUND = (24, 24, 27)
_PNG_LEVEL = 4


def decode_picture(data: bytes, name: str) -> RGB:
    """Decode a still picture to RGB, with its EXIF orientation applied and transparency laid over black.

    Raises:
        EvidenceError: not a picture, damaged, or larger than `MAX_PIXELS`; the message names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise EvidenceError(f"{name} has {image.width}x{image.height} pixels; the limit is {MAX_PIXELS}")
                return _to_rgb(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EvidenceError(f"{name} is not a readable picture: {reason}") from None


def _to_rgb(image: Image.Image) -> RGB:
    if image.mode.startswith(("I", "F")):
        levels = np.asarray(image, dtype=np.float64)
        top = 65535.0 if levels.max(initial=0) > 255 else 255.0
        grey = np.clip(np.rint(levels * (255.0 / top)), 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(opaque, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"), dtype=np.uint8)


def encode_png(pixels: RGB, text: Mapping[str, str]) -> bytes:
    """Encode RGB pixels as PNG with `text` in its metadata (UTF-8 iTXt chunks, in the order given)."""
    info = PngImagePlugin.PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", pnginfo=info, compress_level=_PNG_LEVEL)
    return stream.getvalue()


def with_label(pixels: RGB, text: str, *, colour: tuple[int, int, int] = (251, 191, 36)) -> RGB:
    """Return the picture with a strip of text below it; no pixel of the picture itself is covered or changed.

    Args:
        pixels: the picture, (height, width, 3).
        text: what the strip says; wrapped to the width, letters 9 to 14 px high.
        colour: RGB of the text.

    Returns:
        RGB of the same width and a greater height.
    """
    width = pixels.shape[1]
    font = _font(min(14, max(9, width // 32)))
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
