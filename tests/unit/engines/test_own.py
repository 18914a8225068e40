"""Files that `facerecon train` made: they say what they are, and nothing else passes for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facerecon.engines import catalogue
from facerecon.engines.adaptive import AdaptiveEmbedder
from facerecon.engines.architectures import UNET
from facerecon.engines.dlib_resnet import StudentResNet
from facerecon.engines.own import read_own, written
from facerecon.engines.restoring_networks import restoring_network
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_file
from facerecon.records import FaceView
from facerecon.stages import Restoration
from facerecon.weights import Checkpoint, Registry, load_registry

TOLD = {"licence": "not stated", "training_data": "none", "reference": "none"}
RESTORER = {**TOLD, "role": "face-restoration", "architecture": UNET, "capabilities": {"input_px": 64, "scale": 4}}
RECOGNIZER = {
    **TOLD,
    "role": "recognition",
    "architecture": "dlib-resnet-student",
    "capabilities": {
        "input_px": 150,
        "metric": "euclidean",
        "teacher": {"id": "dlib-resnet", "mixed_from_px": 500, "alone_from_px": 600},
    },
}


def made(folder: Path, network: torch.nn.Module, description: dict[str, Any]) -> Checkpoint:
    path = folder / "mine.safetensors"
    path.write_bytes(written(dict(network.state_dict()), description))
    return Checkpoint(path, sha256_file(path))


@pytest.fixture
def restorer(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(0)
    return made(tmp_path, restoring_network(UNET, (8, 16)), RESTORER)


@pytest.fixture
def recognizer(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(0)
    return made(tmp_path, StudentResNet(), RECOGNIZER)


def test_a_restorer_is_opened_from_its_file_alone(restorer: Checkpoint, face: FaceView) -> None:
    opened = catalogue.open_restorer(restorer, device="cpu", mask="ellipse")
    assert (opened.stamp.provider, opened.stamp.id) == ("brought", restorer.id)
    assert opened.stamp.weights_sha256 == restorer.sha256
    small = FaceView(np.ascontiguousarray(face.pixels[::4, ::4]), tuple((x / 4, y / 4) for x, y in face.landmarks))  # type: ignore[arg-type]
    (outcome,) = opened.restore([small])
    assert isinstance(outcome, Restoration)
    assert outcome.pixels.shape == (512, 512, 3)


def test_a_recognizer_is_opened_from_its_file_alone(recognizer: Checkpoint, face: FaceView) -> None:
    opened = catalogue.open_recognizer(recognizer, device="cpu")
    assert isinstance(opened, AdaptiveEmbedder)
    assert (opened.stamp.provider, opened.stamp.id) == ("brought", recognizer.id)
    (found,) = opened.embed([face])
    assert found.model == recognizer.id


def test_the_digest_is_compared_first(restorer: Checkpoint, recognizer: Checkpoint) -> None:
    wrong = Checkpoint(restorer.file, "0" * 64)
    with pytest.raises(IntegrityError, match="is not the file that was named"):
        catalogue.open_restorer(wrong, device="cpu")
    with pytest.raises(IntegrityError, match="is not the file that was named"):
        catalogue.open_recognizer(wrong, device="cpu")


def test_each_is_refused_in_the_others_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be used as a recognizer"):
        catalogue.open_recognizer(made(tmp_path, restoring_network(UNET, (8, 16)), RESTORER), device="cpu")
    with pytest.raises(UsageError, match="cannot be used as a restorer"):
        catalogue.open_restorer(made(tmp_path, StudentResNet(), RECOGNIZER), device="cpu")


@pytest.mark.parametrize("data", [b"", b"12345678", b"\xff" * 64, torch.zeros(3).numpy().tobytes()])
def test_another_file_is_not_ours(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(data)
    checkpoint = Checkpoint(path, sha256_file(path))
    assert read_own(checkpoint) is None
    with pytest.raises(UsageError, match="no recognizer that `facerecon train` made"):
        catalogue.open_recognizer(checkpoint, device="cpu")


@pytest.mark.parametrize(
    "change", [{"role": "cook"}, {"capabilities": {"input_px": -1}}, {"urls": ["http://elsewhere"]}, {"licence": None}]
)
def test_a_description_that_cannot_be_is_an_integrity_error(tmp_path: Path, change: dict[str, Any]) -> None:
    checkpoint = made(tmp_path, restoring_network(UNET, (8, 16)), {**RESTORER, **change})
    with pytest.raises(IntegrityError, match="says of itself what cannot be"):
        catalogue.open_restorer(checkpoint, device="cpu")


def test_tensors_that_do_not_fit_are_an_integrity_error(tmp_path: Path) -> None:
    checkpoint = made(tmp_path, torch.nn.Linear(2, 2), RECOGNIZER)
    with pytest.raises(IntegrityError, match="does not fit the network"):
        catalogue.open_recognizer(checkpoint, device="cpu")


def test_a_registry_names_no_brought_file(restorer: Checkpoint) -> None:
    own = read_own(restorer)
    assert own is not None
    with pytest.raises(ValueError, match="a brought file is named in a profile"):
        Registry(schema=1, weights=(*load_registry().weights, own[0]))


def test_a_trained_restorer_corrects_in_a_picture_s_own_size_and_nothing_else_does(tmp_path: Path) -> None:
    restorer = made(tmp_path, restoring_network(UNET, (8, 16)), RESTORER)
    corrector = catalogue.open_corrector(restorer, device="cpu", precision="fp32", blend=0.5)
    assert (corrector.scale, corrector.stamp.provider) == (1, "brought")
    assert corrector.stamp.weights_sha256 == restorer.sha256
    with pytest.raises(UsageError, match=r"mine\.safetensors cannot correct a fused picture"):
        catalogue.open_corrector(made(tmp_path, StudentResNet(), RECOGNIZER), device="cpu")
