"""Single pictures, folders of pictures and animated WebP, decoded by Pillow. Never opens a file for writing.

Pictures carry no time: their clock is "order", pts is the picture's number. EXIF orientation is applied; a picture with
several pages (TIFF, MPO) counts as that many pictures.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from facerecon.errors import EvidenceError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.pictures import MAX_PIXELS, rgb_of
from facerecon.profiles import Sample
from facerecon.records import RGB, Frame, Skipped, SourceRecord, Timestamp
from facerecon.video.sources import (
    NOT_SAMPLED,
    Clock,
    Omission,
    Omissions,
    Sampler,
    Source,
    file_digest,
    require_text,
    source_name,
    unreadable,
)

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")
_PICTURE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".tif",
        ".tiff",
        ".bmp",
        ".dib",
        ".webp",
        ".gif",
        ".jp2",
        ".j2k",
        ".pgm",
        ".ppm",
        ".pnm",
    }
)
_VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".m2ts",
        ".mts",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".asf",
        ".flv",
        ".3gp",
        ".h264",
        ".264",
        ".h265",
        ".265",
        ".hevc",
        ".dav",
        ".mjpg",
        ".mjpeg",
        ".vob",
        ".ogv",
    }
)
# A bare stream of JPEG pictures begins exactly as one JPEG picture does.
_MOTION_JPEG_SUFFIXES = frozenset({".mjpg", ".mjpeg"})
_ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP"})
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError)
PictureKind = Literal["image", "animated-webp"]


def picture_kind(path: Path) -> PictureKind | None:
    """Say by its content whether a file is a picture; None: it is not one, or a moving one that FFmpeg reads."""
    try:
        with _image(path) as image:
            if image.format in _ANIMATED_FORMATS and getattr(image, "is_animated", False):
                return "animated-webp" if image.format == "WEBP" else None
            motion_jpeg = image.format == "JPEG" and path.suffix.lower() in _MOTION_JPEG_SUFFIXES
            return None if motion_jpeg else "image"
    except Image.DecompressionBombError:
        return "image"
    except _UNREADABLE:
        return None


@contextmanager
def _image(path: Path) -> Iterator[Image.Image]:
    Image.init()
    with warnings.catch_warnings():
        # Half of the limit already warns; the limit itself raises.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            yield image


class _PictureSource(Source):
    """Pictures in a fixed order; what `ImageSource` and `FolderSource` share."""

    _files: list[Path]
    _pages: list[int]

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled pictures and a `Skipped` for every other one; see `Source.frames`.

        Raises:
            EvidenceError: not one picture can be decoded (after all were accounted for).
        """
        omissions, sampler, usable = Omissions(), Sampler(sample, "order"), 0
        for file, pages in zip(self._files, self._pages, strict=True):
            for page in range(pages):
                timestamp = Timestamp(pts=omissions.index, time_base=(1, 1))
                if not sampler.wants(omissions.index, timestamp, keyframe=True):
                    usable += 1
                    yield from omissions.omit(NOT_SAMPLED)
                    continue
                yield from omissions.close()
                picture = load_page(file, page)
                if isinstance(picture, Omission):
                    # Closed at once, so that each unreadable picture is named.
                    yield from omissions.omit(picture)
                    yield from omissions.close()
                    continue
                usable += 1
                yield Frame(omissions.take(), timestamp, picture, keyframe=True)
        yield from omissions.close()
        if not usable:
            raise EvidenceError(
                f"source {self.record.path}: none of its {omissions.index} pictures can be decoded; export it again"
            )


class ImageSource(_PictureSource):
    """One picture file (JPEG, PNG, TIFF, BMP, WebP, GIF, JPEG 2000, PPM)."""

    def __init__(self, path: Path) -> None:
        """Open and probe the picture.

        Raises:
            EvidenceError: the picture is larger than `MAX_PIXELS`, or cannot be read.
        """
        facts = _readable(path)
        self._path, self._files, self._pages = path, [path], [facts["pages"]]
        self.probe = {"pictures": [{"index": 0, "name": path.name, **facts}]}
        self.frame_count_from_header = facts["pages"]
        self.record = _file_record(path, "image", "order")

    def _digest(self) -> str:
        return file_digest(self._path)


class FolderSource(_PictureSource):
    """A folder of pictures in natural order of their names (img2 before img10).

    Subfolders, hidden files and files that are no pictures (videos too) are left out, each listed with its reason in
    `probe["ignored"]`; only the pictures are hashed. A file with a picture's suffix that cannot be read is a failed
    frame.
    """

    def __init__(self, path: Path) -> None:
        """List, probe and hash the pictures.

        Raises:
            EvidenceError: the folder holds no picture, or cannot be read.
        """
        self._path = path
        self._files, ignored = _list_pictures(path)
        digests = _digests(self._files)
        facts = [_facts(file) for file in self._files]
        self._pages = [each["pages"] for each in facts]
        self.frame_count_from_header = sum(self._pages)
        self.probe = {"pictures": _with_index(self._files, digests, facts), "ignored": ignored}
        self.record = SourceRecord(
            path=str(path),
            name=source_name(path),
            sha256=_combined(self._files, digests),
            size_bytes=sum(file.stat().st_size for file in self._files),
            kind="folder",
            clock="order",
        )

    def _digest(self) -> str:
        return folder_digest(self._path)


def folder_digest(path: Path) -> str:
    """Return the SHA-256 over the canonical JSON of the sorted [name, sha256] pairs of a folder's pictures.

    Raises:
        EvidenceError: the folder holds no picture, or cannot be read.
    """
    files, _ = _list_pictures(path)
    return _combined(files, _digests(files))


def _combined(files: list[Path], digests: list[str]) -> str:
    pairs = sorted([file.name, digest] for file, digest in zip(files, digests, strict=True))
    return sha256_bytes(canonical_json(pairs))


def _digests(files: list[Path]) -> list[str]:
    return [file_digest(file) for file in files]


def _list_pictures(path: Path) -> tuple[list[Path], list[dict[str, str]]]:
    try:
        entries = sorted(path.iterdir(), key=natural_key)
        # Also those that are left out are listed by name.
        for entry in entries:
            require_text(entry, path)
        reasons = [(entry, _not_a_picture(entry)) for entry in entries]
    except OSError as error:
        raise unreadable(path, error) from None
    pictures = [entry for entry, reason in reasons if not reason]
    ignored = [{"name": entry.name, "reason": reason} for entry, reason in reasons if reason]
    if not pictures:
        videos = sum(each["reason"] == "video" for each in ignored)
        raise EvidenceError(
            f"source {path} is a folder with {videos} videos and no pictures; give the video files one "
            f"by one, for example {path / '*'}"
            if videos
            else f"source {path} is a folder without pictures; give a folder of pictures or a video file"
        )
    return pictures, ignored


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key that orders numbers in names by value, and is total."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts], path.name


def _not_a_picture(entry: Path) -> str:
    suffix = entry.suffix.lower()
    if entry.name.startswith("."):
        return "hidden"
    if not entry.is_file():
        return "folder" if entry.is_dir() else "special file"
    if suffix in _VIDEO_SUFFIXES:
        return "video"
    known = suffix in _PICTURE_SUFFIXES or picture_kind(entry) is not None
    return "" if known else "not a picture"


def _with_index(files: list[Path], digests: list[str], facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    listed, index = [], 0
    for file, digest, fact in zip(files, digests, facts, strict=True):
        listed.append({"index": index, "name": file.name, "sha256": digest, **fact})
        index += fact["pages"]
    return listed


def _facts(path: Path) -> dict[str, Any]:
    """Return what a picture's header says; on failure "error", and one page so that it is counted."""
    facts: dict[str, Any] = {"pages": 1}
    try:
        with _image(path) as image:
            return {
                "pages": int(getattr(image, "n_frames", 1)),
                "format": image.format,
                "mode": image.mode,
                "width": image.width,
                "height": image.height,
                "exif_orientation": image.getexif().get(0x0112, 1),
            }
    except Image.DecompressionBombError:
        return facts | {"error": f"it has more than the limit of {MAX_PIXELS} pixels"}
    except _UNREADABLE as error:
        return facts | {"error": _one_line(error, path)}


def _readable(path: Path) -> dict[str, Any]:
    """Return what a picture's header says.

    Raises:
        EvidenceError: it cannot be read.
    """
    facts = _facts(path)
    if "error" in facts:
        raise EvidenceError(f"source {path} cannot be read as a picture: {facts['error']}; export it again")
    return facts


def _file_record(path: Path, kind: Literal["image", "video"], clock: Clock) -> SourceRecord:
    size = path.stat().st_size
    digest = file_digest(path)
    return SourceRecord(path=str(path), name=path.name, sha256=digest, size_bytes=size, kind=kind, clock=clock)


def load_page(path: Path, page: int) -> RGB | Omission:
    """Decode one page of a picture to RGB, uint8, shape (height, width, 3), or say why that is impossible."""
    try:
        with _image(path) as image:
            image.seek(page)
            return rgb_of(image)
    except Image.DecompressionBombError:
        return Omission("too-large", "failed", f"{path.name}: more than the limit of {MAX_PIXELS} pixels")
    except _UNREADABLE as error:
        return Omission("undecodable", "failed", f"{path.name}: {_one_line(error, path)}")


def _one_line(error: BaseException, path: Path) -> str:
    text = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return "not a picture" if "cannot identify" in text else str(text).replace(str(path), path.name)


class AnimationSource(Source):
    """An animated WebP, which FFmpeg does not decode: a video whose clock counts the milliseconds of its frames."""

    def __init__(self, path: Path) -> None:
        """Open and probe the animation.

        Raises:
            EvidenceError: the file cannot be read.
        """
        self._path = path
        facts = _readable(path)
        self.probe = {"pictures": [{"index": 0, "name": path.name, **facts}], "times": "pts"}
        self.frame_count_from_header = facts["pages"]
        self.record = _file_record(path, "video", "stream")

    def _digest(self) -> str:
        return file_digest(self._path)

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled frames and, in `Skipped` runs, every other frame; see `Source.frames`.

        Raises:
            EvidenceError: not one frame can be decoded (after all were accounted for).
        """
        omissions, sampler, last = Omissions(), Sampler(sample, "stream"), -1
        for start_ms, picture in self._pictures():
            if isinstance(picture, Omission):
                yield from omissions.omit(picture)
                continue
            timestamp = Timestamp(pts=start_ms, time_base=(1, 1000))
            if start_ms <= last:
                yield from omissions.omit(Omission("timestamp-not-increasing", "failed", "a frame of 0 ms"))
                continue
            last = start_ms
            if not sampler.wants(omissions.index, timestamp, keyframe=omissions.index == 0):
                yield from omissions.omit(NOT_SAMPLED)
                continue
            yield from omissions.close()
            yield Frame(omissions.take(), timestamp, picture, keyframe=omissions.index == 1)
        yield from omissions.close()
        if last < 0:
            raise EvidenceError(
                f"source {self._path}: none of its {omissions.index} frames can be decoded; export it again"
            )

    def _pictures(self) -> Iterator[tuple[int, RGB | Omission]]:
        start_ms = 0
        try:
            with _image(self._path) as image:
                for page in range(getattr(image, "n_frames", 1)):
                    try:
                        image.seek(page)
                        picture: RGB | Omission = rgb_of(image)
                    except _UNREADABLE as error:
                        picture = Omission("undecodable", "failed", _one_line(error, self._path))
                    yield start_ms, picture
                    start_ms += int(image.info.get("duration", 0))
        except OSError as error:
            raise EvidenceError(
                f"source {self._path} cannot be read: {_one_line(error, self._path)}; check the path"
            ) from None
