"""URLs of sources: which are read, and that none holds a secret. Opens nothing.

What a URL names is stored with the case and shown, so credentials are refused in it, in words that do not repeat them.
They come from where the store's own package looks for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from facerecon.characters import acting
from facerecon.errors import UsageError

SCHEMES: dict[str, str] = {"file": "", "s3": "s3fs", "smb": "smbprotocol"}
"""Scheme -> the package that fsspec needs for it; "": none."""
LONGEST_CHARACTERS = 4096
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST = re.compile(r"[\w.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SIGNED = re.compile(r"(?i)[?&](x-amz-[\w-]+|awsaccesskeyid|signature|sig|token|password|key)=")
_WAY_OUT = "credentials come from the environment or the store's own files (docs/archives.md)"


@dataclass(frozen=True)
class Address:
    """Where an object or a folder of a store is: every URL of the store begins with `prefix`; `path` is in its words.

    `path` has no slash at its end; s3: bucket/key; file and smb: /path, /share/path.
    """

    scheme: str
    prefix: str
    path: str

    @property
    def url(self) -> str:
        """The whole URL. Nothing in it is a secret."""
        return self.prefix + self.path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def local(self) -> Path | None:
        """The path on this machine, of a file:// URL."""
        return Path(self.path) if self.scheme == "file" else None

    def at(self, path: str) -> Address:
        """Return the address of another path of the same store."""
        return replace(self, path=path)


def is_url(text: str) -> bool:
    """Tell a URL from a path; a path that looks like one can be given as ./NAME."""
    return _URL.fullmatch(text) is not None


def typed(text: str) -> Address:
    """Read a URL that somebody typed; it may hold a pattern.

    Raises:
        UsageError: as `parse`; or it is not in its plain form, or signed. The message holds no secret of it.
    """
    if acting(text) is not None or len(text) > LONGEST_CHARACTERS:
        raise UsageError("a URL of a source holds a character that is not shown, or is too long")
    if _SIGNED.search(text):
        raise UsageError(f"a signed URL is a secret and would be kept with the case; {_WAY_OUT}")
    address = parse(text)
    address = address.at(address.path.rstrip("/"))
    parts = address.path.removeprefix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise UsageError(f"{address.url} is not in its plain form; {_form(address.scheme)}")
    return address


def parse(text: str) -> Address:
    """Read the URL of an object.

    Raises:
        UsageError: another scheme than `SCHEMES`, no bucket, host or absolute path, or a user or password in it.
    """
    found = _URL.fullmatch(text)
    scheme = found[1].lower() if found else ""
    if found is None or scheme not in SCHEMES:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise UsageError(f"a source of the scheme '{scheme}' cannot be read; give {known}, a path, or mount it")
    authority, slash, path = found[2].partition("/")
    if "@" in authority or (":" in authority and not _HOST.fullmatch(authority)):
        raise UsageError(f"a {scheme} URL must not hold a user or password; {_WAY_OUT}")
    if scheme == "s3":
        usable, prefix, path = bool(authority), f"{scheme}://", f"{authority}{slash}{path}"
    elif scheme == "file":
        usable, prefix, path = not authority and bool(slash), f"{scheme}://", f"/{path}"
    else:
        usable = _HOST.fullmatch(authority) is not None and bool(path)
        prefix, path = f"{scheme}://{authority}", f"/{path}"
    if not usable:
        raise UsageError(f"a URL with {scheme}:// cannot be read; {_form(scheme)}")
    return Address(scheme, prefix, path)


def _form(scheme: str) -> str:
    shown = {"file": "file:///absolute/path", "s3": "s3://bucket/key"}.get(scheme, f"{scheme}://server/share/path")
    return f"write it as {shown}"
