"""Recognizers' networks in torch. Owns which network, framing and input belong together, and the passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from facerecon.engines import arcface, facenet
from facerecon.engines.architectures import ARCFACE, DLIB, DLIB_STUDENT, FACENET
from facerecon.engines.arrays import Arrays
from facerecon.engines.by_torch import each_on_a_core, make_deterministic
from facerecon.engines.dlib_resnet import DlibResNet, StudentResNet
from facerecon.engines.embedders import DLIB_FRAMING, Network
from facerecon.engines.runtime import Device
from facerecon.engines.states import fill, load_state
from facerecon.engines.views import Framing
from facerecon.records import RGB, Vector
from facerecon.weights import Entry


@dataclass(frozen=True)
class Design:
    """What belongs to one network: where faces lie on its chips, and what is done to RGB chips in 0..255 before it.

    `channels_last` is the faster memory layout, for networks that can take it.
    """

    framing: Framing
    empty_network: Callable[[], nn.Module]
    prepared: Callable[[torch.Tensor], torch.Tensor]
    channels_last: bool = True

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout of weights and chips."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


DESIGNS: Mapping[str, Design] = {
    DLIB: Design(DLIB_FRAMING, DlibResNet, lambda chips: chips),
    DLIB_STUDENT: Design(DLIB_FRAMING, StudentResNet, lambda chips: chips),
    ARCFACE: Design(arcface.FRAMING, arcface.empty_network, arcface.prepared, channels_last=False),
    FACENET: Design(facenet.FRAMING, facenet.InceptionResnetV1, facenet.prepared),
}


def open_network(item: Entry, device: Device, state: Arrays | None) -> Network:
    """Load the network of `item`, an architecture of `DESIGNS`; `state` is that of a file that is in no registry.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones, or no state of that network.
    """
    make_deterministic()
    design = DESIGNS[item.architecture]
    network = design.empty_network()
    fill(network, load_state(item) if state is None else state, item)
    return _Loaded(design, network, torch.device(str(device)))


class _Loaded:
    def __init__(self, design: Design, network: nn.Module, device: torch.device) -> None:
        self._design, self._device = design, device
        self._network = network.to(memory_format=design.memory_format).to(device)

    @property
    def framing(self) -> Framing:
        return self._design.framing

    def run(self, stacks: Sequence[RGB]) -> list[Vector]:
        """On a CPU each stack has a pass and a core of its own, so that its vectors do not depend on the others."""
        if self._device.type == "cpu":
            return each_on_a_core(self._pass, stacks)
        counts = [len(each) for each in stacks]
        with torch.inference_mode():
            vectors = self._pass(np.concatenate(stacks))
        return np.split(vectors, np.cumsum(counts)[:-1])

    def _pass(self, chips: RGB) -> Vector:
        stack = torch.from_numpy(np.ascontiguousarray(chips)).to(self._device).permute(0, 3, 1, 2).float()
        prepared = self._design.prepared(stack).contiguous(memory_format=self._design.memory_format)
        vectors: Vector = self._network(prepared).cpu().numpy()
        return vectors
