"""Signatures: what was signed cannot be changed, and nothing else passes for a signature."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.ledger import Ledger
from facerecon.signing import (
    Signature,
    Statement,
    fingerprint,
    public_pem,
    read_private_key,
    read_public_key,
    write_new_key,
)
from tests.authority import needs_openssl

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def unasked() -> bytes:
    raise AssertionError("no passphrase is needed here")


def statement(**changes: Any) -> Statement:
    fields = {
        "case_id": "C-1 ü",
        "role": "operator",
        "signer": "Olga Ö.",
        "ledger_head": "a" * 64,
        "ledger_entries": 3,
        "utc": "2026-01-02T03:04:05Z",
        "key_sha256": fingerprint(KEY.public_key()),
    }
    return Statement.model_validate(fields | changes)


SIGNED = Signature.made(statement(), KEY).to_bytes()


def test_same_statement_and_key_give_the_same_bytes_and_they_read_back() -> None:
    assert Signature.made(statement(), KEY).to_bytes() == SIGNED
    assert Signature.parse(SIGNED, "s").statement == statement()


@given(st.integers(0, len(SIGNED) * 8 - 1))
def test_any_flipped_bit_is_found(bit: int) -> None:
    changed = bytearray(SIGNED)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        Signature.parse(bytes(changed), "s")


@pytest.mark.parametrize(
    "change",
    [
        {"case_id": "C-2"},
        {"role": "reviewer"},
        {"signer": "Otto"},
        {"ledger_head": "b" * 64},
        {"ledger_entries": 4},
        {"utc": "2027-01-02T03:04:05Z"},
        {"key_sha256": fingerprint(OTHER.public_key())},
    ],
)
def test_every_field_of_the_statement_is_signed(change: dict[str, Any]) -> None:
    document = json.loads(SIGNED)
    document["statement"] |= change
    with pytest.raises(IntegrityError, match=r"does not verify|not the one that the statement names"):
        Signature.parse(canonical_json(document) + b"\n", "s")


def test_a_key_put_in_later_does_not_pass() -> None:
    document = json.loads(SIGNED) | {"public_key": public_pem(OTHER.public_key()).decode()}
    with pytest.raises(IntegrityError, match="not the one that the statement names"):
        Signature.parse(canonical_json(document) + b"\n", "s")


def test_a_signature_for_another_purpose_does_not_count() -> None:
    body = statement().model_dump(mode="json") | {"type": "something-else"}
    document = json.loads(SIGNED) | {
        "statement": body,
        "signature": base64.b64encode(KEY.sign(canonical_json(body))).decode(),
    }
    with pytest.raises(IntegrityError, match="not a signature file"):
        Signature.parse(canonical_json(document) + b"\n", "s")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b"null",
        SIGNED[:-1],
        SIGNED + b"\n",
        b" " * (1 << 17),
        SIGNED.replace(b'"ledger_entries":3', b'"ledger_entries":3.0'),
        SIGNED.replace(b'"ledger_entries":3', b'"ledger_entries":' + b"9" * 5000),
        SIGNED.replace(b"C-1", b"\\ud800"),
        SIGNED.replace(b'{"public_key"', b'{"public_key":"x","public_key"'),
    ],
)
def test_other_forms_are_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"signatures/0001"):
        Signature.parse(content, "signatures/0001-operator.json")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_crash(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        Signature.parse(content, "s")


@pytest.mark.parametrize("name", ["", " ", "Olga ", "a\nb", "a\x1b[2J", "a\u202eb", "\u200b", "x" * 201, "..."])
def test_names_that_deceive_or_say_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        statement(signer=name)


def test_signed_head_must_be_the_ledgers_after_so_many_entries() -> None:
    ledger = Ledger()
    for number in range(4):
        ledger.append(f"step{number}", {})
    good = Signature.made(statement(ledger_head=ledger.entries[2].hash), KEY)
    good.require_prefix(ledger, "C-1 ü", "s")
    with pytest.raises(IntegrityError, match="about case"):
        good.require_prefix(ledger, "C-2", "s")
    rewritten = Ledger(ledger.entries[:2])
    with pytest.raises(IntegrityError, match="rewritten"):
        good.require_prefix(rewritten, "C-1 ü", "s")
    rewritten.append("step2", {"other": 1})
    with pytest.raises(IntegrityError, match="rewritten"):
        good.require_prefix(rewritten, "C-1 ü", "s")


# --- keys -------------------------------------------------------------------------------------------------------------


def test_new_key_is_private_and_reads_back(tmp_path: Path) -> None:
    private, public = tmp_path / "k.pem", tmp_path / "k.pub.pem"
    made = write_new_key(private, public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert fingerprint(read_private_key(private, unasked).public_key()) == fingerprint(made)
    assert fingerprint(read_public_key(public)) == fingerprint(made) == sha256_bytes(made.public_bytes_raw())


def test_two_new_keys_differ(tmp_path: Path) -> None:
    keys = [write_new_key(tmp_path / f"{name}.pem", tmp_path / f"{name}.pub.pem") for name in "ab"]
    assert fingerprint(keys[0]) != fingerprint(keys[1])


@pytest.mark.parametrize("existing", ["k.pem", "k.pub.pem"])
def test_no_key_is_overwritten(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(UsageError, match="no key is ever overwritten"):
        write_new_key(tmp_path / "k.pem", tmp_path / "k.pub.pem")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(existing, "mine")]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="nowhere"):
        write_new_key(tmp_path / "nowhere/k.pem", tmp_path / "nowhere/k.pub.pem")


def test_passphrase_encrypts_and_must_be_right(tmp_path: Path) -> None:
    private = tmp_path / "k.pem"
    made = write_new_key(private, tmp_path / "k.pub.pem", b"secret")
    raw = read_private_key(private, lambda: b"secret").private_bytes_raw()
    assert b"ENCRYPTED" in private.read_bytes()
    assert base64.b64encode(raw)[:20] not in private.read_bytes()
    assert fingerprint(read_private_key(private, lambda: b"secret").public_key()) == fingerprint(made)
    with pytest.raises(UsageError, match="passphrase is wrong"):
        read_private_key(private, lambda: b"other")


def test_other_keys_and_files_are_refused(tmp_path: Path) -> None:
    rsa = generate_private_key(65537, 2048)
    (tmp_path / "rsa.pem").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "rsa.pub").write_bytes(rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "text").write_text("-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n")
    (tmp_path / "large").write_bytes(bytes(1 << 17))
    write_new_key(tmp_path / "k.pem", tmp_path / "k.pub.pem")
    for name in ("rsa.pem", "rsa.pub", "text", "large", "k.pub.pem", "missing"):
        with pytest.raises(UsageError, match=name):
            read_private_key(tmp_path / name, unasked)
    for name in ("rsa.pem", "rsa.pub", "text", "large", "k.pem", "missing"):
        with pytest.raises(UsageError, match=name):
            read_public_key(tmp_path / name)


@needs_openssl
def test_openssl_alone_verifies_a_signature(tmp_path: Path) -> None:
    """A stranger needs no facerecon: the statement in canonical JSON, the key and the signature are all in the file."""
    document = json.loads(SIGNED)
    (tmp_path / "statement").write_bytes(canonical_json(document["statement"]))
    (tmp_path / "key.pem").write_text(document["public_key"])
    (tmp_path / "signature").write_bytes(base64.b64decode(document["signature"]))
    call = [str(shutil.which("openssl")), "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"]
    call += ["-in", "statement", "-sigfile", "signature"]
    assert subprocess.run(call, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    (tmp_path / "statement").write_bytes(b"other")
    assert subprocess.run(call, cwd=tmp_path, check=False, capture_output=True).returncode != 0
