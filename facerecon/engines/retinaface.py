"""Face detection with RetinaFace (Deng et al. 2019) on facexlib's network class, batched and on the device.

Owns priors, decoding and suppression. Uses nothing of facexlib but the network: its own detection call is per picture,
rebuilds the priors each time, and its batched one transposes numpy input wrongly.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facerecon.engines import compat
from facerecon.engines.compat import nms
from facerecon.engines.cores import on_cores
from facerecon.engines.runtime import memory_guard
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import load_into
from facerecon.records import RGB, Detection, ModelStamp
from facerecon.weights import Entry

ARCHITECTURES = {"retinaface-mobile0.25": "mobile0.25", "retinaface-resnet50": "resnet50"}
_MEAN_RGB = (123.0, 117.0, 104.0)
_STEPS_AND_SIZES = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
_VARIANCES = (0.1, 0.2)
_PASS_PX = 2**18


class RetinaFaceDetector:
    """A `Detector`: finds faces from about 10 px upward, with five landmarks each."""

    def __init__(
        self, item: Entry, device: torch.device, *, min_score: float = 0.8, nms_iou: float = 0.4, batch: int = 8
    ) -> None:
        """Load the network.

        `min_score` is the smallest score reported, `nms_iou` the overlap from which the lower of two boxes is dropped,
        `batch` the number of pictures in one pass on a GPU. On a CPU each pass has a core of its own, and as many
        pictures as have `_PASS_PX` pixels together: at 1920x1080 px one in a pass was measured to take a quarter less
        time than four, and half the memory; at 128x96 px one takes 2.6 times as long as one of seven in a pass.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        self._network = _build(item, device)
        self._device, self._min_score, self._nms_iou = device, min_score, nms_iou
        self._batch = batch
        self._mean = torch.tensor(_MEAN_RGB, device=device).view(1, 3, 1, 1)
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
        together = self._together(images)
        passes = [images[start : start + together] for start in range(0, len(images), together)]
        with memory_guard("face detection"):
            if self._device.type == "cpu":
                found = on_cores(self._detect_pass, passes)
            else:
                found = [self._detect_pass(images) for images in passes]
        return [faces for each in found for faces in each]

    def _together(self, images: Sequence[RGB]) -> int:
        if self._device.type != "cpu" or not images:
            return self._batch
        height, width = images[0].shape[:2]
        return max(1, int(_PASS_PX // max(height * width, 1)))

    @torch.inference_mode()
    def _detect_pass(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        height, width = images[0].shape[:2]
        offsets, scores, points = self._network(self._input(images))
        # Almost all anchors score near zero: filter first, decode the few that stay.
        pictures, anchors = torch.nonzero(scores[..., 1] >= self._min_score, as_tuple=True)
        priors = _priors(height, width, self._device)[anchors]
        boxes, found = _decode_boxes(offsets[pictures, anchors], priors), scores[pictures, anchors, 1]
        rows = torch.cat((boxes, _decode_points(points[pictures, anchors], priors), found[:, None]), 1)
        counts = torch.bincount(pictures, minlength=len(images)).tolist()
        return [
            tuple(_detections(self._best(each).cpu().numpy(), height, width)) if len(each) else ()
            for each in torch.split(rows, counts)
        ]

    def _best(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the rows (box, points, score) of one picture that suppression leaves, best score first."""
        return rows[nms(rows[:, :4], rows[:, 14], self._nms_iou)]

    def _input(self, images: Sequence[RGB]) -> torch.Tensor:
        """Return the network's input, float RGB minus mean. A stack of pictures is channels-last in memory as it is."""
        stack = torch.from_numpy(np.stack(images)).to(self._device)
        return stack.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last).sub_(self._mean)


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


def _detections(
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], height: int, width: int
) -> Iterator[Detection]:
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
