"""A look at a file's header: is it footage, and how long? Runs in a worker: a hostile file costs that worker alone.

Nothing is hashed and no frame is decoded, so thousands of files take minutes. Where decoding is isolated, a confined
process of its own looks at each header, and the worker at none. What a file is worth as evidence is decided later.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerecon.batch.units import Hear, Unit
from facerecon.suffixes import PICTURES, VIDEOS

if TYPE_CHECKING:
    from facerecon.video.readers import Reader

OPENING = "facerecon.batch.probing:Prober"
MEDIA_SUFFIXES = PICTURES | VIDEOS
"""A file named so is a source even when it cannot be read: that is a failure, not something to pass over."""
_NO_MEDIA = {"media": False, "footage_s": None}


class Prober:
    """Reads headers."""

    def __init__(self, options: Mapping[str, Any], _hear: Hear) -> None:
        """Take {isolation, decoder_timeout_s} of the profile's section `extract`; without them nothing is isolated."""
        # In the worker only: the parent never loads a decoder.
        from facerecon.video.opening import DECODER_TIMEOUT_S, reader_for

        timeout_s = options.get("decoder_timeout_s", DECODER_TIMEOUT_S)
        self._reader = reader_for(options.get("isolation", "none"), timeout_s)

    def run(self, unit: Unit) -> Mapping[str, Any]:
        """Return {media, footage_s}: whether it can be footage, and its seconds as the header says.

        Raises:
            EvidenceError: the isolated decoder ended; a file that breaks it is a source, and fails as one.
            ResourceError: decoding cannot be isolated on this system.
        """
        return probe(Path(unit.source), self._reader)


def probe(path: Path, reader: Reader | None = None) -> dict[str, Any]:
    """Look at one file; see `Prober.run`. A file that cannot be opened is no media.

    Args:
        path: the file.
        reader: who looks; None: this process.
    """
    from facerecon.video.readers import LOCAL

    try:
        path.open("rb").close()
    except OSError:
        return dict(_NO_MEDIA)
    return (reader or LOCAL).header(path).model_dump(mode="json")
