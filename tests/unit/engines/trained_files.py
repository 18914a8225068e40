"""Our own networks with seeded random weights as trained files, opened as restorers; and a stand-in for a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from facerecon.engines import catalogue, pasting
from facerecon.engines.architectures import AUTOENCODER, UNET
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.restoring_networks import restoring_network
from facerecon.engines.squares import to_full
from facerecon.engines.tiling import Floats
from facerecon.hashing import sha256_file
from facerecon.records import FaceView
from facerecon.stages import Restoration
from facerecon.weights import Entry, Precision
from tests.unit.engines.conftest import registry_of

WIDTHS = {UNET: (8, 16, 24), AUTOENCODER: (6, 10)}
SIDE = {UNET: 128, AUTOENCODER: 64}


def trained(shelf: Path, architecture: str, **capabilities: Any) -> Entry:
    """Write a random network as a trained file; return its registry entry."""
    torch.manual_seed(0)
    network = restoring_network(architecture, WIDTHS[architecture], 2)
    path = shelf / f"{architecture}.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    declared = {"precisions": {"cpu": ["fp32", "bf16"]}, "scale": 4, "input_px": SIDE[architecture]}
    return Entry.model_validate(
        {
            "id": f"test-{architecture}",
            "role": "face-restoration",
            "architecture": architecture,
            "provider": "trained",
            "file": path.name,
            "sha256": sha256_file(path),
            "licence": "MIT",
            "training_data": "none: random weights",
            "reference": "tests",
            "capabilities": declared | capabilities,
        }
    )


def opened(item: Entry, **arguments: Any) -> FaceRestorer:
    found = catalogue.open_restorer(item.id, device="cpu", registry=registry_of(item), **arguments)
    assert isinstance(found, FaceRestorer)
    return found


def one(restorer: FaceRestorer, face: FaceView) -> Restoration:
    (found,) = restorer.restore([face])
    assert isinstance(found, Restoration), found
    return found


def mask_of(face: FaceView, scale: int) -> np.ndarray:
    height, width = (side * scale for side in face.pixels.shape[:2])
    return pasting.elliptic_mask(pasting.inverted(to_full(face), scale), width, height)


class Told:
    """Stands in for a network: by precision, one value of each channel everywhere; the fourth tells its doubt."""

    def __init__(self, values: Mapping[Precision, tuple[float, ...]]) -> None:
        self.values, self.asked = values, list[tuple[tuple[int, ...], Precision]]()

    def __call__(self, tiles: Floats, precision: Precision) -> Floats:
        self.asked.append((tuple(tiles.shape), precision))
        values = np.asarray(self.values[precision], np.float32)[None, :, None, None]
        return np.broadcast_to(values, (len(tiles), values.size, *tiles.shape[2:]))
