"""Face restoration with seeded random networks in the official files' layouts: what is around them is tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facerecon.engines import catalogue, chips, gfpgan, pasting
from facerecon.engines.enlarging import lanczos
from facerecon.engines.gfpgan import open_face_restorer
from facerecon.engines.pasting import Mask
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.tiling import Floats
from facerecon.errors import IntegrityError, UsageError
from facerecon.faces.alignment import FFHQ_512
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.stages import Restoration, RestorationFailure
from facerecon.weights import Entry, Precision, entry
from tests.unit.engines.conftest import ASTRONAUT, levels_apart, registry_of, seeded

# How the official files wrap their weights (test_brought.py checks the names by an independent reader).
WRAPPERS = {"gfpgan-v1.4": "params_ema", "gfpgan-v1.3": "params_ema", "restoreformer": None}


def wrap(name: str, state: dict[str, Any]) -> object:
    wrapper = WRAPPERS[name]
    return {wrapper: state} if wrapper else state


def one(restorer: FaceRestorer, face: FaceView) -> Restoration:
    (found,) = restorer.restore([face])
    assert isinstance(found, Restoration), found
    return found


@pytest.fixture(scope="module")
def items(weights_folder: Path) -> Iterator[dict[str, Entry]]:
    made = {
        name: seeded(
            weights_folder,
            name,
            lambda name=name: gfpgan.empty_network(entry(name).architecture),  # type: ignore[misc]
            lambda state, name=name: wrap(name, state),  # type: ignore[misc]
        )
        for name in ("gfpgan-v1.4", "restoreformer")
    }
    yield made
    for item in made.values():
        (weights_folder / item.file).unlink()


@pytest.fixture(scope="module")
def restorer(items: dict[str, Entry], weights_folder: Path, cpu: torch.device) -> FaceRestorer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERECON_WEIGHTS", str(weights_folder))
        return open_face_restorer(items["gfpgan-v1.4"], cpu, precision="fp32")


@pytest.fixture
def crop(portrait: RGB) -> FaceView:
    return FaceView(np.ascontiguousarray(portrait[40:200, 150:300]), shift_landmarks(ASTRONAUT, -150, -40))


class Painted:
    """Stands in for a network: one value everywhere (in 0..1), another in half precision."""

    def __init__(self, value: float, half_value: float | None = None) -> None:
        self.value, self.half_value = value, value if half_value is None else half_value

    def __call__(self, tiles: Floats, precision: Precision) -> Floats:
        return np.full_like(tiles, self.value if precision == "fp32" else self.half_value)


@pytest.fixture
def painted(restorer: FaceRestorer, monkeypatch: pytest.MonkeyPatch) -> FaceRestorer:
    monkeypatch.setattr(restorer, "_network", Painted(1.0))
    return restorer


def mask_of(face: FaceView, scale: int) -> Mask:
    matrix = pasting.inverted(chips.transform_to(FFHQ_512, face), scale)
    height, width = (side * scale for side in face.pixels.shape[:2])
    return pasting.elliptic_mask(matrix, width, height)


# --- the networks -----------------------------------------------------------------------------------------------------


def test_making_a_network_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """RestoreFormer's constructor prints; standard output is the program's result."""
    gfpgan.empty_network("restoreformer")
    assert capsys.readouterr().out == ""


def test_gfpgan_is_deterministic_alone_and_in_a_batch(restorer: FaceRestorer, crop: FaceView) -> None:
    """R12: the noise is the stored one. R13: in fp32 a batch of faces equals each alone, to one level."""
    other = FaceView(np.ascontiguousarray(crop.pixels[:, ::-1]), shift_landmarks(crop.landmarks, 3, 2))
    together, _ = restorer.restore([crop, other])
    first, second = one(restorer, crop), one(restorer, crop)
    assert isinstance(together, Restoration)
    assert levels_apart(together.pixels, first.pixels) <= 1
    check_repeated(restorer, crop, first, second)


def test_restoreformer_is_deterministic(items: dict[str, Entry], crop: FaceView, cpu: torch.device) -> None:
    restorer = open_face_restorer(items["restoreformer"], cpu)
    assert restorer.stamp.precision == "fp32"
    check_repeated(restorer, crop, one(restorer, crop), one(restorer, crop))


def check_repeated(restorer: FaceRestorer, crop: FaceView, first: Restoration, second: Restoration) -> None:
    assert first.pixels.shape == (640, 600, 3)
    assert (first.precision, first.mask, restorer.scale) == ("fp32", "elliptic feather", 4)
    assert first.tile_plan == "whole picture; mask: elliptic feather"
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, lanczos(crop.pixels, 4))


def test_noise_is_never_random() -> None:
    seen = []

    class Network(torch.nn.Module):
        def forward(self, x: torch.Tensor, *, return_rgb: bool, randomize_noise: bool) -> tuple[torch.Tensor, None]:
            seen.append((return_rgb, randomize_noise, float(x.min()), float(x.max())))
            return x, None

    squares = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert torch.equal(gfpgan.call_gfpgan(Network(), squares), squares)
    assert seen == [(False, False, -1.0, 1.0)]


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrong_keys_are_an_integrity_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))

    def network() -> torch.nn.Module:
        return torch.nn.Conv2d(3, 3, 1)

    item = seeded(tmp_path, name, network, lambda state: wrap(name, state))
    with pytest.raises(IntegrityError, match=f"{name} does not fit"):
        open_face_restorer(item, torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("gfpgan-v1.4", {"blend": 1.1}, "blend"),
        ("gfpgan-v1.4", {"precision": "fp16"}, "fp16"),
        ("restoreformer", {"precision": "bf16"}, "bf16"),
    ],
)
def test_wrong_arguments_are_refused(
    items: dict[str, Entry], cpu: torch.device, name: str, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_face_restorer(items[name], cpu, **arguments)


# --- pasting ----------------------------------------------------------------------------------------------------------


def test_outside_the_mask_nothing_changes(painted: FaceRestorer, crop: FaceView) -> None:
    """R16."""
    found = one(painted, crop)
    outside = mask_of(crop, 4) == 0
    assert 0.2 < outside.mean() < 0.8
    assert np.array_equal(found.pixels[outside], lanczos(crop.pixels, 4)[outside])
    inside = mask_of(crop, 4) == 1
    assert (found.pixels[inside] == 255).all()


def test_mask_lies_on_the_face(crop: FaceView) -> None:
    mask = mask_of(crop, 2)
    for x, y in shift_landmarks(crop.landmarks, 0, 0, 2.0):
        assert mask[round(y), round(x)] == 1
    assert mask.dtype == np.float32
    assert np.abs(np.diff(mask, axis=0)).max() < 0.1


def test_blend_mixes(painted: FaceRestorer, crop: FaceView, monkeypatch: pytest.MonkeyPatch) -> None:
    enlarged = lanczos(crop.pixels, 4)
    monkeypatch.setattr(painted, "_blend", 0.0)
    assert np.array_equal(one(painted, crop).pixels, enlarged)
    monkeypatch.setattr(painted, "_blend", 0.5)
    inside = mask_of(crop, 4) == 1
    expected = (enlarged[inside].astype(float) + 255) / 2
    assert np.abs(one(painted, crop).pixels[inside] - expected).max() <= 0.5


@pytest.mark.parametrize("scale", [2, 4])
def test_pasting_returns_the_face_to_its_place(crop: FaceView, scale: int) -> None:
    """What was cut out and put back unchanged lies where it lay: nearly the enlarged crop."""
    matrix = chips.transform_to(FFHQ_512, crop)
    square, enlarged = chips.cut(crop.pixels, matrix, 512), lanczos(crop.pixels, scale)
    found = pasting.paste(enlarged, square, pasting.inverted(matrix, scale), mask_of(crop, scale))
    assert np.abs(found.astype(float) - enlarged).mean() < 1.0


def test_a_frame_gets_the_same_face_as_a_crop_and_keeps_the_rest(painted: FaceRestorer, portrait: RGB) -> None:
    """R16, for whole frames: outside the mask the canvas's pixels, exactly."""
    face = FaceView(portrait, ASTRONAUT)
    canvas = lanczos(portrait, 2)
    before = canvas.copy()
    result, (outcome,) = painted.restore_onto(canvas, [face], 2)
    mask = mask_of(face, 2)
    assert np.array_equal(canvas, before)
    assert np.array_equal(result[mask == 0], canvas[mask == 0])
    assert (result[mask == 1] == 255).all()
    assert isinstance(outcome, Restoration)
    assert outcome.pixels.size < result.size / 4


# --- several faces, and what fails ------------------------------------------------------------------------------------


def test_several_faces_in_order_and_one_that_cannot_be_aligned(painted: FaceRestorer, crop: FaceView) -> None:
    other = FaceView(np.ascontiguousarray(crop.pixels[:, 10:]), shift_landmarks(crop.landmarks, -10, 0))
    pointlike = FaceView(crop.pixels, ((5.0, 5.0),) * 5)
    first, failed, second = painted.restore([crop, pointlike, other])
    assert isinstance(first, Restoration)
    assert isinstance(second, Restoration)
    assert [found.pixels.shape for found in (first, second)] == [(640, 600, 3), (640, 560, 3)]
    assert isinstance(failed, RestorationFailure)
    assert "aligned" in failed.reason
    assert painted.restore([]) == []


def test_black_in_half_precision_is_repeated_in_fp32(
    painted: FaceRestorer, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painted, "_plan", replace(painted._plan, precision="bf16"))
    monkeypatch.setattr(painted, "_network", Painted(1.0, half_value=0.0))
    found = one(painted, crop)
    assert found.precision == "fp32"
    assert "bf16 output was black" in found.tile_plan


def test_useless_output_is_a_failure_never_the_input(
    painted: FaceRestorer, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R20."""
    monkeypatch.setattr(painted, "_network", Painted(float("nan")))
    (found,) = painted.restore([crop])
    assert isinstance(found, RestorationFailure)
    assert "not finite" in found.reason


def test_a_drawn_face_is_never_pasted_as_a_whole_square(items: dict[str, Entry]) -> None:
    with pytest.raises(UsageError, match="whole square"):
        catalogue.open_restorer("gfpgan-v1.4", device="cpu", mask="square", registry=registry_of(items["gfpgan-v1.4"]))
