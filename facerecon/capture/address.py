"""The address of a stream: which are allowed, and how one is shown. Owns the secret in it, and never shows it.

Credentials stand in three places of a camera's address: before the host, in the query, and, with some makers, in the
path. Whatever may be one is shown as ***; what is known to be harmless (channel, stream, profile) stays readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from facerecon.characters import acting
from facerecon.containment import read_named
from facerecon.errors import UsageError

Scheme = Literal["rtsp", "rtsps", "http", "https"]
SCHEMES: tuple[str, ...] = get_args(Scheme)
HIDDEN = "***"
LONGEST_CHARACTERS = 2048
SHORTEST_SECRET = 3
"""Shorter values are not searched for in messages: they would hide single letters everywhere."""
_HARMLESS = frozenset(
    {"ch", "channel", "cam", "camera", "stream", "subtype", "profile", "codec", "fps", "res", "resolution", "unicast"}
    | {"proto", "width", "height", "audio", "video", "track", "trackid"}
)
_SECRET_PART = re.compile(r"(?i)(user|usr|login|pass|pwd|token|key|auth|sig|secret|session)[\w.-]*=")


@dataclass(frozen=True)
class Address:
    """A stream's address. `shown` may be written and printed; `url` must never be."""

    url: str = field(repr=False)
    shown: str
    scheme: Scheme

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address that somebody typed.

        Raises:
            UsageError: another scheme than rtsp, rtsps, http and https, no host, or not an address at all. The message
                holds no part of it but the scheme.
        """
        text = text.strip()
        if len(text) > LONGEST_CHARACTERS or acting(text) or " " in text or "\\" in text:
            raise UsageError("the stream's URL holds a blank, a backslash or a control character, or is too long")
        scheme = _scheme(text)
        try:
            parts = urlsplit(text)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise UsageError("the stream's URL cannot be read; write it as rtsp://host:port/path") from None
        if not host:
            raise UsageError(f"the stream's URL names no host; write it as {scheme}://host:port/path")
        if parts.fragment:
            raise UsageError("the stream's URL has a part after '#', which no server gets; leave it out")
        return cls(text, _shown(parts, host, port), scheme)

    def clean(self, text: str) -> str:
        """Return text without any part of the address that is not shown."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def _secrets(self) -> set[str]:
        parts = urlsplit(self.url)
        found = {self.url, parts.netloc.rpartition("@")[0], parts.username or "", parts.password or ""}
        found |= {value for name, value in parse_qsl(parts.query) if name.lower() not in _HARMLESS}
        found |= {each for each in parts.path.split("/") if _SECRET_PART.search(each)}
        found |= {unquote(each) for each in found}
        return {each for each in found if len(each) >= SHORTEST_SECRET and each not in self.shown}


def address_from(path: Path) -> Address:
    """Read an address from a file of one line, so that it stands in no list of processes.

    Raises:
        UsageError: it cannot be read, or does not hold one address.
    """
    try:
        text = read_named(path, LONGEST_CHARACTERS + 2).decode("utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a short file of text"
        raise UsageError(f"--url-file {path} cannot be read: {why}") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        raise UsageError(f"--url-file {path} must hold one line, the stream's URL; it has {len(lines)}")
    return Address.parse(lines[0])


def _scheme(text: str) -> Scheme:
    before, mark, _ = text.partition("://")
    for scheme in get_args(Scheme):
        if mark and before.lower() == scheme:
            return scheme  # type: ignore[no-any-return]
    raise UsageError(
        f"only streams are captured, by the schemes {', '.join(SCHEMES)}; give a URL like rtsp://host/path"
    )


def _shown(parts: SplitResult, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    at = f"{HIDDEN}@" if "@" in parts.netloc else ""
    path = "/".join(HIDDEN if _SECRET_PART.search(each) else each for each in parts.path.split("/"))
    query = "&".join(_shown_query(parts.query))
    return f"{parts.scheme.lower()}://{at}{name}{f':{port}' if port else ''}{path}{f'?{query}' if query else ''}"


def _shown_query(query: str) -> Iterator[str]:
    for each in query.split("&") if query else ():
        name, mark, value = each.partition("=")
        if not mark:
            yield HIDDEN
        else:
            yield each if name.lower() in _HARMLESS or not value else f"{name}={HIDDEN}"
