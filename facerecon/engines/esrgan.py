"""Enlargement with Real-ESRGAN (Wang et al. 2021) on basicsr's network class.

Owns running RRDBNet: layout, precision, tiling. It is a generative model, and measured to lower the right identity's
score on small faces: its pictures are for looking at, not for comparing. Of upstream it uses the class only.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from facerecon.engines import compat
from facerecon.engines.runtime import DTYPES, choose_precision
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import load_into
from facerecon.engines.tiling import TilePlan, run_tiled
from facerecon.errors import IntegrityError
from facerecon.records import RGB, FaceView, ModelStamp
from facerecon.stages import Restoration
from facerecon.weights import Entry, Precision

# Measured on a portrait, tile against whole picture: PSNR 42 dB with 16 px of context, 54 dB with 32, 65 dB with 48.
CONTEXT_PX = 48


class EsrganRestorer:
    """A `Restorer`: enlarges a picture of a face as a whole; it does not use the landmarks."""

    def __init__(
        self, item: Entry, device: torch.device, *, precision: str = "auto", tile_px: int = 256, batch: int = 4
    ) -> None:
        """Load the network.

        `tile_px` is the largest core of a tile, in input pixels; `batch` the number of tiles per pass.

        Raises:
            UsageError: the model does not hold in `precision` on this kind of device.
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        chosen = choose_precision(item, device, precision)
        self._scale = _scale(item)
        self._device = device
        self._networks: dict[Precision, nn.Module] = {"fp32": build_network(item).to(device)}
        self._plan = TilePlan(tile_px, CONTEXT_PX, batch, chosen)
        self._stamp = make_stamp(item, device, chosen)

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @property
    def scale(self) -> int:
        """Output size over input size."""
        return self._scale

    def restore(self, faces: Sequence[FaceView]) -> list[Restoration]:
        """Return one enlarged picture per face, in order; faces of one size share passes.

        Raises:
            RestorationError: a tile failed or gave no usable output.
            ResourceError: out of memory at the smallest batch and tile.
        """
        found: dict[int, Restoration] = {}
        order = sorted(range(len(faces)), key=lambda number: faces[number].pixels.shape)
        for _, group in groupby(order, key=lambda number: faces[number].pixels.shape):
            numbers = list(group)
            found.update(zip(numbers, self._restore([faces[number].pixels for number in numbers]), strict=True))
        return [found[number] for number in range(len(faces))]

    @torch.inference_mode()
    def _restore(self, pictures: Sequence[RGB]) -> list[Restoration]:
        stack = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div_(255)
        padded = _even(stack) if self._scale == 2 else stack
        tiled = run_tiled(padded, self._run, self._plan, self._scale)
        height, width = (side * self._scale for side in stack.shape[2:])
        pixels = tiled.pixels[:, :, :height, :width].clamp_(0, 1).mul_(255).round_().to(torch.uint8)
        rows = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        return [Restoration(row, tiled.plan.precision, tiled.description) for row in rows]

    def _run(self, tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
        # Half precision is a network of that type, not autocast: weights are converted once.
        if precision not in self._networks:
            network = copy.deepcopy(self._networks["fp32"])
            self._networks[precision] = network.to(self._device, DTYPES[precision])
        batch = tiles.to(self._device, DTYPES[precision], memory_format=torch.channels_last)
        output: torch.Tensor = self._networks[precision](batch)
        return output.float()


def build_network(item: Entry) -> nn.Module:
    """Return RRDBNet with its weights in fp32 on the CPU, channels last.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones.
    """
    network_class = compat.network_class("basicsr.archs.rrdbnet_arch", "RRDBNet")
    network = network_class(3, 3, scale=_scale(item), num_feat=64, num_block=23, num_grow_ch=32)
    load_into(network, item)
    return network.to(memory_format=torch.channels_last)


def _scale(item: Entry) -> int:
    if item.capabilities.scale not in (2, 4):
        raise IntegrityError(f"the registry gives {item.id} no scale of 2 or 4")
    return item.capabilities.scale


def _even(stack: torch.Tensor) -> torch.Tensor:
    """Repeat the last row and column where a side is odd: the x2 network first folds 2x2 pixels into channels."""
    height, width = stack.shape[2:]
    return F.pad(stack, (0, width % 2, 0, height % 2), mode="replicate")
