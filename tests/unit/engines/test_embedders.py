"""Recognition: alignment, batching, and that the vector means the same person."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facerecon.engines import chips
from facerecon.engines.embedders import DLIB_FRAMING, Embedder
from facerecon.engines.views import Views
from facerecon.errors import ResourceError, RestorationError
from facerecon.records import FaceView
from facerecon.weights import entry


@pytest.fixture(scope="module")
def embedder(cpu: torch.device) -> Embedder:
    return Embedder(entry("dlib-resnet"), cpu)


def mirrored(face: FaceView) -> FaceView:
    width = face.pixels.shape[1]
    a, b, c, d, e = ((width - 1 - x, y) for x, y in face.landmarks)
    return FaceView(np.ascontiguousarray(face.pixels[:, ::-1]), (b, a, c, e, d))


def test_vectors_are_128_numbers_of_the_model(embedder: Embedder, face: FaceView) -> None:
    (found,) = embedder.embed([face])
    assert found.model == "dlib-resnet"
    assert found.vector.shape == (128,)
    assert found.similarity(found) == 1


def test_mirror_image_is_the_same_person(embedder: Embedder, face: FaceView) -> None:
    """The template is nearly symmetric, so the mean over both mirrorings is nearly the same."""
    a, b = embedder.embed([face, mirrored(face)])
    assert a.similarity(b) > 0.9


def test_smaller_picture_is_the_same_person(embedder: Embedder, face: FaceView) -> None:
    half = FaceView(np.ascontiguousarray(face.pixels[::2, ::2]), tuple((x / 2, y / 2) for x, y in face.landmarks))  # type: ignore[arg-type]
    a, b = embedder.embed([face, half])
    assert a.similarity(b) > 0.7


def test_batch_size_does_not_matter(embedder: Embedder, face: FaceView, cpu: torch.device) -> None:
    """R13. Measured: 3e-8; the tolerance is 1e-5."""
    faces = [face, mirrored(face), face]
    one_by_one = Embedder(entry("dlib-resnet"), cpu, batch=1)
    for a, b in zip(embedder.embed(faces), one_by_one.embed(faces), strict=True):
        np.testing.assert_allclose(a.vector, b.vector, atol=1e-5)


def test_a_known_face_is_not_seen_again_until_too_many_others_were(
    face: FaceView, cpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Embedder(entry("dlib-resnet"), cpu)
    seen: list[int] = []
    monkeypatch.setattr(own, "_run", lambda stacks, run=own._run: seen.extend(map(len, stacks)) or run(stacks))  # type: ignore[func-returns-value]
    monkeypatch.setattr("facerecon.engines.embedders._KNOWN", 1)
    first, twin = own.embed([face, face])
    again = own.embed([face])[0]
    assert first == twin == again
    assert seen == [2]
    own.embed([mirrored(face)])
    np.testing.assert_array_equal(own.embed([face])[0].vector, first.vector)
    assert seen == [2, 2, 2]


def test_metric_threshold_and_treatment_are_told(embedder: Embedder) -> None:
    assert (embedder.metric, embedder.threshold) == ("euclidean", 0.4)
    assert embedder.treatment == "retinaface-5pt, 150 px, linear, mean of chip and mirror"


@pytest.mark.parametrize("views", [Views(), Views(flip=False), Views(jitter=3), Views(flip=False, jitter=2)])
def test_vector_is_the_mean_over_the_views(face: FaceView, cpu: torch.device, views: Views) -> None:
    """Also where a batch holds the end of one face's views and the beginning of the next one's."""
    embedder = Embedder(entry("dlib-resnet"), cpu, batch=4, views=views)
    for seen, found in zip([face, mirrored(face)], embedder.embed([face, mirrored(face)]), strict=True):
        expected = np.mean(embedder.vectors(views.cut(seen, DLIB_FRAMING)), axis=0)
        np.testing.assert_allclose(found.vector, expected, atol=1e-5)


def test_no_faces_no_answers(embedder: Embedder) -> None:
    assert embedder.embed([]) == []


def test_coinciding_landmarks_are_an_error(embedder: Embedder, face: FaceView) -> None:
    with pytest.raises(RestorationError, match="coincide"):
        embedder.embed([FaceView(face.pixels, ((5, 5),) * 5)])  # type: ignore[arg-type]


def test_out_of_memory_is_a_resource_error(face: FaceView, cpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Embedder(entry("dlib-resnet"), cpu)

    def fail(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(embedder._network, "run", fail)
    with pytest.raises(ResourceError, match="face recognition"):
        embedder.embed([face])


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.5, 3.0, 7.3])
def test_chip_has_the_template_at_the_landmarks(factor: float) -> None:
    """A dark dot at each landmark lands on the template, whether the face is enlarged or reduced."""
    places = np.array(DLIB_FRAMING.template) * factor + 20
    side = int(DLIB_FRAMING.side_px * factor) + 40
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side), 255.0)
    for px, py in places:
        picture -= 250 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (3 * factor) ** 2))
    pixels = np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    face = FaceView(pixels, tuple(map(tuple, places)))  # type: ignore[arg-type]
    chip = 255.0 - chips.cut(face.pixels, chips.transform_to(DLIB_FRAMING.template, face), DLIB_FRAMING.side_px)[..., 0]
    for px, py in DLIB_FRAMING.template:
        window = np.s_[round(py) - 8 : round(py) + 9, round(px) - 8 : round(px) + 9]
        rows, columns = np.mgrid[window]
        centre = (columns * chip[window]).sum() / chip[window].sum(), (rows * chip[window]).sum() / chip[window].sum()
        assert np.allclose(centre, (px, py), atol=0.2)


def test_reducing_averages_instead_of_skipping() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    chip = chips.resample(stripes, np.array([[1 / 6, 0, 0], [0, 1 / 6, 0]]), 150, 150)
    assert np.abs(chip[1:, 1:].astype(int) - 127).max() < 3
