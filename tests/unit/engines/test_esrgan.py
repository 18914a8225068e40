"""Enlargement: like the plain network, in any precision, batch and tiling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from facerecon.engines import compat, esrgan
from facerecon.engines.esrgan import EsrganRestorer
from facerecon.errors import UsageError
from facerecon.hashing import sha256_file
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.weights import Entry, entry
from tests.unit.engines.conftest import ASTRONAUT


def psnr(a: RGB, b: RGB) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


@pytest.fixture(scope="module")
def crop(portrait: RGB) -> FaceView:
    """A face of 14x16 px."""
    small = np.ascontiguousarray(portrait[56:184:8, 170:282:8])
    return FaceView(small, shift_landmarks(ASTRONAUT, -170, -56, 0.125))


@pytest.fixture(scope="module")
def plain(crop: FaceView) -> RGB:
    """The network as upstream runs it: fp32, whole picture."""
    network = esrgan.build_network(entry("realesrgan-x4plus")).to(memory_format=torch.contiguous_format)
    with torch.inference_mode():
        output = network(torch.from_numpy(crop.pixels.copy()).permute(2, 0, 1)[None].float() / 255)
    return np.asarray(output[0].clamp(0, 1).mul(255).round().permute(1, 2, 0), np.uint8)


@pytest.fixture(scope="module")
def restorer(cpu: torch.device) -> EsrganRestorer:
    return EsrganRestorer(entry("realesrgan-x4plus"), cpu, precision="fp32")


def test_equals_the_plain_network(restorer: EsrganRestorer, crop: FaceView, plain: RGB) -> None:
    (found,) = restorer.restore([crop])
    assert found.pixels.shape == (64, 56, 3)
    assert (found.precision, found.tile_plan) == ("fp32", "whole picture")
    assert np.abs(found.pixels.astype(int) - plain).max() <= 1


def test_bf16_is_close(crop: FaceView, plain: RGB, cpu: torch.device) -> None:
    """Measured: 50 dB and more; 45 dB is the promise."""
    (found,) = EsrganRestorer(entry("realesrgan-x4plus"), cpu, precision="bf16").restore([crop])
    assert found.precision == "bf16"
    assert psnr(found.pixels, plain) > 45


def test_tile_size_hardly_matters(portrait: RGB, restorer: EsrganRestorer, cpu: torch.device) -> None:
    """R13. With 48 px of context: 55 dB and more is the promise."""
    strip = FaceView(np.ascontiguousarray(portrait[94:106, 130:306]), ASTRONAUT)
    (tiled,) = EsrganRestorer(entry("realesrgan-x4plus"), cpu, precision="fp32", tile_px=64).restore([strip])
    assert tiled.tile_plan == "3 tiles of 64 px, context 48 px"
    assert psnr(tiled.pixels, restorer.restore([strip])[0].pixels) > 55


def test_batch_size_and_order_do_not_matter(restorer: EsrganRestorer, crop: FaceView, cpu: torch.device) -> None:
    other = FaceView(np.ascontiguousarray(crop.pixels[::-1]), crop.landmarks)
    smaller = FaceView(np.ascontiguousarray(crop.pixels[:10]), crop.landmarks)
    together = restorer.restore([crop, smaller, other])
    for face, found in zip((crop, smaller, other), together, strict=True):
        (alone,) = restorer.restore([face])
        assert np.abs(found.pixels.astype(int) - alone.pixels).max() <= 1


def test_same_input_same_output(restorer: EsrganRestorer, crop: FaceView) -> None:
    first, second = (restorer.restore([crop])[0].pixels for _ in range(2))
    assert np.array_equal(first, second)


def test_half_precision_that_fails_is_repeated_in_fp32(crop: FaceView, plain: RGB, cpu: torch.device) -> None:
    restorer = EsrganRestorer(entry("realesrgan-x4plus"), cpu, precision="bf16")
    restorer._networks["bf16"] = _Black()
    (found,) = restorer.restore([crop])
    assert found.precision == "fp32"
    assert "bf16 output was black" in found.tile_plan
    assert np.abs(found.pixels.astype(int) - plain).max() <= 1


class _Black(torch.nn.Module):
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*tiles.shape[:2], tiles.shape[2] * 4, tiles.shape[3] * 4)


def test_undeclared_precision_is_refused(cpu: torch.device) -> None:
    with pytest.raises(UsageError, match="fp16"):
        EsrganRestorer(entry("realesrgan-x4plus"), cpu, precision="fp16")


def test_official_x2_file_takes_odd_sizes(weights_folder: Path, crop: FaceView, cpu: torch.device) -> None:
    """The official file's layout, with random weights: `params_ema`, 12 input channels."""
    network_class = compat.network_class("basicsr.archs.rrdbnet_arch", "RRDBNet")
    torch.manual_seed(0)
    path = weights_folder / "RealESRGAN_x2plus.pth"
    torch.save({"params_ema": network_class(3, 3, scale=2).state_dict()}, path)
    item = Entry.model_validate(entry("realesrgan-x2plus").model_dump() | {"sha256": sha256_file(path)})
    odd = FaceView(np.ascontiguousarray(crop.pixels[:13, :11]), crop.landmarks)
    restorer = EsrganRestorer(item, cpu, precision="fp32")
    path.unlink()
    assert restorer.scale == 2
    assert restorer.restore([odd])[0].pixels.shape == (26, 22, 3)
