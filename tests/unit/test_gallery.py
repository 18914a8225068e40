"""Galleries: both layouts, suspects.json, and every reason for refusal (R28)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerecon.errors import UsageError
from facerecon.gallery import read_gallery, refusal
from facerecon.hashing import sha256_file
from facerecon.pipeline.recognition import enroll, rank
from facerecon.profiles import Recognize, load_profile
from facerecon.records import Embedding, FaceQuality
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
    pictures = read_gallery(tmp_path)
    assert [(p.person.identity, p.file) for p in pictures] == [
        ("Ada L", "Ada L/1.png"),
        ("Ada L", "Ada L/sub/2.png"),
        ("Bob", "Bob.png"),
    ]
    assert (pictures[2].person.person_id, pictures[2].person.status) == ("17", "wanted")
    assert pictures[0].sha256 == sha256_file(one)


@pytest.mark.parametrize("content", ["{", "3", '[{"id": 1}]', '[["Bob"]]', '[{"name": "B", "id": {}}]', "[" * 5000])
def test_wrong_suspects_file_says_what_it_must_be(content: str, tmp_path: Path) -> None:
    save(tmp_path / "Bob.png", picture())
    (tmp_path / "suspects.json").write_text(content)
    with pytest.raises(UsageError, match="must be a list of objects"):
        read_gallery(tmp_path)


def test_missing_and_empty_galleries_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        read_gallery(tmp_path / "none")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(UsageError, match="holds no picture"):
        read_gallery(tmp_path)


def test_enrolment_keeps_reasons_and_ranks_the_same_colour_first(tmp_path: Path) -> None:
    save(tmp_path / "ada.png", picture(faces=[(40, 20, 80)]))
    save(tmp_path / "bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    save(tmp_path / "corridor.png", picture())
    save(tmp_path / "crowd.png", picture(240, 120, [(10, 20, 80), (130, 20, 80)]))
    save(tmp_path / "tiny.png", picture(faces=[(40, 20, 20)]))
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    gallery = enroll(tmp_path, FakeDetector(), FakeRecognizer(), load_profile("standard"), Silent())
    reasons = {record.file: record.reason for record, _ in gallery.pictures}
    assert reasons["ada.png"] == reasons["bob.png"] == ""
    assert "no face" in reasons["corridor.png"]
    assert "2 faces" in reasons["crowd.png"]
    assert "too small" in reasons["tiny.png"]
    assert "not a readable picture" in reasons["broken.jpg"]
    ranked = rank(Embedding("dlib-resnet", np.array([200, 150, 120], np.float32) / 255), gallery.enrolled)
    assert [entry.record.identity for entry, _ in ranked] == ["ada", "bob"]
    assert ranked[0][1] > ranked[1][1]


def test_gallery_without_any_face_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    save(tmp_path / "corridor.png", picture())
    with pytest.raises(UsageError, match=r"none of 1 pictures can be enrolled; corridor.png: no face"):
        enroll(tmp_path, FakeDetector(), FakeRecognizer(), load_profile("standard"), Silent())


def test_uncertain_and_poor_faces_are_refused() -> None:
    face = FakeDetector(0.85).detect([picture(faces=[(40, 20, 80)])])[0]
    quality = FaceQuality(
        inter_eye_px=60,
        sharpness=0.2,
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
