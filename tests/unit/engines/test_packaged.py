"""Packaged files become state dicts: exact layout, exact values, errors for anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from facerecon.engines import packaged
from facerecon.engines.states import as_tensors
from facerecon.errors import IntegrityError
from facerecon.weights import entry, locate, verified_bytes


def test_retinaface_equals_the_packaged_onnx_model() -> None:
    from facerecon.engines.retinaface_network import build

    source = verified_bytes(entry("retinaface-mobile0.25"))
    session = onnxruntime.InferenceSession(
        packaged.onnx_model_of_retinaface(source), providers=["CPUExecutionProvider"]
    )
    picture = np.random.default_rng(0).normal(0, 60, (1, 3, 96, 128)).astype(np.float32)
    expected = {array.shape[-1]: array for array in session.run(None, {session.get_inputs()[0].name: picture})}
    with torch.inference_mode():
        outputs = build(entry("retinaface-mobile0.25"))(torch.from_numpy(picture).flip(1))
    for output in outputs:
        np.testing.assert_allclose(output.numpy(), expected[output.shape[-1]], atol=5e-5)


@pytest.mark.parametrize(
    ("convert", "data", "complaint"),
    [
        (packaged.retinaface_state, b"X = 1\n", "no bytes constant WEIGHTS"),
        (packaged.rrdbnet_state, b"\x00" * 64, "no float16 weights for conv_first at byte 0"),
        (packaged.dlib_state, b"\x00" * 64, "no tensor of size"),
    ],
)
def test_anything_else_is_an_integrity_error(convert: object, data: bytes, complaint: str) -> None:
    with pytest.raises(IntegrityError, match=complaint):
        convert(data)  # type: ignore[operator]


def test_ncnn_file_is_consumed_to_the_last_byte() -> None:
    data = verified_bytes(entry("realesrgan-x4plus"))
    state = packaged.rrdbnet_state(data)
    assert len(state) == 702
    assert state["conv_first.weight"].dtype == np.float16
    with pytest.raises(IntegrityError, match="3 bytes too many"):
        packaged.rrdbnet_state(data + b"abc")


def test_dlib_network_equals_dlib() -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin, the oracle here, is not installed")
    from facerecon.engines.dlib_resnet import DlibResNet

    path = locate(entry("dlib-resnet"))
    oracle = dlib.face_recognition_model_v1(str(path))
    network = DlibResNet().eval()
    network.load_state_dict(as_tensors(packaged.dlib_state(verified_bytes(entry("dlib-resnet")))))
    generator = np.random.default_rng(0)
    for _ in range(3):
        chip = np.kron(generator.integers(0, 256, (15, 15, 3)), np.ones((10, 10, 1))).astype(np.uint8)
        with torch.inference_mode():
            found = network(torch.from_numpy(chip).permute(2, 0, 1)[None].float())[0].numpy()
        np.testing.assert_allclose(found, np.array(oracle.compute_face_descriptor(chip)), atol=1e-5)


def test_no_packaged_module_is_imported() -> None:
    modules = {item.module for item in map(entry, ("retinaface-mobile0.25", "realesrgan-x4plus", "dlib-resnet"))}
    source = "".join(path.read_text() for path in Path(packaged.__file__).parent.glob("*.py"))
    assert [name for name in modules if f"import {name}" in source or f"from {name}" in source] == []
