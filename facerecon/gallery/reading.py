"""Pictures of known persons as the user keeps them. Owns which files mean whom; never writes to their folder.

A plain gallery is a folder: one subfolder per person (NAME/*.jpg), or one file per person (NAME.jpg). An optional
`suspects.json` beside them, a list of {"name", "id", "status"}, adds what is known of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from facerecon.characters import acting, inert
from facerecon.errors import EvidenceError, UsageError
from facerecon.gallery.suspects import SUSPECTS, Person, people, read_suspects
from facerecon.hashing import sha256_bytes
from facerecon.pictures import LARGEST_BYTES, decode_picture
from facerecon.records import RGB

Decode = Callable[[bytes, str], RGB]
"""Decodes a picture of a given name; raises as `pictures.decode_picture`, which does it in this process."""
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class GalleryFile:
    """A picture file of a person: where it lies, how records name it, and the folder it must not lead out of."""

    person: Person
    path: Path
    file: str
    folder: Path | None = None


def require_gallery(folder: Path) -> None:
    """Make sure that there is a folder.

    Raises:
        UsageError: there is none.
    """
    if not folder.is_dir():
        raise UsageError(f"gallery {folder} is not a folder; give one with NAME/*.jpg or NAME.jpg files")


def list_pictures(source: Path, name: str | None = None) -> list[GalleryFile]:
    """Return the pictures of a folder, or one picture file, in order of their names.

    Args:
        source: a folder in the layout above, or a picture.
        name: whose pictures they all are, whatever folders and files are called.

    Raises:
        UsageError: no such folder or file, no picture in it, a name that cannot be shown, a link to a folder (they are
            not followed), or suspects.json is not what it must be.
    """
    if source.is_dir():
        return _in_folder(source, name)
    if not source.is_file():
        raise UsageError(f"{source} is neither a folder nor a file; give a folder with NAME/*.jpg or NAME.jpg files")
    _require_shown(f"folder {source.parent}", source.name)
    return [GalleryFile(Person(name or source.stem, None, None), source, source.name)]


def _in_folder(folder: Path, name: str | None) -> list[GalleryFile]:
    suspects = read_suspects(folder / SUSPECTS)
    known = people(suspects) if suspects is not None else {}
    found = sorted(folder.rglob("*"))
    for path in found:
        if path.is_symlink() and path.is_dir():
            raise UsageError(f"gallery {folder}: {path.name} is a link to a folder; put the folder itself there")
    files = [path for path in found if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    if not files:
        raise UsageError(f"gallery {folder} holds no picture; put NAME/*.jpg or NAME.jpg files into it")
    return [_file(path, folder, name, known) for path in files]


def _file(path: Path, folder: Path, name: str | None, known: dict[str, Person]) -> GalleryFile:
    relative = path.relative_to(folder)
    identity = name or (relative.parts[0] if len(relative.parts) > 1 else path.stem)
    _require_shown(f"gallery {folder}", relative.as_posix())
    return GalleryFile(known.get(identity, Person(identity, None, None)), path, relative.as_posix(), folder)


def _require_shown(where: str, name: str) -> None:
    if character := acting(name):
        raise UsageError(f"{where}: the name {inert(name)} holds {character}; rename it")


def read_pixels(picture: GalleryFile, decode: Decode = decode_picture) -> tuple[str, RGB | None, str]:
    """Return a picture's SHA-256, its pixels, and why there are none ("" when there are).

    What is decoded is the bytes that were hashed, whoever decodes them.
    """
    try:
        if picture.folder is not None and not picture.path.resolve().is_relative_to(picture.folder.resolve()):
            return sha256_bytes(b""), None, "is a link that leads out of the gallery; put the picture itself there"
        if (size := picture.path.stat().st_size) > LARGEST_BYTES:
            return sha256_bytes(b""), None, f"has {size} bytes; the limit is {LARGEST_BYTES}, so make it smaller"
        data = picture.path.read_bytes()
    except OSError as error:
        return sha256_bytes(b""), None, f"cannot be read: {error.strerror}"
    try:
        return sha256_bytes(data), decode(data, picture.file), ""
    except EvidenceError as error:
        return sha256_bytes(data), None, str(error)


def given_suspects(sources: Sequence[Path]) -> list[bytes]:
    """Return the content of each source folder's suspects.json, checked, in order; sources without one give none."""
    found = [read_suspects(source / SUSPECTS) for source in sources if source.is_dir()]
    return [content for content in found if content is not None]
