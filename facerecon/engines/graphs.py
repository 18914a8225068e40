"""Networks as ONNX graphs, made of their weights when they are opened. Owns how a graph is put together.

The graphs of this package say once more, for ONNX Runtime, what the torch networks of the same name say for training
and for GPUs; tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

# Read by every release of ONNX Runtime that is allowed.
_OPSET, _IR_VERSION = 17, 8
_LARGE_BYTES = 1024
"""A constant of this size is a weight: handed to the session beside the graph, which would only copy it."""

Array = npt.NDArray[Any]
Value = str
"""A value in a graph, by its name."""


@dataclass(frozen=True, eq=False)
class Model:
    """An ONNX model, and the weights that it names and does not hold."""

    graph: bytes
    weights: Mapping[str, Array]


class Graph:
    """A graph that is being put together; every method that adds a node returns the node's value."""

    def __init__(self, name: str, shape: Sequence[int | str]) -> None:
        """Begin with one float32 input, whose value is `name`; a side given as text is free."""
        self._input = helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._weights: dict[str, Array] = {}

    def constant(self, values: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> Value:
        """Add a constant."""
        name, array = f"c{len(self._constants)}", np.asarray(values, kind, order="C")
        if array.nbytes < _LARGE_BYTES:
            self._constants.append(numpy_helper.from_array(array, name))
        else:
            self._weights[name] = array
            self._constants.append(_named(name, array))
        return name

    def node(self, operator: str, *inputs: Value, **attributes: Any) -> Value:
        """Add a node with one output: an operator of ONNX, its inputs ("" for one that is left out) and attributes."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def convolution(self, x: Value, weight: Array, bias: Array, *, stride: int = 1, padding: int = 0) -> Value:
        """Add a convolution: weight (outputs, inputs, side, side), bias (outputs,)."""
        parts = self.constant(weight), self.constant(bias)
        return self.node("Conv", x, *parts, strides=[stride] * 2, pads=[padding] * 4)

    def model(self, outputs: Mapping[str, Value]) -> Model:
        """Return the model; `outputs` are values by the names that they are asked for."""
        named = [helper.make_node("Identity", [value], [name]) for name, value in outputs.items()]
        told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph([*self._nodes, *named], "network", [self._input], told, self._constants)
        opset = helper.make_opsetid("", _OPSET)
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        return Model(bytes(model.SerializeToString()), self._weights)


def _named(name: str, array: Array) -> TensorProto:
    """Return a tensor that is said to lie elsewhere, in a file that nobody looks for."""
    tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "beside"), ("offset", "0"), ("length", str(array.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return tensor
