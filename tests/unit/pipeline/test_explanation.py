"""Explanations of candidate pairs: the pictures, the impostors they are compared with, and what a case keeps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facerecon.case import Case
from facerecon.faces.alignment import scaled_template
from facerecon.faces.quality import assess
from facerecon.gallery import Enrolled, KeptCrop
from facerecon.likelihood import Calibration, Impostors, Range, fit_bin
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.explanation import (
    ExplainedPair,
    compared_with_impostors,
    map_picture,
    nearest_impostors,
    write_explanations,
)
from facerecon.pipeline.occlusion import Saliency
from facerecon.pipeline.strength import Calibrations
from facerecon.profiles import load_profile
from facerecon.records import (
    RGB,
    Detection,
    ExplanationRecord,
    FaceChip,
    FaceView,
    GalleryRecord,
    Timestamp,
)
from tests.fakes import FakeRecognizer, case_info
from tests.unit.pipeline.explained_faces import PatchRecognizer, face

# --- the picture ------------------------------------------------------------------------------------------------------


def lightness(pixels: RGB) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[..., 0].astype(int)


def test_colours_rise_in_lightness_with_the_fall() -> None:
    ramp = np.linspace(0, 0.3, 40, dtype=np.float32)[np.newaxis].repeat(8, axis=0)
    saliency = Saliency(np.full((8, 40, 3), 90, np.uint8), ramp, {})
    row = lightness(map_picture(saliency, 0.3, "x"))[0]
    assert (np.diff(row) >= 0).all()
    assert row[-1] - row[0] > 60


def test_pixels_are_repeated_whole_and_the_legend_is_below() -> None:
    values = np.random.default_rng(0).uniform(-0.1, 0.2, (30, 50)).astype(np.float32)
    picture = map_picture(Saliency(face(64).pixels[:30, :50], values, {}), 0.2, "x")
    times = picture.shape[1] // 50
    assert picture.shape[1] == 50 * times
    assert times > 1
    shown = picture[: 30 * times]
    assert np.array_equal(shown, shown[::times, ::times].repeat(times, 0).repeat(times, 1))
    assert picture.shape[0] > 30 * times + 14


def test_a_rise_looks_like_no_fall_and_a_map_never_like_its_face() -> None:
    pixels = face(64).pixels
    none = map_picture(Saliency(pixels, np.zeros((64, 64), np.float32), {}), 0.2, "x")
    rise = map_picture(Saliency(pixels, np.full((64, 64), -0.2, np.float32), {}), 0.2, "x")
    assert np.array_equal(none, rise)
    times = none.shape[1] // 64
    assert (
        np.ptp(none[: 64 * times : times, ::times].astype(int), axis=2).max()
        < np.ptp(pixels.astype(int), axis=2).max() / 2
    )


# --- impostors --------------------------------------------------------------------------------------------------------


def impostors(similarities: Sequence[float], kept: int) -> Impostors:
    descending = sorted(similarities, reverse=True)
    points = sorted(set(similarities))
    counts = [sum(each >= point for each in similarities) for point in points]
    return Impostors(nearest=tuple(descending[:kept]), similarities=tuple(points), at_least=tuple(counts))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=80), st.integers(0, 60), st.integers(-60, 60))
def test_the_nearest_impostors_are_the_nearest_of_all(scores: list[int], kept: int, at: int) -> None:
    everybody = [score / 64 for score in scores]
    found = nearest_impostors(impostors(everybody, kept), at / 64)
    distances = [abs(each - at / 64) for each in found]
    assert distances == sorted(abs(each - at / 64) for each in everybody)[: len(found)]
    assert len(found) <= 10
    if kept >= len(everybody):
        assert len(found) == min(10, len(everybody))


def calibrated(recognizer: FakeRecognizer, low: float = 1.0) -> Calibrations:
    random = np.random.default_rng(0)
    part = fit_bin(
        "any size",
        {"inter_eye_px": Range(low=low, high=None)},
        random.normal(0.8, 0.1, 60),
        random.normal(0.4, 0.1, 400),
        30,
    )
    document = Calibration(
        name="street-1",
        model=recognizer.stamp.id,
        weights_sha256=recognizer.stamp.weights_sha256,
        treatment=recognizer.treatment,
        variant="original",
        dataset="made for tests",
        protocol="all against all",
        degradations=(),
        created="2026-01-02",
        tool_version="0.1.0",
        seed=0,
        bins=(part,),
    )
    return Calibrations([document], recognizer)


def test_impostors_are_counted_by_the_calibration_that_holds() -> None:
    calibrations = calibrated(PatchRecognizer())
    part = calibrations.documents[0].bins[0]
    counts, nearest = compared_with_impostors(calibrations, "original", 0.6, {"inter_eye_px": 30.0})
    assert counts is not None
    assert counts == part.impostors.above(0.6).model_dump()
    assert counts["of"] == 400
    assert nearest
    assert set(nearest) <= set(part.impostors.nearest)


@pytest.mark.parametrize(("variant", "eyes_px"), [("fused", 30.0), ("original", 0.5), ("restored", 30.0)])
def test_without_a_calibration_that_holds_nothing_is_said(variant: str, eyes_px: float) -> None:
    found = compared_with_impostors(calibrated(PatchRecognizer()), variant, 0.6, {"inter_eye_px": eyes_px})  # type: ignore[arg-type]
    assert found == (None, ())


# --- the case ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return new_case(tmp_path / "case")


def new_case(root: Path) -> Case:
    profile = load_profile("standard")
    return Case.create(root, case_info(profile), profile, {})


def detection(view: FaceView, dx: float = 0, dy: float = 0) -> Detection:
    height, width = view.pixels.shape[:2]
    a, b, c, d, e = ((x + dx, y + dy) for x, y in view.landmarks)
    return Detection(box=(dx, dy, dx + width - 1, dy + height - 1), score=0.9, landmarks=(a, b, c, d, e))


def shot(view: FaceView) -> FaceChip:
    """A chip whose frame position is not 0, 0."""
    found = detection(view, 40, 25)
    quality = assess(view.pixels, detection(view))
    time = Timestamp(pts=3, time_base=(1, 25))
    return FaceChip("t0001", "f000003", time, (40, 25), view.pixels, found, quality)


def enrolled(view: FaceView, recognizer: PatchRecognizer) -> Enrolled:
    record = GalleryRecord(
        identity="Ada",
        person_id=None,
        status=None,
        file="Ada/1.png",
        sha256="b" * 64,
        enrolled=True,
        reason="",
        detection=detection(view, 7, 9),
        quality=assess(view.pixels, detection(view)),
        crop_path="gallery/bb.png",
    )
    return Enrolled(record, recognizer.embed([view])[0], lambda: KeptCrop(view.pixels, (7, 9)))


def pairs(recognizer: PatchRecognizer) -> list[ExplainedPair]:
    chip, entry = shot(face(64)), enrolled(face(seed=1), recognizer)
    conditions = {"inter_eye_px": 15.0}
    return [
        ExplainedPair(chip, entry, "original", 1, 0.62, conditions),
        ExplainedPair(chip, entry, "fused", 2, 0.7, conditions),
    ]


def test_explanations_are_in_the_case_and_labelled(case: Case) -> None:
    recognizer = PatchRecognizer()
    with case.stage("recognize", {}, {}) as run:
        records = write_explanations(run, pairs(recognizer), calibrated(recognizer), recognizer)
    verify(case.root)
    assert case.read(ExplanationRecord, "explanations") == records
    first, second = records
    assert (first.chip, first.gallery_file, first.rank, first.similarity) == ("t0001/f000003", "Ada/1.png", 1, 0.62)
    assert first.probe_map_path == "explanations/t0001-original-1-probe.png"
    assert second.gallery_map_path == "explanations/t0001-fused-2-gallery.png"
    assert first.regions["mouth"] > 0.8
    assert first.impostors is not None
    assert second.impostors is None
    data = case.bytes_of(first.probe_map_path)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.text["Title"].startswith("MAP of t0001/f000003: not evidence")  # type: ignore[attr-defined]
    assert decode_picture(data, "map").shape[1] % 64 == 0


def test_landmarks_are_those_of_the_crops(case: Case) -> None:
    # A map of shifted landmarks would not find the mouth; neither crop begins at its picture's corner.
    recognizer = PatchRecognizer()
    pair = pairs(recognizer)[0]
    for view, size in zip(pair.views, (64, 128), strict=True):
        assert np.allclose(view.landmarks, scaled_template(size))


def test_a_shot_that_is_a_candidate_twice_is_measured_once(case: Case) -> None:
    recognizer = PatchRecognizer()
    both = pairs(recognizer)
    recognizer.embedded = 0
    with case.stage("recognize", {}, {}) as run:
        records = write_explanations(run, both, calibrated(recognizer), recognizer)
    assert recognizer.embedded == 2 + 2 * records[0].positions


def test_two_cases_hold_equal_bytes_and_a_second_run_its_own_files(case: Case, tmp_path: Path) -> None:
    recognizer = PatchRecognizer()

    def explained(into: Case) -> list[ExplanationRecord]:
        with into.stage("recognize", {}, {}) as run:
            return write_explanations(run, pairs(recognizer), calibrated(recognizer), recognizer)

    first, other, second = explained(case), explained(new_case(tmp_path / "other")), explained(case)
    assert first == other
    assert second[0].probe_map_path == "explanations/t0001-original-1-probe-2.png"
    assert second[0].regions == first[0].regions


def test_nothing_to_explain_is_an_empty_list(case: Case) -> None:
    recognizer = PatchRecognizer()
    with case.stage("recognize", {}, {}) as run:
        assert write_explanations(run, [], calibrated(recognizer), recognizer) == []
    assert case.read(ExplanationRecord, "explanations") == []
