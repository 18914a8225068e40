"""Tiling: seamless, independent of the tile size, and small in memory."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from facerecon.engines.enlarging import Shape
from facerecon.engines.runtime import CPU, Place
from facerecon.engines.tiling import Axis, Floats, Grid, TilePlan, compute
from facerecon.records import RGB
from facerecon.weights import Precision

KERNEL = np.random.default_rng(0).random((3, 5, 5), np.float32)


def network(tiles: Floats, precision: Precision) -> Floats:
    """See 2 px in each direction, then double the size."""
    seen = sliding_window_view(np.pad(tiles, ((0, 0), (0, 0), (2, 2), (2, 2))), (5, 5), (2, 3))
    means: Floats = np.einsum("mcyxij,cij->mcyx", seen, KERNEL / KERNEL.sum((1, 2), keepdims=True))
    return doubled(means, precision)


def doubled(tiles: Floats, precision: Precision) -> Floats:
    return tiles.repeat(2, 2).repeat(2, 3)


def pictures(count: int = 1, height: int = 90, width: int = 130) -> list[RGB]:
    return list(np.random.default_rng(1).integers(0, 256, (count, height, width, 3), np.uint8))


def whole(picture: RGB) -> RGB:
    output = network(picture.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255), "fp32")
    return np.asarray(np.rint(output[0].clip(0, 1) * 255).transpose(1, 2, 0), np.uint8)


def plan(tile_px: int = 32, context_px: int = 6, batch: int = 3, **more: object) -> TilePlan:
    return TilePlan(tile_px, context_px, batch, "fp32", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("tile_px", [7, 32, 64, 1000])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("feather_px", [0, 4])
def test_tile_and_batch_size_do_not_matter(tile_px: int, batch: int, feather_px: int) -> None:
    """R13: with context as wide as what the network sees beyond the cross-fade, exact but for rounding."""
    for picture, found in zip(
        pictures(2), compute(pictures(2), network, plan(tile_px, 6, batch, feather_px=feather_px), 2), strict=True
    ):
        assert np.abs(found.pixels.astype(int) - whole(picture)).max() <= 1


@pytest.mark.parametrize("count", [1, 3])
def test_passes_that_run_ahead_give_the_same_picture(count: int) -> None:
    asked: list[int] = []

    def other_thread(tiles: Floats, precision: Precision) -> Floats:
        asked.append(threading.get_ident())
        return network(tiles, precision)

    here = compute(pictures(count), network, plan(32, feather_px=4), 2)
    ahead = compute(pictures(count), other_thread, plan(32, feather_px=4, ahead=True), 2)
    for one, other in zip(here, ahead, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    assert len(asked) > 3
    assert threading.get_ident() not in asked


@pytest.mark.parametrize(("device", "ahead"), [(CPU, False), (Place("cuda", 0), True)])
def test_enlarging_runs_ahead_where_the_network_has_a_device_of_its_own(device: Place, ahead: bool) -> None:
    assert Shape(4).plan(256, 4, "fp32", device).ahead == ahead


def test_a_pass_that_fails_ahead_fails() -> None:
    answers = iter([doubled, doubled])

    def failing(tiles: Floats, precision: Precision) -> Floats:
        if (answer := next(answers, None)) is None:
            raise RuntimeError("the device is gone")
        return answer(tiles, precision)

    with pytest.raises(RuntimeError, match="the device is gone"):
        compute(pictures(), failing, plan(ahead=True), 2)
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


@given(
    length=st.integers(1, 400),
    tile_px=st.integers(1, 150),
    context_px=st.integers(0, 40),
    feather_px=st.integers(0, 12),
    multiple=st.sampled_from([1, 2, 8]),
    scale=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=200, deadline=None)
def test_weights_add_up_to_one_within_what_is_computed(
    length: int, tile_px: int, context_px: int, feather_px: int, multiple: int, scale: int
) -> None:
    cut = plan(tile_px, context_px, feather_px=min(feather_px, context_px), multiple=multiple)
    axis = Axis.cut(length, cut)
    total = np.zeros(length * scale)
    for index in range(len(axis)):
        start, end = axis.support(index)
        outer = axis.outer(index)
        assert outer[0] <= start < end <= outer[1] <= length
        assert outer[0] % multiple == 0
        weights = axis.weights(index, scale)
        assert weights.min() >= 0
        total[start * scale : end * scale] += weights
    assert np.allclose(total, 1, atol=1e-6)


def test_cross_fade_hides_what_each_tile_adds() -> None:
    """A network that answers with the tile's own mean makes steps between tiles; the fade spreads them out."""

    def mean(tiles: Floats, precision: Precision) -> Floats:
        return np.broadcast_to(tiles.mean((1, 2, 3), keepdims=True), tiles.shape)

    picture = np.zeros((40, 200, 3), np.uint8)
    picture[:, 100:] = 200
    (cut,) = compute([picture], mean, plan(50, 8), 1)
    (faded,) = compute([picture], mean, plan(50, 8, feather_px=8), 1)
    steps = [int(np.abs(np.diff(found.pixels[20, :, 0].astype(int))).max()) for found in (cut, faded)]
    assert steps[1] < steps[0] / 8


def test_odd_sizes_are_padded_for_the_network_and_cut_again() -> None:
    def even(tiles: Floats, precision: Precision) -> Floats:
        assert tiles.shape[2] % 8 == 0
        assert tiles.shape[3] % 8 == 0
        return doubled(tiles, precision)

    for size in ((13, 11), (90, 131)):
        (picture,) = pictures(1, *size)
        (found,) = compute([picture], even, plan(32, 8, multiple=8, feather_px=4), 2)
        assert np.array_equal(found.pixels, picture.repeat(2, 0).repeat(2, 1))


def test_what_is_told_beside_a_picture_of_one_tile_comes_as_it_is() -> None:
    def telling(tiles: Floats, precision: Precision) -> Floats:
        return np.concatenate((doubled(tiles, precision), doubled(tiles[:, :1] * 3 - 1, precision)), 1)

    for found, picture in zip(
        compute(pictures(2, 13, 11), telling, plan(multiple=8), 2), pictures(2, 13, 11), strict=True
    ):
        assert np.array_equal(found.pixels, picture.repeat(2, 0).repeat(2, 1))
        assert found.beside is not None
        expected = picture[None, ..., 0].repeat(2, 1).repeat(2, 2) / 255 * 3 - 1
        np.testing.assert_allclose(found.beside, expected, atol=1e-6)
    (cut,) = compute(pictures(1), telling, plan(), 2)
    assert cut.beside is None
    assert np.array_equal(cut.pixels, pictures(1)[0].repeat(2, 0).repeat(2, 1))


def test_small_picture_is_not_cut() -> None:
    grid = Grid.over(pictures()[0], plan(100, 16))
    assert grid.tiles == 1
    assert plan().describe(1) == "whole picture"


def test_description_tells_the_tiles() -> None:
    grid = Grid.over(pictures()[0], plan(50, 2, feather_px=2))
    assert plan(50, 2, feather_px=2).describe(grid.tiles) == "6 tiles of 50 px, context 2 px, cross-fade 4 px"


def test_pass_limit_bounds_the_pixels_of_a_pass() -> None:
    seen = []

    def watched(tiles: Floats, precision: Precision) -> Floats:
        seen.append(tiles[:, 0].size)
        return network(tiles, precision)

    compute(pictures(6, 20, 20), watched, plan(batch=8, pass_px=900), 2)
    assert max(seen) == 800
    compute(pictures(1), watched, plan(batch=8, pass_px=1), 2)


def test_cross_fade_needs_context() -> None:
    with pytest.raises(ValueError, match="context"):
        plan(32, 4, feather_px=5)


def test_beside_the_result_only_a_row_of_tiles_is_in_memory() -> None:
    """The floats of the whole result would be four times its size; a row of tiles is a small part of it."""
    (picture,) = pictures(1, 1600, 400)
    result_bytes = picture.size * 4
    tracemalloc.start()
    compute([picture], doubled, plan(64, 8, 1, feather_px=4), 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result_bytes < peak < 2 * result_bytes
