"""The suffixes of videos and of pictures. Opens nothing: what a file is follows from its content."""

from __future__ import annotations

PICTURES = frozenset(
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
VIDEOS = frozenset(
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
