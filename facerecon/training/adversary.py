"""A conditional PatchGAN discriminator, and how it learns against a restorer. Owns its network and its optimizer.

Isola, Zhu, Zhou, Efros, "Image-to-image translation with conditional adversarial networks", CVPR 2017: it sees the
degraded picture beside a sharp or a restored one and judges patches of 70x70 px. Spectral normalisation (Miyato et
al., ICLR 2018) instead of batch normalisation; the hinge loss (Lim, Ye, arXiv 1705.02894, 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from facerecon.training.configuration import Optimizer, RestorerLoss
from facerecon.training.learning import Descent
from facerecon.weights import Precision

_WIDTHS = (64, 128, 256, 512)
_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Pairs of pictures, float (N, 6, y, x), to one judgement per patch, (N, 1, y', x'): above 0 means sharp."""

    def __init__(self, widths: tuple[int, ...] = _WIDTHS) -> None:
        """Create the layers with random weights."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(6, widths[0], 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        for place in range(1, len(widths)):
            stride = 2 if place < len(widths) - 1 else 1
            layers += [_normalised(widths[place - 1], widths[place], stride), nn.LeakyReLU(_SLOPE)]
        self.layers = nn.Sequential(*layers, _normalised(widths[-1], 1, 1))

    def forward(self, given: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Judge pictures beside what they were made of."""
        judged: torch.Tensor = self.layers(torch.cat([given, picture], dim=1))
        return judged


def _normalised(inputs: int, outputs: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride, 1))


class Opponent:
    """The discriminator of a run; it does not exist before its first step."""

    def __init__(
        self, settings: RestorerLoss, optimizer: Optimizer, steps: int, precision: Precision, device: torch.device
    ) -> None:
        """Build it for a run of `steps` steps."""
        self._settings = settings
        self._network = PatchDiscriminator().to(device)
        self._descent = Descent(
            self._network,
            optimizer,
            max(1, steps - settings.adversarial_from),
            precision,
            rate=settings.discriminator_learning_rate,
        )
        self._seen: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def judges(self, step: int) -> bool:
        """Say whether it takes part at this step."""
        return step >= self._settings.adversarial_from

    def learns_alone(self, step: int) -> bool:
        """Say whether the restorer rests at this step."""
        first = self._settings.adversarial_from
        return first <= step < first + self._settings.freeze_steps

    def loss(self, given: torch.Tensor, restored: torch.Tensor, sharp: torch.Tensor) -> torch.Tensor:
        """Return the restorer's loss, and remember the pictures for `step`."""
        self._seen = (given, restored.detach(), sharp)
        self._network.requires_grad_(False)
        judged: torch.Tensor = self._network(given, restored)
        self._network.requires_grad_(True)
        return -judged.float().mean()

    def step(self, step: int) -> dict[str, float]:
        """Learn from the pictures that the restorer's loss was computed on."""
        if not self.judges(step) or self._seen is None:
            return {"discriminator": 0.0}
        given, restored, sharp = self._seen
        real, fake = self._network(given, sharp).float(), self._network(given, restored).float()
        loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        self._descent.step(loss)
        self._seen = None
        return {"discriminator": float(loss.detach())}

    def state(self) -> dict[str, Any]:
        """Return everything that a continuation needs."""
        return self._descent.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._descent.load(state)
