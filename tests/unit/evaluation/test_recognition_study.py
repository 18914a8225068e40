"""Recognition studies: who is compared with whom, what the figures mean, and that nothing vanishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.degradation import Degradation
from facerecon.errors import UsageError
from facerecon.evaluation.calibrating import Making as CalibrationMaking
from facerecon.evaluation.calibrating import calibrated
from facerecon.evaluation.comparison import compare, error_rates, figures_of, resampled
from facerecon.evaluation.recognition import (
    comparisons,
    cross_validated_cllr,
    differentials,
    study,
    summary,
)
from facerecon.evaluation.subjects import Clip, groups_of, read_clips, spread_over_people
from facerecon.evaluation.templates import Engines, Making, Template, outcomes
from facerecon.likelihood import Assessed, Refused, eer, true_accept_rate
from facerecon.pictures import encode_png
from facerecon.records import Skipped
from tests.fakes import FakeDetector, FakeRecognizer, picture

TINY = Degradation.parse("width=24,noise=2")


def save(path: Path, colour: tuple[int, int, int], *, faces: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [(40, 20, 80)] if faces else []
    path.write_bytes(encode_png(picture(160, 120, faces=drawn, colours=[colour]), {}))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three persons of one colour each, two or three shades of it; a wall; a file that is no picture."""
    root = tmp_path / "set"
    for name, colour in {"ada": (200, 150, 120), "bob": (120, 150, 200), "cyd": (150, 200, 120)}.items():
        for shade in range(3 if name == "ada" else 2):
            save(root / name / f"{shade}.png", tuple(value + 2 * shade for value in colour))  # type: ignore[arg-type]
    return root


def engines(enhance=None) -> Engines:
    return Engines(FakeDetector().detect, FakeRecognizer(), enhance)


def distance(vector: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return (1 - np.linalg.norm(matrix - vector, axis=1)).astype(np.float32)


def everybody(_: Template) -> str:
    return ""


# --- datasets ---------------------------------------------------------------------------------------------------------


def test_pictures_of_a_clip_folder_are_frames_and_the_others_stand_alone(tmp_path: Path) -> None:
    for name in ("ada/one.png", "ada/walk/1.png", "ada/walk/2.png", "bob.png"):
        save(tmp_path / name, (200, 150, 120))
    clips = read_clips(tmp_path)
    assert [(clip.identity, clip.name, len(clip.files)) for clip in clips] == [
        ("ada", "ada/one.png", 1),
        ("ada", "ada/walk", 2),
        ("bob", "bob.png", 1),
    ]
    save(tmp_path / "ada/walk/too/deep.png", (200, 150, 120))
    with pytest.raises(UsageError, match="not deeper"):
        read_clips(tmp_path)


def test_a_limit_keeps_whole_persons_spread_over_the_set() -> None:
    clips = [Clip(f"p{number // 4}", f"p{number // 4}/{number}", ()) for number in range(40)]
    kept = spread_over_people(clips, 12)
    assert [clip.identity for clip in kept] == ["p0"] * 4 + ["p3"] * 4 + ["p6"] * 4
    assert spread_over_people(clips, 100) == clips


@pytest.mark.parametrize(
    ("stem", "groups"),
    [
        ("26_1_2_20170116", ("female", "Asian", "18 to 39")),
        ("100_0_0_2017", ("male", "White", "60 and over")),
        ("3_0_4_2017", ("male", "other", "under 18")),
        ("Ada_0001", ()),
        ("26_7_2_2017", ()),
    ],
)
def test_groups_come_from_utkface_names_only(stem: str, groups: tuple[str, ...]) -> None:
    assert groups_of(stem) == groups


# --- templates --------------------------------------------------------------------------------------------------------


def test_every_clip_gives_templates_or_a_reason(dataset: Path) -> None:
    save(dataset / "wall/1.png", (0, 0, 0), faces=0)
    (dataset / "torn").mkdir()
    (dataset / "torn/1.png").write_bytes(b"no picture")
    found = list(outcomes(read_clips(dataset), engines(), [Making(TINY), Making(Degradation(), 4, ("fused",))]))
    assert len(found) == 9
    problems = {each.clip.name: each.gallery for each in found if isinstance(each.gallery, Skipped)}
    assert {name: problem.reason for name, problem in problems.items()} == {
        "torn/1.png": "unreadable",
        "wall/1.png": "no-face",
    }
    assert problems["torn/1.png"].outcome == "failed"
    for each in found:
        assert len(each.probes) == 2
        assert all(isinstance(probe, Skipped) == (each.clip.name in problems) for probe in each.probes)


def test_a_fused_template_is_the_weighted_mean_and_a_sum_is_the_mean_of_its_parts(dataset: Path) -> None:
    making = Making(TINY, 6, ("original", "mean", "original+mean"))
    probes = next(iter(outcomes(read_clips(dataset), engines(), [making]))).probes[0]
    assert not isinstance(probes, Skipped)
    half = (probes["original"].vector + probes["mean"].vector) / 2
    assert probes["original+mean"].vector == pytest.approx(half, abs=1e-6)
    assert not np.array_equal(probes["original"].vector, probes["mean"].vector)
    assert (probes["original"].measured["frames"], probes["mean"].measured["frames"]) == (1, 6)
    assert probes["original"].measured["inter_eye_px"] == pytest.approx(24 / 2.23, rel=0.3)


def test_frames_of_a_clip_are_used_as_they_are(tmp_path: Path) -> None:
    for frame in range(5):
        save(tmp_path / f"ada/walk/{frame}.png", (200 - frame, 150, 120))
    (found,) = outcomes(read_clips(tmp_path), engines(), [Making(Degradation(), 3, ("mean",))])
    assert not isinstance(found.probes[0], Skipped)
    assert found.probes[0]["mean"].measured["frames"] == 3
    # Frames 0, 1 and 3 of five: evenly spread.
    assert found.probes[0]["mean"].vector[0] * 255 == pytest.approx(200 - 4 / 3, abs=0.6)


def test_carried_landmarks_need_no_detection_in_the_degraded_picture(dataset: Path) -> None:
    detector = FakeDetector()
    blind = Engines(lambda pictures: [() for _ in pictures], FakeRecognizer())
    (first, *_) = outcomes(read_clips(dataset), Engines(detector.detect, FakeRecognizer()), [Making(TINY)])
    assert isinstance(first.gallery, Template)
    seen = 0

    def once(pictures):
        nonlocal seen
        seen += 1
        return detector.detect(pictures) if seen == 1 else blind.detect(pictures)

    (found, *_) = outcomes(read_clips(dataset), Engines(once, FakeRecognizer()), [Making(TINY, carried=True)])
    assert not isinstance(found.probes[0], Skipped)
    seen = 0
    (lost, *_) = outcomes(read_clips(dataset), Engines(once, FakeRecognizer()), [Making(TINY)])
    assert isinstance(lost.probes[0], Skipped)
    assert lost.probes[0].reason == "not-acquired"


def test_the_restored_part_needs_a_profile_and_its_failure_is_counted(dataset: Path) -> None:
    with pytest.raises(UsageError, match="profile"):
        list(outcomes(read_clips(dataset), engines(), [Making(TINY, 1, ("restored",))]))
    refusing = engines(lambda _: Skipped(stage="x", kind="image", subject="", reason="too-small", detail="8 px"))
    for each in outcomes(read_clips(dataset), refusing, [Making(TINY, 1, ("restored",))]):
        assert isinstance(each.probes[0], Skipped)
        assert (each.probes[0].reason, each.probes[0].outcome) == ("enhancement-failed", "failed")
    doubling = engines(lambda face: face.pixels.repeat(2, 0).repeat(2, 1))
    (first, *_) = outcomes(read_clips(dataset), doubling, [Making(TINY, 1, ("original", "restored"))])
    assert not isinstance(first.probes[0], Skipped)
    assert first.probes[0]["restored"].vector == pytest.approx(first.probes[0]["original"].vector, abs=0.02)


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(UsageError, match="'best' is unknown"):
        Making(variants=("original+best",))


# --- pairs and figures ------------------------------------------------------------------------------------------------


def template(identity: str, clip: str, value: float, **measured: float) -> Template:
    known = {"inter_eye_px": 12.0, "sharpness": 0.4, "brightness": 120.0, "yaw_deg": 5.0, "pitch_deg": 5.0}
    known["fine_detail"] = 0.03
    return Template(Clip(identity, clip, ()), np.array([value], np.float32), {**known, "frames": 1.0, **measured})


def test_all_genuine_pairs_but_a_picture_and_its_twin_meet_all_cross_impostors(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY), Making(Degradation())], everybody)
    assert (len(found.galleries), found.enrolments, found.acquisitions) == (7, 7, 14)
    comparison = comparisons(found, distance, 0)["original"]
    # Per degradation: ada has 3 pictures (3 x 2 ordered pairs), the others 2 (2 x 1 each).
    assert len(comparison.genuine) == 2 * (6 + 2 + 2)
    assert len(comparison.impostor) == 2 * (7 * 7 - 9 - 4 - 4)
    assert comparison.subjects == 3
    assert comparison.genuine.similarity.min() > comparison.impostor.similarity.max()


def test_people_with_one_picture_each_meet_their_own_twin() -> None:
    people = [template(f"p{number}", f"p{number}", number / 10) for number in range(4)]
    comparison = compare(people, people, distance)
    assert len(comparison.genuine) == 4
    assert comparison.genuine.similarity == pytest.approx(1)


def test_the_worse_side_has_the_smaller_eye_distance() -> None:
    probes = [template("a", "a1", 0, inter_eye_px=10.0), template("b", "b1", 1, inter_eye_px=50.0)]
    galleries = [template("a", "a2", 0, inter_eye_px=30.0), template("b", "b2", 1, inter_eye_px=30.0)]
    comparison = compare(probes, galleries, distance)
    assert sorted(comparison.measured(comparison.genuine, "inter_eye_px")) == [10, 30]
    assert sorted(comparison.measured(comparison.impostor, "inter_eye_px")) == [10, 30]


def gaussian_people(people: int = 60, pictures: int = 4, seed: int = 0) -> tuple[list[Template], list[Template]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, people)
    made = [
        [
            template(f"p{person:03d}", f"p{person:03d}/{kind}{number}", float(centres[person] + rng.normal(0, 0.15)))
            for person in range(people)
            for number in range(pictures)
        ]
        for kind in ("probe", "gallery")
    ]
    return made[0], made[1]


def test_figures_from_bins_are_those_of_the_scores_themselves() -> None:
    comparison = compare(*gaussian_people(), distance)
    spread = resampled({"a": comparison}, resamples=20)
    genuine, impostor = comparison.genuine.similarity, comparison.impostor.similarity
    assert spread.figures["a"]["eer"] == pytest.approx(eer(genuine, impostor), abs=2e-3)
    assert spread.figures["a"]["tar_at_far_1pct"] == pytest.approx(true_accept_rate(genuine, impostor, 0.01), abs=0.01)
    for figure, value in spread.figures["a"].items():
        low, high = spread.interval("a", figure)
        assert low <= value <= high


def test_intervals_shrink_with_more_persons_and_not_with_more_pictures_of_them() -> None:
    def width(people: int, pictures: int) -> float:
        low, high = resampled({"a": compare(*gaussian_people(people, pictures), distance)}).interval("a", "eer")
        return high - low

    few = width(20, 3)
    assert width(120, 3) < 0.75 * few
    assert width(20, 9) > 0.6 * few


def test_paired_differences_are_tighter_than_the_figures_themselves() -> None:
    probes, galleries = gaussian_people()
    noise = np.random.default_rng(1).normal(0, 0.02, len(probes))
    worse = [template(p.clip.identity, p.clip.name, float(p.vector[0] + n)) for p, n in zip(probes, noise, strict=True)]
    spread = resampled({"a": compare(probes, galleries, distance), "b": compare(worse, galleries, distance)})
    gain, (low, high) = spread.gain("a", "b", "auc")
    assert low <= gain <= high
    single = spread.interval("a", "auc")
    assert high - low < (single[1] - single[0]) / 2


def test_a_side_without_pairs_gives_no_numbers() -> None:
    assert np.isnan(list(figures_of(np.zeros(5), np.ones(5)).values())).all()


def test_error_rates_at_a_threshold_count_both_kinds() -> None:
    comparison = compare(*gaussian_people(), distance)
    loose, strict = (error_rates(comparison, threshold, 0, 30) for threshold in (0.5, 0.95))
    assert loose["fmr"] == pytest.approx(float((comparison.impostor.similarity >= 0.5).mean()), abs=1e-6)
    assert loose["fmr"] > strict["fmr"]
    assert loose["fnmr"] < strict["fnmr"]
    assert loose["fmr_interval"][0] < loose["fmr"] < loose["fmr_interval"][1]


def test_the_summary_adds_up_and_repeats(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    comparison = comparisons(found, distance, 0)["original"]
    one, two = (summary(comparison, found, 0.4, 3) for _ in range(2))
    assert one == two
    assert one["failures"]["to_enrol"] == {"count": 0, "requested": 7, "reasons": {}}
    assert (one["tar_at_far_1pct"], one["eer"]) == (1.0, 0.0)


def test_refused_gallery_pictures_are_failures_to_enrol(dataset: Path) -> None:
    found = study(
        read_clips(dataset), None, engines(), [Making(TINY)], lambda each: "no" if each.clip.identity == "bob" else ""
    )
    assert (len(found.galleries), len(found.not_enrolled), found.enrolments) == (5, 2, 7)
    assert {item.detail for item in found.not_enrolled} == {"no"}


def test_cllr_on_unseen_persons_is_near_that_of_the_best_calibration() -> None:
    comparison = compare(*gaussian_people(200), distance)
    best = resampled({"a": comparison}, resamples=2).figures["a"]["cllr_min"]
    assert best - 0.02 < cross_validated_cllr(comparison, 0) < best + 0.1


def test_a_group_whose_members_look_alike_shows_in_its_impostor_shift() -> None:
    rng = np.random.default_rng(2)

    def people(groups: tuple[str, ...], spread: float, start: int) -> list[Template]:
        return [
            Template(
                Clip(f"p{start + n}", f"p{start + n}", (), groups), rng.normal(0, spread, 1).astype(np.float32), {}
            )
            for n in range(60)
        ]

    everyone = people(("alike",), 0.1, 0) + people(("varied",), 2.0, 60)
    found = differentials(compare(everyone, everyone, distance), 0)
    assert found["alike"]["impostor_shift_interval"][0] > 0.3
    assert found["varied"]["impostor_shift_interval"][1] < 0
    assert found["alike"]["fmr"] > 0.01 > found["varied"]["fmr"]
    assert found["alike"]["pictures"] == 60
    assert differentials(compare(*gaussian_people(5), distance), 0) == {}


# --- calibrations -----------------------------------------------------------------------------------------------------


def making(**changes: object) -> CalibrationMaking:
    settings = {
        "name": "test",
        "variant": "original",
        "dataset": "numbers",
        "protocol": "all pairs",
        "degradations": ("none",),
        "stamp": FakeRecognizer().stamp,
        "treatment": "fake",
        "seed": 0,
        "edges_px": (6.0, 9.0, 20.0),
        **changes,
    }
    return CalibrationMaking(**settings)  # type: ignore[arg-type]


def test_a_calibration_holds_for_its_conditions_and_refuses_others(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    comparison = compare(*gaussian_people(), distance)
    calibration, problems = calibrated(comparison, found, making())
    assert [part.id for part in calibration.bins] == ["9 to 20 px, detail 0.03 to 0.031"]
    assert problems == ["6 to 9 px between the eyes: 0 same-source pairs of 0 persons; 300 of 50 needed"]
    usual = template("a", "a", 0).measured
    high, low = (calibration.assess(value, usual) for value in (0.99, -1.0))
    assert isinstance(high, Assessed)
    assert isinstance(low, Assessed)
    assert high.log10_lr > 0 > low.log10_lr
    assert high.log10_lr <= np.log10(60)
    for name, value in {"inter_eye_px": 7.0, "brightness": 10.0, "yaw_deg": 50.0}.items():
        assert isinstance(calibration.assess(0.9, {**usual, name: value}), Refused)


def test_secondary_variants_and_too_little_data_are_refused(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    comparison = comparisons(found, distance, 0)["original"]
    with pytest.raises(UsageError, match="never gets a likelihood ratio"):
        calibrated(comparison, found, making(variant="restored"))
    with pytest.raises(UsageError, match="no bin has enough pairs"):
        calibrated(comparison, found, making())


def test_faces_that_lost_less_are_calibrated_apart(dataset: Path) -> None:
    found = study(read_clips(dataset), None, engines(), [Making(TINY)], everybody)
    probes, galleries = gaussian_people(120, 6)
    rng = np.random.default_rng(5)
    blurred = [number % 3 for number in range(len(probes))]
    spoilt = [
        template(
            each.clip.identity,
            each.clip.name,
            float(each.vector[0] + (2 - part) * rng.normal(0, 0.3)),
            fine_detail=0.02 + 0.02 * part + 0.001 * rng.random(),
        )
        for each, part in zip(probes, blurred, strict=True)
    ]
    calibration, _ = calibrated(compare(spoilt, galleries, distance), found, making(edges_px=(9.0, 20.0)))
    costs = [part.metrics.cllr_min.value for part in calibration.bins]
    assert len(costs) == 3
    assert costs[0] > costs[1] > costs[2]
    assert calibration.bins[0].ranges["fine_detail"].high == calibration.bins[1].ranges["fine_detail"].low
