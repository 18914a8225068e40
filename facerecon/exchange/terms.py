"""The vocabulary of the export: CASE and UCO's namespaces, and the few terms of our own where UCO has none.

Owns names only, never a value. Every own term stands in docs/case-uco.md and is declared in docs/case-uco.ttl.
Standards: CASE 1.x (Cyber-investigation Analysis Standard Expression) on UCO 1.x (Unified Cyber Ontology), JSON-LD 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

SPECIFICATION = "1.5.0"
"""The version of CASE and UCO that the export is written for and tested with."""

EXPORT = UUID("b4022128-6b2e-5600-b985-cefabd7ac04f")
"""What the identifiers of all exports descend from, and the name of our own terms: it needs nobody's domain."""

OWN = "facerecon"

_UCO = "https://ontology.unifiedcyberontology.org/uco"

PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "case-investigation": "https://ontology.caseontology.org/case/investigation/",
        OWN: f"urn:uuid:{EXPORT}#",
        "kb": "urn:uuid:",
        "uco-action": f"{_UCO}/action/",
        "uco-analysis": f"{_UCO}/analysis/",
        "uco-configuration": f"{_UCO}/configuration/",
        "uco-core": f"{_UCO}/core/",
        "uco-identity": f"{_UCO}/identity/",
        "uco-observable": f"{_UCO}/observable/",
        "uco-tool": f"{_UCO}/tool/",
        "uco-types": f"{_UCO}/types/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }
)


def expanded(term: str) -> str:
    """Return the whole IRI of a prefixed term.

    Raises:
        KeyError: the prefix is not one of `PREFIXES`.
    """
    prefix, _, name = term.partition(":")
    return PREFIXES[prefix] + name
