"""Signatures over a case: Ed25519 keys, the statement that is signed, its check. Never knows which files a case has.

A signature is over the ledger's head. The ledger binds each line to the one before it and states the digest of every
file, so one signature fixes all that was in the case up to there. It shows that the holder of a key stated this; whose
key it is, somebody must have checked by other means. Ed25519: RFC 8032; key files: RFC 5958 and RFC 8410, as PEM.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError

from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import Ledger
from facerecon.records import PersonName, Record, Sha256

Role = Literal["operator", "reviewer"]
Passphrase = Callable[[], bytes]
LARGEST_BYTES = 1 << 16
"""No key file and no signature file is larger."""
_PRIVATE = b"PRIVATE KEY-----"


class Statement(Record):
    """What is signed: who states, in which role, that a case's ledger had this head after so many entries.

    `type` keeps a signature that the same key made for another purpose from counting here.
    """

    type: Literal["facerecon-case-signature"] = "facerecon-case-signature"
    schema_version: Literal[1] = 1
    case_id: str
    role: Role
    signer: PersonName
    ledger_head: Sha256
    ledger_entries: Annotated[int, Field(ge=1)]
    utc: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
    key_sha256: Sha256

    def to_bytes(self) -> bytes:
        """Return the bytes that are signed: canonical JSON (sorted keys, no spaces, UTF-8), no new line at the end."""
        return canonical_json(self.model_dump(mode="json"))


class Signature(Record):
    """A signature file: the statement, the public key (PEM), and the signature over it (64 bytes, Base64)."""

    statement: Statement
    public_key: Annotated[str, Field(max_length=256)]
    signature: Annotated[str, Field(max_length=88)]

    @classmethod
    def made(cls, statement: Statement, key: Ed25519PrivateKey) -> Signature:
        """Sign a statement. Ed25519 is deterministic: the same statement and key give the same bytes."""
        signature = base64.b64encode(key.sign(statement.to_bytes())).decode()
        return cls(statement=statement, public_key=public_pem(key.public_key()).decode(), signature=signature)

    @classmethod
    def parse(cls, data: bytes, name: str) -> Signature:
        """Read a signature file and check the signature with the key in it.

        Raises:
            IntegrityError: it is no signature file, not in its one form, or the signature does not verify.
        """
        try:
            if len(data) > LARGEST_BYTES:
                raise ValueError("too large")
            found = cls.model_validate(json.loads(data))
            written = found.to_bytes()
        except (ValueError, RecursionError, ValidationError):
            raise IntegrityError(f"{name} is not a signature file of schema 1") from None
        if written != data:
            raise IntegrityError(f"{name} is not in canonical form, so it was edited")
        found._check(name)
        return found

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"

    def _check(self, name: str) -> None:
        try:
            key = _ed25519_public(self.public_key.encode())
            signature = base64.b64decode(self.signature, validate=True)
        except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
            raise IntegrityError(f"{name} holds no Ed25519 key and signature") from None
        if fingerprint(key) != self.statement.key_sha256 or public_pem(key).decode() != self.public_key:
            raise IntegrityError(f"{name}: the key in it is not the one that the statement names")
        try:
            key.verify(signature, self.statement.to_bytes())
        except InvalidSignature:
            raise IntegrityError(
                f"{name}: the signature of {self.statement.signer} does not verify; the statement was changed, or "
                "another key signed it"
            ) from None

    def require_prefix(self, ledger: Ledger, case_id: str, name: str) -> None:
        """Make sure that the statement is about this case and a beginning of this ledger.

        Raises:
            IntegrityError: it is about another case, or the ledger had another head after so many entries.
        """
        said = self.statement
        if said.case_id != case_id:
            raise IntegrityError(f"{name} is about case {said.case_id}, not {case_id}")
        entries = ledger.entries
        if said.ledger_entries > len(entries) or entries[said.ledger_entries - 1].hash != said.ledger_head:
            raise IntegrityError(
                f"{name}: after {said.ledger_entries} entries the ledger does not have the head that was signed; "
                "the case was rewritten after it was signed"
            )


# --- keys -------------------------------------------------------------------------------------------------------------


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the raw public key (32 bytes), 64 hex digits."""
    return sha256_bytes(key.public_bytes_raw())


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM (SubjectPublicKeyInfo)."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def write_new_key(private: Path, public: Path, passphrase: bytes | None = None) -> Ed25519PublicKey:
    """Make a key pair: `private` (PKCS#8 PEM, mode 0600, encrypted under a passphrase if there is one) and `public`.

    Raises:
        UsageError: one of the files exists; nothing is overwritten.
        ResourceError: they cannot be written.
    """
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists already, and no key is ever overwritten; choose another name")
    key = Ed25519PrivateKey.generate()
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    _write_new(private, content, 0o600)
    _write_new(public, public_pem(key.public_key()), 0o644)
    return key.public_key()


def read_private_key(path: Path, passphrase: Passphrase) -> Ed25519PrivateKey:
    """Read a private key; `passphrase` is asked only if the file is encrypted.

    Raises:
        UsageError: no Ed25519 private key, or the passphrase is wrong.
    """
    data = _key_bytes(path)
    if _PRIVATE not in data:
        raise UsageError(f"{path} is not a private key in PEM; make one with 'facerecon keys new'")
    given = passphrase() if b"BEGIN ENCRYPTED PRIVATE KEY-----" in data else None
    try:
        key = serialization.load_pem_private_key(data, given)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = "the passphrase is wrong, or it is not a private key" if given else "not a private key that can be read"
        raise UsageError(f"{path}: {why}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is not an Ed25519 key; make one with 'facerecon keys new'")
    return key


def is_private(path: Path) -> bool:
    """Tell a file that holds a private key.

    Raises:
        UsageError: it cannot be read.
    """
    return _PRIVATE in _key_bytes(path)


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        UsageError: no Ed25519 public key.
    """
    data = _key_bytes(path)
    if _PRIVATE in data:
        raise UsageError(f"{path} is a private key; give the public one, and keep this one to yourself")
    try:
        return _ed25519_public(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} is not an Ed25519 public key in PEM") from None


def _ed25519_public(pem: bytes) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("another kind of key")
    return key


def _key_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"key {path} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"{path} is too large for a key file")
    return data


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {error.strerror}; choose another place") from None
