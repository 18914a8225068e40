"""A case as CASE/UCO conforms to the ontologies, and to what the documentation says of our own terms (R33)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from exchange_case import SOURCE, Graph, held, walk

ROOT = Path(__file__).parents[3]
OWN_TERMS = ROOT / "docs/case-uco.ttl"
PAGE = ROOT / "docs/case-uco.md"
# importlib.resources, as case-utils calls it.
ONTOLOGY = pytest.mark.filterwarnings("ignore::DeprecationWarning")
# UCO's advice on identifiers takes half of the time; it has an own test below.
SWITCHED_OFF = (
    "<https://ontology.unifiedcyberontology.org/uco/core/UcoThing-identifier-regex-shape> "
    "<http://www.w3.org/ns/shacl#deactivated> true ."
)


def conforms(out: Path) -> tuple[bool, str]:
    """Validate as `case_validate` does, with the ontologies of the package and our own terms; sockets are blocked."""
    from case_utils.case_validate import validate

    advisory = out.with_suffix(".ttl")
    advisory.write_text(SWITCHED_OFF)
    result = validate(str(out), case_version="case-1.5.0", supplemental_graphs=[str(OWN_TERMS), str(advisory)])
    return result.conforms, result.text


@ONTOLOGY
def test_whole_case_conforms_to_case_and_uco(out: Path) -> None:
    fine, report = conforms(out)
    assert fine, report


@ONTOLOGY
@pytest.mark.parametrize("lost", ["facerecon:noLikelihoodRatio", "facerecon:similarity"])
def test_candidate_without_a_ratio_or_the_reason_for_none_does_not_conform(
    graph: Graph, tmp_path: Path, lost: str
) -> None:
    (facet,) = [each for each in graph.of("facerecon:CandidateFacet") if "facerecon:noLikelihoodRatio" in each]
    alone = {key: value for key, value in facet.items() if key != lost}
    part = {"@context": graph.document["@context"], "@graph": [alone]}
    (tmp_path / "part.jsonld").write_text(json.dumps(part))
    assert not conforms(tmp_path / "part.jsonld")[0]


def test_identifiers_of_facets_and_digests_are_those_of_case_utils(graph: Graph) -> None:
    from case_utils.inherent_uuid import get_facet_uriref, hash_method_value_uuid
    from rdflib import Literal, Namespace, URIRef
    from rdflib.namespace import XSD

    node = graph.named("clip.mp4")
    prefixes = graph.document["@context"]
    owner, base = URIRef("urn:uuid:" + node["@id"].removeprefix("kb:")), Namespace("urn:uuid:")
    for kind in ("FileFacet", "ContentDataFacet"):
        theirs = get_facet_uriref(owner, URIRef(prefixes["uco-observable"] + kind), namespace=base)
        assert theirs[-36:] == held(node, f"uco-observable:{kind}")["@id"].removeprefix("kb:")
    digest = held(node, "uco-observable:ContentDataFacet")["uco-observable:hash"]
    theirs = hash_method_value_uuid(Literal("SHA256"), Literal(SOURCE, datatype=XSD.hexBinary))
    assert str(theirs) == digest["@id"].removeprefix("kb:")


def test_own_terms_are_declared_and_documented(graph: Graph) -> None:
    import rdflib

    declared = rdflib.Graph().parse(OWN_TERMS)
    own = graph.document["@context"]["facerecon"]
    texts = [path.read_text() for path in (ROOT / "facerecon/exchange").glob("*.py")]
    used = {name for text in texts for name in re.findall(r"facerecon(?::|__)([A-Za-z]\w*)", text)}
    assert len(used) > 50
    for name in used:
        assert (rdflib.URIRef(own + name), rdflib.RDFS.comment, None) in declared, name
        assert f"| `{name}` |" in PAGE.read_text(), name


def test_values_have_the_types_that_are_declared(graph: Graph) -> None:
    import rdflib

    declared = rdflib.Graph().parse(OWN_TERMS)
    own, seen = graph.document["@context"]["facerecon"], set()
    for each in walk(graph.top):
        for name, value in each.items():
            if not name.startswith("facerecon:"):
                continue
            expected = declared.value(rdflib.URIRef(own + name.removeprefix("facerecon:")), rdflib.RDFS.range)
            for one in value if isinstance(value, list) else [value]:
                plain = {str: "xsd:string", int: "xsd:integer", bool: "xsd:boolean"}
                kind = one["@type"] if isinstance(one, dict) else plain[type(one)]
                assert kind == f"xsd:{expected.rpartition('#')[2]}", name
                seen.add(kind)
    assert len(seen) == 7


def test_every_identifier_is_a_uuid_of_version_5(graph: Graph) -> None:
    assert graph.document["@context"]["kb"] == "urn:uuid:"
    for identifier in graph.nodes:
        made = UUID(identifier.removeprefix("kb:"))
        assert (f"kb:{made}", made.version) == (identifier, 5)
