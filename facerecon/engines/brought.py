"""Model files that the user brings: any checkpoint that spandrel reads (an optional extra).

Owns finding out what such a file is and how it may be run. The digest is compared first, on the bytes that are then
used, and only tensors are read. What nobody has stated (licence, training data) is called "not stated".
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from facerecon.engines.by_torch import make_deterministic
from facerecon.engines.enlarging import Enlarger, Shape
from facerecon.engines.gfpgan import call_gfpgan, call_restoreformer
from facerecon.engines.parsing import FaceParser
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.runtime import Device, choose_precision
from facerecon.engines.stamps import make_brought_stamp
from facerecon.engines.states import read_tensors
from facerecon.engines.variants import Variants
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.weights import Capabilities, Checkpoint, Precision, Precisions, checkpoint_bytes

INSTALL = "pip install 'facerecon[spandrel]'"
# Nothing is known of how far these networks see: as much context as the widest of ours needs, and more.
_CONTEXT_PX = 64
_FACE_CALLS = {"GFPGAN": call_gfpgan, "RestoreFormer": call_restoreformer, "CodeFormer": call_restoreformer}


@dataclass(frozen=True)
class _Brought:
    id: str
    capabilities: Capabilities


def open_brought(
    checkpoint: Checkpoint,
    device: Device,
    *,
    precision: str = "auto",
    tile_px: int = 256,
    batch: int = 4,
    blend: float = 1.0,
    find_parser: Callable[[], FaceParser | None] = lambda: None,
) -> Enlarger | FaceRestorer:
    """Load a brought checkpoint as a restorer: of aligned faces where it is a face network, else of whole pictures.

    `find_parser` is asked for the mask's parser if it is a face network.
    "auto" precision is fp32; others are allowed as far as spandrel declares them for the architecture.

    Raises:
        UsageError: no known architecture, or none that takes and gives one RGB picture; or a wrong precision or blend.
        ResourceError: spandrel is not installed, or the file cannot be read.
        IntegrityError: the digest is another one, the file holds more than tensors, or they fit no network.
    """
    # Nothing is known of such a network: it may draw random numbers.
    make_deterministic(0)
    spandrel = _import_spandrel()
    tensors = read_tensors(checkpoint.file.name, checkpoint_bytes(checkpoint))
    model = _recognised(spandrel, checkpoint, tensors)
    chosen = choose_precision(_Brought(checkpoint.id, _capabilities(model)), device, precision)
    architecture = str(model.architecture.name)
    network = model.model.eval().requires_grad_(False)
    if model.purpose == "FaceSR":
        call = _FACE_CALLS.get(str(model.architecture.id))
        if call is None:
            raise UsageError(f"{checkpoint.file}: face networks of architecture {architecture} are not supported")
        stamp = make_brought_stamp(checkpoint, "face-restoration", architecture, device, chosen)
        faces = Variants(network, device, call, converted=False, channels_last=False)
        return FaceRestorer(stamp, faces, precision=chosen, batch=batch, blend=blend, parser=find_parser())
    role = "super-resolution" if model.scale > 1 else "restoration"
    stamp = make_brought_stamp(checkpoint, role, architecture, device, chosen)
    shape = _shape(spandrel, model)
    # The descriptor pads to what the architecture needs and cuts again; called in place of the bare network.
    pictures = Variants(network, device, lambda _, batch: _call(model, batch), converted=False, channels_last=False)
    return Enlarger(stamp, pictures, shape, shape.plan(tile_px, batch, chosen, device), blend=blend)


def _import_spandrel() -> Any:
    try:
        spandrel = importlib.import_module("spandrel")
    except ImportError as error:
        raise ResourceError(f"a model file of one's own needs the library spandrel: {INSTALL}") from error
    # Architectures under non-commercial terms (CodeFormer) are a package of their own, used where it is installed.
    with contextlib.suppress(ImportError):
        importlib.import_module("spandrel_extra_arches").install(ignore_duplicates=True)
    return spandrel


def _recognised(spandrel: Any, checkpoint: Checkpoint, tensors: Any) -> Any:
    """Return spandrel's descriptor of the network, filled, in fp32 on the CPU."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = spandrel.ModelLoader(torch.device("cpu")).load_from_state_dict(tensors)
    except spandrel.UnsupportedModelError as error:
        raise UsageError(
            f"{checkpoint.file} is of no architecture that spandrel knows; for those under non-commercial terms "
            "(CodeFormer) `pip install spandrel-extra-arches`"
        ) from error
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise IntegrityError(f"{checkpoint.file} does not fit the architecture it looks like: {reason}") from error
    if not isinstance(model, spandrel.ImageModelDescriptor) or (model.input_channels, model.output_channels) != (3, 3):
        raise UsageError(f"{checkpoint.file} ({model.architecture.name}) does not turn one RGB picture into another")
    return model


def _capabilities(model: Any) -> Capabilities:
    halves: list[Precision] = []
    if model.supports_bfloat16:
        halves.append("bf16")
    cpu: tuple[Precision, ...] = ("fp32", *halves)
    cuda: tuple[Precision, ...] = (*cpu, "fp16") if model.supports_half else cpu
    return Capabilities(
        precisions=Precisions(cpu=cpu, cuda=cuda),
        scale=model.scale,
        size_multiple=model.size_requirements.multiple_of,
    )


def _shape(spandrel: Any, model: Any) -> Shape:
    needs = model.size_requirements
    tiled = model.tiling == spandrel.ModelTiling.SUPPORTED and not needs.square
    return Shape(model.scale, needs.multiple_of, _CONTEXT_PX, feather_px=8 if tiled else 0, tiled=tiled)


def _call(model: Any, batch: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = model(batch)
    return output
