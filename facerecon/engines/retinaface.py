"""Face detection with RetinaFace (Deng et al. 2019): facexlib's network class, or the same network as packaged.

Owns priors, decoding and suppression. Uses nothing of facexlib but the network: its own detection call is per picture,
rebuilds the priors each time, and its batched one transposes numpy input wrongly. The packaged weights arrive as an
ONNX model of that network; on a CPU ONNX Runtime runs it as it is, in 0.77 of torch's time at 640x360 px, in 0.3 at
128x96 px, and without holding up the interpreter's other threads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facerecon.engines import compat
from facerecon.engines.cores import on_cores
from facerecon.engines.packaged import onnx_model_of_retinaface
from facerecon.engines.runtime import memory_guard
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import load_into
from facerecon.records import RGB, Detection, ModelStamp
from facerecon.weights import Entry, verified_bytes

ARCHITECTURES = {"retinaface-mobile0.25": "mobile0.25", "retinaface-resnet50": "resnet50"}
_MEAN_RGB = (123.0, 117.0, 104.0)
_STEPS_AND_SIZES = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
_VARIANCES = (0.1, 0.2)

Rows = np.ndarray[Any, np.dtype[np.float32]]
Answer = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Of n pictures of one size: offsets of boxes (n, anchors, 4), scores (n, anchors), offsets of points (n, anchors, 10).
"""


class RetinaFaceDetector:
    """A `Detector`: finds faces from about 10 px upward, with five landmarks each."""

    def __init__(
        self, item: Entry, device: torch.device, *, min_score: float = 0.8, nms_iou: float = 0.4, batch: int = 8
    ) -> None:
        """Load the network.

        `min_score` is the smallest score reported, `nms_iou` the overlap from which the lower of two boxes is dropped,
        `batch` the number of pictures in one pass on a GPU. On a CPU each picture has a pass and a core of its own.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        packaged = device.type == "cpu" and item.provider == "packaged"
        self._network: Callable[[Sequence[RGB]], Answer] = _Packaged(item) if packaged else _Loaded(item, device)
        self._device, self._min_score, self._nms_iou = device, min_score, nms_iou
        self._batch = 1 if device.type == "cpu" else batch
        self._stamp = make_stamp(item, device, "fp32")

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        """Return each picture's faces, best score first; the pictures of one call have one size.

        Boxes are clipped to the picture; landmarks are not, as a clipped point would turn the alignment.

        Raises:
            ResourceError: out of memory.
            ValueError: the pictures differ in size.
        """
        if len({image.shape for image in images}) > 1:
            raise ValueError("the pictures of one call must have one size")
        passes = [images[start : start + self._batch] for start in range(0, len(images), self._batch)]
        with memory_guard("face detection"):
            if self._device.type == "cpu":
                found = on_cores(self._detect_pass, passes)
            else:
                found = [self._detect_pass(images) for images in passes]
        return [faces for each in found for faces in each]

    @torch.inference_mode()
    def _detect_pass(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        height, width = images[0].shape[:2]
        offsets, scores, points = self._network(images)
        # Almost all anchors score near zero: filter first, decode the few that stay.
        pictures, anchors = torch.nonzero(scores >= self._min_score, as_tuple=True)
        priors = _priors(height, width, self._device)[anchors]
        boxes, found = _decode_boxes(offsets[pictures, anchors], priors), scores[pictures, anchors]
        rows = torch.cat((boxes, _decode_points(points[pictures, anchors], priors), found[:, None]), 1)
        counts = torch.bincount(pictures, minlength=len(images)).tolist()
        return [
            tuple(_detections(_best(each, self._nms_iou), height, width))
            for each in np.split(rows.cpu().numpy(), np.cumsum(counts)[:-1])
        ]


class _Loaded:
    """facexlib's network on a device."""

    def __init__(self, item: Entry, device: torch.device) -> None:
        self.network, self._device = _build(item, device), device
        self._mean = torch.tensor(_MEAN_RGB, device=device).view(1, 3, 1, 1)

    def __call__(self, images: Sequence[RGB]) -> Answer:
        # A stack of pictures is channels-last in memory as it is.
        stack = torch.from_numpy(np.stack(images)).to(self._device).permute(0, 3, 1, 2)
        offsets, scores, points = self.network(
            stack.to(torch.float32, memory_format=torch.channels_last).sub_(self._mean)
        )
        return offsets, scores[..., 1], points


class _Packaged:
    """The packaged ONNX model, by ONNX Runtime: each call on one core, with the same bits in every company."""

    def __init__(self, item: Entry) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Pictures and parts of them have many sizes: kept memory and plans for each would only pile up.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        options.log_severity_level = 3
        model = onnx_model_of_retinaface(verified_bytes(item))
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, images: Sequence[RGB]) -> Answer:
        height, width = images[0].shape[:2]
        stack = cv2.dnn.blobFromImages(list(images), 1.0, (width, height), _MEAN_RGB[::-1], swapRB=True)
        try:
            found = self.session.run(["loc", "conf", "landmarks"], {"input": stack})
        except Exception as error:
            # Its errors are of no common kind, and running out of memory is told in words alone.
            if "allocat" in str(error):
                raise MemoryError(str(error)) from error
            raise
        offsets, scores, points = (torch.from_numpy(each) for each in found)
        return offsets, scores[..., 1], points


def _build(item: Entry, device: torch.device) -> nn.Module:
    network_class = compat.network_class("facexlib.detection.retinaface", "RetinaFace")
    with warnings.catch_warnings():
        # facexlib asks torchvision for a ResNet in a way that is deprecated; no weights are involved.
        warnings.simplefilter("ignore", UserWarning)
        network = network_class(ARCHITECTURES[item.architecture], device=torch.device("cpu"))
    load_into(network, item)
    _fold_norms(network)
    _take_rgb(network)
    return network.to(memory_format=torch.channels_last).to(device)


def backbone(item: Entry) -> nn.Module:
    """Return the network's backbone: pictures of 0..255 less the training set's mean to three maps of features.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones.
    """
    return _build(item, torch.device("cpu")).get_submodule("body")


def _fold_norms(network: nn.Module) -> None:
    """Fold every batch normalisation into the convolution before it: the same function in one pass less."""
    for module in network.modules():
        children = list(module.named_children())
        for (name, first), (after, second) in pairwise(children):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, after, nn.Identity())


def _take_rgb(network: nn.Module) -> None:
    """Turn the first convolution's input channels round: the network was trained on BGR, pictures here are RGB."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first.weight = nn.Parameter(first.weight.flip(1), requires_grad=False)


@lru_cache(maxsize=64)
def _priors(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return the anchors (centre x, centre y, width, height), in pixels, of all cells of the three feature maps."""
    parts = []
    for step, sizes in _STEPS_AND_SIZES:
        y = (torch.arange(-(-height // step), device=device) + 0.5) * step
        x = (torch.arange(-(-width // step), device=device) + 0.5) * step
        grid = torch.cartesian_prod(y, x).flip(1)
        sides = torch.tensor(sizes, dtype=torch.float32, device=device).repeat(len(grid)).view(-1, 1)
        parts.append(torch.cat((grid.repeat_interleave(len(sizes), 0), sides, sides), 1))
    return torch.cat(parts)


def _decode_boxes(offsets: torch.Tensor, priors: torch.Tensor) -> torch.Tensor:
    """Turn offsets (n, 4) into boxes (x0, y0, x1, y1) in pixels."""
    centres = priors[:, :2] + offsets[:, :2] * _VARIANCES[0] * priors[:, 2:]
    sizes = priors[:, 2:] * torch.exp(offsets[:, 2:] * _VARIANCES[1])
    return torch.cat((centres - sizes / 2, centres + sizes / 2), 1)


def _decode_points(offsets: torch.Tensor, priors: torch.Tensor) -> torch.Tensor:
    """Turn offsets (n, 10) into five points (x, y) in pixels, flat."""
    points = priors[:, None, :2] + offsets.view(-1, 5, 2) * _VARIANCES[0] * priors[:, None, 2:]
    return points.flatten(1)


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
