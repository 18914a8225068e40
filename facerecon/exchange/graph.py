"""Nodes, literals and identifiers of a JSON-LD graph. Owns their form; knows nothing of what a case holds.

Identifiers are UUIDs of version 5 (RFC 9562), so the same case gives the same graph, byte by byte. Facets take theirs
from what they belong to, and digests from their value: the community's way, so graphs of several tools can be merged.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from facerecon.exchange.terms import EXPORT, OWN, expanded
from facerecon.hashing import canonical_json

Node = dict[str, Any]


class Names:
    """Gives the nodes of one case their identifiers."""

    def __init__(self, case_key: str) -> None:
        """Start from what names the case and no other: the digest of its first ledger line."""
        self._root = uuid5(EXPORT, case_key)

    def of(self, kind: str, *key: str | int) -> str:
        """Return the identifier of the one thing of a kind that has this key."""
        return f"kb:{uuid5(self._root, canonical_json([kind, *key]).decode())}"


def inherent(owner: str, key: str) -> str:
    """Return the identifier of what belongs to a node and is told from its other parts by `key`."""
    return f"kb:{uuid5(UUID(owner.removeprefix('kb:')), key)}"


# --- nodes ------------------------------------------------------------------------------------------------------------


def node(identifier: str, kind: str | list[str], **properties: Any) -> Node:
    """Return a node; properties that are None, "" or [] are left out. `uco_core__name` stands for `uco-core:name`."""
    held = {_term(name): value for name, value in properties.items() if value is not None and value not in ("", [])}
    return {"@id": identifier, "@type": kind, **held}


def facet(owner: str, kind: str, key: str = "", **properties: Any) -> Node:
    """Return a facet of a node: of UCO, or of our own, which also says what UCO knows it as.

    Args:
        owner: the node's identifier.
        kind: the facet's class, prefixed.
        key: what tells several facets of one class apart.
        properties: as `node` has them.
    """
    kinds = [kind, "uco-core:Facet"] if kind.startswith(f"{OWN}:") else kind
    return node(inherent(owner, expanded(kind) + key), kinds, **properties)


def result_facet(owner: str, kind: str, key: str = "", **properties: Any) -> Node:
    """Return a facet of our own that holds the result of an analysis."""
    made = facet(owner, kind, key, **properties)
    return {**made, "@type": [kind, "uco-analysis:AnalyticResultFacet"]}


def relationship(identifier: str, source: str, target: str, kind: str, **properties: Any) -> Node:
    """Return the statement that `source` is `kind` ("Extracted_From") of `target`, both observable."""
    return node(
        identifier,
        "uco-observable:ObservableRelationship",
        uco_core__source=ref(source),
        uco_core__target=ref(target),
        uco_core__kindOfRelationship=kind,
        uco_core__isDirectional=True,
        **properties,
    )


def _term(name: str) -> str:
    prefix, _, local = name.partition("__")
    return f"{prefix.replace('_', '-')}:{local}"


# --- values -----------------------------------------------------------------------------------------------------------


def ref(identifier: str) -> Node:
    """Return a reference to a node."""
    return {"@id": identifier}


def refs(identifiers: list[str]) -> list[Node]:
    """Return references to nodes, each once, in the given order."""
    return [ref(identifier) for identifier in dict.fromkeys(identifiers)]


def real(value: float | None) -> Node | None:
    """Return a number as xsd:double: JSON would let 1.0 become an integer on its way."""
    return None if value is None else {"@type": "xsd:double", "@value": repr(float(value))}


def instant(utc: str) -> Node:
    """Return an ISO 8601 time as xsd:dateTime."""
    return {"@type": "xsd:dateTime", "@value": utc}


def duration(iso_offset: str) -> Node:
    """Return an ISO 8601 duration as xsd:duration."""
    return {"@type": "xsd:duration", "@value": iso_offset}


def digest(sha256: str) -> Node:
    """Return a SHA-256 as xsd:hexBinary."""
    return {"@type": "xsd:hexBinary", "@value": sha256}


def hashed(sha256: str) -> Node:
    """Return the hash node of a SHA-256; equal digests give one node, whatever case they are in."""
    identifier = f"kb:{uuid5(NAMESPACE_URL, f'urn:hash::sha256:{sha256}')}"
    return node(identifier, "uco-types:Hash", uco_types__hashMethod="SHA256", uco_types__hashValue=digest(sha256))
