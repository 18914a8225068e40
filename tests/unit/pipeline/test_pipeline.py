"""The stages over a case with fake engines: accounts add up, originals stay, runs repeat, failures are entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.errors import EvidenceError, IntegrityError, ProfileError
from facerecon.hashing import sha256_array
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.detection import detect_faces
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.measurement import measure, psnr_db, ssim
from facerecon.pipeline.reporting import collect, report
from facerecon.pipeline.summaries import enhance_summary, extract_summary, report_summary
from facerecon.profiles import Detect, load_profile
from facerecon.records import (
    RGB,
    ChipRecord,
    Counts,
    Detection,
    DetectionRecord,
    FrameRecord,
    FusedRecord,
    RestoredRecord,
    Skipped,
    TrackRecord,
)
from facerecon.stages import Restoration, Silent
from tests.fakes import FakeDetector, FakeRecognizer, FakeRestorer, FakeSource, picture
from tests.unit.pipeline.stage_cases import compared, extracted, new_case, profile, walk


def test_walking_person_is_one_track_with_exact_crops(tmp_path: Path) -> None:
    frames = walk()
    case = extracted(tmp_path / "c", frames)
    (track,) = case.read(TrackRecord, "tracks")
    assert (track.id, track.detections, track.first.pts, track.last.pts) == ("t0001", 20, 0, 19)
    chips = case.read(ChipRecord, "chips")
    assert [chip.id for chip in chips] == [*track.best, *(name for name in track.burst if name not in track.best)]
    for chip in chips:
        pixels = decode_picture(case.bytes_of(chip.path), chip.path)
        (x, y), (width, height) = chip.origin, chip.size
        assert np.array_equal(pixels, frames[int(chip.frame[1:])][y : y + height, x : x + width])
        assert chip.pixels_sha256 == sha256_array(pixels)


def test_frames_and_faces_are_accounted_for(tmp_path: Path) -> None:
    frames: list[RGB | None] = [*walk()]
    frames[7] = None
    frames[3] = picture(faces=[(17, 30, 40), (100, 90, 20)])
    case = extracted(tmp_path / "c", frames, "extract.sample={every: 1}")
    counts = case.runs("extract")[0].details["counts"]
    assert counts["frames"] == {"requested": 20, "written": 19, "failed": 1, "skipped": 0}
    assert counts["faces"] == {"requested": 20, "written": 19, "failed": 0, "skipped": 1}
    assert counts["shots"]["requested"] == 19
    assert len(case.read(FrameRecord, "frames")) == 19
    reasons = {(s.kind, s.reason): s.count for s in case.read(Skipped, "extract-skipped")}
    assert reasons[("frame", "undecodable")] == 1
    assert reasons[("face", "track-too-short")] == 1
    loose = [d for d in case.read(DetectionRecord, "detections") if d.track is None]
    assert [d.frame for d in loose] == ["f000003"]


def test_sampling_and_motion_gating_are_counted(tmp_path: Path) -> None:
    still = [picture(faces=[(20, 30, 40)])] * 25
    source, settings = FakeSource(still), load_profile("standard", ("extract.sample={every: 5}",))
    case = new_case(tmp_path / "c", source, settings)
    extract(case, source, FakeDetector(), Context(settings, Silent()))
    entry = case.runs("extract")[0]
    assert entry.details["skipped"]["frame: not-sampled"] == 20
    assert entry.details["skipped"]["frame: nothing-moved"] >= 1
    Counts.model_validate(entry.details["counts"]["frames"])
    assert entry.details["counts"]["frames"]["requested"] == 25


def test_person_who_stands_still_is_one_track_across_gated_frames(tmp_path: Path) -> None:
    still = [picture(faces=[(20, 30, 40)])] * 100
    source, settings = FakeSource(still), load_profile("standard")
    case = new_case(tmp_path / "c", source, settings)
    extract(case, source, FakeDetector(), Context(settings, Silent()))
    (track,) = case.read(TrackRecord, "tracks")
    assert track.detections < 20
    assert track.last.pts - track.first.pts > 70


def test_face_whose_landmarks_coincide_is_a_failure_entry(tmp_path: Path) -> None:
    class Broken(FakeDetector):
        def _face(self, x: float, y: float, w: float, h: float) -> Detection:
            return Detection(box=(x, y, x + w, y + h), score=0.9, landmarks=((x, y),) * 5)

    evidence, settings = FakeSource(walk(5)), profile()
    case = new_case(tmp_path / "c", evidence, settings)
    extract(case, evidence, Broken(), Context(settings, Silent()))
    assert case.runs("extract")[0].details["counts"]["faces"] == {
        "requested": 5,
        "written": 0,
        "failed": 5,
        "skipped": 0,
    }


def test_large_crops_keep_their_classical_steps_but_are_not_enlarged(tmp_path: Path) -> None:
    settings = profile("enhance.max_crop_px=40", "enhance.steps=[{kind: gamma, gamma: 2}, {kind: restore}]")
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(settings, Silent()))
    record = case.read(RestoredRecord, "restored")[0]
    assert ([step.name for step in record.steps], record.scale, record.learned) == (["gamma"], 1, False)


def test_two_runs_give_identical_records_and_pictures(tmp_path: Path) -> None:
    def digests(root: Path) -> dict[str, str]:
        case = extracted(root, walk())
        enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(), Silent()))
        return {k: v for k, v in case.digests().items() if k != "case.json"}

    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_batch_size_changes_no_record(tmp_path: Path) -> None:
    one = extracted(tmp_path / "a", walk(), "detect.batch=1").digests("records/")
    eight = extracted(tmp_path / "b", walk(), "detect.batch=8").digests("records/")
    assert one == eight


def test_changed_source_is_an_integrity_error(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="changed while it was read"):
        extracted(tmp_path / "c", walk(), changes=True)
    assert verify(tmp_path / "c").state == "extract.failed"


def test_too_many_failed_frames_is_an_evidence_error_but_results_are_kept(tmp_path: Path) -> None:
    frames: list[RGB | None] = [*walk(), *[None] * 10]
    with pytest.raises(EvidenceError, match=r"10 of 30 frames \(33.3 %\)"):
        extracted(tmp_path / "c", frames)
    with Case.open(tmp_path / "c") as case:
        assert len(case.read(TrackRecord, "tracks")) == 1
    extracted(tmp_path / "d", frames, "extract.max_failed_percent=50")


def test_no_decodable_frame_is_an_evidence_error(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="not one frame"):
        extracted(tmp_path / "c", [None, None])


def test_no_face_is_a_result(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", [picture()] * 5)
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(), Silent()))
    assert extract_summary(case)["tracks"] == []
    assert enhance_summary(case)["restored"] == []


def test_pictures_without_a_clock_are_not_linked(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", [picture(faces=[(20, 30, 40)])] * 3, clock="order")
    assert [track.detections for track in case.read(TrackRecord, "tracks")] == [1, 1, 1]


def test_faces_too_small_to_keep_are_counted_not_lost(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk(size=12), "shots.min_inter_eye_px=8")
    (track,) = case.read(TrackRecord, "tracks")
    assert track.best == ()
    assert case.runs("extract")[0].details["skipped"]["face: below-minimum-size"] == 20


def test_interrupted_extraction_resumes_to_the_same_digests(tmp_path: Path) -> None:
    settings = profile("track.max_gap_s=0.2")
    frames = [*walk(10), *[picture()] * 10, *walk(10)]
    source = FakeSource(frames, interrupt_at=25)
    case = new_case(tmp_path / "c", source, settings)
    with pytest.raises(KeyboardInterrupt):
        extract(case, source, FakeDetector(), Context(settings, Silent()))
    kept = list((tmp_path / "c/faces").rglob("*.original.png"))
    assert kept
    assert verify(tmp_path / "c").state == "extract.interrupted"
    extract(case, FakeSource(frames), FakeDetector(), Context(settings, Silent()))
    whole = extracted(tmp_path / "d", frames, "track.max_gap_s=0.2")
    assert case.digests("records/") == whole.digests("records/")
    assert case.digests("faces/") == whole.digests("faces/")


# --- enhance --------------------------------------------------------------------------------------------------------


def test_restored_pictures_stand_beside_labelled(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(), Silent()))
    records = case.read(RestoredRecord, "restored")
    assert len(records) == 2
    for record in records:
        original = decode_picture(case.bytes_of(record.original), "o")
        whole = decode_picture(case.bytes_of(record.path), "r")
        width, height = record.content
        assert record.path == record.original.replace("original", "restored-realesrgan-x4plus")
        assert np.array_equal(whole[:height, :width], original.repeat(4, 0).repeat(4, 1))
        assert whole.shape[0] > height
        assert b"not original pixels" in case.bytes_of(record.path)
        assert record.downscale_psnr_db is not None
        assert record.downscale_psnr_db > 60
        assert record.steps[0].input_sha256 == sha256_array(original)


def test_failed_restoration_is_an_error_entry_never_a_picture(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"realesrgan-x4plus": FakeRestorer(fail=True)}, None, Context(profile(), Silent()))
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
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(override), Silent()))
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
        enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(settings, Silent()))
    assert len(case.read(RestoredRecord, "restored", 1)) == 2
    assert case.read(RestoredRecord, "restored", 2)[0].path.endswith("-2.png")
    verify(case.root)


def test_changed_chip_is_noticed_before_it_is_used(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", walk())
    path = case.root / case.read(ChipRecord, "chips")[0].path
    path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])
    with pytest.raises(IntegrityError, match="was changed"):
        enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(), Silent()))


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
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(), Silent()))
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
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(override), Silent()))
    assert case.runs("enhance")[0].details["skipped"][f"track: {reason}"] == 1
    assert case.read(FusedRecord, "fused") == []


def test_each_step_is_kept_as_a_labelled_picture(tmp_path: Path) -> None:
    settings = profile("enhance.steps=[{kind: nlmeans}, {kind: gamma, gamma: 2}, {kind: restore}]", "enhance.shots=1")
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(settings, Silent()))
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
        enhance(case, {"realesrgan-x4plus": Inventor(shift)}, FakeRecognizer(), Context(settings, Silent()))
        (record,) = case.read(RestoredRecord, "restored", run)
        assert record.beyond_rms_levels == pytest.approx(20, abs=3)
        assert record.identity_drift is not None
        assert record.invention_path is not None
        assert decode_picture(case.bytes_of(record.invention_path), "m").shape[1] == record.content[0]
        assert any("another face" in warning for warning in record.warnings) == (shift == 60)
        assert any("reduced to its input's size" in warning for warning in record.warnings) == (shift == 60)


# --- report ---------------------------------------------------------------------------------------------------------


def test_report_is_rendered_from_verified_records_and_kept(tmp_path: Path) -> None:
    case = compared(tmp_path)
    content = collect(case)
    assert len(content.restored) == 2
    for expected in ("report/report.html", "report/report-2.html"):
        html, pdf = report(case, lambda c: f"<p>{len(c.tracks)}", lambda _: b"%PDF", Context(profile(), Silent()))
        assert html == expected
        assert pdf == expected.replace("html", "pdf")
    assert report_summary(case)["ledger_head"] == case.ledger.head
    verify(case.root)


def test_measurement_against_truth(tmp_path: Path) -> None:
    frames = walk()
    case = extracted(tmp_path / "c", frames)
    enhance(case, {"realesrgan-x4plus": FakeRestorer()}, None, Context(profile(), Silent()))
    figures = measure(case, lambda index, scale: frames[index].repeat(scale, 0).repeat(scale, 1), "the drawing")
    best = {(f.variant, f.metric): f.value for f in figures}
    assert best[("realesrgan-x4plus", "PSNR")] > best[("bicubic", "PSNR")] > 20
    assert best[("realesrgan-x4plus", "SSIM")] == pytest.approx(1)
    assert collect(case).measurements == tuple(figures)


def test_psnr_and_ssim_ignore_gain_and_offset_only() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(40, 200, (32, 32, 3), dtype=np.uint8)
    dim = (truth * 0.5 + 20).astype(np.uint8)
    noisy = np.clip(truth + rng.normal(0, 20, truth.shape), 0, 255).astype(np.uint8)
    assert psnr_db(dim, truth) > 45
    assert psnr_db(noisy, truth) == pytest.approx(10 * np.log10(255**2 / 20**2), abs=1)
    assert ssim(noisy, truth) < ssim(dim, truth) <= 1


# --- detection ------------------------------------------------------------------------------------------------------


def test_enlarging_for_the_detector_gives_boxes_in_the_pictures_own_pixels() -> None:
    shot = picture(faces=[(40, 30, 30)])
    (plain,), (large,) = (detect_faces(FakeDetector(), [shot], Detect(upscale=scale)) for scale in (1, 2))
    assert np.allclose(plain[0].box, large[0].box, atol=1.0)
    assert np.allclose(plain[0].landmarks, large[0].landmarks, atol=1.0)
    assert detect_faces(FakeDetector(), [], Detect()) == []
