"""Single pictures, folders of pictures and animated WebP as sources. Never opens a file for writing, never decodes.

Pictures carry no time: their clock is "order", pts is the picture's number. EXIF orientation is applied; a picture with
several pages (TIFF, MPO) counts as that many pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from facerecon.errors import EvidenceError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped, SourceRecord, Timestamp
from facerecon.suffixes import PICTURES, VIDEOS
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.sources import (
    NOT_SAMPLED,
    Clock,
    Left,
    Omission,
    Sampler,
    Source,
    Steps,
    Taken,
    accounted,
    file_digest,
    require_text,
    source_name,
    unreadable,
)


class _PictureSource(Source):
    """Pictures in a fixed order; what `ImageSource` and `FolderSource` share."""

    _reader: Reader
    _files: list[Path]
    _pages: list[int]

    def frames(self, sample: Sample) -> Iterator[Frame | Skipped]:
        """Yield the sampled pictures and a `Skipped` for every other one; see `Source.frames`.

        Raises:
            EvidenceError: not one picture can be decoded (after all were accounted for).
        """
        return accounted(self._steps(sample))

    def _steps(self, sample: Sample) -> Steps:
        sampler, usable, index = Sampler(sample, "order"), 0, 0
        for file, pages in zip(self._files, self._pages, strict=True):
            for page in range(pages):
                timestamp = Timestamp(pts=index, time_base=(1, 1))
                wanted = sampler.wants(index, timestamp, keyframe=True)
                picture = self._reader.page(file, page) if wanted else NOT_SAMPLED
                index, usable = index + 1, usable + (picture is NOT_SAMPLED or not isinstance(picture, Omission))
                if isinstance(picture, Omission):
                    # Alone, so that each unreadable picture is named.
                    yield Left(picture, alone=wanted)
                else:
                    yield Taken(timestamp, picture, keyframe=True)
        if not usable:
            raise EvidenceError(
                f"source {self.record.path}: none of its {index} pictures can be decoded; export it again"
            )


class ImageSource(_PictureSource):
    """One picture file (JPEG, PNG, TIFF, BMP, WebP, GIF, JPEG 2000, PPM)."""

    def __init__(self, path: Path, *, reader: Reader = LOCAL) -> None:
        """Open and probe the picture.

        Raises:
            EvidenceError: the picture is larger than `MAX_PIXELS`, or cannot be read.
        """
        facts = require_readable(path, reader)
        self._reader = reader
        self._path, self._files, self._pages = path, [path], [facts["pages"]]
        self.probe = {"pictures": [{"index": 0, "name": path.name, **facts}]}
        self.frame_count_from_header = facts["pages"]
        self.record = file_record(path, "image", "order")

    def _digest(self) -> str:
        return file_digest(self._path)


class FolderSource(_PictureSource):
    """A folder of pictures in natural order of their names (img2 before img10).

    Subfolders, hidden files and files that are no pictures (videos too) are left out, each listed with its reason in
    `probe["ignored"]`; only the pictures are hashed. A file with a picture's suffix that cannot be read is a failed
    frame.
    """

    def __init__(self, path: Path, *, reader: Reader = LOCAL) -> None:
        """List, probe and hash the pictures.

        Raises:
            EvidenceError: the folder holds no picture, or cannot be read.
        """
        self._path, self._reader = path, reader
        self._files, ignored = _list_pictures(path, reader)
        digests = _digests(self._files)
        facts = [reader.facts(file) for file in self._files]
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
        return folder_digest(self._path, self._reader)


def folder_digest(path: Path, reader: Reader = LOCAL) -> str:
    """Return the SHA-256 over the canonical JSON of the sorted [name, sha256] pairs of a folder's pictures.

    Raises:
        EvidenceError: the folder holds no picture, or cannot be read.
    """
    files, _ = _list_pictures(path, reader)
    return _combined(files, _digests(files))


def _combined(files: list[Path], digests: list[str]) -> str:
    pairs = sorted([file.name, digest] for file, digest in zip(files, digests, strict=True))
    return sha256_bytes(canonical_json(pairs))


def _digests(files: list[Path]) -> list[str]:
    return [file_digest(file) for file in files]


def _list_pictures(path: Path, reader: Reader) -> tuple[list[Path], list[dict[str, str]]]:
    try:
        entries = sorted(path.iterdir(), key=natural_key)
        # Also those that are left out are listed by name.
        for entry in entries:
            require_text(entry, path)
        reasons = [(entry, _not_a_picture(entry, reader)) for entry in entries]
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


def _not_a_picture(entry: Path, reader: Reader) -> str:
    suffix = entry.suffix.lower()
    if entry.name.startswith("."):
        return "hidden"
    if not entry.is_file():
        return "folder" if entry.is_dir() else "special file"
    if suffix in VIDEOS:
        return "video"
    if suffix in PICTURES:
        return ""
    try:
        return "not a picture" if reader.kind(entry) is None else ""
    except EvidenceError as error:
        return str(error)


def _with_index(files: list[Path], digests: list[str], facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    listed, index = [], 0
    for file, digest, fact in zip(files, digests, facts, strict=True):
        listed.append({"index": index, "name": file.name, "sha256": digest, **fact})
        index += fact["pages"]
    return listed


def require_readable(path: Path, reader: Reader) -> dict[str, Any]:
    """Return what a picture's header says.

    Raises:
        EvidenceError: it cannot be read.
    """
    facts = reader.facts(path)
    if "error" in facts:
        raise EvidenceError(f"source {path} cannot be read as a picture: {facts['error']}; export it again")
    return facts


def file_record(path: Path, kind: Literal["image", "video"], clock: Clock) -> SourceRecord:
    """Return what is recorded of a file; it is hashed.

    Raises:
        EvidenceError: it cannot be read.
    """
    size = path.stat().st_size
    digest = file_digest(path)
    return SourceRecord(path=str(path), name=path.name, sha256=digest, size_bytes=size, kind=kind, clock=clock)
