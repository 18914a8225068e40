"""A student beside its teacher: which of them is asked, and that both speak of one space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from facerecon.degradation import Degradation, degrade
from facerecon.engines import catalogue
from facerecon.engines.adaptive import AdaptiveEmbedder
from facerecon.engines.arrays import Weights
from facerecon.engines.dlib_resnet import DlibResNet, StudentResNet
from facerecon.engines.embedders import Embedder, _Rescaled
from facerecon.engines.states import load_state
from facerecon.errors import ResourceError
from facerecon.hashing import sha256_file
from facerecon.records import FaceView, frontal_inter_eye_px, shift_landmarks
from facerecon.weights import Entry, entry
from tests.unit.engines.conftest import registry_of


@pytest.fixture
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A student that is its teacher with other weights in the last layer."""
    monkeypatch.setattr("facerecon.weights.files.data_folder", lambda _: tmp_path)
    state = load_state(entry("dlib-resnet"))
    state["projection.weight"] = state["projection.weight"] * 0.5
    state |= {"centre": torch.full((128,), 0.01), "radius": torch.tensor(0.6)}
    path = tmp_path / "student.safetensors"
    path.write_bytes(safetensors.torch.save({name: tensor.half() for name, tensor in state.items()}))
    document = {
        "id": "student",
        "role": "recognition",
        "architecture": "dlib-resnet-student",
        "provider": "trained",
        "file": path.name,
        "sha256": sha256_file(path),
        "licence": "CC0-1.0",
        "training_data": "none",
        "reference": "none",
        "capabilities": {
            "input_px": 150,
            "metric": "euclidean",
            "similarity_threshold": 0.4,
            "teacher": {"id": "dlib-resnet", "mixed_from_px": 10, "alone_from_px": 20},
        },
    }
    return Entry.model_validate(document)


@pytest.fixture
def both(student: Entry, cpu: torch.device) -> AdaptiveEmbedder:
    opened = catalogue.open_recognizer("student", device="cpu", registry=registry_of(student, entry("dlib-resnet")))
    assert isinstance(opened, AdaptiveEmbedder)
    return opened


def smaller(face: FaceView, eyes_px: float) -> FaceView:
    """Return the face as if its eyes lay this far apart; the pixels do not matter to who is asked."""
    own = frontal_inter_eye_px(face.landmarks)
    step = own / eyes_px
    size = [round(side / step) for side in face.pixels.shape[:2]]
    rows, columns = (np.minimum((np.arange(count) * step).astype(int), 511) for count in size)
    points = tuple((x / step, y / step) for x, y in face.landmarks)
    return FaceView(np.ascontiguousarray(face.pixels[rows][:, columns]), points)  # type: ignore[arg-type]


def test_small_faces_are_the_students_and_large_ones_the_teachers(
    both: AdaptiveEmbedder, student: Entry, face: FaceView, cpu: torch.device
) -> None:
    faces = [smaller(face, eyes) for eyes in (8, 15, 30)]
    assert [both.base_share(each) for each in faces] == pytest.approx([0, 0.5, 1], abs=0.01)
    found = [each.vector for each in both.embed(faces)]
    small = [each.vector for each in Embedder(student, cpu).embed(faces)]
    large = [each.vector for each in Embedder(entry("dlib-resnet"), cpu).embed(faces)]
    np.testing.assert_allclose(found[0], small[0], atol=1e-6)
    np.testing.assert_allclose(found[1], (small[1] + large[1]) / 2, atol=0.01)
    np.testing.assert_allclose(found[2], large[2], atol=1e-6)
    assert np.abs(small[1] - large[1]).max() > 0.02


def test_an_enlarged_face_is_read_as_the_small_one_that_was_recorded(both: AdaptiveEmbedder, face: FaceView) -> None:
    recorded = smaller(face, 9)
    landmarks = shift_landmarks(recorded.landmarks, 0, 0, 4)
    pixels = np.repeat(np.repeat(recorded.pixels, 4, axis=0), 4, axis=1)
    assert both.base_share(FaceView(pixels, landmarks)) == 1
    assert both.base_share(FaceView(pixels, landmarks, 4)) == both.base_share(recorded) == 0


def test_the_order_of_faces_is_kept_and_company_does_not_matter(both: AdaptiveEmbedder, face: FaceView) -> None:
    faces = [smaller(face, eyes) for eyes in (30, 8, 12, 25, 9)]
    together = both.embed(faces)
    for each, alone in zip(together, [both.embed([one])[0] for one in faces], strict=True):
        np.testing.assert_allclose(each.vector, alone.vector, atol=1e-5)


def test_the_record_names_both(both: AdaptiveEmbedder) -> None:
    assert both.stamp.id == "student"
    assert f"dlib-resnet (weights SHA-256 {entry('dlib-resnet').converted_sha256})" in both.stamp.source
    assert "dlib-resnet from 20 px between the eyes, mixed from 10 px" in both.treatment
    assert (both.metric, both.threshold) == ("euclidean", 0.4)


def test_a_students_vectors_lie_at_the_sharp_ones_distance(student: Entry, face: FaceView, cpu: torch.device) -> None:
    (found,) = Embedder(student, cpu).embed([face])
    assert np.linalg.norm(found.vector - 0.01) == pytest.approx(0.6, abs=1e-3)


def test_rescaling_keeps_the_direction() -> None:
    centre, radius = np.full(128, 0.1, np.float32), np.array(2.0, np.float32)
    rescaled = _Rescaled(Weights(entry("dlib-lq"), {"centre": centre, "radius": radius}))
    for vector in np.random.default_rng(0).normal(size=(5, 128)).astype(np.float32):
        found, before = rescaled(vector) - 0.1, vector - 0.1
        assert np.linalg.norm(found) == pytest.approx(2, abs=1e-5)
        assert found @ before / np.linalg.norm(before) == pytest.approx(2, abs=1e-5)


def test_a_student_is_its_teacher_and_two_more_tensors() -> None:
    assert set(StudentResNet().state_dict()) - set(DlibResNet().state_dict()) == {"centre", "radius"}


def test_the_teacher_must_be_known(student: Entry, cpu: torch.device) -> None:
    lone = student.model_copy(update={"capabilities": student.capabilities.model_copy(update={"teacher": None})})
    embedder = Embedder(lone, cpu)
    with pytest.raises(ResourceError, match="names no teacher"):
        AdaptiveEmbedder(lone, entry("dlib-resnet"), embedder, embedder)


def test_the_limits_must_rise(student: Entry) -> None:
    document = student.model_dump()
    document["capabilities"]["teacher"]["alone_from_px"] = 10
    with pytest.raises(ValueError, match="alone_from_px must be above mixed_from_px"):
        Entry.model_validate(document)


def test_the_shipped_student_finds_the_sharp_faces_vector_from_small_faces_better_than_its_teacher(
    face: FaceView,
) -> None:
    ours, teacher = (catalogue.open_recognizer(name, device="cpu") for name in ("dlib-lq", "dlib-resnet"))
    (sharp,) = teacher.embed([face])
    given = []
    for width, seed in ((12, 0), (16, 1), (16, 2), (20, 3)):
        wanted = Degradation.validated({"width": width, "noise": 4, "jpeg": 60, "seed": seed})
        made = degrade(face.pixels, wanted, face.landmarks)
        given.append(FaceView(made.pixels, made.carried(face.landmarks)))
    distances = [[np.linalg.norm(each.vector - sharp.vector) for each in one.embed(given)] for one in (ours, teacher)]
    assert all(mine < its for mine, its in zip(*distances, strict=True))


def test_the_shipped_student_leaves_sharp_faces_to_its_teacher(face: FaceView) -> None:
    ours, teacher = (catalogue.open_recognizer(name, device="cpu") for name in ("dlib-lq", "dlib-resnet"))
    np.testing.assert_array_equal(ours.embed([face])[0].vector, teacher.embed([face])[0].vector)
