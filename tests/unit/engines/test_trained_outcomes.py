"""What a restorer of ours answers for several faces, in which precision, and when its network fails."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from facerecon.engines.architectures import UNET
from facerecon.engines.restoring import FaceRestorer
from facerecon.records import FaceView, shift_landmarks
from facerecon.stages import Restoration, RestorationFailure
from tests.unit.engines.conftest import levels_apart, psnr
from tests.unit.engines.trained_files import Told, mask_of, one, opened, trained


def test_faces_alone_and_together(shelf: Path, crop: FaceView) -> None:
    """R13, and a face that cannot be aligned fails alone."""
    restorer = opened(trained(shelf, UNET), mask="ellipse", batch=2)
    other = FaceView(np.ascontiguousarray(crop.pixels[:, 3:]), shift_landmarks(crop.landmarks, -3, 0))
    pointlike = FaceView(crop.pixels, ((5.0, 5.0),) * 5)
    first, failed, second = restorer.restore([crop, pointlike, other])
    assert isinstance(first, Restoration)
    assert isinstance(second, Restoration)
    assert isinstance(failed, RestorationFailure)
    assert levels_apart(first.pixels, one(restorer, crop).pixels) <= 1
    assert levels_apart(second.pixels, one(restorer, other).pixels) <= 1
    assert restorer.restore([]) == []


def test_half_precision_holds(shelf: Path, crop: FaceView) -> None:
    item = trained(shelf, UNET)
    full, half = (one(opened(item, mask="ellipse", precision=precision), crop) for precision in ("fp32", "bf16"))
    assert half.precision == "bf16"
    assert psnr(full.pixels, half.pixels) > 50


def test_what_is_repeated_in_fp32_is_doubted_in_fp32(
    shelf: Path, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = opened(trained(shelf, UNET), mask="ellipse", precision="bf16")
    told = Told({"fp32": (1.0, 1.0, 1.0, 0.02), "bf16": (1.0, 1.0, 1.0, math.nan)})
    monkeypatch.setattr(restorer, "_network", told)
    found = one(restorer, crop)
    assert found.precision == "fp32"
    assert told.asked == [((1, 3, 128, 128), "bf16"), ((1, 3, 128, 128), "fp32")]
    assert found.uncertainty is not None
    assert np.allclose(found.uncertainty[mask_of(crop, 4) == 1], 0.02 * 255)


@pytest.mark.parametrize("values", [(math.nan,) * 3, (0.5, 0.5, math.inf), (0.5, 0.5, 0.5, math.nan)])
def test_useless_output_is_a_failure_never_the_input(
    shelf: Path, crop: FaceView, monkeypatch: pytest.MonkeyPatch, values: tuple[float, ...]
) -> None:
    """R20; a doubt that is no number is as useless."""
    restorer = opened(trained(shelf, UNET), mask="ellipse", precision="fp32")
    monkeypatch.setattr(restorer, "_network", Told({"fp32": values}))
    (found,) = restorer.restore([crop])
    assert isinstance(found, RestorationFailure)
    assert "not finite" in found.reason


def test_black_is_useless_however_much_the_network_doubts_it(
    shelf: Path, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = opened(trained(shelf, UNET), mask="ellipse", precision="fp32")
    monkeypatch.setattr(restorer, "_network", Told({"fp32": (0.0, 0.0, 0.0, 0.5)}))
    (found,) = restorer.restore([crop])
    assert isinstance(found, RestorationFailure)
    assert "black" in found.reason


def test_a_model_that_tells_no_uncertainty_has_none(shelf: Path, crop: FaceView) -> None:
    item = trained(shelf, UNET)
    plain = FaceRestorer(opened(item).stamp, Told({"fp32": (0.5, 0.5, 0.5)}), precision="fp32")
    assert one(plain, crop).uncertainty is None


def test_a_network_that_fails_by_onnx_runtime_is_that_faces_failure(
    shelf: Path, crop: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its errors are of no kind that Python knows."""
    restorer = opened(trained(shelf, UNET), precision="fp32")

    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeException("Non-zero status code returned while running Conv node")

    monkeypatch.setattr(restorer._network.session, "runtime", Failing())  # type: ignore[attr-defined]
    (found,) = restorer.restore([crop])
    assert isinstance(found, RestorationFailure)
    assert "the network failed: Non-zero status code" in found.reason
