"""The signatures and timestamps of a case: made, found and checked. Owns the folder signatures/ of a case.

Each signature is a numbered file over the ledger's head of its moment, and its own digest goes into the ledger, so the
next signature covers it: a chain. Nothing is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from facerecon.case import Case
from facerecon.errors import IntegrityError, UsageError
from facerecon.interruption import undivided
from facerecon.ledger import LedgerEntry
from facerecon.signing import Role, Signature, Statement, fingerprint
from facerecon.timestamps import Stamp, read_stamp, request, require_stamp

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FOLDER = "signatures/"
_SIGNATURE = re.compile(r"signatures/([0-9]{4})-(operator|reviewer)\.json")
_STAMP = re.compile(r"signatures/([0-9]{4})-timestamp-([0-9]{2})\.tsr")
_MOST = 9999
_MOST_STAMPS = 99


@dataclass(frozen=True)
class AttachedStamp:
    """A timestamp of a signature file, as it lies in the case. Its imprint fits; the authority was not checked."""

    path: str
    stamp: Stamp


@dataclass(frozen=True)
class CaseSignature:
    """A signature of a case that verifies with the key in it: who signed, how much of the ledger, and when stamped."""

    path: str
    signature: Signature
    entry: LedgerEntry
    """The ledger's line that states this file."""
    stamps: tuple[AttachedStamp, ...] = ()

    @property
    def statement(self) -> Statement:
        """What was signed."""
        return self.signature.statement


# --- reading ----------------------------------------------------------------------------------------------------------


def signatures_of(case: Case) -> tuple[CaseSignature, ...]:
    """Return the signatures of a case, oldest first, each checked: its key, this case, this ledger, and the chain.

    Raises:
        IntegrityError: one does not verify, or the folder holds something else.
    """
    found = case.digests(_FOLDER)
    named = sorted((int(each[1]), path) for path in found if (each := _SIGNATURE.fullmatch(path)))
    signatures: list[CaseSignature] = []
    for number, (given, path) in enumerate(named, start=1):
        if given != number:
            raise IntegrityError(f"{path}: the signatures of a case are numbered 1, 2, 3; number {number} is missing")
        signatures.append(_checked(case, path, signatures))
    known = {path for each in signatures for path in (each.path, *(stamp.path for stamp in each.stamps))}
    for path in sorted(found.keys() - known):
        raise IntegrityError(f"{path} is neither a signature nor the timestamp of one")
    return tuple(signatures)


def _checked(case: Case, path: str, earlier: Sequence[CaseSignature]) -> CaseSignature:
    data = case.bytes_of(path)
    signature, entry = Signature.parse(data, path), stating(case, path)
    signature.require_prefix(case.ledger, case.info.case_id, path)
    said = signature.statement
    if not path.endswith(f"-{said.role}.json"):
        raise IntegrityError(f"{path} is the signature of a {said.role}, which its name does not say")
    if earlier and said.ledger_entries <= earlier[-1].entry.seq:
        raise IntegrityError(f"{path} does not cover the signature before it")
    return CaseSignature(path, signature, entry, _stamps(case, path, data))


def _stamps(case: Case, path: str, data: bytes) -> tuple[AttachedStamp, ...]:
    number = path[len(_FOLDER) :][:4]
    paths = [each for each in case.digests(f"{_FOLDER}{number}-timestamp-") if _STAMP.fullmatch(each)]
    return tuple(AttachedStamp(each, require_stamp(case.bytes_of(each), data, each)) for each in paths)


def stating(case: Case, path: str) -> LedgerEntry:
    """Return the ledger's line that brought a file into the case.

    Raises:
        IntegrityError: there is none.
    """
    for entry in case.ledger.entries:
        if path in entry.outputs:
            return entry
    raise IntegrityError(f"file {path} is stated by no ledger entry")


# --- adding -----------------------------------------------------------------------------------------------------------


def sign(case: Case, key: Ed25519PrivateKey, role: Role, signer: str) -> CaseSignature:
    """Sign the case as it stands: a new file signatures/NNNN-ROLE.json over the ledger's head, noted as `case.signed`.

    Args:
        case: open for writing.
        key: the signer's.
        role: operator or reviewer; who may be which is the caller's to check.
        signer: the name that is signed with.

    Raises:
        UsageError: the case holds no room for one more.
    """
    number = len(signatures_of(case)) + 1
    if number > _MOST:
        raise UsageError(f"case {case.root} has {_MOST} signatures, and cannot take one more")
    statement = Statement(
        case_id=case.info.case_id,
        role=role,
        signer=signer,
        ledger_head=case.ledger.head,
        ledger_entries=len(case.ledger.entries),
        utc=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        key_sha256=fingerprint(key.public_key()),
    )
    signature, path = Signature.made(statement, key), f"{_FOLDER}{number:04d}-{role}.json"
    with undivided():
        digest = case.write(path, signature.to_bytes())
        details = statement.model_dump(mode="json", exclude={"type", "schema_version"})
        entry = case.note("case.signed", details, {}, {path: digest})
    return CaseSignature(path, signature, entry)


def timestamp_request(case: Case) -> tuple[str, bytes]:
    """Return the path of the newest signature and the request (DER) to send to an authority for it.

    Raises:
        UsageError: the case is not signed.
    """
    newest = _newest(case)
    return newest.path, request(case.bytes_of(newest.path))


def attach_timestamp(case: Case, response: bytes, name: str) -> AttachedStamp:
    """Attach a timestamp response to the newest signature: signatures/NNNN-timestamp-MM.tsr, noted `case.timestamped`.

    Raises:
        UsageError: the case is not signed, or the response cannot be read.
        IntegrityError: the response stamps something else.
    """
    newest = _newest(case)
    try:
        read_stamp(response, name)
    except IntegrityError as error:
        raise UsageError(str(error)) from None
    stamp = require_stamp(response, case.bytes_of(newest.path), name)
    number = len(newest.stamps) + 1
    if number > _MOST_STAMPS:
        raise UsageError(f"{newest.path} has {_MOST_STAMPS} timestamps, and cannot take one more")
    path = f"{newest.path[: len(_FOLDER) + 4]}-timestamp-{number:02d}.tsr"
    details: Mapping[str, Any] = {"signature": newest.path, "stamp_utc": stamp.utc, "serial": str(stamp.serial)}
    with undivided():
        digest = case.write(path, response)
        case.note("case.timestamped", details, {newest.path: case.digests()[newest.path]}, {path: digest})
    return AttachedStamp(path, stamp)


def _newest(case: Case) -> CaseSignature:
    signatures = signatures_of(case)
    if not signatures:
        raise UsageError(f"case {case.root} is not signed; sign it with 'facerecon report CASE --sign KEY.pem' first")
    return signatures[-1]
