"""Evidence in and enhanced video out: videos, animations, pictures and folders, as frames with their exact times.

`open_source` returns a `Source` whose frames carry the time of the stream, tick for tick, and whose `preparation` names
what was done to them. `VideoWriter` writes new pictures at those times; it never touches the source.
"""

from facerecon.video.interlacing import Deinterlace, Interlacing
from facerecon.video.motion import Look, MotionGate
from facerecon.video.opening import open_source, source_digest
from facerecon.video.regions import Regions, Window, area_px, close_windows
from facerecon.video.sound import AudioCopy
from facerecon.video.sources import Source, Unmoving, Watched
from facerecon.video.stills import FolderSource, ImageSource
from facerecon.video.videos import AnimationSource, VideoSource
from facerecon.video.writing import VideoCodec, VideoWriter, WrittenVideo

__all__ = [
    "AnimationSource",
    "AudioCopy",
    "Deinterlace",
    "FolderSource",
    "ImageSource",
    "Interlacing",
    "Look",
    "MotionGate",
    "Regions",
    "Source",
    "Unmoving",
    "VideoCodec",
    "VideoSource",
    "VideoWriter",
    "Watched",
    "Window",
    "WrittenVideo",
    "area_px",
    "close_windows",
    "open_source",
    "source_digest",
]
