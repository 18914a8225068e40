"""How model files get here: the only download of the tool (`fetch`), and import from a folder. Checks every digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_bytes, sha256_file
from facerecon.resources import weights_cache
from facerecon.weights.files import FILE_MODE, status, way_to_get, write_atomically
from facerecon.weights.registry import Entry, Registry, load_registry

Progress = Callable[[int, int], None]
_TIMEOUT_S = 60
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Import:
    """What `import_folder` took, as (weights id, file), and what it refused, as (file, reason)."""

    taken: tuple[tuple[str, Path], ...]
    refused: tuple[tuple[Path, str], ...]


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
    Path(path).chmod(FILE_MODE)
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
        digest = sha256_file(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    official = [item for item in registry.weights if item.provider == "official"]
    item = next((item for item in official if item.sha256 == digest), None)
    if item is not None:
        return _taken(path, item)
    namesake = next((item for item in official if item.file == path.name), None)
    if namesake is not None:
        return f"named like {namesake.id}, but its SHA-256 is {digest}, not the pinned one: damaged, or another version"
    return f"its SHA-256 {digest} is not in the registry"


def _taken(path: Path, item: Entry) -> Entry | str:
    # Only now is it read as a whole: a folder may hold anything, of any size.
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if sha256_bytes(data) != item.sha256:
        return "changed while it was read"
    write_atomically(weights_cache() / item.file, data)
    return item
