"""The only door to footage: what a path holds is decided by its content, not by its name."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

from facerecon.errors import EvidenceError
from facerecon.video.confinement import available
from facerecon.video.interlacing import Deinterlace
from facerecon.video.isolation import IsolatedReader
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.sources import Source, file_digest, require_text, unreadable
from facerecon.video.stills import FolderSource, ImageSource, folder_digest
from facerecon.video.videos import AnimationSource, VideoSource

Isolation = Literal["none", "process"]
DECODER_TIMEOUT_S = 60.0


def reader_for(isolation: Isolation, decoder_timeout_s: float = DECODER_TIMEOUT_S) -> Reader:
    """Return who looks into files: this process, or, isolated, processes of their own; see `open_source`."""
    return IsolatedReader(decoder_timeout_s) if isolation == "process" else LOCAL


def strictest() -> Isolation:
    """Return "process" where this system can confine a process, else "none"."""
    return "process" if available() else "none"


def open_source(
    path: Path,
    *,
    deinterlace: Deinterlace = "never",
    square_pixels: bool = False,
    isolation: Isolation = "none",
    decoder_timeout_s: float = DECODER_TIMEOUT_S,
) -> Source:
    """Open a video, a picture or a folder of pictures for reading, and hash it.

    Animated GIF, APNG and WebP are videos. What a file is follows from its content, not from its name.

    Args:
        path: a file or a folder.
        deinterlace: for video, "auto" makes the frames progressive where the video is found to be interlaced (the
            evidence goes to `probe["interlacing"]`), "always" in any case. Pictures and animated WebP are left alone.
        square_pixels: whether to widen or heighten video frames to the sample aspect ratio that the header states.
        isolation: "process" decodes in processes of their own, under limits; what is decoded is the same.
        decoder_timeout_s: how long such a decoder may tell nothing before it is ended.

    What is done is named in `Source.preparation`.

    Raises:
        EvidenceError: missing, unreadable, empty, a special file, not media, without a video stream, too large, or its
            name is no text.
        ResourceError: decoding cannot be isolated on this system.
    """
    reader = reader_for(isolation, decoder_timeout_s)
    require_text(path, path)
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        return FolderSource(path, reader=reader)
    if not stat.S_ISREG(mode):
        raise EvidenceError(f"source {path} is a device, pipe or socket; give the path of a regular file or a folder")
    _require_content(path)
    kind = reader.kind(path)
    if kind == "image":
        return ImageSource(path, reader=reader)
    if kind == "animated-webp":
        return AnimationSource(path, reader=reader)
    return VideoSource(path, deinterlace=deinterlace, square_pixels=square_pixels, reader=reader)


def source_digest(path: Path, reader: Reader = LOCAL) -> str:
    """Return a file's SHA-256, or for a folder the SHA-256 over the canonical JSON of its media files' sorted
    [relative name, sha256] pairs.

    Args:
        path: a file or a folder.
        reader: tells which files of a folder are pictures, where their names do not.

    Raises:
        EvidenceError: the source is missing or cannot be read.
    """
    if stat.S_ISDIR(_mode(path)):
        return folder_digest(path, reader)
    return file_digest(path)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _require_content(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise unreadable(path, error) from None
    if empty:
        raise EvidenceError(f"source {path} is empty (0 bytes); export it again from the recorder")
