"""`evaluate recognition`: the document, calibrations and their use, and what is wrong is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from facerecon.likelihood import read_calibration
from facerecon.pictures import encode_png
from tests.cli.conftest import Program, Sample

FAST = ("--device", "cpu", "--json", "-q")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two "persons": one face as it is and the same stretched, three framings each; a wall; UTKFace-like names."""
    root = tmp_path_factory.mktemp("people")
    face = np.ascontiguousarray(data.astronaut()[:250, 100:350])
    wide = np.ascontiguousarray(face[:, ::-1][:, :, ::-1])
    for name, picture in {"ada": face, "bob": wide}.items():
        for number, part in enumerate((picture, picture[:240, 10:], picture[5:, :240])):
            path = root / name / f"{30 + number}_1_0_2020.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encode_png(np.ascontiguousarray(part), {}))
    (root / "wall").mkdir()
    (root / "wall/1.png").write_bytes(encode_png(np.full((250, 250, 3), 90, np.uint8), {}))
    return root


def test_the_document_says_what_was_compared_and_what_was_not(facerecon: Program, dataset: Path) -> None:
    done = facerecon("evaluate", "recognition", dataset, "--degrade", "width=48,noise=2", *FAST)
    assert done.code == 0, done.err
    document = done.document
    assert document["pairs"] == {"genuine": 12, "impostor": 18}
    assert document["subjects"] == 2
    for key in ("tar_at_far_1pct", "tar_at_far_01pct", "eer", "auc", "cllr_min"):
        low, high = document["intervals"][key]
        assert low <= document[key] <= high
    assert {"cllr", "at_threshold", "groups"} <= set(document)
    assert document["failures"]["to_enrol"] == {"count": 1, "requested": 7, "reasons": {"no-face": 1}}
    assert document["failures"]["to_acquire"] == {"count": 1, "requested": 7, "reasons": {"no-face": 1}}
    assert document["degradations"] == ["width=48,blur=0.4,noise=2"]
    assert set(document["groups"]) == {"female", "White", "18 to 39"}
    again = facerecon("evaluate", "recognition", dataset, "--degrade", "width=48,noise=2", *FAST)
    assert again.out == done.out


def test_variants_and_frames_and_known_landmarks(facerecon: Program, dataset: Path) -> None:
    for extra in (
        ("--frames", 3, "--variant", "fused"),
        ("--variant", "original+restored", "--profile", "evidential"),
        ("--landmarks", "carried"),
    ):
        done = facerecon("evaluate", "recognition", dataset, "--degrade", "width=40,noise=2", *extra, *FAST)
        assert done.code == 0, done.err
        assert done.document["auc"] > 0.7


def test_what_is_wrong_is_said(facerecon: Program, dataset: Path, tmp_path: Path) -> None:
    def error(*arguments: object) -> tuple[int, str]:
        done = facerecon("evaluate", "recognition", *arguments)
        return done.code, done.error

    (tmp_path / "there.json").touch()
    for arguments, code, problem in (
        ((tmp_path / "none",), 2, "is not a folder"),
        ((dataset, "--degrade", "width=one"), 2, "width"),
        ((dataset, "--variant", "best"), 2, "'best' is unknown"),
        ((dataset, "--edges", "9,6"), 2, "increasing numbers"),
        ((dataset, "--plots", tmp_path / "p"), 2, "--plots is about a calibration"),
        ((dataset, "--name", "camera 7"), 2, "--name is about a calibration"),
        ((dataset, "--calibrate", tmp_path / "c.json", "--variant", "restored"), 2, "never gets a likelihood ratio"),
        ((dataset, "--calibrate", tmp_path / "c.json", "--variant", "fused"), 2, "--frames 2 or more"),
        ((dataset, "--calibrate", tmp_path / "c.json", "--landmarks", "carried"), 2, "for measuring only"),
        ((dataset, "--calibrate", tmp_path / "there.json"), 2, "exists already"),
        ((dataset, "--calibrate", tmp_path / "few.json", "-q"), 2, "no bin has enough pairs"),
        ((dataset / "wall", "-q"), 6, "no gallery picture could be enrolled"),
        ((dataset / "ada", "-q", "--limit", 1), 6, "both are needed"),
    ):
        found, message = error(*arguments)
        assert (found, problem in message) == (code, True), message


def test_pictures_that_meet_their_own_twins_are_told_and_not_calibrated(
    facerecon: Program, dataset: Path, tmp_path: Path
) -> None:
    for name in ("ada", "bob"):
        (tmp_path / "set" / name).mkdir(parents=True)
        shutil.copy(dataset / name / "30_1_0_2020.png", tmp_path / "set" / name)
    done = facerecon("evaluate", "recognition", tmp_path / "set", "--degrade", "width=48,noise=2", "-q")
    assert done.code == 0, done.err
    assert "own degraded twin" in " ".join(done.out.split())
    calibrating = ("--calibrate", tmp_path / "c.json", "-q")
    done = facerecon("evaluate", "recognition", tmp_path / "set", *calibrating)
    assert (done.code, "own degraded twin" in done.error) == (2, True)


def test_frames_of_a_clip_without_a_face_are_told(facerecon: Program, dataset: Path, tmp_path: Path) -> None:
    for path in sorted(dataset.glob("[ab]*/*.png")):
        (tmp_path / path.parent.name / "walk").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.parent.name / "walk" / path.name)
        shutil.copy(path, tmp_path / path.parent.name / path.name)
    shutil.copy(dataset / "wall/1.png", tmp_path / "ada/walk/99.png")
    options = ("--degrade", "width=48,noise=2", "--frames", 4, "--variant", "mean", "-q")
    done = facerecon("evaluate", "recognition", tmp_path, *options)
    assert done.code == 0, done.err
    # Two clips of four and three frames, and six pictures that become synthetic tracks of four.
    assert "failures to acquire: 0 of 8" in done.out
    assert "frames of them without a face: 1 of 31 (no-face 1)" in done.out


def test_a_picture_that_cannot_be_read_fails_the_batch_after_the_figures(
    facerecon: Program, dataset: Path, tmp_path: Path
) -> None:
    for path in dataset.rglob("*.png"):
        (tmp_path / path.relative_to(dataset)).parent.mkdir(exist_ok=True)
        (tmp_path / path.relative_to(dataset)).write_bytes(path.read_bytes())
    (tmp_path / "bob/torn.png").write_bytes(b"torn")
    (tmp_path / "ada/torn.png").write_bytes(b"")
    done = facerecon("evaluate", "recognition", tmp_path, *FAST)
    assert done.code == 6
    assert json.loads(done.out)["pairs"]["genuine"] == 12
    assert "2 picture(s) failed, the first ada/torn.png: " in done.error
    assert "bob" not in done.error


def test_shipped_calibrations_are_for_the_offline_recognizers_and_the_defaults_are_used(
    facerecon: Program, sample: Sample
) -> None:
    folder = Path(__file__).resolve().parents[2] / "weights/calibrations"
    shipped = [read_calibration(path) for path in sorted(folder.glob("*.json"))]
    variants = {(each.model, each.variant) for each in shipped}
    models, calibrated = ("dlib-resnet", "dlib-lq"), ("original", "fused", "original+restored")
    assert variants == {(model, variant) for model in models for variant in calibrated}
    used = [each for each in shipped if each.model == "dlib-lq"]
    entry = json.loads((sample.case / "ledger.jsonl").read_text().splitlines()[-1])
    assert entry["action"] == "report.finished"
    kept = sorted(path.name for path in (sample.case / "calibrations").iterdir())
    assert kept == sorted(f"{each.sha256[:16]}.json" for each in used)
    for line in sample.document["recognize"]["candidates"]:
        if line["variant"] in ("fused-image", "restored"):
            assert line["likelihood_ratio"] is None
        elif line["likelihood_ratio"] is None:
            assert line["calibration"].startswith("outside the calibration")
        else:
            assert line["calibration"] in {each.name for each in shipped}


def test_a_calibration_for_another_treatment_is_refused_when_named(
    facerecon: Program, sample: Sample, tmp_path: Path
) -> None:
    folder = Path(__file__).resolve().parents[2] / "weights/calibrations"
    path = folder / "dlib-lq-single-frame.json"
    done = facerecon(
        "search",
        sorted(sample.gallery.rglob("*.png"))[0],
        sample.case,
        "--calibration",
        path,
        "--set",
        "recognize.flip=false",
    )
    assert (done.code, "the treatment" in done.error) == (2, True)
    broken = tmp_path / "broken.json"
    broken.write_bytes(path.read_bytes().replace(b"retinaface", b"retinafake", 1))
    done = facerecon("search", sorted(sample.gallery.rglob("*.png"))[0], sample.case, "--calibration", broken)
    assert (done.code, "digest" in done.error) == (4, True)
