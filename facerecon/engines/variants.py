"""A torch network in the precisions that are asked for. Owns conversion and autocast; never picks a precision."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from facerecon.engines.by_torch import DTYPES, each_on_a_core
from facerecon.engines.runtime import Device
from facerecon.engines.tiling import Floats
from facerecon.weights import Precision

Call = Callable[[nn.Module, torch.Tensor], torch.Tensor]


class Variants:
    """A network on a device, called with tiles in 0..1, float32 (n, 3, y, x), and a precision.

    With `converted`, a half precision is a network of that type, its weights converted once: right for networks that
    are convolutions throughout. Without it torch's autocast chooses per operation, which keeps sums and norms in fp32.
    """

    def __init__(
        self,
        network: nn.Module,
        device: Device,
        call: Call,
        *,
        converted: bool,
        channels_last: bool = True,
        small: bool = False,
    ) -> None:
        """Take a network in fp32; `call` runs it on a batch. `small`: on a CPU each picture has a core of its own."""
        self._call, self._device, self._converted = call, torch.device(str(device)), converted
        self._alone = small and device.type == "cpu"
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._networks: dict[Precision, nn.Module] = {"fp32": network.to(self._device).to(memory_format=self._layout)}

    def __call__(self, tiles: Floats, precision: Precision) -> Floats:
        """Return the output, float32."""
        given = torch.from_numpy(tiles)
        with torch.inference_mode():
            if self._alone:
                found = torch.cat(each_on_a_core(lambda tile: self._run(tile, precision), torch.split(given, 1)))
            else:
                found = self._run(given, precision)
        output: Floats = found.cpu().numpy()
        return output

    def _run(self, tiles: torch.Tensor, precision: Precision) -> torch.Tensor:
        if self._converted:
            batch = tiles.to(self._device, DTYPES[precision], memory_format=self._layout)
            return self._call(self._network(precision), batch).float()
        batch = tiles.to(self._device, memory_format=self._layout)
        with torch.autocast(self._device.type, DTYPES[precision], enabled=precision != "fp32"):
            return self._call(self._networks["fp32"], batch).float()

    def _network(self, precision: Precision) -> nn.Module:
        if precision not in self._networks:
            self._networks[precision] = copy.deepcopy(self._networks["fp32"]).to(DTYPES[precision])
        return self._networks[precision]
