"""Who signed the case, and when others stamped that: digital signatures as UCO knows them, with what was signed.

Each signature is checked here with the key in its own file. Whose key that is, and whether a stamp is of the authority
that it names, cannot be told from a case, and is never said to be verified.
"""

from __future__ import annotations

from collections.abc import Iterator

from facerecon.errors import IntegrityError
from facerecon.exchange.actions import action_id
from facerecon.exchange.contents import SIGNATURE, STAMP, Contents
from facerecon.exchange.graph import Node, digest, facet, instant, node, ref, refs, relationship
from facerecon.exchange.tools import Tools
from facerecon.signing import Signature
from facerecon.timestamps import require_stamp

_ALGORITHM = "Ed25519 (RFC 8032)"
_UNCHECKED_KEY = "It verifies with the key in its own file; whose key that is, the case cannot show."
_UNCHECKED_AUTHORITY = "Its imprint is that of the signature file; the authority's own signature was not checked."


def signature_nodes(contents: Contents, tools: Tools) -> Iterator[Node]:
    """Yield each signature and each timestamp of the case, with the result of having checked it.

    Raises:
        IntegrityError: a signature does not verify, is of another case, or was not over this ledger.
    """
    for path in sorted(contents.manifest.files):
        if SIGNATURE.fullmatch(path):
            yield from _signature(contents, tools, path)
        elif STAMP.fullmatch(path):
            yield from _stamp(contents, path)


def _signature(contents: Contents, tools: Tools, path: str) -> Iterator[Node]:
    signature = Signature.parse(contents.case.bytes_of(path), path)
    signature.require_prefix(contents.as_ledger(), contents.info.case_id, path)
    said = signature.statement
    identifier = contents.names.of("signature", path)
    statement = (
        f"{said.signer} signed the case as {said.role}: its first {said.ledger_entries} ledger entries, and so every "
        f"file that they state. {_UNCHECKED_KEY}"
    )
    held = facet(
        identifier,
        "facerecon:SignatureFacet",
        facerecon__role=said.role,
        facerecon__algorithm=_ALGORITHM,
        facerecon__keyFingerprint=digest(said.key_sha256),
        facerecon__signedLedgerHead=digest(said.ledger_head),
        facerecon__signedLedgerEntries=said.ledger_entries,
        facerecon__statedTime=instant(said.utc),
    )
    signer = ref(tools.identity(said.signer))
    yield _information(path, identifier, statement, verified=True, held=held, by=signer)
    yield _contained(contents, path, identifier)
    yield _result(contents, path, identifier, f"signature {path}", statement)


def _stamp(contents: Contents, path: str) -> Iterator[Node]:
    identifier = contents.names.of("signature", path)
    signature = _stamped(contents, path)
    stamp = require_stamp(contents.case.bytes_of(path), contents.case.bytes_of(signature), path)
    statement = f"An outside authority stamped {signature} at {stamp.utc}. {_UNCHECKED_AUTHORITY}"
    held = facet(
        identifier,
        "facerecon:TimestampFacet",
        facerecon__stampTime=instant(stamp.utc),
        facerecon__stampSerial=str(stamp.serial),
        facerecon__stampPolicy=stamp.policy,
        facerecon__imprint=digest(stamp.imprint_sha256),
    )
    yield _information(path, identifier, statement, verified=None, held=held)
    yield _contained(contents, path, identifier)
    yield _result(contents, path, identifier, f"timestamp {path}", statement, contents.names.of("signature", signature))


def _stamped(contents: Contents, path: str) -> str:
    """Return which signature a timestamp is of: the one that the ledger names as its input."""
    run = contents.bringing(path)
    for name in run.inputs if run else ():
        if SIGNATURE.fullmatch(name) and contents.holds(name, run.inputs[name] if run else ""):
            return name
    raise IntegrityError(f"{path} is the timestamp of no signature of the case")


# --- nodes ------------------------------------------------------------------------------------------------------------


def _information(
    path: str,
    identifier: str,
    statement: str,
    *,
    verified: bool | None,
    held: Node,
    by: Node | None = None,
) -> Node:
    standard = facet(
        identifier,
        "uco-observable:DigitalSignatureInfoFacet",
        uco_observable__signatureExists=True,
        uco_observable__signatureVerified=verified,
        uco_observable__signatureDescription=statement,
    )
    return node(
        identifier,
        "uco-observable:DigitalSignatureInfo",
        uco_core__name=path,
        uco_core__createdBy=by,
        uco_core__hasFacet=[standard, held],
    )


def _contained(contents: Contents, path: str, identifier: str) -> Node:
    name = contents.names.of("signature in file", path)
    return relationship(name, identifier, contents.file_id(path), "Contained_Within")


def _result(contents: Contents, path: str, identifier: str, name: str, statement: str, *about: str) -> Node:
    run = contents.bringing(path)
    return node(
        contents.names.of("attestation", path),
        "uco-analysis:AnalyticResult",
        uco_core__name=name,
        uco_core__statement=[statement],
        uco_analysis__originatingAnalysis=ref(action_id(contents, run)) if run else None,
        uco_analysis__resultContent=refs([identifier, *about]),
    )
