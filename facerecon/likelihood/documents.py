"""Calibrations as files. Owns reading, verifying and writing them; never changes one, and never replaces a file.

The file is one canonical JSON document with a `sha256` over the rest of it. The digest shows that a calibration is the
one that a report names and that it was not damaged or edited; it is no signature: whoever can write the file can make a
new one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facerecon.containment import read_named
from facerecon.durable import write_whole
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.likelihood.calibration import SCHEMA, Calibration

LARGEST_BYTES = 1 << 24
"""No calibration is larger (16 MiB); those that ship have less than a fiftieth of it."""
_DIGEST = "sha256"


def read_calibration(path: Path) -> Calibration:
    """Read a calibration and verify its digest.

    Raises:
        UsageError: the file cannot be read, is no calibration, or was made by another version.
        IntegrityError: the digest in the file is not that of its content, or the file is not spelt as it was written.
    """
    content = _content(path)
    document = _parsed(path, content)
    if document.get("schema_version") != SCHEMA:
        found = document.get("schema_version", "none")
        raise UsageError(
            f"{path}: made by another version (schema {found}, this version reads {SCHEMA}); make the calibration again"
        )
    stated = document.pop(_DIGEST, None)
    if stated != sha256_bytes(canonical_json(document)):
        raise IntegrityError(f"{path}: the content does not have the digest it states; get the calibration again")
    calibration = _validated(path, document)
    # Two spellings of one number have one digest; a file that was touched at all shall not pass.
    if calibration_bytes(calibration).rstrip() != content.rstrip():
        raise IntegrityError(f"{path}: is not in the form that this tool writes; get the calibration again")
    return calibration


def _content(path: Path) -> bytes:
    try:
        return read_named(path, LARGEST_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: cannot be read ({why}); give the path of a calibration") from error


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content, parse_constant=_no_constant)
        # Half a surrogate pair parses but cannot be written again.
        canonical_json(document)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not a JSON document; give the path of a calibration") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: is not a calibration but other JSON; give the path of a calibration")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _validated(path: Path, document: dict[str, Any]) -> Calibration:
    try:
        # As JSON, so that lists become tuples and nothing else is converted.
        return Calibration.model_validate_json(canonical_json(document), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(f"{path}: is no calibration: {where}: {first['msg']}; make the calibration again") from error


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration with its digest: a new file, whole or not at all. The same calibration may be written again.

    Raises:
        UsageError: the path holds another file; calibrations are never replaced.
        ResourceError: the folder cannot be made or written.
    """
    content = calibration_bytes(calibration)
    try:
        if path.exists():
            _same_or_refuse(content, path)
        else:
            write_whole(path, content, 0o644)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror}); give a folder that can be") from error


def _same_or_refuse(content: bytes, path: Path) -> None:
    if not path.is_file() or path.read_bytes() != content:
        raise UsageError(f"{path}: exists already; give another name or remove it first")


def calibration_bytes(calibration: Calibration) -> bytes:
    """Return a calibration as the bytes of its file: one canonical JSON document with its digest."""
    return canonical_json({**calibration.content(), _DIGEST: calibration.sha256}) + b"\n"
