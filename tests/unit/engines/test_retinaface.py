"""Face detection: the right boxes, in the right coordinates, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from torchvision.ops import nms

from facerecon.engines import compat
from facerecon.engines.retinaface import RetinaFaceDetector, _best
from facerecon.engines.retinaface_network import Loaded
from facerecon.engines.states import load_into
from facerecon.errors import ResourceError
from facerecon.records import RGB, Detection
from facerecon.weights import entry
from tests.unit.engines.conftest import ASTRONAUT


@pytest.fixture(scope="module")
def detector(cpu: torch.device) -> RetinaFaceDetector:
    return RetinaFaceDetector(entry("retinaface-mobile0.25"), cpu)


def shifted(picture: RGB, dx: int) -> RGB:
    return np.ascontiguousarray(np.roll(picture, dx, axis=1))


def differences(a: tuple[Detection, ...], b: tuple[Detection, ...]) -> float:
    assert len(a) == len(b)
    return max(float(abs(numbers(x) - numbers(y)).max()) for x, y in zip(a, b, strict=True))


def numbers(face: Detection) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([*face.box, *np.ravel(face.landmarks)])


def test_face_of_the_portrait(detector: RetinaFaceDetector, portrait: RGB) -> None:
    (found,) = detector.detect([portrait])
    assert len(found) == 1
    assert found[0].score > 0.99
    assert np.allclose(found[0].box, (177.4, 56.3, 272.6, 176.7), atol=0.1)
    assert np.allclose(found[0].landmarks, ASTRONAUT, atol=0.1)


def test_image_left_points_come_first(detector: RetinaFaceDetector, portrait: RGB) -> None:
    eye_left, eye_right, nose, mouth_left, mouth_right = detector.detect([portrait])[0][0].landmarks
    assert eye_left[0] < nose[0] < eye_right[0]
    assert mouth_left[0] < mouth_right[0]
    assert eye_left[1] < nose[1] < mouth_left[1]


def test_coordinates_count_pixel_centres(detector: RetinaFaceDetector, portrait: RGB) -> None:
    """In the mirrored picture a point at x lies at width - 1 - x; a wrong half pixel would show twice here."""
    straight = detector.detect([portrait])[0][0].landmarks
    mirrored = detector.detect([np.ascontiguousarray(portrait[:, ::-1])])[0][0].landmarks
    sums = [straight[a][0] + mirrored[b][0] for a, b in ((0, 1), (1, 0), (2, 2), (3, 4), (4, 3))]
    assert np.mean(sums) == pytest.approx(portrait.shape[1] - 1, abs=0.8)


def test_agrees_with_upstreams_own_detection(portrait: RGB, detector: RetinaFaceDetector, cpu: torch.device) -> None:
    upstream = compat.network_class("facexlib.detection.retinaface", "RetinaFace")("mobile0.25", device=cpu)
    load_into(upstream, entry("retinaface-mobile0.25"))
    with torch.inference_mode():
        rows = upstream.detect_faces(portrait[:, :, ::-1])  # type: ignore[operator]
    found = detector.detect([portrait])[0]
    assert np.allclose([face.box for face in found], rows[:, :4] - 0.5, atol=1e-2)
    assert np.allclose([np.ravel(face.landmarks) for face in found], rows[:, 5:] - 0.5, atol=1e-2)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batch_size_does_not_matter(portrait: RGB, detector: RetinaFaceDetector, cpu: torch.device, batch: int) -> None:
    """R13. Measured: 1e-4 px between batches of 1 and 8; the tolerance is 0.01 px and 1e-4 in score."""
    pictures = [shifted(portrait, dx) for dx in range(0, 50, 10)]
    other = RetinaFaceDetector(entry("retinaface-mobile0.25"), cpu, batch=batch)
    for a, b in zip(detector.detect(pictures), other.detect(pictures), strict=True):
        assert differences(a, b) < 0.01
        assert [face.score for face in a] == pytest.approx([face.score for face in b], abs=1e-4)


def test_same_input_same_output(detector: RetinaFaceDetector, portrait: RGB) -> None:
    assert detector.detect([portrait, portrait])[0] == detector.detect([portrait])[0]


def test_best_score_first(detector: RetinaFaceDetector, portrait: RGB, cpu: torch.device) -> None:
    small = portrait[::2, ::2]
    pair = np.ascontiguousarray(np.concatenate((small, small // 4), axis=1))
    low = RetinaFaceDetector(entry("retinaface-mobile0.25"), cpu, min_score=0.3)
    scores = [face.score for face in low.detect([pair])[0]]
    assert len(scores) >= 2
    assert scores == sorted(scores, reverse=True)


def test_thresholds_are_obeyed(portrait: RGB, cpu: torch.device) -> None:
    item = entry("retinaface-mobile0.25")
    assert RetinaFaceDetector(item, cpu, min_score=0.9999).detect([portrait]) == [()]
    many = RetinaFaceDetector(item, cpu, nms_iou=0.99).detect([portrait])[0]
    assert len(many) > 1


def test_boxes_stay_inside_the_picture(detector: RetinaFaceDetector, portrait: RGB) -> None:
    cut = np.ascontiguousarray(portrait[90:300, 200:400])
    for face in detector.detect([cut])[0]:
        assert 0 <= face.box[0] < face.box[2] <= cut.shape[1] - 1
        assert 0 <= face.box[1] < face.box[3] <= cut.shape[0] - 1


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (33, 65)])
def test_any_size_goes(detector: RetinaFaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect([np.zeros((*shape, 3), np.uint8)]) == [()]


def test_no_pictures_no_answers(detector: RetinaFaceDetector) -> None:
    assert detector.detect([]) == []


def test_pictures_of_one_call_may_differ_in_size(portrait: RGB, detector: RetinaFaceDetector) -> None:
    pictures = [np.ascontiguousarray(portrait[: 250 + 50 * (n % 3), 100:450]) for n in range(6)]
    pictures[4] = shifted(pictures[4], 9)
    alone = [detector.detect([each])[0] for each in pictures]
    assert [len(faces) for faces in alone] == [1] * 6
    assert len(set(alone)) == 4
    assert detector.detect(pictures) == alone


def test_the_packaged_model_answers_as_facexlibs_network(
    detector: RetinaFaceDetector, portrait: RGB, cpu: torch.device
) -> None:
    pictures = [portrait, shifted(portrait, 7)]
    loaded = Loaded(entry("retinaface-mobile0.25"), cpu, 0.8)
    for ours, theirs in zip(detector._network.run([pictures])[0], loaded.run([pictures])[0], strict=True):
        assert len(ours) > 4
        np.testing.assert_allclose(ours, theirs, atol=5e-5)


def test_onnx_runtime_that_cannot_allocate_is_out_of_memory(
    portrait: RGB, cpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = RetinaFaceDetector(entry("retinaface-mobile0.25"), cpu)

    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeException("Failed to allocate memory for requested buffer of size 99999999")

    monkeypatch.setattr(detector._network.session, "runtime", Failing())  # type: ignore[attr-defined]
    with pytest.raises(ResourceError, match="out of memory in face detection"):
        detector.detect([portrait])


def test_out_of_memory_is_a_resource_error(portrait: RGB, cpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = RetinaFaceDetector(entry("retinaface-mobile0.25"), cpu)

    def fail(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(detector._network, "run", fail)
    with pytest.raises(ResourceError, match="face detection"):
        detector.detect([portrait])


@pytest.mark.parametrize("seed", range(10))
def test_suppression_keeps_what_torchvisions_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners, sizes = rng.uniform(0, 60, (80, 2)), rng.uniform(5, 40, (80, 2))
    rows = np.column_stack([corners, corners + sizes, np.zeros((80, 10)), rng.permutation(80) / 80 + 0.01]).astype(
        np.float32
    )
    kept = nms(torch.from_numpy(rows[:, :4]), torch.from_numpy(rows[:, 14]), 0.4)
    assert 1 < len(kept) < 60
    assert np.array_equal(_best(rows, 0.4), rows[kept.numpy()])


def test_suppression_of_nothing() -> None:
    assert _best(np.zeros((0, 15), np.float32), 0.4).shape == (0, 15)
