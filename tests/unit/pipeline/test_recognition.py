"""Comparison with a gallery: ranking, templates, strength of evidence, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facerecon.errors import UsageError
from facerecon.gallery import Enrolled
from facerecon.likelihood import Calibration, Range, fit_bin, read_calibration, verbal_support
from facerecon.manifest import verify
from facerecon.pipeline.enrolment import Gallery
from facerecon.pipeline.recognition import Ranking
from facerecon.pipeline.strength import Calibrations, joint_conditions, rounded_ratio
from facerecon.pipeline.summaries import recognize_summary
from facerecon.records import (
    Candidate,
    ChipRecord,
    Embedding,
    EmbeddingRecord,
    ExplanationRecord,
    GalleryRecord,
    TrackRecord,
)
from tests.fakes import FakeRecognizer
from tests.unit.pipeline.stage_cases import compare_again, compare_with, compared, profile


def test_candidates_are_ranked_per_variant_and_restored_is_secondary(tmp_path: Path) -> None:
    case = compared(tmp_path)
    listed = case.read(Candidate, "candidates")
    assert [(c.variant, c.rank, c.identity) for c in listed] == [
        (variant, rank, name)
        for variant in ("fused", "original", "fused-image", "restored", "original+restored")
        for rank, name in ((1, "Ada"), (2, "Bob"))
    ]
    assert {c.variant for c in listed if c.primary} == {"fused", "original"}
    assert all(c.strength is None and "not calibrated" in c.no_strength for c in listed)
    assert case.runs("recognize")[0].details["counts"]["gallery"] == {
        "requested": 3,
        "written": 2,
        "failed": 0,
        "skipped": 1,
    }
    assert set(recognize_summary(case)["candidates"][0]) >= {
        "track",
        "variant",
        "rank",
        "identity",
        "similarity",
        "threshold",
        "above_threshold",
    }


def test_fused_template_is_the_quality_weighted_mean_of_originals(tmp_path: Path) -> None:
    case = compared(tmp_path)
    vectors = {e.subject: e for e in case.read(EmbeddingRecord, "embeddings")}
    fused = vectors["t0001/fused"]
    chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
    total = sum(chips[name].quality.score for name in fused.frames)
    assert fused.weights == pytest.approx([chips[name].quality.score / total for name in fused.frames], abs=1e-5)
    assert sum(fused.weights) == pytest.approx(1, abs=1e-5)


def test_candidates_beyond_the_list_are_counted(tmp_path: Path) -> None:
    case = compared(tmp_path, "recognize.top=1", "recognize.compare_restored=false")
    assert len(case.read(Candidate, "candidates")) == 2
    assert case.runs("recognize")[0].details["skipped"]["candidate: below-the-listed-ranks"] == 2


# --- ranking ----------------------------------------------------------------------------------------------------------


def enrolled(identity: str, file: str, vector: list[float]) -> Enrolled:
    record = GalleryRecord(
        identity=identity,
        person_id=None,
        status=None,
        file=file,
        sha256="0" * 64,
        enrolled=True,
        reason="",
        detection=None,
        quality=None,
        crop_path=None,
    )
    return Enrolled(record, Embedding("m", np.array(vector, np.float32)), lambda: None)  # type: ignore[arg-type,return-value]


def test_persons_rank_by_their_most_similar_picture_and_ties_by_name() -> None:
    pictures = [
        enrolled("Cyd", "c1", [0.5, 0]),
        enrolled("Bob", "b1", [0.9, 0]),
        enrolled("Ada", "a1", [0.5, 0]),
        enrolled("Bob", "b2", [0.1, 0]),
    ]
    ranking = Ranking(Gallery("g", (), tuple(pictures), {}))
    found = ranking.first(Embedding("m", np.zeros(2, np.float32)), 10)
    assert [(each.closest.record.file, round(each.similarity, 6)) for each in found] == [
        ("b2", 0.9),
        ("a1", 0.5),
        ("c1", 0.5),
    ]
    assert [entry.record.file for entry, _ in found[0].all] == ["b2", "b1"]
    assert len(ranking.first(Embedding("m", np.zeros(2, np.float32)), 1)) == 1


def test_ranking_equals_comparing_one_by_one() -> None:
    rng = np.random.default_rng(0)
    pictures = [enrolled(f"p{n % 40}", f"f{n:03d}", rng.normal(0, 1, 8).tolist()) for n in range(200)]
    probe = Embedding("m", rng.normal(0, 1, 8).astype(np.float32))
    best: dict[str, float] = {}
    for each in pictures:
        name = each.record.identity
        best[name] = max(best.get(name, -np.inf), probe.similarity(each.embedding))
    expected = sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:7]
    found = Ranking(Gallery("g", (), tuple(pictures), {})).first(probe, 7)
    assert [(each.closest.record.identity, each.similarity) for each in found] == expected


# --- strength ---------------------------------------------------------------------------------------------------------


def calibration(variant: str = "original", **changes: object) -> Calibration:
    rng = np.random.default_rng(0)
    ranges = changes.pop("ranges", {"inter_eye_px": Range(low=6, high=60)})
    content = {
        "name": f"test {variant}",
        "model": "dlib-resnet",
        "weights_sha256": "1" * 64,
        "treatment": "fake",
        "variant": variant,
        "dataset": "numbers",
        "protocol": "all pairs",
        "degradations": ("none",),
        "created": "2026-01-01",
        "tool_version": "0",
        "seed": 0,
        "bins": (fit_bin("all", ranges, rng.normal(0.9, 0.1, 400), rng.normal(0.3, 0.1, 4000), 200),),  # type: ignore[arg-type]
        **changes,
    }
    return Calibration.model_validate(content)


def test_candidates_get_a_bounded_ratio_with_its_words_and_the_case_keeps_the_calibration(tmp_path: Path) -> None:
    documents = [calibration("original"), calibration("fused")]
    case = compared(tmp_path, calibrations=documents)
    listed = {(c.variant, c.identity): c for c in case.read(Candidate, "candidates")}
    for variant in ("original", "fused"):
        ada, bob = listed[(variant, "Ada")].strength, listed[(variant, "Bob")].strength
        assert ada is not None
        assert bob is not None
        assert ada.log10 > 1
        assert bob.log10 < 0
        assert ada.log10 <= np.log10(200)
        assert ada.support == verbal_support(ada.log10).sentence
        assert ada.calibration == f"test {variant}"
        assert read_calibration(case.root / f"calibrations/{ada.calibration_sha256[:16]}.json") in documents
    for variant in ("restored", "fused-image"):
        assert listed[(variant, "Ada")].strength is None
        assert "secondary" in listed[(variant, "Ada")].no_strength
    assert case.runs("recognize")[0].details["calibrations"] == {each.variant: each.sha256 for each in documents}
    verify(case.root)


def test_original_and_restored_together_count_only_for_pictures_restored_in_the_same_way(tmp_path: Path) -> None:
    vectors = {each.subject: each for each in compared(tmp_path / "a").read(EmbeddingRecord, "embeddings")}
    both, original, restored = (vectors[f"t0001/{name}"] for name in ("original+restored", "original", "restored"))
    assert both.vector == pytest.approx((np.array(original.vector) + np.array(restored.vector)) / 2)
    assert both.treatment.startswith(f"{original.treatment}; restored by restore (restorer-unet")
    right, other = (
        calibration("original+restored", treatment=made) for made in (both.treatment, "fake; restored by x")
    )
    case = compared(tmp_path / "b", calibrations=[right, other, calibration("original")])
    (ada, *_) = [c for c in case.read(Candidate, "candidates") if c.variant == "original+restored"]
    assert ada.strength is not None
    assert ada.strength.calibration_sha256 == right.sha256
    assert not ada.primary
    assert set(case.runs("recognize")[0].details["calibrations"].values()) == {right.sha256, calibration().sha256}
    case = compared(tmp_path / "c", calibrations=[other])
    (ada, *_) = [c for c in case.read(Candidate, "candidates") if c.variant == "original+restored"]
    assert ada.strength is None
    assert "restored in this way" in ada.no_strength
    assert not case.runs("recognize")[0].details["calibrations"]


def test_outside_the_calibrated_conditions_there_is_no_ratio_and_the_reason_says_why(tmp_path: Path) -> None:
    case = compared(tmp_path, calibrations=[calibration(ranges={"inter_eye_px": Range(low=6, high=9)})])
    (first, *_) = [c for c in case.read(Candidate, "candidates") if c.variant == "original"]
    assert first.strength is None
    assert "px between the eyes" in first.no_strength
    assert "6 to 9 px" in first.no_strength
    (fused, *_) = [c for c in case.read(Candidate, "candidates") if c.variant == "fused"]
    assert fused.no_strength == "not calibrated: there is no calibration for this model and variant fused"


def test_several_pictures_of_a_person_are_averaged_never_maximised() -> None:
    document = calibration()
    scale = Calibrations([document], FakeRecognizer())
    conditions = {"inter_eye_px": 20.0}
    alone, _ = scale.strength("original", [(0.62, conditions)])
    several, _ = scale.strength("original", [(0.62, conditions), (0.3, conditions), (0.3, conditions)])
    assert alone is not None
    assert several is not None
    assert (several.pictures, several.left_out) == (3, 0)
    other = 10 ** document.bins[0].log10_lr(0.3)[0]
    assert 10**several.log10 == pytest.approx((10**alone.log10 + 2 * other) / 3, rel=1e-3)
    partly, _ = scale.strength("original", [(0.62, conditions), (0.9, {"inter_eye_px": 3.0})])
    assert partly is not None
    assert (partly.pictures, partly.left_out) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model": "arcface-ir-se50"}, "the model"),
        ({"weights_sha256": "2" * 64}, "the weights"),
        ({"treatment": "no mirror"}, "the treatment"),
    ],
)
def test_a_calibration_for_something_else_is_an_error_when_asked_for_and_left_aside_when_not(
    changes: dict[str, object], problem: str
) -> None:
    document = calibration(**changes)
    with pytest.raises(UsageError, match=f"{problem}.*evaluate recognition --calibrate"):
        Calibrations([document], FakeRecognizer(), asked_for=True)
    none, why = Calibrations([document], FakeRecognizer()).strength("original", [(0.9, {"inter_eye_px": 20.0})])
    assert none is None
    assert why.startswith("not calibrated")


def test_why_there_is_no_ratio_is_told_of_the_variant_that_is_meant() -> None:
    mixed = Calibrations([calibration("original", treatment="no mirror")], FakeRecognizer())
    assert "the treatment" in mixed.strength("original", [(0.9, {"inter_eye_px": 20.0})])[1]
    assert mixed.strength("fused", [(0.9, {"inter_eye_px": 20.0})])[1].endswith("model and variant fused")


def test_two_calibrations_for_one_variant_are_refused() -> None:
    with pytest.raises(UsageError, match="both for variant original"):
        Calibrations([calibration(), calibration(name="second")], FakeRecognizer())


def test_a_second_comparison_of_a_case_is_a_second_run(tmp_path: Path) -> None:
    case = compared(tmp_path)
    compare_again(case, tmp_path / "gallery", profile(), [calibration()])
    first, second = (case.read(Candidate, "candidates", run) for run in (1, 2))
    assert [c.similarity for c in first] == [c.similarity for c in second]
    assert all(c.strength is None for c in first)
    assert any(c.strength is not None for c in second)
    verify(case.root)


def test_a_gallery_picture_that_was_renamed_is_kept_under_both_names(tmp_path: Path) -> None:
    case = compared(tmp_path)
    (tmp_path / "gallery/Bob.png").rename(tmp_path / "gallery/Robert.png")
    compare_with(case, tmp_path / "gallery", profile())
    first, second = ({r.file: r for r in case.read(GalleryRecord, "gallery", run)} for run in (1, 2))
    assert first["Ada/1.png"].crop_path == second["Ada/1.png"].crop_path
    crops = [first["Bob.png"].crop_path, second["Robert.png"].crop_path]
    assert None not in crops
    assert len({*crops}) == 2
    for path, name in zip(crops, ("Bob.png", "Robert.png"), strict=True):
        with Image.open(case.root / str(path)) as kept:
            assert kept.info["File"] == name
    verify(case.root)


def test_gallery_vectors_and_tracks_name_model_weights_and_treatment(tmp_path: Path) -> None:
    case = compared(tmp_path)
    for record in case.read(EmbeddingRecord, "embeddings"):
        assert (record.model, record.weights_sha256) == ("dlib-resnet", "1" * 64)
        assert record.treatment == "fake" or record.variant == "original+restored"


def test_explanations_are_of_the_best_shot_and_the_leading_candidates(tmp_path: Path) -> None:
    case = compared(tmp_path, calibrations=[calibration()], explain=True)
    found = case.read(ExplanationRecord, "explanations")
    leading = [c for c in case.read(Candidate, "candidates") if c.variant == "fused" and c.above_threshold]
    assert [(each.track, each.rank, each.identity) for each in found] == [
        (c.track, c.rank, c.identity) for c in leading
    ]
    (track,) = case.read(TrackRecord, "tracks")
    for each in found:
        assert (each.variant, each.chip) == ("original", track.best[0])
        assert each.impostors is not None
        assert case.bytes_of(each.probe_map_path) != case.bytes_of(each.gallery_map_path)
    plain = compared(tmp_path / "plain")
    assert "records/explanations.jsonl" not in plain.digests("records/")
    verify(case.root)


@given(st.floats(-7, 7))
def test_a_printed_ratio_never_claims_more_than_was_computed_and_keeps_its_word(log10: float) -> None:
    printed = rounded_ratio(log10)
    assert abs(np.log10(printed)) <= abs(log10) + 1e-8
    assert abs(np.log10(printed)) >= abs(log10) - np.log10(1.1)
    if abs(log10) > 1e-6:
        nudged = np.log10(printed) + np.sign(log10) * 1e-9
        assert verbal_support(float(nudged)).strength == verbal_support(log10).strength


@pytest.mark.parametrize(("ratio", "printed"), [(506, 500), (9.99, 9.9), (1, 1), (1 / 504, 1 / 500), (0.104, 1 / 9.6)])
def test_ratios_are_printed_with_two_digits(ratio: float, printed: float) -> None:
    assert rounded_ratio(float(np.log10(ratio))) == pytest.approx(printed, rel=1e-9)


def test_the_worse_side_decides_on_size_and_pose() -> None:
    probe = {"inter_eye_px": 10.0, "yaw_deg": 5.0, "pitch_deg": 20.0, "brightness": 90.0, "frames": 4.0}
    gallery = {"inter_eye_px": 30.0, "yaw_deg": 40.0, "pitch_deg": 1.0, "brightness": 200.0, "frames": 1.0}
    assert joint_conditions(probe, gallery) == {**probe, "yaw_deg": 40.0}
    assert joint_conditions(gallery, probe)["inter_eye_px"] == 10
    ranges = {"inter_eye_px": Range(low=6, high=60), "yaw_deg": Range(low=0, high=30)}
    scale = Calibrations([calibration(ranges=ranges)], FakeRecognizer())
    none, why = scale.strength("original", [(0.9, joint_conditions(probe, gallery))])
    assert none is None
    assert "a head turned by 40 degrees (worse side)" in why
