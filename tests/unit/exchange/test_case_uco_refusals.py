"""The export leaves the case as it is, overwrites nothing, and refuses what does not verify, in one line each."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from exchange_case import Graph, create, exported, whole

from facerecon.commands.main import run
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.manifest import verify
from facerecon.profiles import load_profile


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def test_case_is_not_touched(root: Path, tmp_path: Path) -> None:
    before = tree(root)
    exported(root, tmp_path / "out.jsonld")
    assert tree(root) == before
    assert verify(root)


def test_existing_file_is_not_overwritten(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonld"
    out.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"exists already.*--case-uco"):
        exported(root, out)
    assert out.read_bytes() == b"mine"


def test_link_to_nothing_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonld").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="exists already"):
        exported(root, tmp_path / "out.jsonld")


@pytest.mark.parametrize("inside", ["out.jsonld", "report/out.jsonld", "faces/../out.jsonld"])
def test_file_in_the_case_is_refused(root: Path, inside: str) -> None:
    with pytest.raises(UsageError, match="lies in the case"):
        exported(root, root / inside)
    assert verify(root)


def test_missing_folder_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"cannot write .*nowhere.*choose another --case-uco"):
        exported(root, tmp_path / "nowhere/out.jsonld")


def test_changed_picture_stops_the_export_and_leaves_no_file(tmp_path: Path) -> None:
    root = whole(tmp_path / "case")
    picture = root / "faces/t0001/fused.png"
    picture.write_bytes(picture.read_bytes()[:-1] + b"\x00")
    with pytest.raises(IntegrityError, match=r"fused\.png"):
        exported(root, tmp_path / "out.jsonld")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case"]


def test_failure_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    with create(tmp_path / "case") as case, case.stage("recognize", {}, {}) as stage:
        stage.write("records/gallery.jsonl", b"{}\n")
    with pytest.raises(IntegrityError, match=r"gallery\.jsonl: a line is not a GalleryRecord"):
        exported(tmp_path / "case", tmp_path / "out.jsonld")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
        "a: &a {b: *a}\n",
        "a: " + "[" * 40 + "]" * 40,
        "a: [",
    ],
    ids=["bomb", "circle", "deep", "broken"],
)
def test_crafted_profile_is_refused(tmp_path: Path, text: str) -> None:
    name, digest = "standard", load_profile("standard").digest
    with create(tmp_path / "case", SimpleNamespace(name=name, digest=digest, to_yaml=lambda: text)):
        pass
    with pytest.raises(IntegrityError, match=r"profile\.yaml is not"):
        exported(tmp_path / "case", tmp_path / "out.jsonld")


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"{", b'{"format": "\\ud800"}', b'{"x": NaN}'])
def test_crafted_document_is_refused(tmp_path: Path, content: bytes) -> None:
    with create(tmp_path / "case") as case, case.stage("recognize", {}, {}) as stage:
        stage.write("calibrations/crafted.json", content)
    with pytest.raises(IntegrityError, match=r"crafted\.json is not a JSON"):
        exported(tmp_path / "case", tmp_path / "out.jsonld")


def test_calibration_of_another_form_is_named_by_what_it_has(tmp_path: Path) -> None:
    document = {"name": "odd", "bins": [1, {"id": "all", "metrics": {"cllr": "low"}}]}
    with create(tmp_path / "case") as case, case.stage("recognize", {}, {}) as stage:
        stage.write("calibrations/odd.json", json.dumps(document).encode())
    exported(tmp_path / "case", tmp_path / "out.jsonld")
    (statement,) = Graph(tmp_path / "out.jsonld").named("calibration odd")["uco-core:statement"]
    assert statement.startswith("all: ? same-source pairs")


def test_case_whose_first_stage_failed_is_exported(tmp_path: Path) -> None:
    with create(tmp_path / "case", probe={}) as case, pytest.raises(KeyboardInterrupt), case.stage("extract", {}, {}):
        raise KeyboardInterrupt
    exported(tmp_path / "case", tmp_path / "out.jsonld")
    action = Graph(tmp_path / "out.jsonld").named("extract")
    assert action["uco-action:actionStatus"] == "Fail"
    assert action["uco-core:hasFacet"][0]["facerecon:ending"] == "interrupted"


def test_command_prints_what_it_wrote(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "[red]out.jsonld"
    assert run(["case", "export", str(root), "--case-uco", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["case_uco"] == str(out)
    assert document["ledger_head"] == verify(root).ledger_head
    assert document["nodes"] == len(Graph(out).top)
    assert run(["case", "export", str(root), "--case-uco", str(out)]) == 2
    assert run(["case", "export", str(root), "--case-uco", str(tmp_path / "[b]two.jsonld")]) == 0
    assert "[b]two.jsonld" in capsys.readouterr().out
