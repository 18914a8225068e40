"""Our face restorer's network: a residual U-Net without any norm. Owns its shape; weights and calling are others'.

After Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, of residual blocks (He et al., CVPR 2016). It sees the picture
with 2x2 pixels folded into channels (Shi et al., CVPR 2016), and what it computes is added to its input. Most channels
are at the coarse levels: a face that was enlarged has little to say at the finest.

Measured at 128x128 px, on one core of a 2024 server CPU with AVX512-BF16, per face in bf16: the default widths 1.44
GMAC, 14 ms, in training 44 ms; (48, 96, 192, 256) 2.39 GMAC, 23 and 73 ms; (32, 64, 128, 192) 1.09 GMAC, 11 and 34 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from facerecon.engines.restored import Restored, begin_small, check_size, corrected
from facerecon.engines.restorer_shapes import FOLD

WIDTHS = (32, 64, 160, 320)
BLOCKS = 2


class UNet(nn.Module):
    """The network: RGB squares in 0..1, float (N, 3, S, S), to `Restored`; S is any multiple of `multiple`.

    `widths` are the channels of each level, the finest (half the picture's size) first; `blocks` the residual blocks
    on each side of each level. Convolutions, additions and copies only: each has a deterministic kernel.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, blocks: int = BLOCKS) -> None:
        """Create the layers with random weights, such that the output is nearly the input."""
        super().__init__()
        self.widths, self.blocks = tuple(widths), blocks
        self.multiple = 2 ** len(self.widths)
        self.entry = _conv3(3 * FOLD**2, self.widths[0])
        self.encoder = nn.ModuleList(_blocks(width, blocks) for width in self.widths)
        self.down = nn.ModuleList(_conv3(fine, coarse, stride=2) for fine, coarse in pairwise(self.widths))
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(self.widths))
        self.skip = nn.ModuleList(nn.Conv2d(fine, fine, 1) for fine in self.widths[:-1])
        self.decoder = nn.ModuleList(_blocks(width, blocks) for width in self.widths[:-1])
        self.output = begin_small(_conv3(self.widths[0], 4 * FOLD**2))

    def forward(self, pictures: torch.Tensor) -> Restored:
        """Return the restored pictures, and how exact they are.

        Raises:
            ValueError: a side is no multiple of `multiple`.
        """
        check_size(pictures, self.multiple)
        x = self.entry(F.pixel_unshuffle(pictures - 0.5, FOLD))
        kept: list[torch.Tensor] = []
        for level, blocks in enumerate(self.encoder):
            x = blocks(self.down[level - 1](x) if level else x)
            kept.append(x)
        for level in reversed(range(len(self.decoder))):
            # Two 1x1 convolutions, added: one on both put together, without the copy.
            wider = F.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest")
            x = self.decoder[level](self.skip[level](kept[level]) + wider)
        return corrected(pictures, F.pixel_shuffle(self.output(x), FOLD))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    def __init__(self, width: int) -> None:
        """Create the layers; the second begins small."""
        super().__init__()
        self.first, self.second = _conv3(width, width), begin_small(_conv3(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum, of the input's shape."""
        y: torch.Tensor = self.second(F.relu(self.first(F.relu(x))))
        return x + y


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


def _conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
