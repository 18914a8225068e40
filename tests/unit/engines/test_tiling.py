"""Tiling: seamless, independent of the tile size, and every failure is an error or a recorded retreat."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facerecon.engines.tiling import TilePlan, cut_tiles, run_tiled
from facerecon.errors import ResourceError, RestorationError
from facerecon.weights import Precision

KERNEL = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(0))


def network(tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
    """See 2 px in each direction, then double the size."""
    seen = F.conv2d(tiles, KERNEL / KERNEL.sum((2, 3), keepdim=True), padding=2, groups=3)
    return F.interpolate(seen, scale_factor=2)


def pictures(count: int = 1, height: int = 90, width: int = 130) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tile_px", [7, 32, 64, 1000])
@pytest.mark.parametrize("batch", [1, 3])
def test_tile_and_batch_size_do_not_matter(tile_px: int, batch: int) -> None:
    """R13: with context as wide as what the network sees, exact but for the order of sums."""
    whole = network(pictures(2), "fp32")
    tiled = run_tiled(pictures(2), network, TilePlan(tile_px, 2, batch, "fp32"), 2)
    assert torch.allclose(tiled.pixels, whole, atol=1e-6)
    assert tiled.plan.retreats == ()


def test_cores_cover_each_picture_once() -> None:
    seen = torch.zeros(2, 90, 130)
    for tile in cut_tiles(pictures(2), TilePlan(20, 3, 1, "fp32")):
        seen[tile.picture, slice(*tile.core_y), slice(*tile.core_x)] += 1
        assert tile.shape <= (26, 26)
    assert torch.equal(seen, torch.ones_like(seen))


def test_small_picture_is_not_cut() -> None:
    tiled = run_tiled(pictures(), network, TilePlan(100, 16, 4, "bf16"), 2)
    assert tiled.tiles_per_picture == 1
    assert tiled.description == "whole picture"


def test_description_tells_the_tiles() -> None:
    assert run_tiled(pictures(), network, TilePlan(50, 2, 4, "fp32"), 2).description == "6 tiles of 50 px, context 2 px"


def test_failing_tile_is_an_error_with_its_position() -> None:
    def fails(tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
        if tiles.shape[3] < 52:
            raise RuntimeError("broken kernel")
        return network(tiles, precision)

    with pytest.raises(RestorationError, match=r"tile at x 0, y 0: broken kernel"):
        run_tiled(pictures(), fails, TilePlan(50, 5, 1, "fp32"), 2)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_short_memory_makes_the_batch_then_the_tile_smaller(error: Exception) -> None:
    def small_only(tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
        if tiles[:, 0].numel() > 40 * 40:
            raise error
        return network(tiles, precision)

    tiled = run_tiled(pictures(), small_only, TilePlan(64, 2, 4, "fp32"), 2)
    assert torch.allclose(tiled.pixels, network(pictures(), "fp32"), atol=1e-6)
    assert tiled.description == (
        "15 tiles of 32 px, context 2 px; out of memory, batch 2; out of memory, batch 1; out of memory, tiles of 32 px"
    )


def test_no_memory_at_the_floor_is_a_resource_error() -> None:
    def never(tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ResourceError, match="one tile of 32 px"):
        run_tiled(pictures(), never, TilePlan(256, 2, 4, "fp32"), 2)
    with pytest.raises(ResourceError, match="one tile of 512 px"):
        run_tiled(pictures(), never, TilePlan(512, 0, 4, "fp32", floor_px=512), 2)


@pytest.mark.parametrize(
    ("value", "what"), [(float("nan"), "not finite"), (float("inf"), "not finite"), (0.0, "black")]
)
def test_unusable_output_is_repeated_in_fp32_and_recorded(value: float, what: str) -> None:
    def bad_in_half(tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
        output = network(tiles, precision)
        return output if precision == "fp32" else torch.full_like(output, value)

    tiled = run_tiled(pictures(), bad_in_half, TilePlan(64, 2, 4, "bf16"), 2)
    assert tiled.plan.precision == "fp32"
    assert torch.allclose(tiled.pixels, network(pictures(), "fp32"), atol=1e-6)
    assert f"bf16 output was {what} (tile at x 0, y 0), repeated in fp32" in tiled.description


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_unusable_output_in_fp32_is_an_error(value: float) -> None:
    with pytest.raises(RestorationError, match=r"tile at x 0, y 0.*in fp32"):
        run_tiled(
            pictures(), lambda tiles, _: torch.full_like(network(tiles, "fp32"), value), TilePlan(64, 2, 4, "bf16"), 2
        )


def test_black_is_right_for_a_black_picture() -> None:
    tiled = run_tiled(torch.zeros(1, 3, 40, 40), network, TilePlan(64, 2, 4, "bf16"), 2)
    assert tiled.plan.precision == "bf16"
    assert tiled.pixels.max() == 0
