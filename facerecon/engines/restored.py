"""What our own restoring networks answer, and how far they may doubt it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

from facerecon.engines.restorer_shapes import GREATEST_SCALE, LEAST_SCALE

# How much smaller than usual the layers begin that lead to the output: a new network then changes little.
SMALL_START = 0.1


class Restored(NamedTuple):
    """A restored picture, float (N, 3, y, x) in about 0..1 and not clipped, and how exact it is.

    `log_scale` (N, 1, y, x): natural logarithm of the scale b, in units of 0..1, of the Laplace distribution of the
    error that is left at each pixel (Kendall, Gal, NeurIPS 2017); b is also the expected absolute error.
    """

    picture: torch.Tensor
    log_scale: torch.Tensor


def corrected(pictures: torch.Tensor, output: torch.Tensor) -> Restored:
    """Return the pictures with a network's last layer, (N, 4, y, x), as correction and scale; in float32."""
    answer = output.float()
    low, high = math.log(LEAST_SCALE), math.log(GREATEST_SCALE)
    return Restored(pictures.float() + answer[:, :3], low + (high - low) * torch.sigmoid(answer[:, 3:]))


def begin_small(layer: nn.Conv2d) -> nn.Conv2d:
    """Shrink a new layer's weights and bias to `SMALL_START` of what they are; return it."""
    with torch.no_grad():
        layer.weight.mul_(SMALL_START)
        if layer.bias is not None:
            layer.bias.mul_(SMALL_START)
    return layer


def check_size(pictures: torch.Tensor, multiple: int) -> None:
    """Refuse pictures that cannot be halved often enough.

    Raises:
        ValueError: a side is no multiple of `multiple`.
    """
    height, width = pictures.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(f"pictures of {width}x{height} px: both sides must be multiples of {multiple}")
