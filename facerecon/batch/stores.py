"""The one door to fsspec: opens stores, lists folders, reads objects. Writes nothing to a store, and knows no case.

What a store answers is looked at afresh every time: nothing is kept of a listing. Every store raises errors of its own;
here each becomes one line that names the URL.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from facerecon.batch.addresses import SCHEMES, Address
from facerecon.characters import inert
from facerecon.errors import EvidenceError, FacereconError, UsageError

Kind = Literal["file", "folder", "link", "other"]
PIECE_BYTES = 4 << 20
_LONGEST_REASON = 200
_NS = 1_000_000_000
_LATEST_S = 1e11
_TAGS = ("ETag", "etag", "e_tag")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified")


class MissingError(EvidenceError):
    """There is no such object (exit 3)."""


@dataclass(frozen=True)
class Stated:
    """What a store says of an object: size in bytes, entity tag ("": none) and time of the last change (None: none)."""

    size_bytes: int
    etag: str = ""
    modified_ns: int | None = None

    @property
    def mark(self) -> str:
        """What tells another version of the object; "" where the store gives nothing that does.

        With a tag the time does not count: some stores round it in one answer and not in the other.
        """
        if self.etag:
            return f"etag {self.etag}"
        return "" if self.modified_ns is None else f"modified {self.modified_ns}"

    def same(self, other: Stated) -> bool:
        """Tell whether both speak of one version, as far as the store lets it be known."""
        return (self.size_bytes, self.mark) == (other.size_bytes, other.mark)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON data; `Stated(**plain)` reads it."""
        return asdict(self)

    def text(self) -> str:
        """Return it for people."""
        parts = [f"{self.size_bytes} bytes", f"ETag {self.etag}" if self.etag else "", self.modified_utc or ""]
        return ", ".join(part for part in parts if part)

    @property
    def modified_utc(self) -> str | None:
        """The time of the last change, to the microsecond."""
        if self.modified_ns is None:
            return None
        # In whole numbers: a float of seconds is off by some hundred nanoseconds.
        second, rest = divmod(self.modified_ns, _NS)
        moment = datetime.fromtimestamp(second, UTC).replace(microsecond=rest // 1000)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Entry:
    """What lies in a store: its path there, and what is stated of it (None: no size)."""

    path: str
    kind: Kind
    stated: Stated | None = None


class Store:
    """A store that was opened; see `store`."""

    def __init__(self, system: Any, address: Address) -> None:
        """Take fsspec's file system, and an address in it."""
        self._system, self._address = system, address

    def look(self, path: str) -> Entry:
        """Return what the store says now of a path; that path is the entry's, whatever the store calls it.

        Raises:
            MissingError: nothing is there.
            EvidenceError: the store does not answer, or refuses.
        """
        with self._told(path):
            self._system.invalidate_cache()
            return replace(_entry(self._system.info(path)), path=path)

    def entries(self, path: str) -> list[Entry]:
        """Return what lies in a folder, in the store's order and in its words; errors as `look`."""
        with self._told(path):
            self._system.invalidate_cache()
            return [_entry(each) for each in self._system.ls(path, detail=True)]

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of an object, as far as the store gives them; errors as `look`."""
        with contextlib.ExitStack() as held:
            with self._told(path):
                stream = held.enter_context(self._system.open(path, "rb"))
            while True:
                with self._told(path):
                    piece = stream.read(PIECE_BYTES)
                if not piece:
                    return
                yield bytes(piece)

    @contextlib.contextmanager
    def _told(self, path: str) -> Iterator[None]:
        url = inert(self._address.at(path).url)
        try:
            yield
        except (FacereconError, MemoryError):
            raise
        except Exception as error:  # every package has errors of its own
            if isinstance(error, FileNotFoundError) or _number(error) == errno.ENOENT:
                raise MissingError(f"source {url} does not exist; check the URL") from None
            raise EvidenceError(
                f"source {url} cannot be read: {_reason(error)}; check the URL, the credentials and the way there"
            ) from None


def store(address: Address) -> Store:
    """Open the store of an address; one that was opened is used again.

    Raises:
        UsageError: a package is missing.
        EvidenceError: it cannot be reached.
    """
    return Store(_system(address.scheme, address.prefix), address)


def require(scheme: str) -> None:
    """Make sure that a scheme can be read here.

    Raises:
        UsageError: a package is missing; the message names it.
    """
    try:
        import fsspec
    except ImportError:
        raise UsageError(
            f"{scheme}:// needs fsspec; install it with: pip install 'facerecon[remote]' {SCHEMES[scheme]}".rstrip()
        ) from None
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError:
        package = SCHEMES[scheme]
        raise UsageError(
            f"{scheme}:// needs the package {package}; install it with: pip install 'facerecon[remote]' {package}"
        ) from None


@cache
def _system(scheme: str, prefix: str) -> Any:
    require(scheme)
    import fsspec

    kind = fsspec.get_filesystem_class(scheme)
    try:
        # Of the prefix alone: what stands in the name of an object must not be read as an option.
        where = kind._get_kwargs_from_urls(f"{prefix}/" if not prefix.endswith("://") else prefix)
        return kind(**where, use_listings_cache=False, skip_instance_cache=True)
    except Exception as error:
        raise EvidenceError(
            f"{prefix} cannot be reached: {_reason(error)}; check the URL, the credentials and the way there"
        ) from None


def _entry(info: Mapping[str, Any]) -> Entry:
    kinds: dict[str, Kind] = {"file": "file", "directory": "folder", "link": "link"}
    kind: Kind = "link" if info.get("islink") else kinds.get(str(info.get("type")), "other")
    size = info.get("size")
    if kind != "file" or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return Entry(str(info["name"]), kind)
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), "")
    time = next((info[key] for key in _TIMES if info.get(key) is not None), None)
    return Entry(str(info["name"]), kind, Stated(size, inert(tag.strip().strip('"'))[:_LONGEST_REASON], _ns(time)))


def _ns(time: Any) -> int | None:
    """Return nanoseconds since 1970 of a moment as stores give it: seconds, a date and time, or its text."""
    with contextlib.suppress(ValueError, OverflowError):
        if isinstance(time, str):
            time = datetime.fromisoformat(time)
        if isinstance(time, datetime):
            since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
            return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
        if isinstance(time, (int, float)) and not isinstance(time, bool) and 0 <= time < _LATEST_S:
            return int(time * _NS)
    return None


def _number(error: Exception) -> int | None:
    """Return the number of a system error: packages have subclasses of their own for those that Python has."""
    return error.errno if isinstance(error, OSError) else None


def _reason(error: Exception) -> str:
    """Return one line on what a store's package raised."""
    if isinstance(error, PermissionError) or _number(error) in (errno.EACCES, errno.EPERM):
        return "access is refused"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    line = inert(" ".join(text.split()))
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."
