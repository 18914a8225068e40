"""A look at a file's header: is it footage, and how long? Runs in a worker: a hostile file costs that worker alone.

Nothing is hashed and no frame is decoded, so thousands of files take minutes. What a file is worth as evidence is
decided later, by `facerecon.video`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facerecon.batch.units import Hear, Unit
from facerecon.suffixes import PICTURES, VIDEOS

OPENING = "facerecon.batch.probing:Prober"
MEDIA_SUFFIXES = PICTURES | VIDEOS
"""A file named so is a source even when it cannot be read: that is a failure, not something to pass over."""
# FFmpeg draws text files as terminal pictures, and reads these lists as the files that they name.
_NO_FOOTAGE = frozenset({"tty", "concat", "hls", "dash", "ffmetadata", "lavfi"})
_NO_PROTOCOL = {"protocol_whitelist": "none"}
_MICROSECONDS = 1_000_000
_STILLS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")


class Prober:
    """Reads headers."""

    def __init__(self, _options: Mapping[str, Any], _hear: Hear) -> None:
        """Need nothing."""

    def run(self, unit: Unit) -> Mapping[str, Any]:
        """Return {media, footage_s}: whether it can be footage, and its seconds as the header says."""
        return probe(Path(unit.source))


def probe(path: Path) -> dict[str, Any]:
    """Look at one file; see `Prober.run`. A file that cannot be opened is no media."""
    if _is_still(path):
        return {"media": True, "footage_s": 0.0}
    try:
        return _video(path)
    except (OSError, ValueError):
        return {"media": False, "footage_s": None}


def _is_still(path: Path) -> bool:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as file, Image.open(file, formats=_STILLS) as image:
                return not getattr(image, "is_animated", False)
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError):
        return False


def _video(path: Path) -> dict[str, Any]:
    # In the worker only: the parent never loads a decoder.
    import av
    import av.logging

    with av.logging.Capture(), path.open("rb") as file, av.open(file, "r", options=_NO_PROTOCOL) as container:
        streams = [each for each in container.streams.video if "attached_pic" not in str(each.disposition.name)]
        media = bool(streams) and not set(container.format.name.split(",")) & _NO_FOOTAGE
        microseconds = container.duration
        known = media and microseconds is not None and microseconds >= 0
        return {"media": media, "footage_s": microseconds / _MICROSECONDS if known and microseconds else None}
