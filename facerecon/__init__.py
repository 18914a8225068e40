"""facerecon: faces in archived CCTV footage, restored honestly, compared carefully, reported so that it can be checked."""

__version__ = "0.1.0"
