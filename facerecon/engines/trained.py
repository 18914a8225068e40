"""Our own face restorers: a trained file as a restorer. Trains nothing, and imports torch only where it must run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facerecon.engines.architectures import UNET
from facerecon.engines.arrays import Arrays, Weights, load_arrays
from facerecon.engines.by_onnx import Session
from facerecon.engines.cores import on_cores
from facerecon.engines.pasting import Bounds
from facerecon.engines.restorer_shapes import RestorerShape, shape_of, square_side_px
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.runtime import Device, choose_precision
from facerecon.engines.squares import Square
from facerecon.engines.stamps import make_stamp
from facerecon.engines.tiling import Floats, Network
from facerecon.weights import Entry, Precision

if TYPE_CHECKING:
    from facerecon.engines.parsing import FaceParser

_SCALE = 4


def open_trained_restorer(
    item: Entry,
    device: Device,
    *,
    precision: str = "auto",
    batch: int = 4,
    blend: float = 1.0,
    parser: FaceParser | None = None,
    bounds: Bounds = "square",
    scale: int | None = None,
    state: Arrays | None = None,
) -> FaceRestorer:
    """Load one of our networks as a restorer of squares of the registry's `input_px`, which also tells its uncertainty.

    `batch` is the number of faces per pass; `blend` (0..1) mixes the enlarged crop and the restored face. What is
    pasted is bounded by `parser`'s mask, else by `bounds`: the network was trained on the whole square. `scale` is the
    result's size over the picture's, the registry's where none is given; with 1 a picture is corrected in its own size.
    `state` holds the arrays of a file that is in no registry.

    On a CPU a U-Net runs in fp32 by ONNX Runtime; in bf16, as the autoencoder and on a GPU, by torch.

    Raises:
        UsageError: `blend` is out of range, or the model does not hold in `precision` on this kind of device.
        ResourceError: the weights are not here, or the registry names no side that fits the network.
        IntegrityError: they are not the pinned ones, or do not fit the network.
    """
    chosen = choose_precision(item, device, precision)
    arrays = load_arrays(item) if state is None else state
    shape = shape_of(item, arrays)
    side_px = square_side_px(item, shape)
    if device.type == "cpu" and chosen == "fp32" and item.architecture == UNET:
        network: Network = _ByOnnx(item, shape, arrays, side_px)
    else:
        from facerecon.engines.restoring_networks import open_network

        network = open_network(item, shape, arrays, device)
    return FaceRestorer(
        make_stamp(item, device, chosen),
        network,
        precision=chosen,
        scale=scale or item.capabilities.scale or _SCALE,
        batch=batch,
        blend=blend,
        parser=parser,
        square=Square(side_px),
        corrects=True,
        bounds=bounds,
    )


class _ByOnnx:
    """The U-Net by ONNX Runtime: each square on a core of its own, in fp32."""

    def __init__(self, item: Entry, shape: RestorerShape, arrays: Arrays, side_px: int) -> None:
        from facerecon.engines.unet_graph import unet_model

        model = unet_model(Weights(item, arrays), shape, side_px)
        self.session = Session(model.graph, model.weights)

    def __call__(self, squares: Floats, _precision: Precision) -> Floats:
        return np.concatenate(on_cores(self._of_one, list(squares)))

    def _of_one(self, square: Floats) -> Floats:
        (found,) = self.session.run(["answer"], {"squares": np.ascontiguousarray(square[None])})
        return found
