"""The networks of face restoration: GFP-GAN (Wang et al., CVPR 2021) and RestoreFormer (Wang et al., CVPR 2022).

Owns their shapes and how they are called, on gfpgan's network classes; nothing else of upstream is used.
"""

from __future__ import annotations

import contextlib
import io

import torch
from torch import nn

from facerecon.engines import compat
from facerecon.engines.by_torch import make_deterministic
from facerecon.engines.parsing import FaceParser
from facerecon.engines.pasting import SIDE_PX
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.runtime import Device, choose_precision
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import load_into
from facerecon.engines.variants import Variants
from facerecon.weights import Entry


def open_face_restorer(
    item: Entry,
    device: Device,
    *,
    precision: str = "auto",
    batch: int = 4,
    blend: float = 1.0,
    parser: FaceParser | None = None,
) -> FaceRestorer:
    """Load GFP-GAN or RestoreFormer as a restorer.

    `batch` is the number of faces per pass; `blend` (0..1) mixes the enlarged crop and the restored face.

    Raises:
        UsageError: `blend` is out of range, or the model does not hold in `precision` on this kind of device.
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones, or do not fit the network.
    """
    chosen = choose_precision(item, device, precision)
    make_deterministic()
    network = empty_network(item.architecture)
    load_into(network, item)
    call = call_restoreformer if item.architecture == "restoreformer" else call_gfpgan
    # Not channels-last: both networks reshape with `view`, which wants the plain layout.
    variants = Variants(network, device, call, converted=False, channels_last=False)
    scale = item.capabilities.scale or 4
    return FaceRestorer(
        make_stamp(item, device, chosen),
        variants,
        precision=chosen,
        scale=scale,
        batch=batch,
        blend=blend,
        parser=parser,
    )


def empty_network(architecture: str = "gfpgan-clean") -> nn.Module:
    """Return the network without its weights: RestoreFormer, or GFP-GAN as releases v1.3 and v1.4 have it."""
    if architecture == "restoreformer":
        transformer = compat.network_class("gfpgan.archs.restoreformer_arch", "RestoreFormer")
        # Its constructor prints, and standard output is the program's result.
        with contextlib.redirect_stdout(io.StringIO()):
            return transformer()
    return compat.network_class("gfpgan.archs.gfpganv1_clean_arch", "GFPGANv1Clean")(
        out_size=SIDE_PX,
        num_style_feat=512,
        channel_multiplier=2,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=1,
        sft_half=True,
    )


def call_gfpgan(network: nn.Module, squares: torch.Tensor) -> torch.Tensor:
    """Run GFP-GAN on squares in 0..1, with its stored noise: equal input gives equal output (R12)."""
    output: torch.Tensor = network(squares.sub(0.5).div(0.5), return_rgb=False, randomize_noise=False)[0]
    return output.float().add(1).div(2)


def call_restoreformer(network: nn.Module, squares: torch.Tensor) -> torch.Tensor:
    """Run RestoreFormer (or another network whose first output is a picture in -1..1) on squares in 0..1."""
    output: torch.Tensor = network(squares.sub(0.5).div(0.5))[0]
    return output.float().add(1).div(2)
