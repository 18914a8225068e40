"""RetinaFace as facexlib's network class has it, in torch: for GPUs, other weights, and training's perceptual loss."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facerecon.engines import compat
from facerecon.engines.architectures import DETECTORS
from facerecon.engines.by_torch import each_on_a_core, make_deterministic, stacked
from facerecon.engines.retinaface import MEAN_RGB, Answer
from facerecon.engines.runtime import Device
from facerecon.engines.states import load_into
from facerecon.records import RGB
from facerecon.weights import Entry


class Loaded:
    """The network on a device, called with several passes of same-sized pictures."""

    def __init__(self, item: Entry, device: Device, min_score: float) -> None:
        """Load it; answers below `min_score` are left on the device.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        make_deterministic()
        self._device, self._min_score = torch.device(str(device)), min_score
        self.network = build(item).to(self._device)
        self._mean = torch.tensor(MEAN_RGB, device=self._device).view(1, 3, 1, 1)

    def run(self, passes: Sequence[Sequence[RGB]]) -> list[Answer]:
        """Return each pass's answer; on a CPU each has a core of its own."""
        if self._device.type == "cpu":
            return each_on_a_core(lambda images: self._answer(*self._begun(images)), passes)
        with torch.inference_mode():
            # All of them are under way before the first is waited for: pictures are stacked while others are seen.
            begun = [self._begun(images) for images in passes]
            return [self._answer(*each) for each in begun]

    def _begun(self, images: Sequence[RGB]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Start a pass; a GPU goes on by itself. Returns boxes, scores and points of all anchors."""
        # A stack of pictures is channels-last in memory as it is.
        stack = stacked(images, self._device).permute(0, 3, 1, 2)
        boxes, scores, points = self.network(
            stack.to(torch.float32, memory_format=torch.channels_last).sub_(self._mean)
        )
        return boxes, scores, points

    def _answer(self, boxes: torch.Tensor, scores: torch.Tensor, points: torch.Tensor) -> Answer:
        # Almost all anchors score near zero: only the few others leave the device.
        pictures, anchors = torch.nonzero(scores[..., 1] >= self._min_score, as_tuple=True)
        chosen = (each[pictures, anchors] for each in (boxes, scores[..., 1], points))
        return Answer(*(each.cpu().numpy() for each in (pictures, anchors, *chosen)))


def build(item: Entry) -> nn.Module:
    """Return the filled network, on the CPU: RGB pictures of 0..255 less the mean to offsets, scores and points.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones.
    """
    network_class = compat.network_class("facexlib.detection.retinaface", "RetinaFace")
    with warnings.catch_warnings():
        # facexlib asks torchvision for a ResNet in a way that is deprecated; no weights are involved.
        warnings.simplefilter("ignore", UserWarning)
        network = network_class(DETECTORS[item.architecture], device=torch.device("cpu"))
    load_into(network, item)
    _fold_norms(network)
    _take_rgb(network)
    return network.to(memory_format=torch.channels_last)


def backbone(item: Entry) -> nn.Module:
    """Return the network's backbone: pictures of 0..255 less the training set's mean to three maps of features.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones.
    """
    return build(item).get_submodule("body")


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
