"""A case as CASE/UCO (R33): says all that the case says, and nothing that it does not."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exchange_case import (
    BOX,
    CALIBRATION,
    PROBE,
    WEIGHTS,
    Graph,
    compared,
    create,
    exported,
    extracted,
    held,
    stamp,
    targets,
    walk,
    whole,
)

from facerecon.ledger import Ledger
from facerecon.manifest import Manifest
from facerecon.profiles import load_profile

# --- the graph --------------------------------------------------------------------------------------------------------


def test_every_reference_is_to_a_node_of_the_file(graph: Graph) -> None:
    asked = {each["@id"] for each in walk(graph.top) if set(each) == {"@id"}}
    assert asked
    assert asked <= set(graph.nodes)


def test_a_node_is_described_once(graph: Graph) -> None:
    described = [json.dumps(each, sort_keys=True) for each in walk(graph.top) if "@type" in each and "@id" in each]
    assert len(set(described)) == len(graph.nodes)
    assert len({each["@id"] for each in graph.top}) == len(graph.top)


def test_files_that_two_runs_made_are_described_once(tmp_path: Path) -> None:
    with create(tmp_path / "case") as case:
        extracted(case)
        compared(case)
        compared(case)
    exported(tmp_path / "case", tmp_path / "out.jsonld")
    graph = Graph(tmp_path / "out.jsonld")
    assert len({each["@id"] for each in graph.top}) == len(graph.top)
    assert len(graph.of("facerecon:CandidateFacet")) == 4


def test_bundle_holds_every_object(graph: Graph) -> None:
    (bundle,) = graph.of("uco-core:Bundle")
    assert sorted([*targets(bundle["uco-core:object"]), bundle["@id"]]) == sorted(each["@id"] for each in graph.top)


def test_same_case_gives_the_same_bytes_wherever_it_lies(root: Path, out: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "moved")
    exported(tmp_path / "moved", tmp_path / "again.jsonld", all_detections=True)
    assert (tmp_path / "again.jsonld").read_bytes() == out.read_bytes()


def test_two_cases_share_digests_and_no_other_node(graph: Graph, tmp_path: Path) -> None:
    exported(whole(tmp_path / "other"), tmp_path / "other.jsonld")
    shared = set(graph.nodes) & set(Graph(tmp_path / "other.jsonld").nodes)
    assert shared
    assert all(graph.nodes[each]["@type"] == "uco-types:Hash" for each in shared)


# --- what was done ----------------------------------------------------------------------------------------------------


def test_every_ledger_line_is_in_one_action(root: Path, graph: Graph) -> None:
    lines = Ledger.read(root / "ledger.jsonl").entries
    runs = graph.of("facerecon:StageRunFacet")
    assert sorted(seq for run in runs for seq in run["facerecon:ledgerEntry"]) == [line.seq for line in lines]
    digests = {digest["@value"] for run in runs for digest in run["facerecon:ledgerEntryDigest"]}
    assert digests == {line.hash for line in lines}


def test_actions_tell_how_they_ended(graph: Graph) -> None:
    actions = graph.of("case-investigation:InvestigativeAction")
    ended = Counter((each["uco-core:name"], each["uco-action:actionStatus"]) for each in actions)
    assert ended[("enhance", "Success")] == ended[("enhance", "Fail")] == ended[("measure", "Unknown")] == 1
    (failed,) = [each for each in actions if each["uco-action:actionStatus"] == "Fail"]
    assert "out of memory on a tile" in graph.nodes[failed["uco-action:error"]["@id"]]["uco-core:statement"][0]
    assert "uco-action:endTime" in failed
    assert "uco-action:endTime" not in graph.named("measure")


def test_action_has_performer_tool_models_inputs_and_outputs(root: Path, graph: Graph) -> None:
    action = graph.named("recognize")
    assert graph.nodes[action["uco-action:performer"]["@id"]]["uco-core:name"] == "O"
    assert [graph.nodes[each]["uco-core:name"] for each in targets(action["uco-action:instrument"])] == [
        "facerecon",
        "dlib-resnet",
    ]
    inputs = {graph.nodes[each]["uco-core:name"] for each in targets(action["uco-action:object"])}
    assert {"portrait.png", "f000000.original.png"} <= inputs
    (record,) = targets(action["uco-action:result"])
    outputs = {graph.nodes[each]["uco-core:name"] for each in targets(graph.nodes[record]["uco-core:object"])}
    ledger = Ledger.read(root / "ledger.jsonl").entries
    (line,) = [each for each in ledger if each.action == "recognize.finished"]
    assert outputs == {Path(path).name for path in line.outputs}
    before = {graph.nodes[each]["uco-core:name"] for each in targets(action["case-investigation:wasInformedBy"])}
    assert before == {"extract", "enhance"}


def test_configuration_has_every_profile_key_and_the_versions(graph: Graph) -> None:
    def flat(value: Any, key: str = "") -> dict[str, Any]:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        inner = {
            name: leaf
            for part, each in pairs
            for name, leaf in flat(each, f"{key}[{part}]" if isinstance(value, list) else f"{key}.{part}").items()
        }
        return inner or {key.removeprefix("."): value}

    tool = graph.nodes[targets(graph.named("extract")["uco-action:instrument"])[0]]
    configuration = graph.nodes[tool["uco-configuration:usesConfiguration"]["@id"]]
    entries = {
        each["uco-configuration:itemName"]: each["uco-configuration:itemValue"]
        for each in configuration["uco-configuration:configurationEntry"]
    }
    profile = load_profile("standard")
    expected = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in flat(profile.resolved()).items()
    }
    assert entries == {**expected, "profile_sha256": profile.digest}
    versions = {
        each["uco-configuration:dependencyType"]: each["uco-configuration:dependencyDescription"]
        for each in configuration["uco-configuration:dependencies"]
    }
    assert versions == {"facerecon": "0.1.0", "python": "3.11.7", "cuda_driver": "null"}


def test_model_is_described_once_with_the_digest_of_its_weights(graph: Graph) -> None:
    (model,) = [each for each in graph.of("uco-tool:ConfiguredTool") if each["uco-core:name"] == "dlib-resnet"]
    configuration = graph.nodes[model["uco-configuration:usesConfiguration"]["@id"]]
    entries = {
        each["uco-configuration:itemName"]: each for each in configuration["uco-configuration:configurationEntry"]
    }
    weights = graph.nodes[entries["weights_sha256"]["uco-configuration:itemObject"]["@id"]]
    assert held(weights, "uco-observable:ContentDataFacet")["uco-observable:hash"]["uco-types:hashValue"]["@value"] == (
        WEIGHTS
    )
    assert entries["licence"]["uco-configuration:itemValue"] == "CC0-1.0"


def test_review_is_on_its_report_and_state_is_on_the_investigation(graph: Graph) -> None:
    review = graph.named("review 1")
    assert graph.nodes[targets(review["uco-core:object"])[0]]["uco-core:name"] == "report.html"
    assert graph.nodes[review["uco-core:createdBy"]["@id"]]["uco-core:name"] == "Rita"
    assert held(review, "facerecon:ReviewFacet")["facerecon:conclusion"] == "agree"
    (investigation,) = graph.of("case-investigation:Investigation")
    assert "ONE REVIEW" in investigation["uco-core:description"]
    performer = graph.nodes[graph.named("case.reviewed")["uco-action:performer"]["@id"]]
    assert performer["uco-core:name"] == "Rita"


# --- what there is ----------------------------------------------------------------------------------------------------


def test_every_file_of_the_case_is_there_with_its_digest_and_size(root: Path, graph: Graph) -> None:
    known: dict[str, tuple[str, int]] = {}
    for each in [*graph.of("uco-observable:File"), *graph.of("uco-observable:RasterPicture")]:
        content = held(each, "uco-observable:ContentDataFacet")
        place = held(each, "uco-observable:FileFacet")["uco-observable:filePath"]
        digest = content["uco-observable:hash"]["uco-types:hashValue"]["@value"]
        known[place] = (digest, content.get("uco-observable:sizeInBytes", -1))
    for path in (each for each in root.rglob("*") if each.is_file()):
        data = path.read_bytes()
        assert known.pop(path.relative_to(root).as_posix()) == (hashlib.sha256(data).hexdigest(), len(data))
    assert set(known) == {"/e/clip.mp4", "gallery: a/portrait.png", "gallery: b.png"}


def test_manifest_digest_and_ledger_head_stand_at_the_manifest(root: Path, graph: Graph) -> None:
    manifest = Manifest.parse((root / "manifest.json").read_bytes())
    custody = held(graph.named("manifest.json"), "facerecon:CustodyFacet")
    assert custody["facerecon:manifestDigest"]["@value"] == manifest.digest
    assert custody["facerecon:ledgerHead"]["@value"] == manifest.ledger_head


def test_source_has_its_media_properties(graph: Graph) -> None:
    media = held(graph.named("clip.mp4"), "facerecon:MediaFacet")
    stream = PROBE["streams"][1]
    assert media["facerecon:codec"] == stream["codec"]
    assert media["facerecon:frameWidthPx"] == stream["width"]
    assert media["facerecon:framesAnalysed"] == 3


def test_folder_is_a_directory_with_its_pictures(tmp_path: Path) -> None:
    pictures = [{"index": n, "name": f"{n}.jpg", "sha256": f"{n}" * 64, "pages": 1} for n in range(2)]
    with create(tmp_path / "case", probe={"pictures": pictures, "ignored": []}, kind="folder") as case:
        extracted(case)
    exported(tmp_path / "case", tmp_path / "out.jsonld")
    graph = Graph(tmp_path / "out.jsonld")
    (folder,) = graph.of("uco-observable:Directory")
    within = [each for each in graph.top if each.get("uco-core:kindOfRelationship") == "Contained_Within"]
    assert {targets(each["uco-core:target"])[0] for each in within} == {folder["@id"]}
    assert {graph.nodes[each["uco-core:source"]["@id"]]["uco-core:name"] for each in within} == {"0.jpg", "1.jpg"}


def test_every_picture_leads_back_to_the_source_or_the_gallery(graph: Graph) -> None:
    origins = {graph.named("clip.mp4")["@id"], graph.named("portrait.png")["@id"]}
    pictures = graph.of("uco-observable:RasterPicture")
    assert len(pictures) == 16
    for each in pictures:
        place, steps = each["@id"], 0
        while place not in origins:
            place, steps = targets(graph.nodes[place]["case-investigation:wasDerivedFrom"])[0], steps + 1
            assert steps < 5, each


def test_relationships_and_derivations_say_the_same(graph: Graph) -> None:
    stated = {
        (each["uco-core:source"]["@id"], each["uco-core:target"]["@id"])
        for each in graph.of("uco-observable:ObservableRelationship")
        if each["uco-core:kindOfRelationship"] != "Contained_Within"
    }
    linked = {
        (each["@id"], origin)
        for each in graph.top
        if "case-investigation:wasDerivedFrom" in each
        for origin in targets(each["case-investigation:wasDerivedFrom"])
    }
    assert stated == linked


def test_crop_has_its_exact_time_and_place(graph: Graph) -> None:
    crop = graph.named("f000001.original.png")["@id"]
    (way,) = [
        each for each in graph.of("uco-observable:ObservableRelationship") if each["uco-core:source"]["@id"] == crop
    ]
    assert way["uco-core:kindOfRelationship"] == "Extracted_From"
    region = held(way, "facerecon:FrameRegionFacet")
    assert (region["facerecon:pts"], region["facerecon:timeBase"]) == (stamp(1).pts, "1/90000")
    corners = ("X0", "Y0", "X1", "Y1")
    assert tuple(float(region[f"facerecon:box{each}Px"]["@value"]) for each in corners) == BOX
    shape = held(graph.nodes[crop], "uco-observable:RasterPictureFacet")
    assert (shape["uco-observable:pictureWidth"], shape["uco-observable:pictureHeight"]) == (41, 50)


def test_only_crops_are_called_original(graph: Graph) -> None:
    for each in graph.of("uco-observable:RasterPicture"):
        words, name = each["uco-core:description"], each["uco-core:name"]
        assert words.startswith("ORIGINAL") == name.endswith(".original.png")
        if "restored-m" in name or name in ("fused.png", "f000000.step1.png"):
            assert "not original pixels" in words
    assert "trained model" in graph.named("f000000.restored-m.png")["uco-core:description"]


def test_whole_frame_has_its_time_and_no_box(graph: Graph) -> None:
    frame = graph.named("f000002.original.png")["@id"]
    (way,) = [
        each for each in graph.of("uco-observable:ObservableRelationship") if each["uco-core:source"]["@id"] == frame
    ]
    region = held(way, "facerecon:FrameRegionFacet")
    assert region["facerecon:pts"] == stamp(2).pts
    assert "facerecon:boxX0Px" not in region
    assert "not original pixels" in graph.named("f000002.enhanced.png")["uco-core:description"]


def test_rejected_frame_is_no_origin_of_the_fused_picture(graph: Graph) -> None:
    origins = targets(graph.named("fused.png")["case-investigation:wasDerivedFrom"])
    assert origins == [graph.named("f000000.original.png")["@id"]]


def test_maps_of_the_fused_picture_come_from_it_and_say_what_they_show(graph: Graph) -> None:
    fused = graph.named("fused.png")["@id"]
    for name, words in (("fused-count.png", "number of frames"), ("fused-deviation.png", "frames behind each pixel")):
        made = graph.named(name)
        assert targets(made["case-investigation:wasDerivedFrom"]) == [fused]
        assert made["uco-core:description"].startswith("Map: ")
        assert words in made["uco-core:description"]
    assert "differ" in graph.named("fused-deviation.png")["uco-core:description"]


def test_what_a_model_made_of_the_fused_picture_comes_from_it_alone_and_says_so(graph: Graph) -> None:
    fused, made = graph.named("fused.png")["@id"], graph.named("fused-restored-m.png")
    assert targets(made["case-investigation:wasDerivedFrom"]) == [fused]
    assert "trained model" in made["uco-core:description"]
    (way,) = [
        each
        for each in graph.of("uco-observable:ObservableRelationship")
        if each["uco-core:source"]["@id"] == made["@id"] and each["uco-core:target"]["@id"] == fused
    ]
    facet = held(way, "facerecon:ProcessingFacet")
    assert (facet["facerecon:model"], facet["facerecon:learned"]) == ("m", True)
    assert float(facet["facerecon:identityDrift"]["@value"]) == 0.11
    for name in ("fused-restored-change.png", "fused-restored-uncertainty.png"):
        assert targets(graph.named(name)["case-investigation:wasDerivedFrom"]) == [made["@id"]]
        assert graph.named(name)["uco-core:description"].startswith("Map: ")


# --- what was found ---------------------------------------------------------------------------------------------------


def test_candidates_have_a_ratio_with_its_calibration_or_the_reason(graph: Graph) -> None:
    facets = {each["facerecon:variant"]: each for each in graph.of("facerecon:CandidateFacet")}
    with_ratio, without = facets["fused"], facets["restored"]
    assert float(with_ratio["facerecon:likelihoodRatio"]["@value"]) == 1234567.0
    assert with_ratio["facerecon:calibrationDigest"]["@value"] == CALIBRATION
    assert "facerecon:likelihoodRatio" not in without
    assert without["facerecon:noLikelihoodRatio"] == "not calibrated"
    # JSON would make an integer of it on its way through RDF.
    assert with_ratio["facerecon:similarity"] == {"@type": "xsd:double", "@value": "1.0"}
    assert "1234567" in graph.named("candidate 1 of track t0001, fused")["uco-core:statement"][0]


def test_no_word_says_who_it_is(out: Path, graph: Graph) -> None:
    words = re.findall(r"\b(match(?:es|ed)?|identified|identification|confirmed)\b", out.read_text(), re.IGNORECASE)
    assert words == []
    for each in graph.of("uco-analysis:AnalyticResult"):
        if each["uco-core:name"].startswith("candidate"):
            assert "no statement of identity" in each["uco-core:statement"][0]
            about = [graph.nodes[place] for place in targets(each["uco-analysis:resultContent"])]
            assert not any("uco-identity:Identity" in node["@type"] for node in about)
    assert {each["uco-core:name"] for each in graph.of("uco-identity:Identity")} == {"O", "Rita"}


def test_calibration_says_what_it_was_measured_on(graph: Graph) -> None:
    (statement,) = graph.named("calibration cal")["uco-core:statement"]
    assert "9 same-source pairs, 99 different-source pairs, 5 subjects, cllr 0.25" in statement


def test_detections_are_summed_up_unless_all_are_asked_for(root: Path, graph: Graph, tmp_path: Path) -> None:
    exported(root, tmp_path / "few.jsonld")
    few = Graph(tmp_path / "few.jsonld")
    assert few.of("facerecon:DetectionFacet") == []
    assert len(graph.of("facerecon:DetectionFacet")) == 4
    assert [each["@id"] for each in few.top] == [each["@id"] for each in graph.top]
    summary = held(few.named("track t0001"), "facerecon:TrackFacet")
    assert summary["facerecon:detections"] == 3
    assert float(summary["facerecon:highestScore"]["@value"]) == 0.5002
    assert held(few.named("detections of no track"), "facerecon:TrackFacet")["facerecon:detections"] == 1


def test_file_grows_by_the_same_for_each_detection(tmp_path: Path) -> None:
    sizes = []
    for number in (100, 200, 300):
        with create(tmp_path / f"{number}") as case:
            extracted(case, number)
        sizes.append(exported(tmp_path / f"{number}", tmp_path / f"{number}.jsonld", all_detections=True).size_bytes)
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert second == pytest.approx(first, rel=0.05)
    assert exported(tmp_path / "300", tmp_path / "few.jsonld").size_bytes < sizes[0]
