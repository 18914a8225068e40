"""Training a face restorer: degraded square in, sharp square out, and how exact each pixel is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from facerecon.engines.architectures import AUTOENCODER, UNET
from facerecon.engines.restoring_networks import restoring_network
from facerecon.engines.retinaface_network import backbone
from facerecon.engines.squares import Square
from facerecon.fidelity import psnr_db, ssim
from facerecon.records import RGB
from facerecon.training.adversary import Opponent
from facerecon.training.beginning import begin
from facerecon.training.configuration import RestorerTraining
from facerecon.training.examples import Example
from facerecon.training.feeding import Batch, pictures_of, together
from facerecon.training.losses import Features, Identity, charbonnier, laplace_nll, mean_absolute
from facerecon.weights import entry

ARCHITECTURES = {"unet": UNET, "autoencoder": AUTOENCODER}
_PIXEL_LOSSES = {"charbonnier": charbonnier, "l1": mean_absolute}
_DETECTOR = "retinaface-mobile0.25"
# Twice the mean absolute error that a middling restoration leaves: the sheet's white.
_UNSURE = 0.1


class Restoring:
    """The task: the restorer, its loss, and how it is measured."""

    def __init__(self, settings: RestorerTraining, device: torch.device, opponent: Opponent | None) -> None:
        """Build the network, and load what its loss needs."""
        self._settings, self._device, self._opponent = settings.loss, device, opponent
        model = settings.model
        self._architecture, self._side_px = ARCHITECTURES[model.network], model.side_px
        network = restoring_network(self._architecture, model.widths)
        self.begun_from = begin(network, model.begin, self._architecture) if model.begin else None
        self.network: nn.Module = network.train().to(memory_format=torch.channels_last).to(device)
        self._identity = Identity(entry(model.recognizer), Square(model.side_px), device)
        self._features = Features(backbone(entry(_DETECTOR)), device) if settings.loss.perceptual else None

    @property
    def constants(self) -> Mapping[str, torch.Tensor]:
        """What ships beside the weights: nothing."""
        return {}

    @property
    def description(self) -> Mapping[str, Any]:
        """What the model file says of itself."""
        capabilities = {"input_px": self._side_px, "scale": 4, "precisions": {"cpu": ["fp32"], "cuda": ["fp32"]}}
        return {"role": "face-restoration", "architecture": self._architecture, "capabilities": capabilities}

    def losses(self, network: nn.Module, batch: Batch, step: int) -> Mapping[str, torch.Tensor]:
        """Return the weighted parts of the loss of a batch."""
        weights, given, sharp = self._settings, pictures_of(batch.given), pictures_of(batch.sharp)
        restored = network(given)
        picture = restored.picture
        parts = {"pixel": weights.pixel * _PIXEL_LOSSES[weights.pixel_kind](picture, sharp)}
        if weights.uncertainty:
            parts["uncertainty"] = weights.uncertainty * laplace_nll(picture, sharp, restored.log_scale)
        if weights.identity:
            with torch.no_grad():
                wanted = self._identity.vectors(sharp)
            found = self._identity.vectors(picture)
            parts["identity"] = weights.identity * (found - wanted).square().sum(dim=1).mean()
        if self._features:
            parts["perceptual"] = weights.perceptual * self._features.distance(picture, sharp)
        if self._opponent:
            parts["adversarial"] = self._adversarial(given, picture, sharp, step)
        return parts

    def _adversarial(self, given: torch.Tensor, picture: torch.Tensor, sharp: torch.Tensor, step: int) -> torch.Tensor:
        if self._opponent is None or not self._opponent.judges(step):
            return torch.zeros((), device=self._device)
        return self._settings.adversarial * self._opponent.loss(given, picture, sharp)

    def measured(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the figures of validation faces: the restored square, and what it gains over the degraded one.

        `psnr_db`, `ssim` against the sharp square; `identity`: 1 - distance of the face vectors to the sharp one's;
        `told`: mean told error over the mean error (1: neither too sure nor too doubtful).
        """
        rows = [row for batch in batches for row in self._rows(network, batch)]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _rows(self, network: nn.Module, batch: Batch) -> list[dict[str, float]]:
        given, sharp = pictures_of(batch.given), pictures_of(batch.sharp)
        restored = network(given)
        picture = restored.picture.clamp(0, 1)
        before, after = (self._nearness(each, sharp) for each in (given, picture))
        told = restored.log_scale.exp().mean() / (picture - sharp).abs().mean()
        rows = []
        for number, (given_px, picture_px, sharp_px) in enumerate(
            zip(pixels_of(given), pixels_of(picture), pixels_of(sharp), strict=True)
        ):
            psnr, quality = psnr_db(picture_px, sharp_px), ssim(picture_px, sharp_px)
            rows.append(
                {
                    "psnr_db": psnr,
                    "psnr_gain_db": psnr - psnr_db(given_px, sharp_px),
                    "ssim": quality,
                    "ssim_gain": quality - ssim(given_px, sharp_px),
                    "identity": after[number],
                    "identity_gain": after[number] - before[number],
                    "told": float(told),
                }
            )
        return rows

    def _nearness(self, pictures: torch.Tensor, sharp: torch.Tensor) -> list[float]:
        distance = (self._identity.vectors(pictures) - self._identity.vectors(sharp)).norm(dim=1)
        return [1 - float(each) for each in distance]

    def sheet(self, network: nn.Module, examples: Sequence[Example]) -> RGB | None:
        """Return rows of degraded, restored, sharp, and told error (white: 10 % of the range)."""
        batch = together(examples).to(self._device)
        restored = network(pictures_of(batch.given))
        doubt = (restored.log_scale.exp() / _UNSURE).clamp(0, 1).expand(-1, 3, -1, -1)
        columns = [
            pixels_of(each)
            for each in (pictures_of(batch.given), restored.picture.clamp(0, 1), pictures_of(batch.sharp), doubt)
        ]
        return np.concatenate([np.concatenate(row, axis=1) for row in zip(*columns, strict=True)], axis=0)


def pixels_of(pictures: torch.Tensor) -> list[RGB]:
    """Return pictures of 0..1 as uint8 RGB."""
    levels = (pictures.float() * 255).round().clamp(0, 255).to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())
