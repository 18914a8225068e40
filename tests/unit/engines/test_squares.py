"""The aligned square: for 512 px what it always was, for other sides the same face at another size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facerecon.engines import chips, pasting
from facerecon.engines.squares import Square, to_full
from facerecon.errors import RestorationError
from facerecon.faces.alignment import FFHQ_512, scaled_template, similarity_transform
from facerecon.records import FaceView, shift_landmarks
from tests.unit.engines.conftest import ASTRONAUT


def test_the_full_square_is_the_ffhq_crop_bit_for_bit(face: FaceView) -> None:
    matrix = chips.transform_to(FFHQ_512, face)
    assert np.array_equal(to_full(face), matrix)
    assert np.array_equal(Square().cut(face), chips.cut(face.pixels, matrix, 512))
    from_full = pasting.inverted(matrix, 4)
    assert np.array_equal(Square().onto(from_full), from_full)


@pytest.mark.parametrize("side_px", [128, 256, 320])
def test_another_side_shows_the_same_face_at_that_size(face: FaceView, side_px: int) -> None:
    found = Square(side_px).cut(face)
    assert (found.shape, found.dtype) == ((side_px, side_px, 3), np.uint8)
    reduced = cv2.resize(Square().cut(face), (side_px, side_px), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(float) - reduced).mean() < 4
    direct = similarity_transform(face.landmarks, scaled_template(side_px))
    assert np.array_equal(found, chips.cut(face.pixels, direct, side_px))


def test_from_a_square_to_where_the_full_one_goes(face: FaceView) -> None:
    """A square's pixel lies on the same point of the canvas as that point in the full square."""
    from_full = pasting.inverted(to_full(face), 2)
    matrix = Square(128).onto(from_full)
    for x, y in ((0.0, 0.0), (127.0, 3.0), (63.5, 63.5)):
        full = np.array([(x + 0.5) * 4 - 0.5, (y + 0.5) * 4 - 0.5, 1])
        assert np.allclose(matrix @ (x, y, 1), from_full @ full)


def test_the_resampling_is_the_squares(face: FaceView) -> None:
    small = FaceView(np.ascontiguousarray(face.pixels[::8, ::8]), shift_landmarks(ASTRONAUT, 0, 0, 0.125))
    smooth, plain = Square(128).cut(small), Square(128, "linear").cut(small)
    assert not np.array_equal(smooth, plain)
    assert plain.max() <= small.pixels.max()


def test_landmarks_that_coincide_give_no_square(face: FaceView) -> None:
    with pytest.raises(RestorationError, match="aligned"):
        Square(128).cut(FaceView(face.pixels, ((5.0, 5.0),) * 5))
