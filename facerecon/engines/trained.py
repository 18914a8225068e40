"""Our own face restorers: the networks by name, and a trained file as a restorer. Trains nothing.

A trained file says its network's widths and depth by the shapes of its tensors, so the registry needs no more than the
architecture and the side of the square that it was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

from facerecon.engines.autoencoder import WIDTHS as AUTOENCODER_WIDTHS
from facerecon.engines.autoencoder import Autoencoder
from facerecon.engines.parsing import FaceParser
from facerecon.engines.pasting import Bounds
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.runtime import choose_precision
from facerecon.engines.squares import Square
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import State, fill, load_state
from facerecon.engines.unet import BLOCKS, UNet
from facerecon.engines.unet import WIDTHS as UNET_WIDTHS
from facerecon.engines.variants import Variants
from facerecon.errors import IntegrityError, ResourceError
from facerecon.weights import Entry

UNET, AUTOENCODER = "restorer-unet", "restorer-autoencoder"
ARCHITECTURES = (UNET, AUTOENCODER)
_SCALE = 4
_ENCODER = re.compile(r"encoder\.(\d+)\.(?:0\.first\.)?weight")
_FIRST_LEVEL_BLOCK = re.compile(r"encoder\.0\.\d+\.first\.weight")


def restoring_network(
    architecture: str, widths: Sequence[int] | None = None, blocks: int = BLOCKS
) -> UNet | Autoencoder:
    """Return a new network of one of `ARCHITECTURES`; `blocks` is the U-Net's alone, `widths` None its default.

    Raises:
        ValueError: there is no such architecture.
    """
    if architecture == UNET:
        return UNet(widths or UNET_WIDTHS, blocks)
    if architecture == AUTOENCODER:
        return Autoencoder(widths or AUTOENCODER_WIDTHS)
    raise ValueError(f"no restoring network is called {architecture}; known: {', '.join(ARCHITECTURES)}")


def open_trained_restorer(
    item: Entry,
    device: torch.device,
    *,
    precision: str = "auto",
    batch: int = 4,
    blend: float = 1.0,
    parser: FaceParser | None = None,
    bounds: Bounds = "square",
    scale: int | None = None,
    state: State | None = None,
) -> FaceRestorer:
    """Load one of our networks as a restorer of squares of the registry's `input_px`, which also tells its uncertainty.

    `batch` is the number of faces per pass; `blend` (0..1) mixes the enlarged crop and the restored face. What is
    pasted is bounded by `parser`'s mask, else by `bounds`: the network was trained on the whole square. `scale` is the
    result's size over the picture's, the registry's where none is given; with 1 a picture is corrected in its own size.
    `state` holds the tensors of a file that is in no registry.

    Raises:
        UsageError: `blend` is out of range, or the model does not hold in `precision` on this kind of device.
        ResourceError: the weights are not here, or the registry names no side that fits the network.
        IntegrityError: they are not the pinned ones, or do not fit the network.
    """
    chosen = choose_precision(item, device, precision)
    network = _filled(item, load_state(item) if state is None else state)
    square = Square(_side_px(item, network))
    return FaceRestorer(
        make_stamp(item, device, chosen),
        Variants(network, device, call_picture, converted=False, small=True),
        precision=chosen,
        scale=scale or item.capabilities.scale or _SCALE,
        batch=batch,
        blend=blend,
        parser=parser,
        square=square,
        doubt=Variants(network, device, call_doubt, converted=False, small=True),
        corrects=True,
        bounds=bounds,
    )


def call_picture(network: nn.Module, squares: torch.Tensor) -> torch.Tensor:
    """Return the restored squares, (N, 3, side, side), not clipped."""
    picture: torch.Tensor = network(squares).picture
    return picture


def call_doubt(network: nn.Module, squares: torch.Tensor) -> torch.Tensor:
    """Return the expected absolute error of each pixel, (N, 1, side, side): the Laplace distribution's scale."""
    log_scale: torch.Tensor = network(squares).log_scale
    return log_scale.exp()


def _filled(item: Entry, state: State) -> UNet | Autoencoder:
    network = restoring_network(item.architecture, *_shape(item, state))
    fill(network, state, item)
    return network


def _shape(item: Entry, state: State) -> tuple[tuple[int, ...], int]:
    """Return the widths, finest level first, and the blocks per level that a state's tensors show."""
    found = {int(match[1]): len(tensor) for name, tensor in state.items() if (match := _ENCODER.fullmatch(name))}
    if not found:
        raise IntegrityError(f"{item.id} does not fit the network {item.architecture}: it has no encoder")
    blocks = sum(1 for name in state if _FIRST_LEVEL_BLOCK.fullmatch(name))
    return tuple(width for _, width in sorted(found.items())), blocks


def _side_px(item: Entry, network: UNet | Autoencoder) -> int:
    side = item.capabilities.input_px
    if side is None or side % network.multiple:
        raise ResourceError(
            f"the registry's entry {item.id} must name input_px, a multiple of {network.multiple}, not {side}"
        )
    return side
