"""ArcFace and FaceNet with seeded random networks in the official files' layouts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facerecon.engines import arcface, catalogue, facenet
from facerecon.engines.architectures import RECOGNIZERS
from facerecon.engines.embedders import Embedder
from facerecon.engines.embedding_networks import DESIGNS
from facerecon.engines.views import Views
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.records import FaceView
from facerecon.stages import operating_point
from facerecon.weights import Entry, entry, load_registry
from tests.unit.engines.conftest import registry_of, seeded

OFFICIAL = ("arcface-ir-se50", "facenet-vggface2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("official")


@pytest.fixture(scope="module", params=OFFICIAL)
def item(request: pytest.FixtureRequest, folder: Path) -> Iterator[Entry]:
    """Both official files are bare state dicts."""
    made = seeded(folder, request.param, DESIGNS[entry(request.param).architecture].empty_network, lambda state: state)
    yield made
    (folder / made.file).unlink()


@pytest.fixture(scope="module")
def embedder(item: Entry, folder: Path, cpu: torch.device) -> Embedder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERECON_WEIGHTS", str(folder))
        return Embedder(item, cpu)


def shifted(face: FaceView, dx: int) -> FaceView:
    a, b, c, d, e = ((x + dx, y) for x, y in face.landmarks)
    return FaceView(face.pixels, (a, b, c, d, e))


def test_vectors_are_512_numbers_of_length_one(embedder: Embedder, face: FaceView) -> None:
    (found,) = embedder.embed([face])
    assert (found.model, found.metric) == (embedder.stamp.id, "cosine")
    assert found.vector.shape == (512,)
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
    assert found.similarity(found) == pytest.approx(1, abs=1e-12)
    (chip,) = embedder.vectors([np.full((embedder._network.framing.side_px,) * 2 + (3,), 90, np.uint8)])
    assert np.linalg.norm(chip) == pytest.approx(1, abs=1e-5)


def test_same_face_same_vector_other_picture_other_vector(embedder: Embedder, face: FaceView) -> None:
    one, again, other = embedder.embed([face, face, shifted(face, 30)])
    assert np.array_equal(one.vector, embedder.embed([face])[0].vector) or one.similarity(again) > 1 - 1e-6
    assert np.array_equal(embedder.embed([face])[0].vector, embedder.embed([face])[0].vector)
    assert not np.allclose(one.vector, other.vector, atol=1e-4)


def test_batch_size_does_not_matter(
    embedder: Embedder, item: Entry, folder: Path, face: FaceView, cpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R13. Measured: 2e-7; the tolerance is 1e-5."""
    monkeypatch.setenv("FACERECON_WEIGHTS", str(folder))
    faces = [face, shifted(face, 20), face]
    for a, b in zip(embedder.embed(faces), Embedder(item, cpu, batch=1).embed(faces), strict=True):
        np.testing.assert_allclose(a.vector, b.vector, atol=1e-5)


def test_vector_is_the_normalised_mean_of_the_unit_vectors_of_the_views(embedder: Embedder, face: FaceView) -> None:
    chips = list(Views().cut(face, embedder._network.framing))
    mean = np.mean(embedder.vectors(chips), axis=0)
    np.testing.assert_allclose(embedder.embed([face])[0].vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_stamp_treatment_and_metric_are_the_model_s_own(embedder: Embedder, item: Entry) -> None:
    """R09."""
    assert embedder.stamp.source_sha256 == item.sha256
    assert embedder.metric == "cosine"
    assert embedder.threshold is None
    side = entry(item.id).capabilities.input_px
    assert f"{side} px, linear, mean of chip and mirror" in embedder.treatment


def test_a_model_without_operating_point_needs_one(embedder: Embedder) -> None:
    with pytest.raises(UsageError, match=r"recognize\.threshold"):
        operating_point(embedder, None)
    assert operating_point(embedder, 0.3) == 0.3


@pytest.mark.parametrize("weights_id", OFFICIAL)
def test_missing_weights_are_a_resource_error(weights_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    with pytest.raises(ResourceError, match=f"weights fetch {weights_id}"):
        catalogue.open_recognizer(weights_id, device="cpu")


@pytest.mark.parametrize("weights_id", OFFICIAL)
def test_wrong_layout_is_an_integrity_error(weights_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    broken = seeded(tmp_path, weights_id, lambda: nn.Conv2d(3, 3, 1), lambda state: state)
    with pytest.raises(IntegrityError, match=f"{weights_id} does not fit"):
        catalogue.open_recognizer(weights_id, device="cpu", registry=registry_of(broken))


def test_every_recognizer_of_the_registry_can_be_opened() -> None:
    """No entry of the role is left that only says it is there, and each network's chip is the entry's."""
    recognizers = [item for item in load_registry().weights if item.role == "recognition"]
    assert {item.architecture for item in recognizers} == set(DESIGNS) == set(RECOGNIZERS)
    for item in recognizers:
        assert item.capabilities.input_px == DESIGNS[item.architecture].framing.side_px
        assert item.capabilities.metric


def test_arcface_takes_blue_green_red_in_minus_one_to_one() -> None:
    chips = torch.zeros(1, 3, 112, 112)
    chips[:, 0] = 255
    found = arcface.prepared(chips)
    assert found[0, :, 5, 5].tolist() == [-1, -1, 1]
    assert chips[0, 0, 0, 0] == 255


def test_facenet_takes_red_green_blue_about_zero() -> None:
    chips = torch.zeros(1, 3, 160, 160)
    chips[:, 0] = 127.5
    chips[:, 1] = 255
    assert facenet.prepared(chips)[0, :, 5, 5].tolist() == [0, 127.5 / 128, -127.5 / 128]


def test_facenet_layout_is_that_of_the_official_file() -> None:
    state = facenet.InceptionResnetV1().state_dict()
    expected = {
        "conv2d_1a.conv.weight": (32, 3, 3, 3),
        "conv2d_4b.bn.running_mean": (256,),
        "repeat_1.4.branch2.2.conv.weight": (32, 32, 3, 3),
        "repeat_1.0.conv2d.weight": (256, 96, 1, 1),
        "mixed_6a.branch0.conv.weight": (384, 256, 3, 3),
        "mixed_6a.branch1.2.bn.num_batches_tracked": (),
        "repeat_2.9.branch1.1.conv.weight": (128, 128, 1, 7),
        "repeat_2.9.branch1.2.conv.weight": (128, 128, 7, 1),
        "mixed_7a.branch2.2.bn.weight": (256,),
        "repeat_3.4.branch0.conv.weight": (192, 1792, 1, 1),
        "block8.conv2d.bias": (1792,),
        "last_linear.weight": (512, 1792),
        "last_bn.running_var": (512,),
        "logits.weight": (8631, 512),
        "logits.bias": (8631,),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected
    # The file holds these numbers, and names for them: nothing of size can be missing or too much.
    content, size = sum(value.nbytes for value in state.values()), entry("facenet-vggface2").size_bytes
    assert size is not None
    assert 0 < size - content < 250 * len(state)


def test_facenet_logits_are_never_run() -> None:
    torch.manual_seed(0)
    network = facenet.InceptionResnetV1().eval()
    chips = torch.rand(1, 3, 160, 160)
    with torch.inference_mode():
        before = network(chips)
        network.logits.weight.fill_(torch.nan)
        assert torch.equal(before, network(chips))
    assert before.shape == (1, 512)
