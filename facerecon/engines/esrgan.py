"""The networks of Real-ESRGAN (Wang et al., arXiv 2107.10833, 2021), from basicsr's classes.

Owns their shapes and weights: RRDBNet (x4plus, x2plus, RealESRNet) and SRVGGNetCompact (general-x4v3, whose denoise
strength is a mixture of two sets of weights). Of upstream it uses the classes only.
"""

from __future__ import annotations

from collections.abc import Mapping

import safetensors.torch
import torch
from torch import nn

from facerecon.engines import compat
from facerecon.engines.by_torch import make_deterministic
from facerecon.engines.enlarging import Enlarger, Shape
from facerecon.engines.runtime import Device, choose_precision
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import State, fill, load_state
from facerecon.engines.variants import Variants
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.records import ModelStamp
from facerecon.weights import Entry, Registry

# Which weights leave the noise in: the other end of the denoise strength.
_WEAK_DENOISING: Mapping[str, str] = {"realesr-general-x4v3": "realesr-general-wdn-x4v3"}
# RRDBNet sees further, but little of it: measured on a portrait, tile against whole picture, PSNR 42 dB with 16 px of
# context, 54 dB with 32, 65 dB with 48. The compact network is 34 convolutions of 3x3: it sees 34 px and no
# further, which with the cross-fade makes 42: its tiles are exact.
_CONTEXT_PX: Mapping[str, int] = {"rrdbnet-23": 48, "srvgg-compact": 42}
_FEATHER_PX = 8


def open_esrgan(
    item: Entry,
    device: Device,
    *,
    precision: str = "auto",
    tile_px: int = 256,
    batch: int = 4,
    blend: float = 1.0,
    denoise: float = 1.0,
    registry: Registry | None = None,
) -> Enlarger:
    """Load a Real-ESRGAN network as a restorer.

    `tile_px` is the largest core of a tile, in input pixels; `batch` the largest number of tiles per pass (on a CPU
    fewer where tiles are large); `blend` (0..1) mixes the picture enlarged by Lanczos with the network's. `denoise`
    (0..1) is for general-x4v3: 1 removes the noise, 0 keeps it, between them the weights are mixed.

    Raises:
        UsageError: the model does not hold in `precision` on this kind of device, or has no denoise strength.
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones, or do not fit the network.
    """
    chosen = choose_precision(item, device, precision)
    shape = Shape(_scale(item), item.capabilities.size_multiple, _CONTEXT_PX[item.architecture], _FEATHER_PX)
    make_deterministic()
    network, stamp = empty_network(item), make_stamp(item, device, chosen)
    if denoise == 1:
        fill(network, load_state(item), item)
    else:
        stamp = _fill_mixed(network, item, stamp, denoise, registry)
    variants = Variants(network, device, _forward, converted=True)
    return Enlarger(stamp, variants, shape, shape.plan(tile_px, batch, chosen, device), blend=blend)


def _forward(network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = network(batch)
    return output


def build_network(item: Entry) -> nn.Module:
    """Return the network with its weights in fp32 on the CPU, channels last.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones.
    """
    network = empty_network(item)
    fill(network, load_state(item), item)
    return network.to(memory_format=torch.channels_last)


def empty_network(item: Entry) -> nn.Module:
    """Return the network without its weights."""
    if item.architecture == "srvgg-compact":
        compact = compat.network_class("basicsr.archs.srvgg_arch", "SRVGGNetCompact")
        return compact(3, 3, num_feat=64, num_conv=32, upscale=_scale(item), act_type="prelu")
    dense = compat.network_class("basicsr.archs.rrdbnet_arch", "RRDBNet")
    return dense(3, 3, scale=_scale(item), num_feat=64, num_block=23, num_grow_ch=32)


def _scale(item: Entry) -> int:
    if item.capabilities.scale not in (2, 4):
        raise IntegrityError(f"the registry gives {item.id} no scale of 2 or 4")
    return item.capabilities.scale


# --- denoise strength -------------------------------------------------------------------------------------------------


def mixed(strong: State, weak: State, strength: float) -> State:
    """Return strength * strong + (1 - strength) * weak, weight by weight.

    Deep network interpolation (Wang, Yu, Dong, Tang, Loy, CVPR 2019): two networks of one origin, fine-tuned apart,
    meet everywhere on the line between them. `strength` is in 0..1.
    """
    return {name: torch.lerp(weak[name].float(), strong[name].float(), strength) for name in strong}


def _fill_mixed(
    network: nn.Module, item: Entry, stamp: ModelStamp, denoise: float, registry: Registry | None
) -> ModelStamp:
    """Fill the network with the mixture, and return a stamp that tells it, with the digest of the mixed weights."""
    if item.id not in _WEAK_DENOISING or registry is None:
        raise UsageError(f"{item.id} has no denoise strength; {', '.join(_WEAK_DENOISING)} has")
    if not 0 <= denoise <= 1:
        raise UsageError(f"the denoise strength is {denoise}, but must be in 0..1")
    other = registry.entry(_WEAK_DENOISING[item.id])
    strong, weak = load_state(item), load_state(other)
    for state, owner in ((weak, other), (strong, item)):
        fill(network, state, owner)
    state = mixed(strong, weak, denoise)
    fill(network, state, item)
    return stamp.model_copy(
        update={
            "source": f"{denoise:g} x {stamp.source} + {1 - denoise:g} x {other.urls[0]} (SHA-256 {other.sha256})",
            "weights_sha256": sha256_bytes(safetensors.torch.save(state)),
            "reference": f"{stamp.reference}; Wang et al., Deep Network Interpolation, CVPR 2019",
        }
    )
