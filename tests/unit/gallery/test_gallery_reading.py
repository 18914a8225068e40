"""Plain galleries: both layouts, suspects.json, and every reason for refusal (R28)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerecon.errors import UsageError
from facerecon.gallery import Choice, choose, cutoff, list_pictures, read_pixels, refusal
from facerecon.gallery.retention import utc_text
from facerecon.hashing import sha256_file
from facerecon.pipeline.enrolment import Examiner, enroll
from facerecon.profiles import Recognize, load_profile
from facerecon.records import Detection, FaceQuality, FaceView
from facerecon.stages import Silent
from tests.fakes import OTHER, FakeDetector, FakeRecognizer, picture


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_folders_files_and_suspects(tmp_path: Path) -> None:
    one = save(tmp_path / "Ada L/1.png", picture(faces=[(40, 20, 80)]))
    save(tmp_path / "Ada L/sub/2.png", picture(faces=[(40, 20, 80)]))
    save(tmp_path / "Bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    (tmp_path / "suspects.json").write_text('[{"name": "Bob", "id": 17, "status": "wanted"}, {"name": "Nobody"}]')
    pictures = list_pictures(tmp_path)
    assert [(p.person.identity, p.file) for p in pictures] == [
        ("Ada L", "Ada L/1.png"),
        ("Ada L", "Ada L/sub/2.png"),
        ("Bob", "Bob.png"),
    ]
    assert (pictures[2].person.person_id, pictures[2].person.status) == ("17", "wanted")
    assert read_pixels(pictures[0])[0] == sha256_file(one)
    assert {p.person.identity for p in list_pictures(tmp_path, "Zoe")} == {"Zoe"}


@pytest.mark.parametrize("content", ["{", "3", '[{"id": 1}]', '[["Bob"]]', '[{"name": "B", "id": {}}]', "[" * 5000])
def test_wrong_suspects_file_says_what_it_must_be(content: str, tmp_path: Path) -> None:
    save(tmp_path / "Bob.png", picture())
    (tmp_path / "suspects.json").write_text(content)
    with pytest.raises(UsageError, match="must be a list of objects"):
        list_pictures(tmp_path)


def test_missing_and_empty_galleries_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a file"):
        list_pictures(tmp_path / "none")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(UsageError, match="holds no picture"):
        list_pictures(tmp_path)


def test_enrolment_keeps_reasons_and_ranks_the_same_colour_first(tmp_path: Path) -> None:
    save(tmp_path / "ada.png", picture(faces=[(40, 20, 80)]))
    save(tmp_path / "bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    save(tmp_path / "corridor.png", picture())
    save(tmp_path / "crowd.png", picture(240, 120, [(10, 20, 80), (130, 20, 80)]))
    save(tmp_path / "tiny.png", picture(faces=[(40, 20, 20)]))
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    gallery = enroll(tmp_path, FakeDetector(), FakeRecognizer(), load_profile("standard"), Silent())
    reasons = {record.file: record.reason for record in gallery.records}
    assert reasons["ada.png"] == reasons["bob.png"] == ""
    assert "no face" in reasons["corridor.png"]
    assert "2 faces" in reasons["crowd.png"]
    assert "too small" in reasons["tiny.png"]
    assert "not a readable picture" in reasons["broken.jpg"]
    assert "1 at x 10, y 20 (80x80 px), 2 at x 130" in reasons["crowd.png"]
    assert [entry.record.file for entry in gallery.enrolled] == ["ada.png", "bob.png"]
    assert np.array_equal(gallery.matrix, np.stack([entry.embedding.vector for entry in gallery.enrolled]))
    assert gallery.inputs["gallery: ada.png"] == sha256_file(tmp_path / "ada.png")


def test_same_file_twice_is_enrolled_once(tmp_path: Path) -> None:
    save(tmp_path / "ada.png", picture(faces=[(40, 20, 80)]))
    (tmp_path / "zoe.png").write_bytes((tmp_path / "ada.png").read_bytes())
    gallery = enroll(tmp_path, FakeDetector(), FakeRecognizer(), load_profile("standard"), Silent())
    assert [(r.file, r.enrolled, r.reason) for r in gallery.records] == [
        ("ada.png", True, ""),
        ("zoe.png", False, "duplicate of ada.png"),
    ]


def test_vector_of_the_kept_crop_is_that_of_the_whole_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    canvas = np.clip(picture(640, 480, [(200, 150, 90)]) + rng.integers(0, 20, (480, 640, 3)), 0, 255).astype(np.uint8)
    path = save(tmp_path / "ada.png", canvas)
    each = Examiner(FakeDetector(), load_profile("standard")).examine(list_pictures(path)[0])
    whole = FakeRecognizer().embed([FaceView(canvas, each.face.landmarks)])[0]
    assert np.array_equal(FakeRecognizer().embed([each.view])[0].vector, whole.vector)
    x, y = each.crop.origin
    height, width = each.crop.pixels.shape[:2]
    assert (height, width) < (480, 640)
    assert np.array_equal(each.crop.pixels, canvas[y : y + height, x : x + width])


# --- which face is meant ----------------------------------------------------------------------------------------------


def crowd(*scores: float) -> list[Detection]:
    """Faces of growing size, from the right to the left."""
    found = [
        FakeDetector(score).detect([picture(600, 200, [(480 - 150 * n, 20, 60 + 20 * n)])])[0][0]
        for n, score in enumerate(scores)
    ]
    return sorted(found, key=lambda face: -face.score)


def test_faces_are_counted_from_the_left_and_the_largest_is_the_largest() -> None:
    faces = crowd(0.99, 0.98, 0.97)
    lefts = [choose(faces, Recognize(), Choice(face=number))[0].box[0] for number in (1, 2, 3)]
    assert lefts == sorted(lefts)
    assert choose(faces, Recognize(), Choice(largest=True))[0] == max(faces, key=lambda face: face.inter_eye_px)
    none, reason = choose(faces, Recognize(), Choice())
    assert none is None
    assert all(word in reason for word in ("3 faces", "--face N", "--largest", "1 at x", "3 at x"))
    assert "face 4 was asked for" in choose(faces, Recognize(), Choice(face=4))[1]


def test_uncertain_second_face_does_not_count() -> None:
    faces = crowd(0.99, 0.5)
    assert choose(faces, Recognize(), Choice()) == (faces[0], "the only face")
    assert choose([], Recognize(), Choice(largest=True)) == (None, "no face was found in it")


def test_gallery_without_any_face_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    save(tmp_path / "corridor.png", picture())
    with pytest.raises(UsageError, match=r"none of 1 pictures can be enrolled; corridor.png: no face"):
        enroll(tmp_path, FakeDetector(), FakeRecognizer(), load_profile("standard"), Silent())


def test_uncertain_and_poor_faces_are_refused() -> None:
    face = FakeDetector(0.85).detect([picture(faces=[(40, 20, 80)])])[0][0]
    quality = FaceQuality(
        inter_eye_px=60,
        sharpness=0.2,
        fine_detail=0.03,
        brightness=100,
        clipped=0,
        yaw_deg=0,
        pitch_deg=0,
        roll_deg=0,
        detector_score=0.85,
        score=0.5,
    )
    assert "uncertain" in refusal(face, quality, Recognize())
    poor = quality.model_copy(update={"detector_score": 0.99, "score": 0.1})
    assert "quality" in refusal(face, poor, Recognize())


# --- how long they are kept -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("90d", "2023-12-31T12:00:00Z"),
        ("1m", "2024-02-29T12:00:00Z"),
        ("12m", "2023-03-30T12:00:00Z"),
        ("2y", "2022-03-30T12:00:00Z"),
        ("49m", "2020-02-29T12:00:00Z"),
    ],
)
def test_ages_count_days_and_calendar_months(age: str, expected: str) -> None:
    assert utc_text(cutoff(age, datetime(2024, 3, 30, 12, tzinfo=UTC))) == expected


@pytest.mark.parametrize("age", ["", "90", "d", "0d", "-3d", "3w", "1.5y", "9999y", "99999m", "12m "])
def test_what_is_no_age_is_said(age: str) -> None:
    with pytest.raises(UsageError, match=r"90d|shorter"):
        cutoff(age, datetime(2024, 3, 30, tzinfo=UTC))
