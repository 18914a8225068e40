"""A case as one file: a zip whose bytes follow from the case alone, and a detached signature. Never changes the case.

Names are sorted, times fixed (1980, the format's earliest), nothing is compressed (most of it is PNG, and deflate
differs between libraries): the same case gives the same bytes anywhere. The signature is over one line of text with the
zip's digest, in the form of sha256sum, so that OpenSSL and sha256sum alone can check both.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from facerecon.durable import PRIVATE, TEMPORARY, write_whole
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_bytes, sha256_file
from facerecon.manifest import verify

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Package:
    """A written zip: how many files are in it, its size, and its digest."""

    path: Path
    files: int
    size_bytes: int
    sha256: str


def package(root: Path, case_id: str, out: Path) -> Package:
    """Write a whole case into a zip, under one folder that is named after the case number.

    Raises:
        UsageError: `out` exists, or lies in the case.
        IntegrityError: the case does not verify, or a file changed while it was read.
        ResourceError: the zip cannot be written.
    """
    require_new(root, out)
    manifest = verify(root)
    digests = {name: entry.sha256 for name, entry in manifest.files.items()}
    digests["manifest.json"] = sha256_bytes(manifest.to_bytes())
    with _finished(out) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, digest in sorted(digests.items()):
            _add(archive, root / name, f"{folder_name(case_id)}/{name}", digest)
    return Package(out, len(digests), out.stat().st_size, sha256_file(out))


def require_new(root: Path, *files: Path) -> None:
    """Make sure that files can be written without harm to a case.

    Raises:
        UsageError: one exists, or lies in the case, where an extra file would stop it from verifying.
    """
    for path in files:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists already, and nothing was changed; give another name")
        if path.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"{path} lies in the case folder, which would then not verify; give another place")


def folder_name(case_id: str) -> str:
    """Return a case number as a plain folder name: letters, digits, dots, dashes and underscores; "case" for none."""
    return re.sub(r"[^\w.-]+", "_", case_id, flags=re.ASCII).strip("._-")[:80] or "case"


def signature_files(out: Path) -> tuple[Path, Path]:
    """Return where the digest line and the signature of a zip lie: OUT.zip.sha256 and OUT.zip.sig."""
    return out.with_name(f"{out.name}.sha256"), out.with_name(f"{out.name}.sig")


def sign_package(made: Package, key: Ed25519PrivateKey) -> tuple[Path, Path]:
    """Write the digest line of a zip and its detached signature: Ed25519 (RFC 8032), 64 bytes, over that line.

    Returns:
        The paths of both.

    Raises:
        ResourceError: they cannot be written.
    """
    line, signature = signature_files(made.path)
    text = f"{made.sha256}  {made.path.name}\n".encode()
    try:
        write_whole(line, text, 0o644)
        write_whole(signature, key.sign(text), 0o644)
    except OSError as error:
        raise ResourceError(f"cannot write {signature}: {error.strerror}; choose another place") from None
    return line, signature


@contextmanager
def _finished(out: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `out`, which gets that name when the block ends well and is removed otherwise."""
    try:
        handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=TEMPORARY)
        try:
            with os.fdopen(handle, "w+b") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, out)  # noqa: PTH105
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise ResourceError(f"cannot write {out}: {error.strerror or error}; choose another place") from None


def _add(archive: zipfile.ZipFile, path: Path, name: str, sha256: str) -> None:
    """Copy one file, checking the bytes that are copied.

    Raises:
        IntegrityError: they are not those of the manifest.
    """
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.create_system, info.external_attr = _UNIX, PRIVATE << 16
    digest = hashlib.sha256()
    try:
        source = path.open("rb")
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}") from None
    with source:
        info.file_size = os.fstat(source.fileno()).st_size
        with archive.open(info, "w") as target:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
    if digest.hexdigest() != sha256:
        raise IntegrityError(f"{path} was changed while it was packed: its digest is not the manifest's")
