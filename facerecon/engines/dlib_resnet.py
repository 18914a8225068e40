"""dlib's face recognition network in torch (King 2017; residual networks after He et al. 2015): for GPUs and training.

On the same 150x150 chip its vectors equal dlib's own to about 3e-7.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from facerecon.engines.dlib_shape import DIMENSIONS, HALVING, MEAN_RGB, RANGE, WIDTHS, conv_shapes


class DlibResNet(nn.Module):
    """The network: RGB chips in 0..255, float (N, 3, 150, 150), to vectors (N, 128)."""

    def __init__(self) -> None:
        """Create the layers, without weights."""
        super().__init__()
        self.convs = nn.ModuleList(
            _convolution(index, outputs, inputs, side) for index, (outputs, inputs, side) in enumerate(conv_shapes())
        )
        self.projection = nn.Linear(WIDTHS[-1], DIMENSIONS, bias=False)
        self.mean: torch.Tensor
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1), persistent=False)

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        """Return one vector per chip."""
        x = self.convs[0]((chips - self.mean) / RANGE)
        x = F.max_pool2d(F.relu_(x), 3, 2)
        for first in range(1, len(self.convs), 2):
            y = self.convs[first + 1](F.relu_(self.convs[first](x)))
            x = F.relu_(_sum_with_shortcut(y, x))
        vectors: torch.Tensor = self.projection(x.mean(dim=(2, 3)))
        return vectors


class StudentResNet(DlibResNet):
    """The same network, taught to read degraded faces, with what the teacher's vectors of sharp faces are like.

    That is their mean (`centre`, (128,)), and how far from it they are (`radius`), for `facerecon.engines.embedders`.
    """

    def __init__(self) -> None:
        """Create the layers, without weights."""
        super().__init__()
        self.centre: torch.Tensor
        self.radius: torch.Tensor
        self.register_buffer("centre", torch.zeros(DIMENSIONS))
        self.register_buffer("radius", torch.ones(()))


def _convolution(index: int, outputs: int, inputs: int, side: int) -> nn.Conv2d:
    halved = index == 0 or index in HALVING
    return nn.Conv2d(inputs, outputs, side, stride=2 if halved else 1, padding=0 if halved else 1)


def _sum_with_shortcut(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Add the pair's input to its output; where they differ in shape the smaller is padded with zeros, as dlib does."""
    if x.shape == y.shape:
        return y.add_(x)
    x = F.avg_pool2d(x, 2)
    shape = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]
    return _padded(y, shape).add_(_padded(x, shape))


def _padded(x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    channels, height, width = (target - size for target, size in zip(shape, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))
