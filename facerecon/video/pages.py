"""Pages of pictures and animated WebP, decoded by Pillow: what a header says, and RGB. Owns which formats are decoded.

What cannot be decoded is an `Omission` or a fact called "error", never another picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from facerecon.errors import EvidenceError
from facerecon.pictures import FORMATS, MAX_PIXELS, rgb_of
from facerecon.profiles import Sample
from facerecon.records import RGB, Timestamp
from facerecon.video.footage import Footage
from facerecon.video.sources import NOT_SAMPLED, Left, Omission, Sampler, Steps, Taken

# A bare stream of JPEG pictures begins exactly as one JPEG picture does.
_MOTION_JPEG_SUFFIXES = frozenset({".mjpg", ".mjpeg"})
_ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP"})
_LONGEST_REASON = 500
PictureKind = Literal["image", "animated-webp"]


def picture_kind(file: Footage) -> PictureKind | None:
    """Say by its content whether a file is a picture; None: it is not one, or a moving one that FFmpeg reads."""
    try:
        with _image(file) as image:
            if image.format in _ANIMATED_FORMATS and getattr(image, "is_animated", False):
                return "animated-webp" if image.format == "WEBP" else None
            motion_jpeg = image.format == "JPEG" and file.path.suffix.lower() in _MOTION_JPEG_SUFFIXES
            return None if motion_jpeg else "image"
    except Image.DecompressionBombError:
        return "image"
    except MemoryError:
        raise
    except Exception:
        # A decoder that is given crafted bytes may raise anything.
        return None


@contextmanager
def _image(file: Footage) -> Iterator[Image.Image]:
    Image.init()
    with warnings.catch_warnings():
        # Half of the limit already warns; the limit itself raises.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with file.opened() as opened, Image.open(opened, formats=FORMATS) as image:
            yield image


def picture_facts(file: Footage) -> dict[str, Any]:
    """Return what a picture's header says, as plain data; on failure "error", and one page so that it is counted."""
    facts: dict[str, Any] = {"pages": 1}
    try:
        with _image(file) as image:
            return {
                "pages": int(getattr(image, "n_frames", 1)),
                "format": image.format,
                "mode": image.mode,
                "width": image.width,
                "height": image.height,
                "exif_orientation": _orientation(image),
            }
    except Image.DecompressionBombError:
        return facts | {"error": f"it has more than the limit of {MAX_PIXELS} pixels"}
    except MemoryError:
        raise
    except Exception as error:
        return facts | {"error": _one_line(error, file.path)}


def _orientation(image: Image.Image) -> int:
    stated = image.getexif().get(0x0112, 1)
    return stated if type(stated) is int else 1


def load_page(file: Footage, page: int) -> RGB | Omission:
    """Decode one page of a picture to RGB, uint8, shape (height, width, 3), or say why that is impossible."""
    try:
        with _image(file) as image:
            image.seek(page)
            return rgb_of(image)
    except Image.DecompressionBombError:
        return Omission("too-large", "failed", f"{file.path.name}: more than the limit of {MAX_PIXELS} pixels")
    except MemoryError:
        raise
    except Exception as error:
        return Omission("undecodable", "failed", f"{file.path.name}: {_one_line(error, file.path)}")


def _one_line(error: BaseException, path: Path) -> str:
    text = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return "not a picture" if "cannot identify" in text else str(text).replace(str(path), path.name)[:_LONGEST_REASON]


def animation_steps(file: Footage, sample: Sample) -> Steps:
    """Decode an animated WebP, timed in milliseconds: tell of each frame what became of it.

    Raises:
        EvidenceError: not one frame can be decoded (after all were told).
    """
    sampler, last, index = Sampler(sample, "stream"), -1, 0
    for start_ms, picture in _pictures(file):
        index += 1
        if isinstance(picture, Omission):
            yield Left(picture)
            continue
        if start_ms <= last:
            yield Left(Omission("timestamp-not-increasing", "failed", "a frame of 0 ms"))
            continue
        last, timestamp = start_ms, Timestamp(pts=start_ms, time_base=(1, 1000))
        wanted = sampler.wants(index - 1, timestamp, keyframe=index == 1)
        yield Taken(timestamp, picture, keyframe=index == 1) if wanted else Left(NOT_SAMPLED)
    if last < 0:
        raise EvidenceError(f"source {file.path}: none of its {index} frames can be decoded; export it again")


def _pictures(file: Footage) -> Iterator[tuple[int, RGB | Omission]]:
    start_ms = 0
    try:
        with _image(file) as image:
            for page in range(getattr(image, "n_frames", 1)):
                try:
                    image.seek(page)
                    picture: RGB | Omission = rgb_of(image)
                except MemoryError:
                    raise
                except Exception as error:
                    picture = Omission("undecodable", "failed", _one_line(error, file.path))
                yield start_ms, picture
                start_ms += int(image.info.get("duration", 0))
    except MemoryError:
        raise
    except Exception as error:
        raise EvidenceError(
            f"source {file.path} cannot be read: {_one_line(error, file.path)}; check the path"
        ) from None
