"""Restorers on a GPU, every model whose weights are here: precisions, batches and tiles agree, and nothing is NaN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from skimage import data

from facerecon.engines import catalogue
from facerecon.engines.enlarging import Enlarger
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.runtime import Place
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.stages import Restoration, RestorationOutcome
from facerecon.weights import Precision, load_registry, locate

pytestmark = pytest.mark.gpu
LANDMARKS = ((204.3, 100.3), (246.9, 102.9), (223.1, 128.7), (202.0, 137.6), (243.7, 140.1))
MODELS = [
    item.id
    for item in load_registry().weights
    if item.role in ("super-resolution", "face-restoration") and locate(item) is not None
]
HALVES = [
    (name, precision)
    for name in MODELS
    for precision in load_registry().entry(name).capabilities.precisions.cuda
    if precision != "fp32"
]


@pytest.fixture
def face() -> FaceView:
    return FaceView(np.ascontiguousarray(data.astronaut()[40:200, 150:300]), shift_landmarks(LANDMARKS, -150, -40))


@pytest.fixture(autouse=True)
def _memory_is_given_back(gpu: Place) -> Iterator[None]:
    yield
    torch.cuda.empty_cache()


def psnr_db(a: RGB, b: RGB) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean((a.astype(float) - b) ** 2)))))


def pixels(outcome: RestorationOutcome) -> RGB:
    assert isinstance(outcome, Restoration), outcome
    return outcome.pixels


def opened(name: str, device: object, precision: str = "fp32", **options: object) -> Enlarger | FaceRestorer:
    return catalogue.open_restorer(name, device=str(device), precision=precision, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_gpu_agrees_with_cpu_in_fp32(gpu: Place, face: FaceView, name: str) -> None:
    (on_gpu,), (on_cpu,) = (opened(name, device).restore([face]) for device in (gpu, "cpu"))
    assert psnr_db(pixels(on_gpu), pixels(on_cpu)) >= 45


@pytest.mark.parametrize(("name", "precision"), HALVES)
def test_half_precision_agrees_with_fp32(gpu: Place, face: FaceView, name: str, precision: Precision) -> None:
    (full,), (half,) = (opened(name, gpu, kind).restore([face]) for kind in ("fp32", precision))
    assert isinstance(half, Restoration)
    assert half.precision == precision, half.tile_plan
    assert psnr_db(half.pixels, pixels(full)) >= 45


@pytest.mark.parametrize(("name", "precision"), HALVES)
def test_a_thousand_chips_without_a_retreat(gpu: Place, name: str, precision: Precision) -> None:
    """A NaN or black output would have been repeated in fp32, and recorded."""
    restorer = opened(name, gpu, precision, batch=16)
    rng = np.random.default_rng(0)
    for _ in range(10):
        outcomes = restorer.restore([chip(rng) for _ in range(100)])
        assert {outcome.precision for outcome in outcomes if isinstance(outcome, Restoration)} == {precision}
        assert all(isinstance(outcome, Restoration) for outcome in outcomes)


def chip(rng: np.random.Generator) -> FaceView:
    """Return the portrait's face, 48x48, at any brightness, with noise."""
    small = data.astronaut()[40:200:3, 150:300:3].astype(float)[:48, :48]
    noisy = small * rng.uniform(0.02, 1.5) + rng.normal(0, rng.uniform(0, 25), small.shape)
    landmarks = shift_landmarks(LANDMARKS, -150, -40, 1 / 3)
    return FaceView(np.clip(noisy, 0, 255).astype(np.uint8), landmarks)


@pytest.mark.parametrize("name", MODELS)
def test_batch_of_eight_equals_each_alone(gpu: Place, name: str) -> None:
    """R13: in fp32 equal to one level."""
    rng = np.random.default_rng(1)
    chips = [chip(rng) for _ in range(8)]
    alone = opened(name, gpu, batch=1).restore(chips)
    together = opened(name, gpu, batch=8).restore(chips)
    for one, other in zip(alone, together, strict=True):
        assert np.abs(pixels(one).astype(int) - pixels(other)).max() <= 1


@pytest.mark.parametrize("name", [name for name in MODELS if load_registry().entry(name).role == "super-resolution"])
@pytest.mark.parametrize("picture", ["astronaut", "coffee"])
def test_tiles_of_128_and_256_agree(gpu: Place, name: str, picture: str) -> None:
    """R13."""
    whole = FaceView(np.ascontiguousarray(getattr(data, picture)()), LANDMARKS)
    (small,), (large,) = (opened(name, gpu, tile_px=side).restore([whole]) for side in (128, 256))
    assert psnr_db(pixels(small), pixels(large)) >= 50


@pytest.mark.parametrize("name", MODELS)
def test_same_input_same_output(gpu: Place, face: FaceView, name: str) -> None:
    restorer = opened(name, gpu, "auto")
    first, second = (pixels(restorer.restore([face])[0]) for _ in range(2))
    assert np.array_equal(first, second)
