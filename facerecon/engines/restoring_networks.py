"""Our own restoring networks in torch, by name: what is trained, and what runs on a GPU or in bf16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from facerecon.engines.architectures import AUTOENCODER, OWN_RESTORERS, UNET
from facerecon.engines.arrays import Arrays
from facerecon.engines.autoencoder import WIDTHS as AUTOENCODER_WIDTHS
from facerecon.engines.autoencoder import Autoencoder
from facerecon.engines.by_torch import make_deterministic
from facerecon.engines.restored import Restored
from facerecon.engines.restorer_shapes import RestorerShape
from facerecon.engines.runtime import Device
from facerecon.engines.states import fill
from facerecon.engines.unet import BLOCKS, UNet
from facerecon.engines.unet import WIDTHS as UNET_WIDTHS
from facerecon.engines.variants import Variants
from facerecon.weights import Entry


def restoring_network(
    architecture: str, widths: Sequence[int] | None = None, blocks: int = BLOCKS
) -> UNet | Autoencoder:
    """Return a new network of one of `OWN_RESTORERS`; `blocks` is the U-Net's alone, `widths` None its default.

    Raises:
        ValueError: there is no such architecture.
    """
    if architecture == UNET:
        return UNet(widths or UNET_WIDTHS, blocks)
    if architecture == AUTOENCODER:
        return Autoencoder(widths or AUTOENCODER_WIDTHS)
    raise ValueError(f"no restoring network is called {architecture}; known: {', '.join(OWN_RESTORERS)}")


def open_network(
    item: Entry, shape: RestorerShape, state: Mapping[str, torch.Tensor] | Arrays, device: Device
) -> Variants:
    """Return a filled network, to be called with squares; see `call`.

    Raises:
        IntegrityError: the state does not fit the network.
    """
    make_deterministic()
    network = restoring_network(item.architecture, shape.widths, shape.blocks)
    fill(network, state, item)
    return Variants(network, device, call, converted=False, small=True)


def call(network: nn.Module, squares: torch.Tensor) -> torch.Tensor:
    """Return the restored squares, not clipped, and how far each pixel may be off, (N, 3 + 1, side, side).

    That is the expected absolute error: the Laplace distribution's scale.
    """
    answer: Restored = network(squares)
    return torch.cat((answer.picture, answer.log_scale.exp()), 1)
