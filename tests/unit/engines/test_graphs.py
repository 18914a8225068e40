"""The networks as ONNX graphs answer as their torch networks do, of whatever size; nothing else passes for one."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from facerecon.engines.architectures import UNET
from facerecon.engines.arrays import Arrays, Weights
from facerecon.engines.by_onnx import Session
from facerecon.engines.dlib_graph import dlib_model
from facerecon.engines.dlib_resnet import DlibResNet
from facerecon.engines.restorer_shapes import RestorerShape, shape_of
from facerecon.engines.restoring_networks import restoring_network
from facerecon.engines.unet_graph import unet_model
from facerecon.errors import IntegrityError
from facerecon.weights import entry

SIDE_PX = 64


def arrays_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def dlib() -> DlibResNet:
    torch.manual_seed(1)
    network = DlibResNet().eval()
    network.load_state_dict({name: tensor * 2 for name, tensor in network.state_dict().items()})
    return network


def unet(widths: tuple[int, ...], blocks: int) -> torch.nn.Module:
    torch.manual_seed(2)
    network = restoring_network(UNET, widths, blocks).eval()
    # Larger weights than a new network has: every layer counts in what comes out.
    network.load_state_dict({name: tensor * 1.5 for name, tensor in network.state_dict().items()})
    return network


def test_dlibs_graph_answers_as_its_torch_network(dlib: DlibResNet) -> None:
    model = dlib_model(Weights(entry("dlib-resnet"), arrays_of(dlib)))
    session = Session(model.graph, model.weights)
    chips = np.random.default_rng(3).uniform(0, 255, (3, 3, 150, 150)).astype(np.float32)
    with torch.inference_mode():
        expected = dlib(torch.from_numpy(chips)).numpy()
    assert np.abs(expected).max() > 1e-3
    (found,) = session.run(["vectors"], {"chips": chips})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("widths", "blocks"), [((8,), 1), ((8, 16), 2), ((4, 12, 20), 3)])
def test_the_unets_graph_answers_as_its_torch_network(widths: tuple[int, ...], blocks: int) -> None:
    network = unet(widths, blocks)
    arrays = arrays_of(network)
    shape = shape_of(entry("restorer-unet"), arrays)
    assert shape == RestorerShape(widths, blocks)
    model = unet_model(Weights(entry("restorer-unet"), arrays), shape, SIDE_PX)
    session = Session(model.graph, model.weights)
    squares = np.random.default_rng(4).random((2, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    with torch.inference_mode():
        picture, log_scale = network(torch.from_numpy(squares))
    (found,) = session.run(["answer"], {"squares": squares})
    assert float((picture - torch.from_numpy(squares)).abs().max()) > 0.01
    np.testing.assert_allclose(found, torch.cat((picture, log_scale.exp()), 1).numpy(), atol=2e-6)


def changed(arrays: Arrays, name: str, values: np.ndarray | None) -> Arrays:
    others = {each: kept for each, kept in arrays.items() if each != name}
    return others if values is None else {**others, name: values}


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("convs.3.bias", None, "has no convs.3.bias"),
        ("convs.3.bias", np.zeros(33, np.float32), "convs.3.bias is 33, not 32"),
        ("convs.0.weight", np.zeros((32, 3, 3, 3), np.float32), "convs.0.weight is 32x3x3x3, not 32x3x7x7"),
    ],
)
def test_other_arrays_are_no_dlib_network(
    dlib: DlibResNet, name: str, values: np.ndarray | None, complaint: str
) -> None:
    with pytest.raises(IntegrityError, match=f"dlib-resnet does not fit the network dlib-resnet: .*{complaint}"):
        dlib_model(Weights(entry("dlib-resnet"), changed(arrays_of(dlib), name, values)))


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("down.0.weight", None, "has no down.0.weight"),
        ("output.bias", np.zeros((1, 16), np.float32), "output.bias is 1x16, not 16"),
        ("attention.weight", np.zeros(3, np.float32), "knows no attention.weight"),
    ],
)
def test_other_arrays_are_no_unet(name: str, values: np.ndarray | None, complaint: str) -> None:
    item = entry("restorer-unet")
    arrays = changed(arrays_of(unet((8, 16), 1)), name, values)
    with pytest.raises(IntegrityError, match=f"restorer-unet does not fit the network restorer-unet: .*{complaint}"):
        unet_model(Weights(item, arrays), shape_of(item, arrays), SIDE_PX)


def test_what_onnx_runtime_cannot_load_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError, match=r"(?i)protobuf"):
        Session(b"no model")


@pytest.mark.parametrize("words", ["Exception during initialization: std::bad_alloc", "Failed to allocate memory"])
def test_memory_that_is_short_when_a_model_is_loaded_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def load(*_: object, **__: object) -> None:
        raise RuntimeException(words)

    monkeypatch.setattr(onnxruntime, "InferenceSession", load)
    with pytest.raises(MemoryError, match=words):
        Session(b"")


def test_a_number_has_no_sides() -> None:
    with pytest.raises(IntegrityError, match="radius is a number, not 2"):
        Weights(entry("dlib-lq"), {"radius": np.float32(1)[()].reshape(())}).take("radius", 2)
