"""What a file's header alone says: is it footage, and how long? Decodes no frame, hashes nothing, judges no evidence.

For the first look at an archive of thousands of files; what a file is worth as evidence, `container` and `pages` say.
"""

from __future__ import annotations

import errno
from typing import Annotated

import av
import av.logging
from pydantic import Field

from facerecon.records import Record
from facerecon.video.decoding import NO_PROTOCOL, listening
from facerecon.video.footage import Footage
from facerecon.video.pages import picture_kind

# FFmpeg draws text files as terminal pictures, and reads these lists as the files that they name.
_NO_FOOTAGE = frozenset({"tty", "concat", "hls", "dash", "ffmetadata", "lavfi"})


class Header(Record):
    """Whether a file can be footage, and its seconds as the header states them (0 for a picture; None: not stated)."""

    media: bool
    footage_s: Annotated[float, Field(ge=0)] | None


NO_MEDIA = Header(media=False, footage_s=None)


def read_header(file: Footage) -> Header:
    """Look at a file's header.

    Raises:
        EvidenceError: the file cannot be read.
        MemoryError: it takes more memory than there is.
    """
    if picture_kind(file) == "image":
        return Header(media=True, footage_s=0.0)
    with listening(), file.open() as opened, av.logging.Capture():
        try:
            with av.open(opened, "r", options=NO_PROTOCOL, metadata_errors="backslashreplace") as container:
                return _video(container)
        except (av.error.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) == errno.ENOMEM:
                raise MemoryError from None
            return NO_MEDIA


def _video(container: av.container.InputContainer) -> Header:
    streams = [each for each in container.streams.video if "attached_pic" not in str(each.disposition.name)]
    if not streams or set(container.format.name.split(",")) & _NO_FOOTAGE:
        return NO_MEDIA
    microseconds = container.duration
    known = microseconds is not None and microseconds > 0
    return Header(media=True, footage_s=microseconds / av.time_base if known and microseconds else None)
