"""Enlargement: like the plain network, in any precision, batch and tiling; every official file's layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facerecon.engines import esrgan
from facerecon.engines.enlarging import Enlarger, lanczos
from facerecon.engines.esrgan import mixed, open_esrgan
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.stages import Restoration
from facerecon.weights import Entry, entry
from tests.unit.engines.conftest import ASTRONAUT, levels_apart, psnr, registry_of, seeded


def restored(restorer: Enlarger, *faces: FaceView) -> list[Restoration]:
    found = restorer.restore(faces)
    assert all(isinstance(outcome, Restoration) for outcome in found), found
    return found  # type: ignore[return-value]


@pytest.fixture(scope="module")
def crop(portrait: RGB) -> FaceView:
    """A face of 14x16 px."""
    small = np.ascontiguousarray(portrait[56:184:8, 170:282:8])
    return FaceView(small, shift_landmarks(ASTRONAUT, -170, -56, 0.125))


# --- the packaged x4plus ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(crop: FaceView) -> RGB:
    """The network as upstream runs it: fp32, whole picture."""
    network = esrgan.build_network(entry("realesrgan-x4plus")).to(memory_format=torch.contiguous_format)
    with torch.inference_mode():
        output = network(torch.from_numpy(crop.pixels.copy()).permute(2, 0, 1)[None].float() / 255)
    return np.asarray(output[0].clamp(0, 1).mul(255).round().permute(1, 2, 0), np.uint8)


@pytest.fixture(scope="module")
def restorer(cpu: torch.device) -> Enlarger:
    return open_esrgan(entry("realesrgan-x4plus"), cpu, precision="fp32", batch=8)


def test_equals_the_plain_network(restorer: Enlarger, crop: FaceView, plain: RGB) -> None:
    (found,) = restored(restorer, crop)
    assert found.pixels.shape == (64, 56, 3)
    assert (found.precision, found.tile_plan, found.mask) == ("fp32", "whole picture", None)
    assert levels_apart(found.pixels, plain) <= 1


def test_bf16_is_close(crop: FaceView, plain: RGB, cpu: torch.device) -> None:
    """Measured: 50 dB and more; 45 dB is the promise."""
    (found,) = restored(open_esrgan(entry("realesrgan-x4plus"), cpu, precision="bf16"), crop)
    assert found.precision == "bf16"
    assert psnr(found.pixels, plain) > 45


def test_tiles_of_128_and_256_agree(portrait: RGB, cpu: torch.device) -> None:
    """R13. Measured 72 dB (benchmarks/tiling.py); 60 dB is the promise."""
    strip = FaceView(np.ascontiguousarray(portrait[94:102, 32:416]), ASTRONAUT)
    item = entry("realesrgan-x4plus")
    small, large = (restored(open_esrgan(item, cpu, precision="fp32", tile_px=side), strip)[0] for side in (128, 256))
    assert small.tile_plan == "3 tiles of 128 px, context 48 px, cross-fade 16 px"
    assert large.tile_plan == "2 tiles of 256 px, context 48 px, cross-fade 16 px"
    assert psnr(small.pixels, large.pixels) > 60


def test_batch_size_and_order_do_not_matter(restorer: Enlarger, crop: FaceView) -> None:
    """R13: in fp32 equal to one level."""
    other = FaceView(np.ascontiguousarray(crop.pixels[::-1]), crop.landmarks)
    smaller = FaceView(np.ascontiguousarray(crop.pixels[:10]), crop.landmarks)
    faces = [crop, smaller, other, crop]
    for face, found in zip(faces, restored(restorer, *faces), strict=True):
        assert levels_apart(found.pixels, restored(restorer, face)[0].pixels) <= 1


def test_same_input_same_output(restorer: Enlarger, crop: FaceView) -> None:
    first, second = (restored(restorer, crop)[0].pixels for _ in range(2))
    assert np.array_equal(first, second)


def test_blend_is_a_mixture_with_the_enlarged_original(crop: FaceView, plain: RGB, cpu: torch.device) -> None:
    enlarged = lanczos(crop.pixels, 4)
    for blend in (0.0, 0.25, 1.0):
        (found,) = restored(open_esrgan(entry("realesrgan-x4plus"), cpu, precision="fp32", blend=blend), crop)
        expected = np.rint(blend * plain.astype(float) + (1 - blend) * enlarged)
        assert levels_apart(found.pixels, expected) <= 1  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"blend is 1\.5"):
        open_esrgan(entry("realesrgan-x4plus"), cpu, blend=1.5)


def test_undeclared_precision_is_refused(cpu: torch.device) -> None:
    with pytest.raises(UsageError, match="fp16"):
        open_esrgan(entry("realesrgan-x4plus"), cpu, precision="fp16")


# --- official files, with random weights in their layout --------------------------------------------------------------

OFFICIAL = ("realesrgan-x2plus", "realesrnet-x4plus", "realesr-general-x4v3", "realesr-general-wdn-x4v3")
# The first and the last name in the official files, and how many names there are.
LAYOUT = {
    "realesrgan-x2plus": ("conv_first.weight", (64, 12, 3, 3), "conv_last.bias", 702),
    "realesrnet-x4plus": ("conv_first.weight", (64, 3, 3, 3), "conv_last.bias", 702),
    "realesr-general-x4v3": ("body.0.weight", (64, 3, 3, 3), "body.66.bias", 101),
    "realesr-general-wdn-x4v3": ("body.0.weight", (64, 3, 3, 3), "body.66.bias", 101),
}


def wrapped(weights_id: str, state: dict[str, Any]) -> object:
    return {"params_ema" if weights_id.startswith("realesrg") or "net" in weights_id else "params": state}


@pytest.fixture(scope="module")
def items(weights_folder: Path, cpu: torch.device) -> Iterator[dict[str, Entry]]:
    made = {
        name: seeded(
            weights_folder,
            name,
            lambda name=name: esrgan.empty_network(entry(name)),  # type: ignore[misc]
            lambda state, name=name: wrapped(name, _lit(name, state)),  # type: ignore[misc]
        )
        for name in OFFICIAL
    }
    yield made
    for item in made.values():
        (weights_folder / item.file).unlink()


def _lit(name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Give the random network's output a middle grey, and each file other weights: black output would be an error."""
    last = LAYOUT[name][2]
    offset = 0.02 * OFFICIAL.index(name) + (0.4 if last == "conv_last.bias" else 0.0)
    return state | {last: state[last] + offset}


@pytest.mark.parametrize("name", OFFICIAL)
def test_layout_is_the_official_file_s(name: str) -> None:
    first, shape, last, count = LAYOUT[name]
    state = esrgan.empty_network(entry(name)).state_dict()
    assert (next(iter(state)), tuple(state[first].shape), list(state)[-1], len(state)) == (first, shape, last, count)


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_file_runs_on_any_size_and_repeats(name: str, items: dict[str, Entry], crop: FaceView) -> None:
    odd = FaceView(np.ascontiguousarray(crop.pixels[:13, :11]), crop.landmarks)
    restorer = open_esrgan(items[name], torch.device("cpu"), precision="fp32")
    first, second = (restored(restorer, odd)[0].pixels for _ in range(2))
    assert restorer.scale == entry(name).capabilities.scale
    assert first.shape == (13 * restorer.scale, 11 * restorer.scale, 3)
    assert np.array_equal(first, second)


def test_x2_tiles_keep_to_the_grid_of_its_folded_pixels(items: dict[str, Entry], portrait: RGB) -> None:
    """It folds 2x2 pixels into channels: a tile that began at an odd pixel would see another picture."""
    strip = FaceView(np.ascontiguousarray(portrait[94:103, 130:273]), ASTRONAUT)
    pictures = [
        restored(open_esrgan(items["realesrgan-x2plus"], torch.device("cpu"), precision="fp32", tile_px=side), strip)[0]
        for side in (33, 256)
    ]
    assert pictures[0].tile_plan.startswith("5 tiles of 32 px")
    assert psnr(pictures[0].pixels, pictures[1].pixels) > 50


def test_compact_network_s_tiles_are_exact(items: dict[str, Entry], portrait: RGB) -> None:
    """Its context covers all it sees."""
    strip = FaceView(np.ascontiguousarray(portrait[94:114, 130:330]), ASTRONAUT)
    pictures = [
        restored(open_esrgan(items["realesr-general-x4v3"], torch.device("cpu"), precision="fp32", tile_px=side), strip)
        for side in (48, 256)
    ]
    assert "5 tiles" in pictures[0][0].tile_plan
    difference = pictures[0][0].pixels.astype(int) - pictures[1][0].pixels
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", OFFICIAL)
def test_half_precision_that_fails_is_repeated_in_fp32(name: str, items: dict[str, Entry], crop: FaceView) -> None:
    restorer = open_esrgan(items[name], torch.device("cpu"), precision="bf16")
    restorer._network._networks["bf16"] = _Black(restorer.scale)  # type: ignore[attr-defined]
    (found,) = restored(restorer, crop)
    assert found.precision == "fp32"
    assert "bf16 output was black" in found.tile_plan
    expected = restored(open_esrgan(items[name], torch.device("cpu"), precision="fp32"), crop)[0]
    assert np.array_equal(found.pixels, expected.pixels)


class _Black(torch.nn.Module):
    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*tiles.shape[:2], tiles.shape[2] * self.scale, tiles.shape[3] * self.scale)


@pytest.mark.parametrize("name", OFFICIAL)
def test_wrong_keys_are_an_integrity_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    first = LAYOUT[name][0]

    def renamed(state: dict[str, Any]) -> object:
        return {"params": {key.replace(first, "other"): value for key, value in state.items()}}

    item = seeded(tmp_path, name, lambda: esrgan.empty_network(entry(name)), renamed)
    with pytest.raises(IntegrityError, match=rf"{name} does not fit .*{first}"):
        open_esrgan(item, torch.device("cpu"))


# --- denoise strength -------------------------------------------------------------------------------------------------


def test_denoise_strength_mixes_the_two_files(items: dict[str, Entry], crop: FaceView) -> None:
    """Deep network interpolation: the ends are the files themselves, between them the weights are on the line."""
    strong, weak = (items[name] for name in ("realesr-general-x4v3", "realesr-general-wdn-x4v3"))
    registry = registry_of(strong, weak)

    def opened(item: Entry, denoise: float) -> Enlarger:
        return open_esrgan(item, torch.device("cpu"), precision="fp32", denoise=denoise, registry=registry)

    pictures = [restored(opened(strong, strength), crop)[0].pixels for strength in (0.0, 0.5, 1.0)]
    assert np.array_equal(pictures[0], restored(opened(weak, 1.0), crop)[0].pixels)
    assert levels_apart(pictures[0], pictures[2]) >= 2
    between = (pictures[0].astype(float) + pictures[2]) / 2
    assert np.abs(pictures[1] - between).mean() < np.abs(pictures[0].astype(float) - pictures[2]).mean() / 4
    stamp = opened(strong, 0.5).stamp
    assert weak.sha256 in stamp.source
    assert len({stamp.weights_sha256, strong.sha256, weak.sha256}) == 3
    assert stamp.weights_sha256 == opened(strong, 0.5).stamp.weights_sha256


def test_mixture_is_linear() -> None:
    a, b = {"x": torch.tensor([1.0, 3.0])}, {"x": torch.tensor([2.0, -1.0])}
    assert torch.allclose(mixed(a, b, 0.25)["x"], torch.tensor([1.75, 0.0]))
    assert torch.equal(mixed(a, b, 1.0)["x"], a["x"])
    assert torch.equal(mixed(a, b, 0.0)["x"], b["x"])


def test_denoise_strength_needs_its_model_range_and_second_file(
    items: dict[str, Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    strong, weak = items["realesr-general-x4v3"], items["realesr-general-wdn-x4v3"]
    registry = registry_of(strong, weak)
    with pytest.raises(UsageError, match="no denoise strength"):
        open_esrgan(entry("realesrgan-x4plus"), cpu, denoise=0.5, registry=registry)
    with pytest.raises(UsageError, match=r"0\.\.1"):
        open_esrgan(strong, cpu, denoise=-0.1, registry=registry)
    missing = weak.model_copy(update={"file": "elsewhere.pth"})
    with pytest.raises(ResourceError, match="weights fetch realesr-general-wdn-x4v3"):
        open_esrgan(strong, cpu, denoise=0.5, registry=registry_of(strong, missing))
