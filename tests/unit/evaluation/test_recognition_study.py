"""Recognition studies: who is compared with whom, what the figures mean, and that nothing vanishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.degradation import Degradation
from facerecon.errors import UsageError
from facerecon.evaluation.comparison import compare, drawn_persons, error_rates, figures_of, resampled
from facerecon.evaluation.recognition import comparisons, differentials, failures, study, summary, unseen_cllr
from facerecon.evaluation.subjects import Clip, groups_of, read_clips, spread_over_people
from facerecon.evaluation.templates import Engines, Making, Template, outcomes
from facerecon.likelihood import cllr, eer, fit_logistic, true_accept_rate
from facerecon.records import Skipped
from tests.fakes import FakeDetector, FakeRecognizer
from tests.unit.evaluation.study_samples import (
    TINY,
    distance,
    engines,
    everybody,
    gaussian_people,
    save,
    template,
    three_persons,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return three_persons(tmp_path / "set")


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
    found = list(
        outcomes(read_clips(dataset), engines(), [Making(TINY), Making(Degradation(), 4, ("fused",))], everybody)
    )
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
    probes = next(iter(outcomes(read_clips(dataset), engines(), [making], everybody))).probes[0]
    assert not isinstance(probes, Skipped)
    half = (probes["original"].vector + probes["mean"].vector) / 2
    assert probes["original+mean"].vector == pytest.approx(half, abs=1e-6)
    assert not np.array_equal(probes["original"].vector, probes["mean"].vector)
    assert (probes["original"].measured["frames"], probes["mean"].measured["frames"]) == (1, 6)
    assert probes["original"].measured["inter_eye_px"] == pytest.approx(24 / 2.23, rel=0.3)


def test_frames_of_a_clip_are_used_as_they_are(tmp_path: Path) -> None:
    for frame in range(5):
        save(tmp_path / f"ada/walk/{frame}.png", (200 - frame, 150, 120))
    (found,) = outcomes(read_clips(tmp_path), engines(), [Making(Degradation(), 3, ("mean",))], everybody)
    assert not isinstance(found.probes[0], Skipped)
    assert found.probes[0]["mean"].measured["frames"] == 3
    # Frames 0, 1 and 3 of five: evenly spread.
    assert found.probes[0]["mean"].vector[0] * 255 == pytest.approx(200 - 4 / 3, abs=0.6)


def test_frames_without_a_face_are_counted_by_where_it_was_lost(tmp_path: Path) -> None:
    for frame in range(4):
        save(tmp_path / f"ada/walk/{frame}.png", (200, 150, 120), faces=int(frame != 2))
    detector, calls = FakeDetector(), 0

    def losing_one(pictures):
        nonlocal calls
        calls += 1
        found = list(detector.detect(pictures))
        return found if calls == 1 else [(), *found[1:]]

    clips = read_clips(tmp_path)
    found = study(clips, None, Engines(losing_one, FakeRecognizer()), [Making(TINY, 4, ("mean",))], everybody)
    assert (found.frames, found.frames_lost) == (4, {"no-face": 1, "not-acquired": 1})
    assert found.probes["mean"][0].measured["frames"] == 2
    document = failures(found)
    assert document["to_acquire"]["count"] == 0
    assert document["to_acquire_frames"] == {
        "count": 2,
        "requested": 4,
        "reasons": {"no-face": 1, "not-acquired": 1},
    }


def test_a_clip_in_which_one_frame_has_a_face_is_no_synthetic_track(tmp_path: Path) -> None:
    for frame in range(3):
        save(tmp_path / f"ada/walk/{frame}.png", (200, 150, 120), faces=int(frame == 1))
    (found,) = outcomes(read_clips(tmp_path), engines(), [Making(TINY, 3, ("mean",))], everybody)
    assert not isinstance(found.probes[0], Skipped)
    assert found.probes[0]["mean"].measured["frames"] == 1


def test_carried_landmarks_need_no_detection_in_the_degraded_picture(dataset: Path) -> None:
    detector = FakeDetector()
    blind = Engines(lambda pictures: [() for _ in pictures], FakeRecognizer())
    (first, *_) = outcomes(read_clips(dataset), Engines(detector.detect, FakeRecognizer()), [Making(TINY)], everybody)
    assert isinstance(first.gallery, Template)
    seen = 0

    def once(pictures):
        nonlocal seen
        seen += 1
        return detector.detect(pictures) if seen == 1 else blind.detect(pictures)

    (found, *_) = outcomes(
        read_clips(dataset), Engines(once, FakeRecognizer()), [Making(TINY, carried=True)], everybody
    )
    assert not isinstance(found.probes[0], Skipped)
    seen = 0
    (lost, *_) = outcomes(read_clips(dataset), Engines(once, FakeRecognizer()), [Making(TINY)], everybody)
    assert isinstance(lost.probes[0], Skipped)
    assert lost.probes[0].reason == "not-acquired"


def test_the_restored_part_needs_a_profile_and_its_failure_is_counted(dataset: Path) -> None:
    with pytest.raises(UsageError, match="profile"):
        list(outcomes(read_clips(dataset), engines(), [Making(TINY, 1, ("restored",))], everybody))
    refusing = engines(lambda _: Skipped(stage="x", kind="image", subject="", reason="too-small", detail="8 px"))
    for each in outcomes(read_clips(dataset), refusing, [Making(TINY, 1, ("restored",))], everybody):
        assert isinstance(each.probes[0], Skipped)
        assert (each.probes[0].reason, each.probes[0].outcome) == ("enhancement-failed", "failed")
    doubling = engines(lambda face: face.pixels.repeat(2, 0).repeat(2, 1))
    (first, *_) = outcomes(read_clips(dataset), doubling, [Making(TINY, 1, ("original", "restored"))], everybody)
    assert not isinstance(first.probes[0], Skipped)
    assert first.probes[0]["restored"].vector == pytest.approx(first.probes[0]["original"].vector, abs=0.02)


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(UsageError, match="'best' is unknown"):
        Making(variants=("original+best",))


# --- pairs and figures ------------------------------------------------------------------------------------------------


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
    assert comparison.twins
    assert not compare(*gaussian_people(5), distance).twins


def test_files_of_one_name_in_two_datasets_are_two_pictures() -> None:
    def shot(folder: str, name: str) -> Template:
        return Template(Clip("ada", f"ada/{name}", (Path(folder) / name,)), np.zeros(1, np.float32), {})

    footage, portraits = [shot("cam7", "1.jpg")], [shot("custody", "1.jpg"), shot("custody", "2.jpg")]
    assert len(compare(footage, portraits, distance).genuine) == 2
    assert len(compare(portraits, portraits, distance).genuine) == 2


def test_the_worse_side_has_the_smaller_eye_distance() -> None:
    probes = [template("a", "a1", 0, inter_eye_px=10.0), template("b", "b1", 1, inter_eye_px=50.0)]
    galleries = [template("a", "a2", 0, inter_eye_px=30.0), template("b", "b2", 1, inter_eye_px=30.0)]
    comparison = compare(probes, galleries, distance)
    assert sorted(comparison.measured(comparison.genuine, "inter_eye_px")) == [10, 30]
    assert sorted(comparison.measured(comparison.impostor, "inter_eye_px")) == [10, 30]


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
        read_clips(dataset),
        None,
        engines(),
        [Making(TINY)],
        lambda _, quality: "dark" if quality.brightness < 155 else "",
    )
    assert (len(found.galleries), len(found.not_enrolled), found.enrolments) == (5, 2, 7)
    assert {(item.subject[:3], item.reason, item.detail) for item in found.not_enrolled} == {
        ("bob", "gallery-picture-refused", "dark")
    }


def test_cllr_on_unseen_persons_is_that_of_unbounded_ratios_fitted_on_the_other_half() -> None:
    comparison = compare(*gaussian_people(80), distance)
    first = np.zeros(80, bool)
    first[np.random.default_rng(7).permutation(80)[:40]] = True
    costs = []
    for half in (first, ~first):
        inside = [
            [
                pairs.similarity[
                    side[comparison.probe_people[pairs.probe]] & side[comparison.gallery_people[pairs.gallery]]
                ]
                for pairs in (comparison.genuine, comparison.impostor)
            ]
            for side in (half, ~half)
        ]
        model = fit_logistic(*inside[0])
        costs.append(cllr(*(model.log10_lr(scores) for scores in inside[1])))
    assert unseen_cllr(comparison, 7) == pytest.approx(np.mean(costs), abs=1e-12)


def test_cllr_on_unseen_persons_is_near_that_of_the_best_calibration() -> None:
    comparison = compare(*gaussian_people(200), distance)
    best = resampled({"a": comparison}, resamples=2).figures["a"]["cllr_min"]
    assert best - 0.02 < (unseen_cllr(comparison, 0) or 0) < best + 0.1


def test_a_group_counts_each_picture_once() -> None:
    clips = [Clip(f"p{number}", f"p{number}", (), ("all",)) for number in range(6)]
    people = [Template(clip, np.array([row], np.float32), {}) for row, clip in enumerate(clips)]
    assert differentials(compare(people * 3, people, distance), 0)["all"]["pictures"] == 6


def test_a_same_source_pair_counts_as_often_as_its_person_was_drawn() -> None:
    values = np.random.default_rng(4).normal(0, 1, 40).astype(np.float32)
    people = [
        Template(Clip(f"p{row // 2:02d}", f"{row}", (), ("first",) if row < 20 else ()), values[row : row + 1], {})
        for row in range(40)
    ]
    own = np.array([distance(values[row : row + 1], values[row + 1 : row + 2, None])[0] for row in range(0, 40, 2)])
    shifts = [
        np.average(own[:10], weights=drawn[:10]) - np.average(own, weights=drawn)
        for drawn in drawn_persons(20, 0)
        if drawn[:10].sum()
    ]
    found = differentials(compare(people, people, distance), 0)["first"]["genuine_shift_interval"]
    assert found == pytest.approx(np.quantile(shifts, [0.025, 0.975]), abs=1e-4)


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
