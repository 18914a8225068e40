"""A package that somebody hands on: its digest, its signature, and the case in it. Takes every byte for hostile.

The counterpart of `packing`, and as narrow: only the form that `facerecon case package` writes is read. Nothing in
it is compressed, so nothing unpacks to more than there is; entries lie one after the other in the order of their names,
so none stands there twice and none shares its bytes with another (as in D. Fifield, "A better zip bomb", WOOT 2019).
Never writes anywhere but into a private temporary folder, which is gone afterwards.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from facerecon.characters import inert
from facerecon.containment import open_named, read_named, require_inside
from facerecon.durable import PRIVATE
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.manifest import CaseProblemsError
from facerecon.pipeline.packing import signature_files

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LARGEST_LIST_BYTES = 1 << 26
"""Longest list of names that is read from a package (64 MiB): more than half a million files with names as long as the
tool's own."""
_LARGEST_LINE_BYTES = 1024
_SIGNATURE_BYTES = 64
_LINE = re.compile(rb"([0-9a-f]{64}) [ *]([^\n]+)\n")
_CHUNK_BYTES = 1 << 20
_UNIX, _UTF_8 = 3, 0x800
_HEADER_BYTES, _LARGE_EXTRA_BYTES, _END_BYTES = 30, 20, 22
_MANIFEST = "manifest.json"
_DAMAGE = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OverflowError, struct.error)
"""What `zipfile` raises for bytes that are no zip."""


class PackageProblemsError(CaseProblemsError):
    """A package does not verify; `problems` lists everything that was found."""

    what = "package"


@dataclass(frozen=True)
class Sealed:
    """What was checked of a package before it was opened.

    Attributes:
        path: the zip.
        sha256: its SHA-256; where `line` names a file, that file states the same.
        size_bytes: its size.
        line: the file with the digest line, X.zip.sha256; None where there is none.
        signature: the file with the signature over that line, X.zip.sig; None where there is none.
        key_sha256: fingerprint of the given key that made the signature; None where no key was given.
    """

    path: Path
    sha256: str
    size_bytes: int
    line: Path | None
    signature: Path | None
    key_sha256: str | None


def is_package(path: Path) -> bool:
    """Tell what may be a package (a file) from what may be a case (anything else)."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextmanager
def unpacked(path: Path, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[tuple[Sealed, Path]]:
    """Check a package's digest and signature, then yield what was found and the case, in a private temporary folder.

    The case itself is not verified: that is the caller's to do. An `IntegrityError` of the caller's block is raised on
    as `PackageProblemsError`, with the package's name for the temporary folder's.

    Args:
        path: the zip; X.zip.sha256 and X.zip.sig are looked for beside it.
        keys: fingerprint -> public key; with any, the package must be signed by one of them.

    Raises:
        UsageError: it is no package, or cannot be read.
        PackageProblemsError: its digest or its signature is not what it should be, a signature is missing though keys
            are given, it is damaged, or it is not in the form in which packages are written.
        ResourceError: there is no room to unpack it.
    """
    with _opened(path) as stream, _named_for(path) as folder:
        sealed = _checked(path, stream, keys)
        root = _extracted(path, stream, folder)
        # The zip is held open, but whoever can write to it could have changed what is in it meanwhile.
        if _digest(stream, path) != sealed.sha256:
            raise PackageProblemsError(path, ["it was changed while it was read"])
        yield sealed, root


@contextmanager
def _named_for(path: Path) -> Iterator[Path]:
    """Yield a private temporary folder, for which problems name the package."""
    with tempfile.TemporaryDirectory(prefix="facerecon-package-") as folder:
        try:
            yield Path(folder)
        except PackageProblemsError:
            raise
        except IntegrityError as error:
            problems = error.problems if isinstance(error, CaseProblemsError) else (str(error),)
            raise PackageProblemsError(path, [each.replace(folder, str(path)) for each in problems]) from None


# --- digest and signature ---------------------------------------------------------------------------------------------


def _checked(path: Path, stream: BufferedReader, keys: Mapping[str, Ed25519PublicKey]) -> Sealed:
    """Compare digest and signature with the files beside the zip, and tell all problems at once."""
    sha256, problems, signer = _digest(stream, path), [], None
    line, signature = (each if each.exists() or each.is_symlink() else None for each in signature_files(path))
    try:
        text = None if line is None else _beside(line, _LARGEST_LINE_BYTES)
        if text is not None:
            problems += _differing(f"{path.name}.sha256", text, sha256)
        signer = _signer(path, signature, text, keys)
    except IntegrityError as error:
        problems.append(str(error))
    if problems:
        raise PackageProblemsError(path, problems)
    return Sealed(path, sha256, os.fstat(stream.fileno()).st_size, line, signature, signer)


def _beside(path: Path, most_bytes: int) -> bytes:
    try:
        return read_named(path, most_bytes)
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _differing(name: str, text: bytes, sha256: str) -> list[str]:
    found = _LINE.fullmatch(text)
    if found is None:
        return [f"{name} is not one line as sha256sum writes it"]
    stated = found[1].decode()
    return [] if stated == sha256 else [f"its SHA-256 is {sha256}, not {stated}, which {name} states"]


def _signer(path: Path, signature: Path | None, text: bytes | None, keys: Mapping[str, Ed25519PublicKey]) -> str | None:
    """Return which of the keys signed the digest line (Ed25519, RFC 8032); None where no key was given.

    Raises:
        IntegrityError: there is no signature though keys were given, it is none, or none of the keys made it.
    """
    if signature is None:
        if keys:
            raise IntegrityError(f"it is not signed: there is no {path.name}.sig to check with the given keys")
        return None
    if text is None:
        raise IntegrityError(f"{signature.name} is there, but not {path.name}.sha256, which it signs")
    data = _beside(signature, _SIGNATURE_BYTES)
    if len(data) != _SIGNATURE_BYTES:
        raise IntegrityError(f"{signature.name} is not an Ed25519 signature of {_SIGNATURE_BYTES} bytes")
    found = next((each for each, key in keys.items() if _signed(key, data, text)), None)
    if keys and found is None:
        given = ", ".join(f"{each[:12]}..." for each in keys)
        raise IntegrityError(f"{signature.name} does not verify with any of the given keys ({given})")
    return found


def _signed(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _digest(stream: BufferedReader, path: Path) -> str:
    try:
        stream.seek(0)
        return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PackageProblemsError(path, [f"it cannot be read: {error.strerror}"]) from None


# --- the zip ----------------------------------------------------------------------------------------------------------


def _opened(path: Path) -> BufferedReader:
    try:
        return open_named(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {why}; check the path and its permissions") from None


class _Modest:
    """A file of which no more than the longest list of names is read at once: `zipfile` reads that list whole."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, count: int = -1) -> bytes:
        data = self._stream.read(LARGEST_LIST_BYTES + 1 if count < 0 else min(count, LARGEST_LIST_BYTES + 1))
        if len(data) > LARGEST_LIST_BYTES:
            raise IntegrityError(f"its list of files is longer than {LARGEST_LIST_BYTES} bytes")
        return data


def _extracted(path: Path, stream: BufferedReader, folder: Path) -> Path:
    """Write the files of a package below a folder, and return the case's own folder in it."""
    stream.seek(0)
    if stream.read(2) != b"PK":
        raise UsageError(f"{path} is neither a case folder nor a package of 'facerecon case package'")
    try:
        with zipfile.ZipFile(_Modest(stream)) as archive:
            entries = archive.infolist()
            top = _top(path, entries)
            _require_form(entries, top, archive)
            _require_end(stream)
            for entry in entries:
                _extract(archive, entry, folder / entry.filename)
    except _DAMAGE as error:
        raise PackageProblemsError(path, [f"it is no whole zip: {inert(str(error)[:200])}"]) from None
    except IntegrityError as error:
        raise PackageProblemsError(path, [str(error)]) from None
    except OSError as error:
        raise ResourceError(
            f"cannot unpack {path} into {folder}: {error.strerror or error}; set TMPDIR to a folder with more room"
        ) from None
    return folder / top


def _top(path: Path, entries: Iterable[zipfile.ZipInfo]) -> str:
    """Return the one folder of a package, in which its manifest lies.

    Raises:
        UsageError: there is no manifest in any folder, so it is no package.
    """
    for entry in entries:
        top, _, name = entry.filename.partition("/")
        if name == _MANIFEST:
            return top
    raise UsageError(f"{path} is no package of 'facerecon case package': it holds no FOLDER/{_MANIFEST}")


def _require_form(entries: Sequence[zipfile.ZipInfo], top: str, archive: zipfile.ZipFile) -> None:
    """Make sure that a zip is in the form in which packages are written, before anything of it is unpacked.

    Raises:
        IntegrityError: it is not; the first entry that is not is named.
    """
    expected, before = 0, ""
    for entry in entries:
        try:
            require_inside(entry.orig_filename)
            if not entry.filename.startswith(f"{top}/"):
                raise ValueError(f"is not in the package's one folder {top}")
            if entry.filename <= before:
                raise ValueError("stands there twice, or not in the order of the names")
            _require_plain(entry)
            if entry.header_offset - expected not in (0, _LARGE_EXTRA_BYTES if expected else 0):
                raise ValueError("does not begin where the entry before it ends")
        except ValueError as error:
            raise IntegrityError(f"the entry '{inert(entry.orig_filename[:200])}' {error}") from None
        before = entry.filename
        expected = entry.header_offset + _HEADER_BYTES + len(entry.filename.encode()) + entry.file_size
    if archive.start_dir - expected not in (0, _LARGE_EXTRA_BYTES) or archive.comment:
        raise IntegrityError("something lies in it beside the files")


def _require_end(stream: BufferedReader) -> None:
    stream.seek(-_END_BYTES, os.SEEK_END)
    if not stream.read(_END_BYTES).startswith(b"PK\x05\x06"):
        raise IntegrityError("something lies behind its end")


def _require_plain(entry: zipfile.ZipInfo) -> None:
    """Make sure that an entry is a plain, uncompressed, private file.

    Raises:
        ValueError: it is not.
    """
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise ValueError("is a link")
    if (entry.create_system, entry.external_attr) != (_UNIX, PRIVATE << 16) or entry.flag_bits & ~_UTF_8:
        raise ValueError("is not a plain file as packages hold it")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ValueError("is compressed; packages are not. Unpack the zip yourself and verify the folder")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write one entry to a new file.

    Raises:
        IntegrityError: a file lies where a folder should be, or the other way round.
        OSError: it cannot be written.
    """
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            raise IntegrityError(f"the entry '{entry.filename}' is a file and a folder at once") from None
        raise
    with os.fdopen(handle, "wb") as sink, archive.open(entry) as source:
        while chunk := source.read(_CHUNK_BYTES):
            sink.write(chunk)
