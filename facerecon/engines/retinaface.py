"""Face detection with RetinaFace (Deng et al. 2019): the packaged ONNX model, or facexlib's network class.

Owns priors, decoding and suppression. Uses nothing of facexlib but the network: its own detection call is per picture,
rebuilds the priors each time, and its batched one transposes numpy input wrongly. The packaged weights arrive as an
ONNX model of that network; on a CPU ONNX Runtime runs it as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.engines.by_onnx import Session
from facerecon.engines.cores import on_cores
from facerecon.engines.packaged import onnx_model_of_retinaface
from facerecon.engines.runtime import Device, memory_guard
from facerecon.engines.stamps import make_stamp
from facerecon.records import RGB, Detection, ModelStamp
from facerecon.weights import Entry, verified_bytes

MEAN_RGB = (123.0, 117.0, 104.0)
_STEPS_AND_SIZES = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
_VARIANCES = (np.float32(0.1), np.float32(0.2))

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Answer(NamedTuple):
    """What a network said of the anchors that score high enough in the pictures of one pass.

    `pictures` and `anchors` (n,) count them; `boxes` (n, 4) and `points` (n, 10) are offsets, `scores` (n,) in 0..1.
    """

    pictures: Numbers
    anchors: Numbers
    boxes: Rows
    scores: Rows
    points: Rows


class Network(Protocol):
    """What runs: passes of same-sized pictures to their answers."""

    def run(self, passes: Sequence[Sequence[RGB]]) -> list[Answer]:
        """Return each pass's answer."""
        ...


class RetinaFaceDetector:
    """A `Detector`: finds faces from about 10 px upward, with five landmarks each."""

    def __init__(
        self, item: Entry, device: Device, *, min_score: float = 0.8, nms_iou: float = 0.4, batch: int = 8
    ) -> None:
        """Load the network.

        `min_score` is the smallest score reported, `nms_iou` the overlap from which the lower of two boxes is dropped,
        `batch` the number of pictures in one pass on a GPU. On a CPU each picture has a pass and a core of its own.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        packaged = device.type == "cpu" and item.provider == "packaged"
        self._network: Network = _Packaged(item, min_score) if packaged else _by_torch(item, device, min_score)
        self._nms_iou = nms_iou
        self._batch = 1 if device.type == "cpu" else batch
        self._stamp = make_stamp(item, device, "fp32")

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        """Return each picture's faces, best score first.

        Boxes are clipped to the picture; landmarks are not, as a clipped point would turn the alignment.

        Raises:
            ResourceError: out of memory.
        """
        passes = self._passes(images)
        with memory_guard("face detection"):
            answers = self._network.run([[images[number] for number in each] for each in passes])
        found: dict[int, tuple[Detection, ...]] = {}
        for numbers, answer in zip(passes, answers, strict=True):
            height, width = images[numbers[0]].shape[:2]
            found |= zip(numbers, self._decoded(answer, len(numbers), height, width), strict=True)
        return [found[number] for number in range(len(images))]

    def _passes(self, images: Sequence[RGB]) -> list[list[int]]:
        """Return which pictures run together: of one size, a batch at most; largest first, so that cores end together.

        In which company and order a picture runs changes nothing on a CPU.
        """
        sizes: dict[tuple[int, ...], list[int]] = {}
        for number, image in enumerate(images):
            sizes.setdefault(image.shape, []).append(number)
        numbers = [sizes[shape] for shape in sorted(sizes, key=math.prod, reverse=True)]
        return [each[start : start + self._batch] for each in numbers for start in range(0, len(each), self._batch)]

    def _decoded(self, answer: Answer, count: int, height: int, width: int) -> list[tuple[Detection, ...]]:
        priors = _priors(height, width)[answer.anchors]
        boxes, points = _decode_boxes(answer.boxes, priors), _decode_points(answer.points, priors)
        rows = np.concatenate((boxes, points, answer.scores[:, None]), axis=1)
        of_pictures = (rows[answer.pictures == number] for number in range(count))
        return [tuple(_detections(_best(each, self._nms_iou), height, width)) for each in of_pictures]


def _by_torch(item: Entry, device: Device, min_score: float) -> Network:
    from facerecon.engines.retinaface_network import Loaded

    return Loaded(item, device, min_score)


class _Packaged:
    """The packaged ONNX model: each pass on one core, with the same bits in every company."""

    def __init__(self, item: Entry, min_score: float) -> None:
        self._min_score = min_score
        self.session = Session(onnx_model_of_retinaface(verified_bytes(item)))

    def run(self, passes: Sequence[Sequence[RGB]]) -> list[Answer]:
        return on_cores(self._pass, passes)

    def _pass(self, images: Sequence[RGB]) -> Answer:
        height, width = images[0].shape[:2]
        stack: Any = cv2.dnn.blobFromImages(list(images), 1.0, (width, height), MEAN_RGB[::-1], swapRB=True)
        boxes, scores, points = self.session.run(["loc", "conf", "landmarks"], {"input": stack})
        pictures, anchors = np.nonzero(scores[..., 1] >= self._min_score)
        chosen = (each[pictures, anchors] for each in (boxes, scores[..., 1], points))
        return Answer(pictures, anchors, *chosen)


@lru_cache(maxsize=128)
def _priors(height: int, width: int) -> Rows:
    """Return the anchors (centre x, centre y, width, height), in pixels, of all cells of the three feature maps."""
    parts = []
    for step, sizes in _STEPS_AND_SIZES:
        y, x = np.meshgrid(_centres(height, step), _centres(width, step), indexing="ij")
        cells = np.repeat(np.stack((x.ravel(), y.ravel()), axis=1), len(sizes), axis=0)
        sides = np.tile(np.asarray(sizes, np.float32), len(x.ravel()))[:, None]
        parts.append(np.concatenate((cells, sides, sides), axis=1))
    return np.concatenate(parts)


def _centres(length: int, step: int) -> Rows:
    return np.asarray((np.arange(-(-length // step)) + 0.5) * step, np.float32)


def _decode_boxes(offsets: Rows, priors: Rows) -> Rows:
    """Turn offsets (n, 4) into boxes (x0, y0, x1, y1) in pixels."""
    centres = priors[:, :2] + offsets[:, :2] * _VARIANCES[0] * priors[:, 2:]
    sizes = priors[:, 2:] * np.exp(offsets[:, 2:] * _VARIANCES[1])
    return np.concatenate((centres - sizes / 2, centres + sizes / 2), axis=1)


def _decode_points(offsets: Rows, priors: Rows) -> Rows:
    """Turn offsets (n, 10) into five points (x, y) in pixels, flat."""
    points = priors[:, None, :2] + offsets.reshape(-1, 5, 2) * _VARIANCES[0] * priors[:, None, 2:]
    return np.asarray(points.reshape(-1, 10))


def _best(rows: Rows, nms_iou: float) -> Rows:
    """Return the rows (box, points, score) of one picture that suppression leaves, best score first."""
    boxes = rows[:, :4].astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    # Few rows are left here; torchvision's own function would cost a quarter of a second at each start.
    return rows[list(cv2.dnn.NMSBoxes(boxes.tolist(), rows[:, 14].tolist(), 0.0, nms_iou))]


def _detections(rows: Rows, height: int, width: int) -> Iterator[Detection]:
    """Turn rows (box, points, score) into records.

    The network counts from the picture's corner (it was trained on mirrored pictures as x -> width - x); the records
    count pixel centres at integers: half a pixel less. A box without area inside the picture is none.
    """
    for row in rows.astype(np.float64):
        x0, x1 = np.clip(row[[0, 2]] - 0.5, 0, width - 1)
        y0, y1 = np.clip(row[[1, 3]] - 0.5, 0, height - 1)
        if x1 > x0 and y1 > y0:
            points = tuple((float(x), float(y)) for x, y in row[4:14].reshape(5, 2) - 0.5)
            yield Detection(box=(float(x0), float(y0), float(x1), float(y1)), score=float(row[14]), landmarks=points)
