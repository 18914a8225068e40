"""The gallery: pictures of known persons. Owns reading plain folders, the quality gate, and the persistent gallery.

A plain gallery is a folder of pictures that is only ever read. A persistent one is a folder with records, vectors and
face crops that `facerecon gallery` makes and changes; nothing else writes to it.
"""

from __future__ import annotations

from facerecon.gallery.crops import Enrolled, KeptCrop, entry_id
from facerecon.gallery.reading import (
    PICTURE_SUFFIXES,
    Decode,
    GalleryFile,
    list_pictures,
    read_pixels,
    require_gallery,
)
from facerecon.gallery.retention import cutoff
from facerecon.gallery.selection import Choice, choose, refusal
from facerecon.gallery.store import (
    Addition,
    Removal,
    Store,
    create_store,
    edit_store,
    is_store,
    read_store,
)
from facerecon.gallery.suspects import Person

__all__ = [
    "PICTURE_SUFFIXES",
    "Addition",
    "Choice",
    "Decode",
    "Enrolled",
    "GalleryFile",
    "KeptCrop",
    "Person",
    "Removal",
    "Store",
    "choose",
    "create_store",
    "cutoff",
    "edit_store",
    "entry_id",
    "is_store",
    "list_pictures",
    "read_pixels",
    "read_store",
    "refusal",
    "require_gallery",
]
