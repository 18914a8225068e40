"""Framing and jitter: what of a face a recognizer is shown."""

from __future__ import annotations

import numpy as np
import pytest

from facerecon.engines.embedders import DLIB_FRAMING
from facerecon.engines.embedding_networks import DESIGNS
from facerecon.engines.views import MOST_JITTER, Views, _about
from facerecon.errors import UsageError
from facerecon.records import RGB, FaceView, Landmarks5


def turned(points: Landmarks5, degrees: float, scale: float) -> Landmarks5:
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return tuple(map(tuple, np.asarray(points) @ matrix.T + 300))  # type: ignore[arg-type]


def chips_of(face: FaceView, views: Views) -> list[RGB]:
    return list(views.cut(face, DLIB_FRAMING))


@pytest.mark.parametrize("architecture", sorted(DESIGNS))
def test_transform_puts_the_landmarks_where_the_model_wants_them(architecture: str) -> None:
    """On the template, and for a model trained on squeezed boxes stretched from the chip's middle."""
    framing = DESIGNS[architecture].framing
    face = FaceView(np.zeros((600, 600, 3), np.uint8), turned(framing.template, 20, 1.7))
    matrix = framing.transform(face)
    found = np.asarray(face.landmarks) @ matrix[:, :2].T + matrix[:, 2]
    wanted, middle = np.array(framing.template), (framing.side_px - 1) / 2
    wanted[:, 0] = (wanted[:, 0] - middle) * framing.widening + middle
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert (found > 0).all()
    assert (found < framing.side_px).all()


def test_templates_are_upright_faces() -> None:
    for design in DESIGNS.values():
        left, right, nose, mouth_left, mouth_right = design.framing.template
        assert left[0] < nose[0] < right[0]
        assert mouth_left[0] < nose[0] < mouth_right[0]
        assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


@pytest.mark.parametrize(("flip", "jitter"), [(False, 0), (True, 0), (False, 3), (True, 3)])
def test_as_many_chips_as_counted_and_named(face: FaceView, flip: bool, jitter: int) -> None:
    views = Views(flip=flip, jitter=jitter)
    found = chips_of(face, views)
    assert len(found) == views.count
    assert all(chip.shape == (150, 150, 3) and chip.dtype == np.uint8 for chip in found)
    assert ("mirror" in views.treatment) == flip
    assert ("3 jittered (seed 0)" in views.treatment) == bool(jitter)


def test_mirror_is_the_chip_mirrored(face: FaceView) -> None:
    chip, mirror = chips_of(face, Views())
    assert np.array_equal(mirror, chip[:, ::-1])
    assert np.array_equal(chips_of(face, Views(flip=False))[0], chip)


def test_jitter_repeats_and_follows_its_seed(face: FaceView) -> None:
    one, again, other = (chips_of(face, Views(jitter=4, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one[2:], other[2:], strict=True))


def test_more_jitter_begins_like_less(face: FaceView) -> None:
    few, many = chips_of(face, Views(jitter=2)), chips_of(face, Views(jitter=5))
    assert all(np.array_equal(a, b) for a, b in zip(few, many, strict=False))


def test_jitter_stays_small_and_mirrors_about_half() -> None:
    """No point of the chip moves further than turn, enlargement and shift allow together."""
    side, mirrored = 150, 0
    middle = (side - 1) / 2
    corners = np.array([[0, 0], [side - 1, 0], [0, side - 1], [side - 1, side - 1]], float)
    changes = list(Views(jitter=MOST_JITTER)._changes(side))
    for change in changes:
        flipped = np.linalg.det(change[:, :2]) < 0
        mirrored += flipped
        places = np.column_stack([side - 1 - corners[:, 0], corners[:, 1]]) if flipped else corners
        moved = np.hypot(*(corners @ change[:, :2].T + change[:, 2] - places).T)
        assert moved.max() <= np.hypot(middle, middle) * (np.deg2rad(3) * 1.03 + 0.03) + np.hypot(3, 3)
        assert 1 <= np.sqrt(abs(np.linalg.det(change[:, :2]))) <= 1.03
    assert 30 <= mirrored <= 70
    assert len({change.tobytes() for change in changes}) == MOST_JITTER


def test_upscale_changes_the_chip_and_is_named(face: FaceView) -> None:
    small = FaceView(
        np.ascontiguousarray(face.pixels[::4, ::4]),
        tuple((x / 4, y / 4) for x, y in face.landmarks),  # type: ignore[arg-type]
    )
    found = {name: chips_of(small, Views(upscale=name))[0] for name in ("bicubic", "lanczos", "linear")}  # type: ignore[arg-type]
    assert len({chip.tobytes() for chip in found.values()}) == 3
    # They are the same face all the same: linear is the softest, and none is far from another.
    assert np.abs(found["bicubic"].astype(int) - found["linear"]).mean() < 5
    assert np.abs(found["bicubic"].astype(int) - found["lanczos"]).mean() < 5
    assert Views(upscale="lanczos").treatment == "lanczos, mean of chip and mirror"
    assert Views(flip=False, upscale="linear").treatment == "linear, chip only"


@pytest.mark.parametrize("jitter", [-1, MOST_JITTER + 1])
def test_jitter_out_of_range_is_a_usage_error(jitter: int) -> None:
    with pytest.raises(UsageError, match=r"recognize\.jitter"):
        Views(jitter=jitter)


def test_linear_part_about_a_point_keeps_the_point() -> None:
    matrix = _about(7.5, np.array([[0.5, 0.2], [-0.1, 2.0]]))
    np.testing.assert_allclose(matrix[:, :2] @ [7.5, 7.5] + matrix[:, 2], 7.5)
