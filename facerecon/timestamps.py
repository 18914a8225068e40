"""Timestamps of an outside authority (RFC 3161), read from files. Never opens a socket: the user sends and fetches.

A timestamp shows that some bytes existed at a time that an authority vouches for. Its signature is checked against root
certificates that the user names; without them only the imprint is compared, which anybody can forge.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from facerecon.errors import IntegrityError, UsageError

SHA256_OID = "2.16.840.1.101.3.4.2.1"
LARGEST_BYTES = 1 << 20
"""No response and no file of certificates is larger."""


@dataclass(frozen=True)
class Stamp:
    """What a response says: the time in UTC, the SHA-256 that it stamps (hex), and the authority's serial number."""

    utc: str
    imprint_sha256: str
    serial: int
    policy: str


def request(data: bytes) -> bytes:
    """Return the request (DER, RFC 3161 section 2.4.1) for the SHA-256 of `data`, asking for the certificate.

    It holds no nonce, so the same data give the same request; the imprint binds the answer to the data.
    """
    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=False).cert_request(cert_request=True).build().as_bytes()


def read_stamp(response: bytes, name: str) -> Stamp:
    """Read a response without checking its signature.

    Raises:
        IntegrityError: not a granted response (RFC 3161 section 2.4.2) over a SHA-256.
    """
    try:
        info = _granted(response, name).tst_info
        imprint = info.message_imprint
        if imprint.hash_algorithm.dotted_string != SHA256_OID:
            raise IntegrityError(f"{name} stamps another kind of digest than SHA-256")
        when = info.gen_time.astimezone(UTC) if info.gen_time.tzinfo else info.gen_time.replace(tzinfo=UTC)
        return Stamp(_text(when), imprint.message.hex(), info.serial_number, info.policy.dotted_string)
    except ValueError:
        raise IntegrityError(f"{name} holds no timestamp that can be read") from None


def require_stamp(response: bytes, data: bytes, name: str) -> Stamp:
    """Make sure that a response stamps the SHA-256 of `data`, and return what it says. The signature is not checked.

    Raises:
        IntegrityError: it cannot be read, or stamps something else.
    """
    stamp, digest = read_stamp(response, name), hashlib.sha256(data).hexdigest()
    if stamp.imprint_sha256 != digest:
        raise IntegrityError(f"{name} stamps the SHA-256 {stamp.imprint_sha256}, not {digest}")
    return stamp


def require_authority(response: bytes, data: bytes, roots: Sequence[x509.Certificate], name: str) -> None:
    """Make sure that an authority under one of the roots signed this response for `data`, with certificates then valid.

    Raises:
        IntegrityError: it does not verify.
    """
    try:
        verifier = VerifierBuilder(roots=list(roots)).build()
        verifier.verify_message(_granted(response, name), data)
    except (VerificationError, ValueError, x509.ExtensionNotFound) as error:
        raise IntegrityError(f"{name} is not from an authority under the given certificates: {_why(error)}") from None


def read_roots(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    """Read certificates in PEM, one or more a file.

    Raises:
        UsageError: a file cannot be read or holds none.
    """
    return tuple(certificate for path in paths for certificate in _certificates(path))


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        with path.open("rb") as stream:
            return x509.load_pem_x509_certificates(stream.read(LARGEST_BYTES))
    except OSError as error:
        raise UsageError(f"certificates {path} cannot be read: {error.strerror}") from None
    except (ValueError, binascii.Error):
        raise UsageError(f"{path} holds no certificate in PEM") from None


def _granted(response: bytes, name: str) -> TimeStampResponse:
    try:
        if len(response) > LARGEST_BYTES:
            raise ValueError("too large")
        found = decode_timestamp_response(response)
    except ValueError:
        raise IntegrityError(f"{name} is not a timestamp response (RFC 3161)") from None
    if found.status != PKIStatus.GRANTED:
        said = f" ({_line('; '.join(found.status_string))})" if found.status_string else ""
        raise IntegrityError(f"{name}: the authority did not grant the timestamp, status {found.status}{said}")
    return found


def _why(error: Exception) -> str:
    """Return the part of a library's message that a person can use."""
    said = str(error)
    found = re.search(r'Verify error: ?([^"]+)', said)
    return _line(found[1] if found else said.partition("(")[0])


def _text(when: datetime) -> str:
    return when.isoformat(timespec="seconds" if when.microsecond == 0 else "milliseconds").replace("+00:00", "Z")


def _line(said: object) -> str:
    """Return what a library or an authority said as one printable line."""
    return "".join(each if each.isprintable() else " " for each in str(said))[:300]
