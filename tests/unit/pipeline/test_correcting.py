"""A fused picture corrected by a learned model: beside it, labelled, measured, accounted for, and never compared."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerecon.case import Case
from facerecon.hashing import sha256_array
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.corrected import FUSED_RESTORED, fused_restored_of
from facerecon.pipeline.correcting import DESCRIPTION
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.invention import CEILING_DB, measure_correction
from facerecon.pipeline.measurement import measure
from facerecon.pipeline.overview import overview
from facerecon.pipeline.reporting import collect
from facerecon.pipeline.summaries import enhance_summary
from facerecon.profiles import Profile
from facerecon.records import (
    RGB,
    ChipRecord,
    EmbeddingRecord,
    FaceView,
    FusedRecord,
    FusedRestoredRecord,
    Skipped,
    frontal_inter_eye_px,
)
from facerecon.report.recorded import STEPS, WARNINGS
from facerecon.stages import RestorationOutcome, Silent
from tests.fakes import FakeRecognizer, FakeRestorer
from tests.unit.pipeline.stage_cases import FakeCorrector, compare_again, extracted, profile, walk

ON = "enhance.fuse.restore={model: restorer-unet, blend: 0.5}"
PICTURE = "faces/t0001/fused-restored-restorer-unet.png"
MAPS = ("faces/t0001/fused-restored-change.png", "faces/t0001/fused-restored-uncertainty.png")


class Watched(FakeCorrector):
    """Remembers what it was shown."""

    seen: list[FaceView]

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        self.seen = [*faces]
        return super().restore(faces)


def corrected(root: Path, corrector: FakeRestorer, *overrides: str, judge: bool = False) -> Case:
    case, settings = extracted(root, walk()), profile(ON, *overrides)
    _enhanced(case, corrector, settings, judge=judge)
    return case


def _enhanced(case: Case, corrector: FakeRestorer | None, settings: Profile, *, judge: bool = False) -> None:
    recognizer = FakeRecognizer() if judge else None
    enhance(case, {"restorer-unet": FakeRestorer()}, recognizer, Context(settings, Silent()), corrector)


def content(case: Case, path: str, size: tuple[int, int]) -> RGB:
    width, height = size
    return decode_picture(case.bytes_of(path), path)[:height, :width]


# --- the picture and its record ---------------------------------------------------------------------------------------


def test_the_corrected_picture_stands_beside_the_fused_one_in_its_size(tmp_path: Path) -> None:
    watched = Watched(by=8)
    with corrected(tmp_path / "c", watched) as case:
        (fused,), (record,) = case.read(FusedRecord, "fused"), case.read(FusedRestoredRecord, FUSED_RESTORED)
        assert (record.path, record.fused, record.fused_path) == (PICTURE, fused.id, fused.path)
        assert (record.content, record.scale, record.reference) == (fused.content, fused.scale, fused.reference)
        before, after = (content(case, path, record.content) for path in (fused.path, record.path))
        assert np.array_equal(after, np.clip(before.astype(int) + 8, 0, 255))
        digests = case.digests()
        assert (digests[fused.path], digests[record.path]) == (fused.file_sha256, record.file_sha256)
        (step,) = record.steps
        assert (step.input_sha256, step.output_sha256) == (sha256_array(before), sha256_array(after))
        assert fused.steps[-1].output_sha256 == step.input_sha256
        assert (step.name, step.learned) == ("restore (restorer-unet, strength 0.5)", True)
        assert step.parameters == {"model": "restorer-unet", "precision": "auto", "blend": 0.5}
        assert (record.model, record.precision, record.weights_sha256) == ("restorer-unet", "fp32", "1" * 64)
    verify(case.root)


def test_the_model_is_shown_the_fused_picture_with_the_reference_s_points_and_its_enlargement(tmp_path: Path) -> None:
    watched = Watched()
    with corrected(tmp_path / "c", watched) as case:
        (fused,) = case.read(FusedRecord, "fused")
        (view,) = watched.seen
        chip = next(each for each in case.read(ChipRecord, "chips") if each.id == fused.reference)
        assert view.enlarged == fused.scale
        assert np.array_equal(view.pixels, content(case, fused.path, fused.content))
        assert view.recorded_inter_eye_px == pytest.approx(frontal_inter_eye_px(chip.detection.landmarks))


def test_the_strip_and_the_metadata_name_frames_and_model(tmp_path: Path) -> None:
    with corrected(tmp_path / "c", FakeCorrector()) as case:
        (fused,), (record,) = case.read(FusedRecord, "fused"), fused_restored_of(case)
        told = Image.open(io.BytesIO(case.bytes_of(record.path))).info
        used = sum(frame.weight > 0 for frame in fused.frames)
        assert told["Title"].startswith(f"FUSED from {used} frames and RESTORED by restorer-unet: not original pixels.")
        assert fused.file_sha256 in told["Original"]
        assert decode_picture(case.bytes_of(record.path), "p").shape[0] > record.content[1]
        for path in MAPS:
            assert str(Image.open(io.BytesIO(case.bytes_of(path))).info["Title"]).startswith("MAP of ")


def test_what_changed_is_measured_and_mapped_and_so_is_the_model_s_doubt(tmp_path: Path) -> None:
    with corrected(tmp_path / "c", FakeCorrector(by=8)) as case:
        (record,) = fused_restored_of(case)
        assert record.change_rms_levels == pytest.approx(8, abs=0.5), "a few pixels are white already"
        assert record.downscale_psnr_db == pytest.approx(30.07, abs=0.5)
        assert (record.change_path, record.uncertainty_path) == MAPS
        assert record.expected_error_levels == 12
        assert content(case, MAPS[0], record.content).mean() > 40
    with corrected(tmp_path / "d", FakeRestorer(scale=1)) as case:
        (record,) = fused_restored_of(case)
        assert (record.change_rms_levels, record.downscale_psnr_db) == (0, pytest.approx(CEILING_DB, abs=0.01))
        assert (record.expected_error_levels, record.uncertainty_path) == (None, None)
        assert content(case, MAPS[0], record.content).max() <= 4


def test_a_change_shows_where_it_is_and_not_beyond() -> None:
    given = np.full((40, 40, 3), 100, np.uint8)
    changed = given.copy()
    changed[:8, :8] += 40
    found = measure_correction(changed, given, 4)
    assert found.rms_levels == pytest.approx(8)
    assert found.map[2:6, 2:6].astype(int).sum(axis=2).min() > 300
    assert found.map[25:, 25:].max() <= 4
    fine = given.copy()
    fine[::2] += 4
    fine[1::2] -= 4
    assert measure_correction(fine, given, 4).downscale_psnr_db == pytest.approx(CEILING_DB, abs=0.01)
    assert measure_correction(fine, given, 4).rms_levels == 4


def test_changes_beyond_the_profile_s_limits_are_warned_of_in_known_sentences(tmp_path: Path) -> None:
    limits = ("enhance.max_identity_drift=0.1", "enhance.min_downscale_psnr_db=24")
    with corrected(tmp_path / "c", FakeCorrector(by=-90), *limits, judge=True) as case:
        (record,) = fused_restored_of(case)
        assert record.identity_drift is not None
        assert record.identity_drift > 0.1
        size, moved = record.warnings
        assert size.startswith("reduced to the recorded size it differs from the fused picture: PSNR ")
        assert moved.startswith(f"the face vector moved by {record.identity_drift:.2f} (limit 0.1)")
    with corrected(tmp_path / "d", FakeCorrector(), judge=True) as case:
        (record,) = fused_restored_of(case)
        assert (record.identity_drift, record.warnings) == (0, ())
    assert DESCRIPTION in STEPS
    assert any(each.startswith("reduced to the recorded size") for each in WARNINGS)


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_a_model_that_fails_leaves_the_fused_picture_and_an_entry(tmp_path: Path) -> None:
    with corrected(tmp_path / "c", FakeRestorer(scale=1, fail=True)) as case:
        assert len(case.read(FusedRecord, "fused")) == 1
        assert fused_restored_of(case) == ()
        counts = case.runs("enhance")[0].details["counts"]
        assert counts["fused"]["written"] == 1
        assert counts[FUSED_RESTORED] == {"requested": 1, "written": 0, "failed": 1, "skipped": 0}
        (failed,) = (each for each in case.read(Skipped, "enhance-skipped") if each.outcome == "failed")
        assert (failed.kind, failed.subject, failed.reason) == ("image", "t0001/fused", "restoration-failed")
        assert not list(case.root.rglob("fused-restored*.png"))
    verify(case.root)


def test_below_the_minimum_size_the_fused_picture_is_not_corrected(tmp_path: Path) -> None:
    with corrected(tmp_path / "c", FakeCorrector(), "enhance.min_inter_eye_px=30") as case:
        assert len(case.read(FusedRecord, "fused")) == 1
        counts = case.runs("enhance")[0].details["counts"]
        assert counts[FUSED_RESTORED] == {"requested": 1, "written": 0, "failed": 0, "skipped": 1}
        (skipped,) = (each for each in case.read(Skipped, "enhance-skipped") if each.kind == "image")
        assert (skipped.reason, skipped.subject) == ("below-minimum-size", "t0001/fused")


def test_ledger_summary_and_overview_name_the_corrected_picture_and_its_model(tmp_path: Path) -> None:
    with corrected(tmp_path / "c", FakeCorrector("restorer-fused")) as case:
        models = [each["id"] for each in case.runs("enhance")[0].details["models"]]
        assert models == ["restorer-unet", "restorer-fused"]
        (told,) = enhance_summary(case)["fused_restored"]
        assert told["model"] == "restorer-fused"
        assert told["restored"].endswith("fused-restored-restorer-fused.png")
        assert told["fused"].endswith("/fused.png")
    counts = overview(case.root)["counts"]
    assert (counts["fused"], counts["fused_restored"]) == (1, 1)


def test_one_model_for_shots_and_fused_pictures_is_told_once(tmp_path: Path) -> None:
    with corrected(tmp_path / "c", FakeCorrector()) as case:
        assert [each["id"] for each in case.runs("enhance")[0].details["models"]] == ["restorer-unet"]


def test_without_it_a_case_has_neither_records_nor_account(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    _enhanced(case, None, profile())
    with case:
        assert fused_restored_of(case) == ()
        assert set(case.runs("enhance")[0].details["counts"]) == {"faces", "fused"}
        assert enhance_summary(case)["fused_restored"] == []
        assert collect(case).fused_restored == ()
        (fused,) = case.read(FusedRecord, "fused")
        assert "restore" not in fused.steps[0].parameters
    assert not list(case.root.rglob("*fused-restored*"))
    assert overview(case.root)["counts"]["fused_restored"] is None


@pytest.mark.parametrize("given", [True, False])
def test_profile_and_engines_must_agree_whether_there_is_one(tmp_path: Path, given: bool) -> None:
    with extracted(tmp_path / "c", walk()) as case:
        settings = profile() if given else profile(ON)
        with pytest.raises(ValueError, match="corrector of fused pictures"):
            _enhanced(case, FakeCorrector() if given else None, settings)


# --- later stages -----------------------------------------------------------------------------------------------------


def test_an_interrupted_run_is_continued_to_the_same_files_and_account(tmp_path: Path) -> None:
    frames = [*walk(10), *([walk(1)[0] * 0 + 30] * 15), *walk(10, colour=(120, 150, 200))]

    def of(root: Path) -> Case:
        return extracted(root, frames)

    class Stopping(FakeCorrector):
        def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
            raise KeyboardInterrupt

    settings = profile(ON)
    with of(tmp_path / "a") as whole:
        _enhanced(whole, FakeCorrector(), settings)
        first, done = whole.digests("faces/") | whole.digests("records/"), whole.runs("enhance")[0]
        assert done.details["counts"][FUSED_RESTORED]["written"] == 2
    with of(tmp_path / "b") as case:
        with pytest.raises(KeyboardInterrupt):
            _enhanced(case, Stopping(), settings)
        _enhanced(case, FakeCorrector(), settings)
        assert case.digests("faces/") | case.digests("records/") == first
        assert case.runs("enhance")[0].details["counts"] == done.details["counts"]
        assert case.runs("enhance")[0].details["resumed"]["parts_from_journal"] >= 1
    verify(tmp_path / "b")


def test_a_journal_of_a_whole_run_gives_the_same_account(tmp_path: Path) -> None:
    class Late(FakeCorrector):
        calls = 0

        def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
            self.calls += 1
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().restore(faces)

    frames = [*walk(10), *([walk(1)[0] * 0 + 30] * 15), *walk(10, colour=(120, 150, 200))]
    settings = profile(ON)
    with extracted(tmp_path / "b", frames) as case:
        with pytest.raises(KeyboardInterrupt):
            _enhanced(case, Late(), settings)
        _enhanced(case, FakeCorrector(), settings)
        assert case.runs("enhance")[0].details["counts"][FUSED_RESTORED]["written"] == 2
        assert len(fused_restored_of(case)) == 2


def test_it_is_measured_with_the_others_and_never_compared(tmp_path: Path) -> None:
    frames = walk()
    with corrected(tmp_path / "c", FakeCorrector(by=8)) as case:
        figures = measure(case, lambda index, scale: frames[index].repeat(scale, 0).repeat(scale, 1), "drawn")
        assert {"fused", "fused, restorer-unet", "bicubic"} <= {each.variant for each in figures}
        compare_again(case, tmp_path / "gallery", profile(ON))
        variants = {each.variant for each in case.read(EmbeddingRecord, "embeddings")}
        assert "fused-image" in variants
        assert variants <= {"original", "fused", "fused-image", "restored", "original+restored", "gallery"}
        assert not any("fused-restored" in each.subject for each in case.read(EmbeddingRecord, "embeddings"))
