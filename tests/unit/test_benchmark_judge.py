"""The judge that benchmarks/ asks: its reading of TensorFlow.js graphs, on graphs worked out by hand."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from facerecon.errors import IntegrityError


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "judge.py"
    spec = importlib.util.spec_from_file_location("benchmark_judge", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def convolution(name: str, op: str, *inputs: str, stride: int, padding: str = "SAME") -> dict[str, Any]:
    text = base64.b64encode(padding.encode()).decode()
    return node(name, op, *inputs, strides={"list": {"i": ["1", str(stride), str(stride), "1"]}}, padding={"s": text})


def graph(
    judge: ModuleType, nodes: list[dict[str, Any]], constants: dict[str, np.ndarray[Any, Any]], kind: str = "float32"
) -> Any:
    quantization = {} if kind == "float32" else {"quantization": {"dtype": kind, "original_dtype": "float32"}}
    weights = [
        {"name": name, "shape": list(values.shape), "dtype": "int32"}
        if values.dtype == np.int32
        else {"name": name, "shape": list(values.shape), "dtype": "float32", **quantization}
        for name, values in constants.items()
    ]
    data = b"".join(
        values.astype("<i4" if values.dtype == np.int32 else np.dtype(kind).newbyteorder("<")).tobytes()
        for values in constants.values()
    )
    every = [node("x", "Placeholder"), *(node(name, "Const") for name in constants), *nodes]
    document = {"modelTopology": {"node": every}, "weightsManifest": [{"weights": weights}]}
    return judge.Graph(document, data, nodes[-1]["name"])


def column(*values: float) -> torch.Tensor:
    """One picture of one column and one channel: (1, N, 1, 1)."""
    return torch.tensor(values).reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Three taps 1, 10, 100 at stride 2: an even side is padded after its end alone, an odd one at both ends.
        ((1.0, 2.0, 3.0, 4.0), (321.0, 43.0)),
        ((1.0, 2.0, 3.0), (210.0, 32.0)),
    ],
)
@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_convolutions_pad_as_tensorflow_does(
    judge: ModuleType, rows: tuple[float, ...], expected: tuple[float, ...], kind: str
) -> None:
    taps = np.array([1, 10, 100], np.float32).reshape(3, 1, 1, 1)
    for op in ("Conv2D", "DepthwiseConv2dNative"):
        made = graph(judge, [convolution("y", op, "x", "taps", stride=2)], {"taps": taps}, kind)
        assert made(column(*rows)).flatten().tolist() == list(expected)


def test_a_depthwise_kernel_sees_its_own_channel_and_a_full_one_all(judge: ModuleType) -> None:
    picture = torch.tensor([1.0, 2.0]).reshape(1, 1, 1, 2)
    each = np.array([3, 5], np.float32).reshape(1, 1, 2, 1)
    full = np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 1, 2, 2)
    made = graph(judge, [convolution("y", "DepthwiseConv2dNative", "x", "k", stride=1)], {"k": each})
    assert made(picture).flatten().tolist() == [3, 10]
    made = graph(judge, [convolution("y", "Conv2D", "x", "k", stride=1)], {"k": full})
    assert made(picture).flatten().tolist() == [201, 2010]


def test_the_other_operations(judge: ModuleType) -> None:
    constants = {
        "two": np.array(2, np.float32),
        "three": np.array([3], np.float32),
        "axes": np.array([1, 2], np.int32),
    }
    nodes = [
        node("a", "Mul", "x", "two"),
        node("b", "Add", "a", "three"),
        node("c", "Relu", "b"),
        node("d", "Minimum", "c", "seven"),
        node("e", "Maximum", "d", "one"),
        node("f", "Mean", "e", "axes"),
    ]
    constants |= {"seven": np.array(7, np.float32), "one": np.array(1, np.float32)}
    # -5 to -7 to 0 to 1; 1 to 5; 4 to 11 to 7.
    assert graph(judge, nodes, constants)(column(-5, 1, 4)).flatten().tolist() == [pytest.approx(13 / 3)]


def test_what_the_output_does_not_need_is_left_out(judge: ModuleType) -> None:
    nodes = [node("unknown", "SoftMax", "x"), node("y", "Relu", "x")]
    assert graph(judge, nodes, {})(column(-1, 2)).flatten().tolist() == [0, 2]


def test_what_is_not_known_is_refused(judge: ModuleType) -> None:
    with pytest.raises(ValueError, match="Softmax"):
        graph(judge, [node("y", "Softmax", "x")], {})
    with pytest.raises(ValueError, match="uint8"):
        graph(judge, [node("y", "Add", "x", "k")], {"k": np.zeros(3, np.float32)}, "uint8")
    document = {"modelTopology": {"node": [node("x", "Placeholder")]}, "weightsManifest": [{"weights": []}]}
    with pytest.raises(ValueError, match="4 bytes"):
        judge.Graph(document, bytes(4), "x")


def test_other_files_than_the_pinned_ones_are_refused(judge: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "faceres.json").write_text(json.dumps({}))
    (tmp_path / "faceres.bin").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"faceres files of human-models 3\.0\.4"):
        judge.FaceRes(tmp_path / "faceres.json")
