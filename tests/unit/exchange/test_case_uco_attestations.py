"""Reviews, signatures and timestamps of a case as CASE/UCO: results of their own, which say what was checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchange_case import KEYS, Graph, create, exported, extracted, held, kinds, targets
from test_case_uco_standard import ONTOLOGY, conforms

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.ledger import Ledger
from facerecon.pipeline.signatures import attach_timestamp, sign, timestamp_request
from facerecon.signing import fingerprint
from tests.authority import Authority, needs_openssl

OPERATOR, REVIEWER = "signatures/0001-operator.json", "signatures/0002-reviewer.json"


def test_a_review_is_the_result_of_what_the_reviewer_did(graph: Graph) -> None:
    review = graph.named("review 1")
    assert {"uco-core:Annotation", "uco-analysis:AnalyticResult"} <= set(kinds(review))
    assert "uco-analysis:AnalyticResultFacet" in kinds(held(review, "facerecon:ReviewFacet"))
    action = graph.nodes[review["uco-analysis:originatingAnalysis"]["@id"]]
    assert action["uco-core:name"] == "case.reviewed"
    assert review["@id"] in targets(action["uco-action:result"])
    (record,) = targets(review["uco-analysis:resultContent"])
    assert graph.nodes[record]["uco-core:name"] == "review-1.json"
    assert review["uco-core:description"] == "looked at all"


@pytest.mark.parametrize(("path", "role", "name"), [(OPERATOR, "operator", "O"), (REVIEWER, "reviewer", "Rita")])
def test_a_signature_says_who_signed_what_with_which_key(
    root: Path, graph: Graph, path: str, role: str, name: str
) -> None:
    information = graph.named(path)
    assert kinds(information) == ["uco-observable:DigitalSignatureInfo"]
    assert graph.nodes[information["uco-core:createdBy"]["@id"]]["uco-core:name"] == name
    own = held(information, "facerecon:SignatureFacet")
    assert own["facerecon:role"] == role
    key = Ed25519PrivateKey.from_private_bytes(KEYS[name]).public_key()
    assert own["facerecon:keyFingerprint"]["@value"] == fingerprint(key)
    lines = Ledger.read(root / "ledger.jsonl").entries
    signed = own["facerecon:signedLedgerEntries"]
    assert lines[signed - 1].hash == own["facerecon:signedLedgerHead"]["@value"]
    assert lines[signed].action == "case.signed"
    standard = held(information, "uco-observable:DigitalSignatureInfoFacet")
    assert (standard["uco-observable:signatureExists"], standard["uco-observable:signatureVerified"]) == (True, True)
    assert "whose key that is, the case cannot show" in standard["uco-observable:signatureDescription"]


@pytest.mark.parametrize("path", [OPERATOR, REVIEWER])
def test_a_signature_is_a_result_of_its_action_and_lies_in_its_file(graph: Graph, path: str) -> None:
    result, information = graph.named(f"signature {path}"), graph.named(path)
    action = graph.nodes[result["uco-analysis:originatingAnalysis"]["@id"]]
    assert action["uco-core:name"] == "case.signed"
    assert result["@id"] in targets(action["uco-action:result"])
    assert targets(result["uco-analysis:resultContent"]) == [information["@id"]]
    (way,) = [each for each in graph.top if targets(each.get("uco-core:source", [])) == [information["@id"]]]
    assert way["uco-core:kindOfRelationship"] == "Contained_Within"
    file = graph.nodes[targets(way["uco-core:target"])[0]]
    assert held(file, "uco-observable:FileFacet")["uco-observable:filePath"] == path


def test_a_signature_of_another_case_is_not_exported(root: Path, tmp_path: Path) -> None:
    with create(tmp_path / "case") as case:
        extracted(case)
        sign(case, Ed25519PrivateKey.generate(), "operator", "O")
    with create(tmp_path / "other") as case:
        extracted(case)
        path = "signatures/0001-operator.json"
        outputs = {path: case.write(path, (tmp_path / "case" / path).read_bytes())}
        case.note("case.signed", {"signer": "O"}, {}, outputs)
    with pytest.raises(IntegrityError, match="rewritten after it was signed"):
        exported(tmp_path / "other", tmp_path / "out.jsonld")
    assert not (tmp_path / "out.jsonld").exists()


@needs_openssl
@ONTOLOGY
def test_a_timestamp_is_told_and_never_said_to_be_verified(root: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(root, tmp_path / "case"))
    with Case.open(copied) as case:
        _, request = timestamp_request(case)
        stamp = attach_timestamp(case, Authority(tmp_path / "authority").answer(request), "r.tsr").stamp
    exported(copied, tmp_path / "out.jsonld")
    graph = Graph(tmp_path / "out.jsonld")
    information = graph.named("signatures/0002-timestamp-01.tsr")
    own = held(information, "facerecon:TimestampFacet")
    assert own["facerecon:stampTime"]["@value"] == stamp.utc
    assert own["facerecon:imprint"]["@value"] == stamp.imprint_sha256
    standard = held(information, "uco-observable:DigitalSignatureInfoFacet")
    assert "uco-observable:signatureVerified" not in standard
    assert "was not checked" in standard["uco-observable:signatureDescription"]
    result = graph.named("timestamp signatures/0002-timestamp-01.tsr")
    assert targets(result["uco-analysis:resultContent"]) == [information["@id"], graph.named(REVIEWER)["@id"]]
    fine, report = conforms(tmp_path / "out.jsonld")
    assert fine, report


@ONTOLOGY
@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("facerecon:ReviewFacet", {"facerecon:conclusion": "perhaps"}),
        ("facerecon:SignatureFacet", {"facerecon:role": "somebody"}),
        ("facerecon:SignatureFacet", {"facerecon:keyFingerprint": []}),
        ("uco-observable:DigitalSignatureInfoFacet", {"uco-observable:signatureVerified": "yes"}),
    ],
)
def test_what_says_less_or_otherwise_does_not_conform(
    graph: Graph, tmp_path: Path, kind: str, changed: dict[str, object]
) -> None:
    alone = {**graph.of(kind)[0], **changed}
    part = {"@context": graph.document["@context"], "@graph": [alone]}
    (tmp_path / "part.jsonld").write_text(json.dumps(part))
    assert not conforms(tmp_path / "part.jsonld")[0]
