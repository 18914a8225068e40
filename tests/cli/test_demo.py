"""The demo holds its figures: the model for a user's own regression test on sample clips.

The bounds are about what was measured when they were set (in brackets), with room for other processors' arithmetic.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from PIL import Image

from facerecon.manifest import verify
from facerecon.records import Measurement
from tests.cli.conftest import Sample


def test_one_track_from_when_the_face_is_large_enough(sample: Sample) -> None:
    (track,) = sample.document["extract"]["tracks"]
    assert 2.5 < track["first_s"] < 4.0
    assert track["last_s"] > 8.4
    assert 40 <= track["detections"] <= 62
    assert len(track["best"]) == 5


def test_every_frame_is_accounted_for(sample: Sample) -> None:
    frames = sample.document["extract"]["frames"]
    assert frames["requested"] == 84
    assert frames["requested"] == frames["written"] + frames["failed"] + frames["skipped"]
    assert frames["failed"] == 0


def test_portrait_is_rank_one_above_the_threshold(sample: Sample) -> None:
    best = {c["variant"]: c for c in sample.document["recognize"]["candidates"] if c["rank"] == 1}
    assert {name: c["identity"] for name, c in best.items()} == dict.fromkeys(
        ("fused", "original", "fused-image", "restored", "original+restored"), "astronaut"
    )
    assert best["fused"]["similarity"] > 0.58  # (0.66)
    assert best["original"]["similarity"] > 0.56  # (0.65)
    assert best["fused"]["above_threshold"]
    assert not best["restored"]["primary"]


def test_picture_without_a_face_was_refused(sample: Sample) -> None:
    assert sample.document["recognize"]["skipped"]["image: gallery-picture-refused"] == 1


def test_psnr_and_ssim_against_the_truth(sample: Sample) -> None:
    means = {(row["variant"], row["metric"]): row["mean"] for row in sample.document["measurements"]}
    assert 29.5 < means[("bicubic", "PSNR")] < 33.0  # dB (31.1)
    assert means[("restorer-unet", "PSNR")] > means[("bicubic", "PSNR")] - 0.3  # dB (+0.28)
    assert means[("bicubic", "SSIM")] > 0.82  # (0.856)
    assert means[("restorer-unet", "SSIM")] > 0.83  # (0.860)
    assert means[("fused", "PSNR")] > 30.2  # dB (31.7)
    assert means[("fused", "SSIM")] > 0.84  # (0.862)


def test_fused_picture_beats_the_bicubic_one_of_its_best_frame(sample: Sample) -> None:
    lines = (sample.case / "records/measurements.jsonl").read_text().splitlines()
    figures = [Measurement.model_validate_json(line) for line in lines]
    (fused,) = sample.document["enhance"]["fused"]
    assert len(fused["frames"]) >= 8
    values = {(f.variant, f.metric): f.value for f in figures if f.subject == fused["reference"]}
    assert values[("fused", "PSNR")] > values[("bicubic", "PSNR")] + 0.2
    assert values[("fused", "SSIM")] > values[("bicubic", "SSIM")]
    assert values[("fused, restorer-fused", "PSNR")] > values[("fused", "PSNR")]
    assert values[("fused, restorer-fused", "SSIM")] > values[("fused", "SSIM")]


def test_figures_are_in_the_case_and_the_report(sample: Sample) -> None:
    lines = (sample.case / "records/measurements.jsonl").read_text().splitlines()
    assert len([Measurement.model_validate_json(line) for line in lines]) == 12
    html = Path(sample.document["report"]["html"]).read_text()
    assert "PSNR" in html
    assert "31." in html


def test_report_is_self_contained_and_shows_the_ledger(sample: Sample) -> None:
    report = sample.document["report"]
    html = Path(report["html"]).read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", html)
    assert html.count("<script") == html.count("script-src 'sha256-") == 1
    assert Path(report["pdf"]).read_bytes().startswith(b"%PDF")
    assert verify(sample.case).ledger_head == report["ledger_head"]


def test_every_picture_says_what_it_is(sample: Sample) -> None:
    for record in sample.document["enhance"]["restored"]:
        restored, original = Image.open(record["restored"]), Image.open(record["original"])
        assert "not original pixels" in restored.text["Title"]  # type: ignore[attr-defined]
        assert "ORIGINAL" in original.text["Title"]  # type: ignore[attr-defined]
        assert restored.width == 4 * original.width
        assert ".restored-restorer-unet." in record["restored"]


def test_processing_record_names_versions_weights_licences_and_references(sample: Sample) -> None:
    entries = [json.loads(line) for line in (sample.case / "ledger.jsonl").read_text().splitlines()]
    finished = {e["action"]: e["details"] for e in entries if e["action"].endswith(".finished")}
    for stage in ("extract", "enhance", "recognize"):
        details = finished[f"{stage}.finished"]
        assert {"profile_sha256", "seed", "parameters", "runtime", "durations_s"} <= set(details)
        for model in details["models"]:
            assert all(model[key] for key in ("weights_sha256", "licence", "training_data", "reference", "precision"))
    assert {"torch", "opencv", "facerecon", "python"} <= set(finished["extract.finished"]["runtime"])
    step = finished["enhance.finished"]["steps"][0]
    assert all(step[key] for key in ("name", "description", "reference", "parameters"))
