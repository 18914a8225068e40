"""The published schemas, and that a case of each released schema can still be used."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from facerecon.case import Case
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.manifest import verify
from facerecon.pipeline.differences import differences
from facerecon.pipeline.overview import overview
from facerecon.pipeline.reporting import collect
from facerecon.pipeline.schemas import PUBLISHED, schema, schema_bytes
from facerecon.records import (
    Candidate,
    ChipRecord,
    DetectionRecord,
    EmbeddingRecord,
    FrameRecord,
    FusedRecord,
    GalleryRecord,
    Record,
    RenderedRecord,
    RestoredRecord,
    Skipped,
    TrackRecord,
)
from facerecon.report.html import render_html

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted(path for path in (ROOT / "tests/data/cases").iterdir() if path.is_dir())
DOCUMENTS = {"manifest": "manifest.json", "case": "case.json"}
KINDS: dict[str, type[Record]] = {
    "candidates": Candidate,
    "chips": ChipRecord,
    "detections": DetectionRecord,
    "embeddings": EmbeddingRecord,
    "frames": FrameRecord,
    "fused": FusedRecord,
    "gallery": GalleryRecord,
    "rendered": RenderedRecord,
    "restored": RestoredRecord,
    "skipped": Skipped,
    "tracks": TrackRecord,
}


@pytest.fixture(params=KEPT, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a kept case, which no test can change."""
    return Path(shutil.copytree(request.param, tmp_path / "case"))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_schema_is_that_of_the_record(name: str) -> None:
    assert (ROOT / "docs/schemas" / name).read_bytes() == schema_bytes(name), (
        f"docs/schemas/{name} differs from facerecon.pipeline.schemas.schema_bytes; a released one needs a new number"
    )


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_schema_is_a_schema_with_a_number_that_the_document_states(name: str) -> None:
    document = schema(name)
    Draft202012Validator.check_schema(document)
    number = int(re.fullmatch(r"[a-z]+-(\d+)\.json", name)[1])  # type: ignore[index]
    assert document["properties"]["schema_version"]["const"] == number
    assert "schema_version" in document["required"]


def validator(case: Path, kind: str) -> tuple[Draft202012Validator, dict[str, object]]:
    document = json.loads((case / DOCUMENTS[kind]).read_bytes())
    published = json.loads((ROOT / f"docs/schemas/{kind}-{document['schema_version']}.json").read_bytes())
    return Draft202012Validator(published), document


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_kept_case_fits_the_published_schema(kept: Path, kind: str) -> None:
    rules, document = validator(kept, kind)
    assert not list(rules.iter_errors(document))


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_schema_refuses_unknown_and_missing_fields_and_other_numbers(kept: Path, kind: str) -> None:
    rules, document = validator(kept, kind)
    spoiled = [{**document, "more": 1}, {**document, "schema_version": 999}]
    spoiled += [{key: value for key, value in document.items() if key != name} for name in document]
    assert all(list(rules.iter_errors(each)) for each in spoiled)


def test_kept_case_opens_verifies_and_is_not_touched_by_that(kept: Path) -> None:
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    verify(kept)
    with Case.open(kept) as case:
        assert not differences(case, case).outputs_differ
    assert overview(kept)["verifies"]
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


def test_every_record_of_a_kept_case_is_read_and_writes_back_as_it_was(kept: Path) -> None:
    with Case.view(kept) as case:
        names = [name[len("records/") : -len(".jsonl")] for name in case.digests("records/") if name.endswith(".jsonl")]
        assert {"frames", "tracks", "chips", "restored", "fused", "candidates", "embeddings", "rendered"} <= {*names}
        for name in names:
            records = case.read(KINDS[name.rpartition("-")[2]], name)
            lines = case.bytes_of(f"records/{name}.jsonl").splitlines()
            for record, line in zip(records, lines, strict=True):
                # A later version may add fields with a default; what was there must come back as it was.
                now = record.model_dump(mode="json")
                assert {key: now[key] for key in json.loads(line)} == json.loads(line)


def test_kept_case_gives_a_report_of_what_it_holds(kept: Path) -> None:
    with Case.view(kept) as case:
        page = render_html(collect(case))
        assert case.info.source.sha256 in page
        assert case.ledger.head in page
        assert all(track.id in page for track in case.read(TrackRecord, "tracks"))


def test_kept_cases_are_small_and_hold_no_path_of_the_machine_that_made_them() -> None:
    assert KEPT
    for case in KEPT:
        files = [path for path in case.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 200_000
        assert not [path for path in files if re.search(rb"/(home|tmp|root|Users|work)/", path.read_bytes())]


def test_digest_of_the_manifest_is_over_all_other_fields(kept: Path) -> None:
    _, document = validator(kept, "manifest")
    digest = document.pop("digest")
    assert sha256_bytes(canonical_json(document)) == digest
