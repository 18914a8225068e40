"""facerecon: faces in archived CCTV footage, restored honestly, compared carefully, reported checkably."""

__version__ = "0.1.0"
