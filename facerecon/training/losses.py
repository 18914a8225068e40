"""What a restored picture is compared by: pixels, told uncertainty, features, the face's vector. Pure functions.

Pictures are float (N, 3, y, x) in 0..1, RGB. All sums are in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from facerecon.engines.embedding_networks import DESIGNS
from facerecon.engines.squares import Square
from facerecon.engines.states import load_into
from facerecon.errors import UsageError
from facerecon.faces.alignment import scaled_template
from facerecon.records import Landmarks5
from facerecon.weights import Entry

_CHARBONNIER_EPSILON = 1e-3
_DETECTOR_MEAN_RGB = (123.0, 117.0, 104.0)


def charbonnier(picture: torch.Tensor, sharp: torch.Tensor) -> torch.Tensor:
    """Return the mean of sqrt(difference^2 + 0.001^2) (Charbonnier et al., ICIP 1994; Lai et al., CVPR 2017)."""
    return ((picture - sharp).square() + _CHARBONNIER_EPSILON**2).sqrt().mean()


def mean_absolute(picture: torch.Tensor, sharp: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference."""
    return (picture - sharp).abs().mean()


def laplace_nll(picture: torch.Tensor, sharp: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log-likelihood of the error under a Laplace distribution of the told scale.

    Kendall, Gal, NeurIPS 2017. The error is taken as given: only the scale learns from it, so that a pixel cannot be
    left wrong at the price of admitting it.
    """
    error = (picture - sharp).abs().mean(dim=1, keepdim=True).detach()
    return (error * torch.exp(-log_scale) + log_scale).mean()


class Features:
    """Features of the packaged face detector's backbone, which was trained on another task and other pictures."""

    def __init__(self, backbone: nn.Module, device: torch.device) -> None:
        """Take a network that returns several maps; it is never changed."""
        self._backbone = backbone.eval().requires_grad_(False).to(device)
        self._mean = torch.tensor(_DETECTOR_MEAN_RGB, device=device).view(1, 3, 1, 1)

    def distance(self, picture: torch.Tensor, sharp: torch.Tensor) -> torch.Tensor:
        """Return the mean absolute difference of the features, each map relative to the sharp picture's own."""
        with torch.autocast(picture.device.type, enabled=False):
            ours, theirs = self._maps(picture), self._maps(sharp)
        parts = [(a - b).abs().mean() / (b.abs().mean() + 1e-6) for a, b in zip(ours, theirs, strict=True)]
        return torch.stack(parts).mean()

    def _maps(self, picture: torch.Tensor) -> Sequence[torch.Tensor]:
        found = self._backbone(picture.float() * 255 - self._mean)
        return list(found.values()) if isinstance(found, dict) else list(found)


class Identity:
    """The face vectors of aligned squares, differentiable: the recognizer's chip is sampled out of the square."""

    def __init__(self, item: Entry, square: Square, device: torch.device) -> None:
        """Load a recognizer of the registry; it is never changed.

        Raises:
            UsageError: it is no recognizer.
        """
        if item.architecture not in DESIGNS:
            raise UsageError(f"model.recognizer: {item.id} is no recognizer")
        self._design = DESIGNS[item.architecture]
        network = self._design.empty_network()
        load_into(network, item)
        self._network = network.to(memory_format=self._design.memory_format).to(device)
        rows, columns = sampling(
            scaled_template(square.side_px), self._design.framing.template, square.side_px, self._design.framing.side_px
        )
        self._rows, self._columns = rows.to(device), columns.to(device)

    def vectors(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return one vector per square of 0..1, float32 (N, dimensions)."""
        with torch.autocast(pictures.device.type, enabled=False):
            chips = self._rows @ pictures.float() @ self._columns.T
            prepared = self._design.prepared(chips.clamp(0, 1) * 255)
            found: torch.Tensor = self._network(prepared.contiguous(memory_format=self._design.memory_format))
        return found


def sampling(
    source: Landmarks5, target: Landmarks5, source_px: int, target_px: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the matrices that sample rows and columns of one aligned square so that its template meets another's.

    Both templates are upright, so scale and shift by least squares suffice, and two matrices, (target, source), do it:
    linear interpolation, borders repeated. A product of matrices has a deterministic gradient on every device, unlike
    sampling by coordinates.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    centred = a - a.mean(axis=0)
    scale = float((centred * (b - b.mean(axis=0))).sum() / np.square(centred).sum())
    shift = b.mean(axis=0) - scale * a.mean(axis=0)
    columns, rows = (_interpolation((np.arange(target_px) - each) / scale, source_px) for each in shift)
    return rows, columns


def _interpolation(places: np.ndarray[tuple[int], np.dtype[np.float64]], count: int) -> torch.Tensor:
    clipped = np.clip(places, 0, count - 1)
    left = np.minimum(np.floor(clipped).astype(int), count - 2)
    matrix = np.zeros((len(places), count), np.float32)
    numbers = np.arange(len(places))
    matrix[numbers, left] = 1 - (clipped - left)
    matrix[numbers, left + 1] += clipped - left
    return torch.from_numpy(matrix)
