"""Evidence in: videos, animations, pictures and folders of pictures, as frames with their exact times.

`open_source` returns a `Source` whose frames carry the time of the stream, tick for tick. Nothing here writes a file.
"""

from facerecon.video.container import VideoSource
from facerecon.video.motion import MotionGate
from facerecon.video.opening import open_source, source_digest
from facerecon.video.sources import Source
from facerecon.video.stills import AnimationSource, FolderSource, ImageSource

__all__ = [
    "AnimationSource",
    "FolderSource",
    "ImageSource",
    "MotionGate",
    "Source",
    "VideoSource",
    "open_source",
    "source_digest",
]
