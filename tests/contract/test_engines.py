"""One contract over all engines that run offline: protocol, stamp, order, determinism, and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from facerecon.engines import catalogue
from facerecon.engines.architectures import ENLARGERS, FACE_GENERATORS, UNET
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.records import FaceView, ModelStamp, shift_landmarks
from facerecon.stages import Detector, Recognizer, Restoration, Restorer
from facerecon.weights import Entry, Registry, load_registry

ASTRONAUT = ((204.3, 100.3), (246.9, 102.9), (223.1, 128.7), (202.0, 137.6), (243.7, 140.1))


@pytest.fixture(scope="module", autouse=True)
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERECON_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return catalogue.open_detector("auto", device="cpu")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return catalogue.open_restorer("realesrgan-x4plus", device="cpu")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return catalogue.open_recognizer("dlib-resnet", device="cpu")


@pytest.fixture
def face() -> FaceView:
    crop = np.ascontiguousarray(data.astronaut()[56:184:8, 170:282:8])
    return FaceView(crop, shift_landmarks(ASTRONAUT, -170, -56, 0.125))


def check_stamp(stamp: ModelStamp, registry: Registry) -> None:
    item = registry.entry(stamp.id)
    assert (stamp.source_sha256, stamp.weights_sha256) == (item.sha256, item.converted_sha256)
    assert (stamp.licence, stamp.training_data, stamp.reference) == (item.licence, item.training_data, item.reference)
    assert stamp.device == "cpu"
    assert stamp.precision in item.capabilities.precisions.cpu
    assert str(item.package) in stamp.source


def test_stamps_say_which_weights_run_and_how(detector: Detector, restorer: Restorer, recognizer: Recognizer) -> None:
    """R09."""
    for engine in (detector, restorer, recognizer):
        check_stamp(engine.stamp, load_registry())


def test_detector(detector: Detector) -> None:
    picture = np.ascontiguousarray(data.astronaut()[:300, 100:400])
    empty = np.zeros_like(picture)
    found = detector.detect([empty, picture, empty])
    assert [len(faces) for faces in found] == [0, 1, 0]
    assert found[1] == detector.detect([picture])[0]
    assert detector.detect([]) == []


def test_restorer(restorer: Restorer, face: FaceView) -> None:
    wide = FaceView(np.ascontiguousarray(face.pixels[:8]), face.landmarks)
    found, (alone,) = restorer.restore([face, wide]), restorer.restore([face])
    assert all(isinstance(item, Restoration) for item in (*found, alone))
    assert [item.pixels.shape for item in found] == [(64, 56, 3), (32, 56, 3)]  # type: ignore[union-attr]
    assert all(item.pixels.dtype == np.uint8 and item.precision and item.tile_plan for item in found)  # type: ignore[union-attr]
    assert np.array_equal(found[0].pixels, alone.pixels)  # type: ignore[union-attr]
    assert restorer.restore([]) == []
    assert restorer.companions == ()


def test_recognizer(recognizer: Recognizer, face: FaceView) -> None:
    (found,) = recognizer.embed([face])
    assert (found.model, found.metric) == (recognizer.stamp.id, recognizer.metric)
    assert f"{load_registry().entry(found.model).capabilities.input_px} px" in recognizer.treatment
    assert recognizer.threshold is None or -1 <= recognizer.threshold <= 1
    assert np.array_equal(found.vector, recognizer.embed([face])[0].vector)
    assert recognizer.embed([]) == []


def test_auto_detector_prefers_resnet50_when_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue.open_detector("auto", device="cpu").stamp.id == "retinaface-mobile0.25"
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    (tmp_path / "detection_Resnet50_Final.pth").write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match="Resnet50"):
        catalogue.open_detector("auto", device="cpu")


@pytest.mark.parametrize("opened", [catalogue.open_detector, catalogue.open_restorer, catalogue.open_recognizer])
def test_unknown_unsupported_and_wrong_kinds_are_usage_errors(opened: object) -> None:
    for weights_id in ("nope", "parsenet"):
        with pytest.raises(UsageError, match=weights_id):
            opened(weights_id, device="cpu")  # type: ignore[operator]


@pytest.mark.parametrize(
    "weights_id",
    [
        "gfpgan-v1.4",
        "gfpgan-v1.3",
        "restoreformer",
        "realesrgan-x4plus-official",
        "realesrgan-x2plus",
        "realesrnet-x4plus",
        "realesr-general-x4v3",
        "realesr-general-wdn-x4v3",
    ],
)
def test_missing_weights_are_a_resource_error(weights_id: str) -> None:
    with pytest.raises(ResourceError, match=f"weights fetch {weights_id}"):
        catalogue.open_restorer(weights_id, device="cpu")


def test_a_recognizer_restores_nothing_and_a_detector_recognizes_nobody() -> None:
    with pytest.raises(UsageError, match="arcface-ir-se50"):
        catalogue.open_restorer("arcface-ir-se50", device="cpu")
    with pytest.raises(UsageError, match=r"retinaface-mobile0\.25"):
        catalogue.open_recognizer("retinaface-mobile0.25", device="cpu")


def test_a_jitter_out_of_range_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="jitter"):
        catalogue.open_recognizer(device="cpu", jitter=101)


def test_every_restorer_of_the_registry_can_be_opened() -> None:
    """No entry of a restorer's role is left that only says it is there."""
    restorers = [item for item in load_registry().weights if item.role in ("super-resolution", "face-restoration")]
    assert {item.architecture for item in restorers} == {*ENLARGERS, *FACE_GENERATORS, UNET}
    for item in restorers:
        assert item.capabilities.scale
        assert item.licence
        assert item.training_data


@pytest.mark.parametrize("weights_id", ["realesrgan-x4plus", "gfpgan-v1.4"])
def test_only_the_model_with_a_denoise_strength_takes_one(weights_id: str) -> None:
    with pytest.raises(UsageError, match="no denoise strength"):
        catalogue.open_restorer(weights_id, device="cpu", denoise=0.5)


def test_blend_out_of_range_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="blend"):
        catalogue.open_restorer("realesrgan-x4plus", device="cpu", blend=-0.1)


def test_flipped_byte_in_a_packaged_file_is_an_integrity_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = load_registry()
    item = registry.entry("dlib-resnet")
    package = tmp_path / "copied_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.dat").write_bytes(b"\x01" * 100)
    copied = Entry.model_validate(item.model_dump() | {"module": "copied_models", "member": "net.dat"})
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(IntegrityError, match="dlib-resnet"):
        catalogue.open_recognizer(device="cpu", registry=Registry(schema=1, weights=(copied,)))
