"""Our face restorer's network (`facerecon.engines.unet`) as an ONNX graph. Owns nothing of its shape."""

from __future__ import annotations

import math

import numpy as np

from facerecon.engines.arrays import Weights
from facerecon.engines.graphs import Graph, Model, Value
from facerecon.engines.restorer_shapes import FOLD, GREATEST_SCALE, LEAST_SCALE, RestorerShape


def unet_model(weights: Weights, shape: RestorerShape, side_px: int) -> Model:
    """Return the network as an ONNX model for `squares`, RGB in 0..1, float (n, 3, side, side).

    Its output is `answer`, (n, 3 + 1, side, side): the picture in about 0..1, and the scale of the Laplace distribution
    of the error that is left. `weights` are named as in `UNet`'s state.

    Raises:
        IntegrityError: they do not fit the network.
    """
    model = _Network(weights, shape, side_px).model()
    weights.finish()
    return model


class _Network:
    def __init__(self, weights: Weights, shape: RestorerShape, side_px: int) -> None:
        self._weights, self._shape = weights, shape
        self._graph = Graph("squares", ("n", 3, side_px, side_px))

    def model(self) -> Model:
        graph, widths = self._graph, self._shape.widths
        x = self._entry(widths[0])
        kept: list[Value] = []
        for level, width in enumerate(widths):
            if level:
                x = self._convolution(x, f"down.{level - 1}", (widths[level - 1], width), stride=2)
            x = self._blocks(x, f"encoder.{level}", width)
            kept.append(x)
        for level in reversed(range(len(widths) - 1)):
            width = widths[level]
            wider = self._doubled(self._convolution(x, f"up.{level}", (widths[level + 1], width), side=1))
            same = self._convolution(kept[level], f"skip.{level}", (width, width), side=1)
            x = self._blocks(graph.node("Add", same, wider), f"decoder.{level}", width)
        output = self._convolution(x, "output", (widths[0], 4 * FOLD**2))
        return self._answered(graph.node("DepthToSpace", output, blocksize=FOLD, mode="CRD"))

    def _entry(self, width: int) -> Value:
        """Add the first convolution; its channels in ONNX's order of folding: place by place, not colour by colour."""
        graph = self._graph
        centred = graph.node("Sub", "squares", graph.constant(0.5))
        folded = graph.node("SpaceToDepth", centred, blocksize=FOLD)
        weight = self._weights.take("entry.weight", width, 3 * FOLD**2, 3, 3)
        by_place = weight.reshape(width, 3, FOLD**2, 3, 3).swapaxes(1, 2).reshape(weight.shape)
        return graph.convolution(folded, by_place, self._weights.take("entry.bias", width), padding=1)

    def _answered(self, output: Value) -> Model:
        graph = self._graph
        change = graph.node("Slice", output, *(graph.constant([n], np.int64) for n in (0, 3, 1)))
        logit = graph.node("Slice", output, *(graph.constant([n], np.int64) for n in (3, 4, 1)))
        low, high = math.log(LEAST_SCALE), math.log(GREATEST_SCALE)
        scaled = graph.node("Mul", graph.node("Sigmoid", logit), graph.constant(high - low))
        doubt = graph.node("Exp", graph.node("Add", scaled, graph.constant(low)))
        return graph.model({"answer": graph.node("Concat", graph.node("Add", "squares", change), doubt, axis=1)})

    def _blocks(self, x: Value, name: str, width: int) -> Value:
        for block in range(self._shape.blocks):
            y = self._convolution(self._graph.node("Relu", x), f"{name}.{block}.first", (width, width))
            y = self._convolution(self._graph.node("Relu", y), f"{name}.{block}.second", (width, width))
            x = self._graph.node("Add", x, y)
        return x

    def _convolution(self, x: Value, name: str, channels: tuple[int, int], *, side: int = 3, stride: int = 1) -> Value:
        inputs, outputs = channels
        weight = self._weights.take(f"{name}.weight", outputs, inputs, side, side)
        bias = self._weights.take(f"{name}.bias", outputs)
        return self._graph.convolution(x, weight, bias, stride=stride, padding=side // 2)

    def _doubled(self, x: Value) -> Value:
        scales = self._graph.constant([1, 1, 2, 2])
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._graph.node("Resize", x, "", scales, **how)
