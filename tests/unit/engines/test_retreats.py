"""Retreats: every failure is a recorded retreat, an error, or one face's failure; never other pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facerecon.engines.retreats import Tiled, run_tiled
from facerecon.engines.runtime import is_out_of_memory
from facerecon.engines.tiling import Floats
from facerecon.errors import ResourceError
from facerecon.records import RGB
from facerecon.stages import RestorationFailure
from facerecon.weights import Precision
from tests.unit.engines.test_tiling import network, pictures, plan, whole


def same(found: Tiled | RestorationFailure, picture: RGB) -> bool:
    return isinstance(found, Tiled) and int(np.abs(found.pixels.astype(int) - whole(picture)).max()) <= 1


def shows(tile: Floats, picture: RGB) -> bool:
    return np.array_equal(tile, picture.transpose(2, 0, 1).astype(np.float32) / 255)


def half_plan(*arguments: int) -> object:
    from dataclasses import replace

    return replace(plan(*arguments), precision="bf16")


def test_pictures_of_different_sizes_come_back_in_order() -> None:
    """Small and large, cut and uncut: those of one size share a pass."""
    passes = []

    def watched(tiles: Floats, precision: Precision) -> Floats:
        passes.append(len(tiles))
        return network(tiles, precision)

    mixed = [*pictures(1, 20, 30), *pictures(1, 90, 130), *pictures(2, 30, 20), *pictures(1, 20, 30)]
    found = run_tiled(mixed, watched, plan(32, 6, 8), 2)
    assert all(same(outcome, picture) for outcome, picture in zip(found, mixed, strict=True))
    assert sorted(passes[:2]) == [2, 2]
    assert run_tiled([], network, plan(), 2) == []


def test_one_failing_face_is_its_own_failure_only() -> None:
    bad, good, other = pictures(3, 20, 20)

    def fails(tiles: Floats, precision: Precision) -> Floats:
        if any(shows(tile, bad) for tile in tiles):
            raise RuntimeError("broken\nkernel")
        return network(tiles, precision)

    found = run_tiled([good, bad, other], fails, plan(), 2)
    assert found[1] == RestorationFailure("the network failed: broken kernel")
    assert same(found[0], good)
    assert same(found[2], other)
    assert "a pass of 3 faces failed, repeated one by one" in found[0].description  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_one_unusable_face_is_its_own_failure_only(value: float) -> None:
    good, bad = pictures(2, 20, 20)

    def spoils(tiles: Floats, precision: Precision) -> Floats:
        output = network(tiles, precision)
        for number, tile in enumerate(tiles):
            if shows(tile, bad):
                output[number] = value
        return output

    found = run_tiled([good, bad], spoils, half_plan(), 2)  # type: ignore[arg-type]
    assert isinstance(found[1], RestorationFailure)
    assert found[1].reason.endswith("(tile at x 0, y 0), in fp32")
    assert same(found[0], good)
    assert found[0].plan.precision == "bf16"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "what"), [(float("nan"), "not finite"), (float("inf"), "not finite"), (0.0, "black")]
)
def test_unusable_output_is_repeated_in_fp32_and_recorded(value: float, what: str) -> None:
    def bad_in_half(tiles: Floats, precision: Precision) -> Floats:
        output = network(tiles, precision)
        return output if precision == "fp32" else np.full_like(output, value)

    (found,) = run_tiled(pictures(), bad_in_half, half_plan(), 2)  # type: ignore[arg-type]
    assert same(found, pictures()[0])
    assert found.plan.precision == "fp32"  # type: ignore[union-attr]
    assert f"bf16 output was {what} (tile at x 0, y 0), repeated in fp32" in found.description  # type: ignore[union-attr]


def test_black_is_right_for_a_black_picture() -> None:
    (found,) = run_tiled([np.zeros((40, 40, 3), np.uint8)], network, half_plan(), 2)  # type: ignore[arg-type]
    assert found.plan.precision == "bf16"  # type: ignore[union-attr]
    assert found.pixels.max() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_short_memory_makes_the_batch_then_the_tile_smaller(error: Exception) -> None:
    def small_only(tiles: Floats, precision: Precision) -> Floats:
        if tiles[:, 0].size > 44 * 44:
            raise error
        return network(tiles, precision)

    (found,) = run_tiled(pictures(), small_only, plan(64, 6, 4), 2)
    assert same(found, pictures()[0])
    assert found.description == (  # type: ignore[union-attr]
        "15 tiles of 32 px, context 6 px; out of memory, batch 2; out of memory, batch 1; out of memory, tiles of 32 px"
    )


def test_short_memory_halves_a_batch_of_faces_and_loses_none() -> None:
    def two_only(tiles: Floats, precision: Precision) -> Floats:
        if len(tiles) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network(tiles, precision)

    faces = pictures(7, 20, 20)
    found = run_tiled(faces, two_only, plan(32, 6, 8), 2)
    assert all(same(outcome, face) for outcome, face in zip(found, faces, strict=True))
    assert {outcome.description for outcome in found} == {  # type: ignore[union-attr]
        "whole picture; out of memory, batch 3; out of memory, batch 1"
    }


def test_no_memory_at_the_floor_is_a_resource_error() -> None:
    def never(tiles: Floats, precision: Precision) -> Floats:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ResourceError, match="one tile of 32 px"):
        run_tiled(pictures(), never, plan(256, 2, 4), 2)
    with pytest.raises(ResourceError, match="one tile of 512 px"):
        run_tiled(pictures(2, 512, 512), never, plan(512, 0, 4, floor_px=512), 2)


def test_the_cpu_allocator_s_own_message_counts_as_short_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("broken kernel"))
