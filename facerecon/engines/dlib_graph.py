"""dlib's face recognition network (`facerecon.engines.dlib_resnet`) as an ONNX graph."""

from __future__ import annotations

import numpy as np

from facerecon.engines.arrays import Weights
from facerecon.engines.dlib_shape import DIMENSIONS, HALVING, MEAN_RGB, RANGE, SIDE_PX, WIDTHS, conv_shapes
from facerecon.engines.graphs import Graph, Model, Value

_SHAPES = tuple(conv_shapes())


def dlib_model(weights: Weights) -> Model:
    """Return the network as an ONNX model: `chips`, RGB in 0..255, float (n, 3, 150, 150), to `vectors` (n, 128).

    `weights` are named as in `DlibResNet`'s state.

    Raises:
        IntegrityError: they do not fit the network.
    """
    graph = Graph("chips", ("n", 3, SIDE_PX, SIDE_PX))
    mean, extent = graph.constant(np.reshape(MEAN_RGB, (1, 3, 1, 1))), graph.constant(RANGE)
    x = _convolution(graph, graph.node("Div", graph.node("Sub", "chips", mean), extent), weights, 0)
    x = graph.node("MaxPool", graph.node("Relu", x), kernel_shape=[3, 3], strides=[2, 2])
    side_px, channels = ((SIDE_PX - 7) // 2 + 1 - 3) // 2 + 1, WIDTHS[0]
    for number, width in zip(range(1, len(WIDTHS), 2), WIDTHS[::2], strict=True):
        y = graph.node("Relu", _convolution(graph, x, weights, number))
        y = _convolution(graph, y, weights, number + 1)
        if number in HALVING:
            # Where the two differ in shape the smaller is padded with zeros, as dlib does.
            x = graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            shortcut_px, side_px = side_px // 2, (side_px - 3) // 2 + 1
            larger_px = max(shortcut_px, side_px)
            x = _padded(graph, x, width - channels, larger_px - shortcut_px)
            y = _padded(graph, y, 0, larger_px - side_px)
            side_px, channels = larger_px, width
        x = graph.node("Relu", graph.node("Add", y, x))
    means = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    projection = graph.constant(weights.take("projection.weight", DIMENSIONS, WIDTHS[-1]).T)
    return graph.model({"vectors": graph.node("MatMul", means, projection)})


def _convolution(graph: Graph, x: Value, weights: Weights, number: int) -> Value:
    halved = number == 0 or number in HALVING
    outputs, inputs, side = _SHAPES[number]
    weight = weights.take(f"convs.{number}.weight", outputs, inputs, side, side)
    bias = weights.take(f"convs.{number}.bias", outputs)
    return graph.convolution(x, weight, bias, stride=2 if halved else 1, padding=0 if halved else 1)


def _padded(graph: Graph, x: Value, channels: int, px: int) -> Value:
    """Add so many channels, and rows and columns at the end, of zeros."""
    if not channels and not px:
        return x
    return graph.node("Pad", x, graph.constant([0, 0, 0, 0, 0, channels, px, px], np.int64))
