"""Face restoration with a seeded random network in the official file's key layout: what is around it is under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facerecon.engines import chips, gfpgan
from facerecon.engines.gfpgan import GfpganRestorer
from facerecon.errors import RestorationError, UsageError
from facerecon.faces.alignment import FFHQ_512
from facerecon.hashing import sha256_file
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.weights import Entry, entry
from tests.unit.engines.conftest import ASTRONAUT


@pytest.fixture(scope="module")
def item(weights_folder: Path) -> Entry:
    """The registry entry of v1.4 with the digest of a random state dict of that layout."""
    torch.manual_seed(0)
    path = weights_folder / "GFPGANv1.4.pth"
    torch.save({"params_ema": gfpgan.empty_network().state_dict()}, path)
    return Entry.model_validate(entry("gfpgan-v1.4").model_dump() | {"sha256": sha256_file(path)})


@pytest.fixture(scope="module")
def restorer(item: Entry, weights_folder: Path, cpu: torch.device) -> GfpganRestorer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERECON_WEIGHTS", str(weights_folder))
        made = GfpganRestorer(item, cpu, precision="fp32")
        (weights_folder / item.file).unlink()
    return made


@pytest.fixture
def crop(portrait: RGB) -> FaceView:
    return FaceView(np.ascontiguousarray(portrait[40:200, 150:300]), shift_landmarks(ASTRONAUT, -150, -40))


class Painted(nn.Module):
    """Stands in for the network: one value everywhere (in -1..1)."""

    def __init__(self, value: float, half_value: float | None = None) -> None:
        super().__init__()
        self.value, self.half_value = value, value if half_value is None else half_value
        self.noise: set[bool] = set()

    def forward(self, x: torch.Tensor, *, return_rgb: bool, randomize_noise: bool) -> tuple[torch.Tensor, None]:
        self.noise.add(randomize_noise)
        half = torch.is_autocast_enabled("cpu")
        return torch.full_like(x, self.half_value if half else self.value), None


@pytest.fixture
def painted(restorer: GfpganRestorer, monkeypatch: pytest.MonkeyPatch) -> GfpganRestorer:
    monkeypatch.setattr(restorer, "_network", Painted(1.0))
    return restorer


def mask_of(face: FaceView, scale: int) -> RGB:
    matrix = gfpgan._from_square(chips.transform_to(FFHQ_512, face), scale)
    height, width = (side * scale for side in face.pixels.shape[:2])
    return gfpgan.feather_mask(matrix, width, height)  # type: ignore[return-value]


def lanczos(face: FaceView, scale: int) -> RGB:
    import cv2

    height, width = (side * scale for side in face.pixels.shape[:2])
    return np.asarray(cv2.resize(face.pixels, (width, height), interpolation=cv2.INTER_LANCZOS4), np.uint8)


def test_real_network_is_deterministic(restorer: GfpganRestorer, crop: FaceView) -> None:
    """R12: the noise is the stored one."""
    (first,), (second,) = restorer.restore([crop]), restorer.restore([crop])
    assert first.pixels.shape == (640, 600, 3)
    assert (first.precision, first.tile_plan, restorer.scale) == ("fp32", "whole picture", 4)
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, lanczos(crop, 4))


def test_noise_is_never_random(painted: GfpganRestorer, crop: FaceView) -> None:
    painted.restore([crop])
    assert painted._network.noise == {False}


def test_outside_the_mask_nothing_changes(painted: GfpganRestorer, crop: FaceView) -> None:
    """R16."""
    (found,) = painted.restore([crop])
    outside = mask_of(crop, 4) == 0
    assert 0.2 < outside.mean() < 0.8
    assert np.array_equal(found.pixels[outside], lanczos(crop, 4)[outside])
    inside = mask_of(crop, 4) == 1
    assert (found.pixels[inside] == 255).all()


def test_mask_lies_on_the_face(crop: FaceView) -> None:
    mask = mask_of(crop, 2)
    for x, y in shift_landmarks(crop.landmarks, 0, 0, 2.0):
        assert mask[round(y), round(x)] == 1
    assert mask.dtype == np.float32
    assert np.abs(np.diff(mask, axis=0)).max() < 0.1


def test_blend_mixes(painted: GfpganRestorer, crop: FaceView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painted, "_blend", 0.0)
    assert np.array_equal(painted.restore([crop])[0].pixels, lanczos(crop, 4))
    monkeypatch.setattr(painted, "_blend", 0.5)
    inside = mask_of(crop, 4) == 1
    expected = (lanczos(crop, 4)[inside].astype(float) + 255) / 2
    assert np.abs(painted.restore([crop])[0].pixels[inside] - expected).max() <= 0.5


@pytest.mark.parametrize("scale", [2, 4])
def test_pasting_returns_the_face_to_its_place(crop: FaceView, scale: int) -> None:
    """What was cut out and put back unchanged lies where it lay: nearly the enlarged crop."""
    matrix = chips.transform_to(FFHQ_512, crop)
    square = chips.cut(crop.pixels, matrix, 512)
    found = gfpgan.paste(crop.pixels, square, matrix, scale, 1.0)
    assert np.abs(found.astype(float) - lanczos(crop, scale)).mean() < 1.0


def test_several_faces_in_order(painted: GfpganRestorer, crop: FaceView) -> None:
    other = FaceView(np.ascontiguousarray(crop.pixels[:, 10:]), shift_landmarks(crop.landmarks, -10, 0))
    assert [found.pixels.shape for found in painted.restore([crop, other])] == [(640, 600, 3), (640, 560, 3)]
    assert painted.restore([]) == []


def test_black_in_half_precision_is_repeated_in_fp32(
    painted: GfpganRestorer, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setattr(painted, "_plan", replace(painted._plan, precision="bf16"))
    monkeypatch.setattr(painted, "_network", Painted(1.0, half_value=-1.0))
    (found,) = painted.restore([crop])
    assert found.precision == "fp32"
    assert "bf16 output was black" in found.tile_plan


def test_useless_output_is_an_error_never_the_input(
    painted: GfpganRestorer, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R20."""
    monkeypatch.setattr(painted, "_network", Painted(float("nan")))
    with pytest.raises(RestorationError, match="not finite"):
        painted.restore([crop])


@pytest.mark.parametrize(("arguments", "complaint"), [({"blend": 1.1}, "blend"), ({"precision": "fp16"}, "fp16")])
def test_wrong_arguments_are_refused(
    item: Entry, cpu: torch.device, arguments: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        GfpganRestorer(item, cpu, **arguments)  # type: ignore[arg-type]
