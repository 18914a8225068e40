"""Stills of a case: originals stay, computed pictures stand labelled beside them, failures are entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import IntegrityError, ProfileError
from facerecon.hashing import sha256_array
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.summaries import enhance_summary
from facerecon.profiles import load_profile
from facerecon.records import (
    ChipRecord,
    FusedRecord,
    RestoredRecord,
    Skipped,
    TrackRecord,
)
from facerecon.stages import Restoration, Silent
from tests.fakes import FakeRecognizer, FakeRestorer
from tests.unit.pipeline.stage_cases import extracted, profile, walk


def test_restored_pictures_stand_beside_labelled(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
    records = case.read(RestoredRecord, "restored")
    assert len(records) == 2
    for record in records:
        original = decode_picture(case.bytes_of(record.original), "o")
        whole = decode_picture(case.bytes_of(record.path), "r")
        width, height = record.content
        assert record.path == record.original.replace("original", "restored-restorer-unet")
        assert np.array_equal(whole[:height, :width], original.repeat(4, 0).repeat(4, 1))
        assert whole.shape[0] > height
        assert b"not original pixels" in case.bytes_of(record.path)
        assert record.downscale_psnr_db is not None
        assert record.downscale_psnr_db > 60
        assert record.steps[0].input_sha256 == sha256_array(original)


def test_failed_restoration_is_an_error_entry_never_a_picture(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer(fail=True)}, None, Context(profile(), Silent()))
    assert case.read(RestoredRecord, "restored") == []
    assert case.runs("enhance")[0].details["counts"]["faces"]["failed"] == 2
    failed = [s for s in case.read(Skipped, "enhance-skipped") if s.outcome == "failed"]
    assert "not finite" in failed[0].detail
    assert not list(case.root.rglob("*restored-*"))


@pytest.mark.parametrize(
    ("override", "reason"),
    [("enhance.min_inter_eye_px=30", "below-minimum-size"), ("enhance.max_crop_px=40", "large-enough")],
)
def test_refused_faces_have_a_reason(override: str, reason: str, tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(override), Silent()))
    assert case.runs("enhance")[0].details["skipped"][f"face: {reason}"] == 2


def test_classical_steps_are_recorded_and_named_enhanced(tmp_path: Path) -> None:
    settings = load_profile("evidential", ("enhance.steps=[{kind: gamma, gamma: 2}, {kind: nlmeans}, {kind: resize}]",))
    case = extracted(tmp_path / "c", walk())
    enhance(case, {}, None, Context(settings, Silent()))
    record = case.read(RestoredRecord, "restored")[0]
    assert [step.name for step in record.steps] == ["gamma", "nlmeans", "resize"]
    assert all(a.output_sha256 == b.input_sha256 for a, b in zip(record.steps, record.steps[1:], strict=False))
    assert record.path.endswith(".enhanced.png")
    assert (record.model, record.learned) == (None, False)
    assert b"No learned model" in case.bytes_of(record.path)


def test_second_enhancement_keeps_the_first(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    for settings in (profile(), profile("enhance.shots=1")):
        enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(settings, Silent()))
    assert len(case.read(RestoredRecord, "restored", 1)) == 2
    assert case.read(RestoredRecord, "restored", 2)[0].path.endswith("-2.png")
    verify(case.root)


def test_changed_chip_is_noticed_before_it_is_used(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    path = case.root / case.read(ChipRecord, "chips")[0].path
    path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])
    with pytest.raises(IntegrityError, match="was changed"):
        enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))


def test_frames_round_the_best_shot_are_kept_for_fusion(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk(), "shots.burst=6")
    (track,) = case.read(TrackRecord, "tracks")
    numbers = [int(name[-6:]) for name in track.burst]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert 2 <= len(numbers) <= 6
    assert track.best[0] in track.burst
    assert {chip.id for chip in case.read(ChipRecord, "chips")} == {*track.best, *track.burst}
    counts = case.runs("extract")[0].details["counts"]["shots"]
    assert counts["written"] == len({*track.best, *track.burst})
    off = extracted(tmp_path / "d", walk(), "shots.burst=0")
    assert off.read(TrackRecord, "tracks")[0].burst == ()


def test_track_is_fused_from_its_shots_with_weights_and_map(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
    (track,) = case.read(TrackRecord, "tracks")
    (fused,) = case.read(FusedRecord, "fused")
    assert fused.reference == track.best[0]
    assert {frame.chip for frame in fused.frames} == {*track.best, *track.burst}
    assert sum(frame.weight for frame in fused.frames) == pytest.approx(1, abs=1e-4)
    assert all(bool(frame.rejected) == (frame.weight == 0) for frame in fused.frames)
    chip = next(chip for chip in case.read(ChipRecord, "chips") if chip.id == fused.reference)
    assert fused.content == (chip.size[0] * 4, chip.size[1] * 4)
    assert b"not one recorded picture" in case.bytes_of(fused.path)
    assert decode_picture(case.bytes_of(fused.count_path), "m").shape[:2] == fused.content[::-1]
    assert case.runs("enhance")[0].details["counts"]["fused"]["written"] == 1
    assert enhance_summary(case)["fused"][0]["fused"].endswith("t0001/fused.png")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("enhance.fuse.enabled=false", "not-fused"),
        ("enhance.fuse.min_frames=40", "too-few-frames"),
        ("enhance.max_crop_px=40", "large-enough"),
    ],
)
def test_track_that_is_not_fused_has_a_reason(override: str, reason: str, tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(override), Silent()))
    assert case.runs("enhance")[0].details["skipped"][f"track: {reason}"] == 1
    assert case.read(FusedRecord, "fused") == []


def test_each_step_is_kept_as_a_labelled_picture(tmp_path: Path) -> None:
    settings = profile(
        "enhance.steps=[{kind: nlmeans}, {kind: gamma, gamma: 2}, {kind: restore, model: restorer-unet}]",
        "enhance.shots=1",
    )
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(settings, Silent()))
    (record,) = case.read(RestoredRecord, "restored")
    paths = [step.path for step in record.steps]
    assert paths[-1] is None
    for step in record.steps[:-1]:
        assert step.path is not None
        width, height = record.content[0] // 4, record.content[1] // 4
        assert sha256_array(decode_picture(case.bytes_of(step.path), "s")[:height, :width]) == step.output_sha256
        assert b"not original pixels" in case.bytes_of(step.path)
    verify(case.root)


def test_step_that_does_nothing_says_so_in_a_warning(tmp_path: Path) -> None:
    settings = profile("enhance.steps=[{kind: deblur-motion}, {kind: resize}]", "enhance.shots=1")
    case = extracted(tmp_path / "c", walk())
    enhance(case, {}, None, Context(settings, Silent()))
    (record,) = case.read(RestoredRecord, "restored")
    assert not record.steps[0].applied
    assert record.steps[0].input_sha256 == record.steps[0].output_sha256
    assert record.warnings[0].startswith("deblur-motion changed nothing: ")


def test_neighbouring_frames_take_part_in_denoising(tmp_path: Path) -> None:
    settings = profile("enhance.steps=[{kind: nlmeans-multi}, {kind: resize}]")
    case = extracted(tmp_path / "c", walk())
    enhance(case, {}, None, Context(settings, Silent()))
    notes = [record.steps[0].note for record in case.read(RestoredRecord, "restored")]
    assert notes == ["with 4 neighbouring frames", "no neighbouring frames: this one alone"]
    with pytest.raises(ProfileError, match="nlmeans-multi must be the first step"):
        profile("enhance.steps=[{kind: resize}, {kind: nlmeans-multi}]")


class Inventor(FakeRestorer):
    """Draws a checkerboard that no reduction shows, and shifts the colour where it is told to."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift

    def restore(self, faces):  # type: ignore[no-untyped-def]
        results = super().restore(faces)
        board = (np.indices(results[0].pixels.shape[:2]).sum(axis=0) % 2 * 40 - 20)[..., None]
        return [
            Restoration((each.pixels.astype(int) + board + self.shift).clip(0, 255).astype(np.uint8), "fp32", "")
            for each in results
        ]


def test_invented_detail_is_measured_and_a_changed_face_is_warned_of(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    settings = profile("enhance.shots=1", "enhance.max_identity_drift=0.2")
    for run, shift in enumerate((0, 60), start=1):
        enhance(case, {"restorer-unet": Inventor(shift)}, FakeRecognizer(), Context(settings, Silent()))
        (record,) = case.read(RestoredRecord, "restored", run)
        assert record.beyond_rms_levels == pytest.approx(20, abs=3)
        assert record.identity_drift is not None
        assert record.invention_path is not None
        assert decode_picture(case.bytes_of(record.invention_path), "m").shape[1] == record.content[0]
        assert any("another face" in warning for warning in record.warnings) == (shift == 60)
        assert any("reduced to its input's size" in warning for warning in record.warnings) == (shift == 60)
