"""The small baseline that the U-Net is measured against: a convolutional autoencoder with skips. Owns its shape.

In the manner of LeNet-5 (LeCun et al., Proc. IEEE 86(11), 1998): 5x5 convolutions and averaging 2x2 subsampling, here
mirrored into a decoder, with each level's features added on the way back (Mao, Shen, Yang, NeurIPS 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from facerecon.engines.restored import Restored, begin_small, check_size, corrected

WIDTHS = (32, 64, 128)


class Autoencoder(nn.Module):
    """The network: RGB squares in 0..1, float (N, 3, S, S), to `Restored`; S is any multiple of `multiple`.

    `widths` are the channels of each level, the finest (the picture's own size) first. What it computes is added to
    its input, as in the U-Net.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        """Create the layers with random weights, such that the output is nearly the input."""
        super().__init__()
        self.widths = tuple(widths)
        self.multiple = 2 ** len(self.widths)
        self.encoder = nn.ModuleList(_conv5(inputs, outputs) for inputs, outputs in pairwise((3, *self.widths)))
        self.code = _conv5(self.widths[-1], self.widths[-1])
        self.decoder = nn.ModuleList(_conv5(coarse, fine) for fine, coarse in pairwise(self.widths))
        self.output = begin_small(_conv5(self.widths[0], 4))

    def forward(self, pictures: torch.Tensor) -> Restored:
        """Return the restored pictures, and how exact they are.

        Raises:
            ValueError: a side is no multiple of `multiple`.
        """
        check_size(pictures, self.multiple)
        x, kept = pictures - 0.5, list[torch.Tensor]()
        for layer in self.encoder:
            kept.append(F.relu(layer(x)))
            x = F.avg_pool2d(kept[-1], 2)
        x = _twice(F.relu(self.code(x))) + kept[-1]
        for level in reversed(range(len(self.decoder))):
            x = _twice(F.relu(self.decoder[level](x))) + kept[level]
        return corrected(pictures, self.output(x))


def _conv5(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 5, padding=2)


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
