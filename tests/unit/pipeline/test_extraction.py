"""Extraction over a case with fake engines: exact crops, accounts that add up, runs that repeat and resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.errors import EvidenceError, IntegrityError
from facerecon.hashing import sha256_array
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.detection import detect_faces
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.summaries import enhance_summary, extract_summary
from facerecon.profiles import Detect, load_profile
from facerecon.records import (
    RGB,
    ChipRecord,
    Counts,
    Detection,
    DetectionRecord,
    FrameRecord,
    RestoredRecord,
    Skipped,
    TrackRecord,
)
from facerecon.stages import Silent
from tests.fakes import FakeDetector, FakeRestorer, FakeSource, picture
from tests.unit.pipeline.stage_cases import extracted, new_case, profile, walk


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
    settings = profile(
        "enhance.max_crop_px=40", "enhance.steps=[{kind: gamma, gamma: 2}, {kind: restore, model: restorer-unet}]"
    )
    case = extracted(tmp_path / "c", walk())
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(settings, Silent()))
    record = case.read(RestoredRecord, "restored")[0]
    assert ([step.name for step in record.steps], record.scale, record.learned) == (["gamma"], 1, False)


def test_two_runs_give_identical_records_and_pictures(tmp_path: Path) -> None:
    def digests(root: Path) -> dict[str, str]:
        case = extracted(root, walk())
        enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
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
    enhance(case, {"restorer-unet": FakeRestorer()}, None, Context(profile(), Silent()))
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


# --- detection ------------------------------------------------------------------------------------------------------


def test_enlarging_for_the_detector_gives_boxes_in_the_pictures_own_pixels() -> None:
    shot = picture(faces=[(40, 30, 30)])
    (plain,), (large,) = (detect_faces(FakeDetector(), [shot], Detect(upscale=scale)) for scale in (1, 2))
    assert np.allclose(plain[0].box, large[0].box, atol=1.0)
    assert np.allclose(plain[0].landmarks, large[0].landmarks, atol=1.0)
    assert detect_faces(FakeDetector(), [], Detect()) == []
