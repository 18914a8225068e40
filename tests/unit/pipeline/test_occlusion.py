"""Maps of what carries a similarity: they show what the recognizer looks at, and nothing where it looks at nothing."""

from __future__ import annotations

import numpy as np
import pytest

from facerecon.errors import RestorationError
from facerecon.faces.alignment import scaled_template
from facerecon.faces.regions import PARTS, face_coordinates
from facerecon.pipeline.occlusion import COLUMNS, ROWS, explain_pair
from facerecon.records import (
    FaceView,
    Metric,
)
from tests.unit.pipeline.explained_faces import ConstantRecognizer, PatchRecognizer, face


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("size", [48, 128])
def test_a_recognizer_of_mouths_is_explained_by_the_mouth(size: int, metric: Metric) -> None:
    found = explain_pair(face(size), face(128, seed=1), PatchRecognizer(metric=metric))
    for side in (found.probe, found.gallery):
        assert tuple(side.shares) == PARTS
        assert side.shares["mouth"] > 0.8
        at = face_coordinates(scaled_template(side.map.shape[0]), *side.map.shape)
        row, column = np.unravel_index(int(side.map.argmax()), side.map.shape)
        assert abs(at.x[row, column]) < 0.7
        assert 0.7 < at.y[row, column] < 1.4
        assert np.abs(side.map[at.y < 0]).max() == 0
        near = (abs(at.x) < 1.1) & (at.y > 0.3)
        assert np.maximum(side.map, 0)[near].sum() > 0.9 * np.maximum(side.map, 0).sum()


def test_a_recognizer_of_eyes_is_explained_by_the_eyes() -> None:
    found = explain_pair(face(), face(seed=1), PatchRecognizer((-0.7, -0.2, 0.7, 0.2)))
    assert found.probe.shares["eyes"] > 0.8


def test_where_nothing_matters_nothing_falls() -> None:
    found = explain_pair(face(), face(seed=1), ConstantRecognizer())
    for side in (found.probe, found.gallery):
        assert not side.map.any()
        assert side.largest_fall == 0
        assert set(side.shares.values()) == {0.0}


def test_shares_sum_to_one_where_something_falls() -> None:
    found = explain_pair(face(), face(seed=1, tint=20), PatchRecognizer((-1, -0.5, 1, 1.5)))
    assert found.probe.largest_fall > 0
    assert sum(found.probe.shares.values()) == pytest.approx(1)
    assert min(found.probe.shares.values()) >= 0


def test_swapped_sides_give_swapped_maps() -> None:
    one, other = face(96), face(128, seed=1, tint=30)
    forth, back = explain_pair(one, other, PatchRecognizer()), explain_pair(other, one, PatchRecognizer())
    assert forth.similarity == back.similarity
    assert np.array_equal(forth.probe.map, back.gallery.map)
    assert np.array_equal(forth.gallery.map, back.probe.map)
    assert forth.probe.falls == back.gallery.falls


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_neither_repetition_nor_batch_changes_a_bit(batch: int) -> None:
    first = explain_pair(face(64), face(seed=1), PatchRecognizer())
    again = explain_pair(face(64), face(seed=1), PatchRecognizer(), batch=batch)
    assert first.probe.map.tobytes() == again.probe.map.tobytes()
    assert first.gallery.map.tobytes() == again.gallery.map.tobytes()
    assert (first.probe.falls, first.similarity) == (again.probe.falls, again.similarity)


def test_the_similarity_is_of_the_untouched_pictures() -> None:
    probe, gallery, recognizer = face(), face(seed=1, tint=40), PatchRecognizer()
    expected = recognizer.embed([probe])[0].similarity(recognizer.embed([gallery])[0])
    found = explain_pair(probe, gallery, recognizer)
    assert found.similarity == expected
    assert np.array_equal(found.probe.pixels, probe.pixels)


def test_a_rise_is_negative_and_counts_for_no_part() -> None:
    # The probe's mouth has another colour than the gallery's; covered, it is nearer to skin, and so is the other side.
    probe = face(tint=0)
    pixels = probe.pixels.copy()
    at = face_coordinates(probe.landmarks, *pixels.shape[:2])
    pixels[(abs(at.x) < 0.6) & (at.y > 0.8) & (at.y < 1.3)] = (0, 0, 255)
    plain = np.full_like(pixels, (205, 160, 130))
    found = explain_pair(FaceView(pixels, probe.landmarks), FaceView(plain, probe.landmarks), PatchRecognizer())
    assert found.probe.map.min() < -0.01
    assert found.probe.falls["mouth"] < 0
    assert found.probe.shares["mouth"] == 0


def test_a_very_large_face_is_reduced_and_explained_alike() -> None:
    large = face(900)
    found = explain_pair(large, face(seed=1), PatchRecognizer())
    height, width = found.probe.map.shape
    assert found.probe.pixels.shape == (height, width, 3)
    assert width < 900
    assert found.probe.shares["mouth"] > 0.8


def test_positions_are_what_was_embedded() -> None:
    recognizer = PatchRecognizer()
    found = explain_pair(face(), face(seed=1), recognizer)
    assert found.positions == COLUMNS * ROWS + len(PARTS)
    assert recognizer.embedded == 2 + 2 * found.positions


def test_coinciding_landmarks_are_an_error() -> None:
    with pytest.raises(RestorationError, match="coincide"):
        explain_pair(FaceView(face().pixels, ((9, 9),) * 5), face(), PatchRecognizer())
