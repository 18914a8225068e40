"""One step of gradient descent and everything it needs to be repeated: optimizer, schedule, average, precision.

Owns what a checkpoint must hold. Knows no task, no file and no terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from facerecon.engines.by_torch import DTYPES
from facerecon.engines.runtime import fast_precisions
from facerecon.errors import UsageError
from facerecon.training.configuration import Optimizer
from facerecon.weights import Precision

_LEAST_RATE = 0.01


def rate_factor(settings: Optimizer, step: int, steps: int) -> float:
    """Return what the learning rate is multiplied with at `step` (0-based) of `steps`.

    A linear rise over the warm-up, then a cosine to 1 % (Loshchilov, Hutter, ICLR 2017), steps, or nothing.
    """
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.schedule == "constant":
        return 1.0
    passed = step - settings.warmup_steps
    if settings.schedule == "step":
        return settings.decay ** (passed // settings.decay_steps)
    share = passed / max(1, steps - settings.warmup_steps)
    return _LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def training_precision(device: torch.device, wanted: str) -> Precision:
    """Return the precision of the passes: bf16 where the hardware has it, else fp32, unless another is `wanted`.

    Raises:
        UsageError: fp16 on a CPU, where gradients would be lost.
    """
    if wanted == "auto":
        return "bf16" if "bf16" in fast_precisions(device) else "fp32"
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError("run.precision: fp16 cannot be trained with on a CPU; use bf16, fp32 or auto")
    return next(name for name in DTYPES if name == wanted)


class Descent:
    """A network's optimizer with schedule, gradient clipping, loss scaling, and a running average of its weights."""

    def __init__(
        self, network: nn.Module, settings: Optimizer, steps: int, precision: Precision, *, rate: float | None = None
    ) -> None:
        """Take a network on its device; `rate` replaces the settings' learning rate."""
        self._network, self._settings, self._steps = network, settings, steps
        self._rate = settings.learning_rate if rate is None else rate
        kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
        self._optimizer = kind(network.parameters(), lr=self._rate, weight_decay=settings.weight_decay)
        device = next(network.parameters()).device
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._average = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self.done = 0

    @property
    def learning_rate(self) -> float:
        """The rate of the step to come."""
        return self._rate * rate_factor(self._settings, self.done, self._steps)

    @property
    def average(self) -> Mapping[str, torch.Tensor]:
        """The running average of the weights: what is validated and shipped."""
        return self._average

    def step(self, loss: torch.Tensor) -> float:
        """Go down the gradient of `loss`; return the gradient's norm before clipping (not finite: no change)."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)
        norm = float(nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.clip_norm))
        if math.isfinite(norm):
            self._scaler.step(self._optimizer)
        self._scaler.update()
        self.done += 1
        self._follow()
        return norm

    @torch.no_grad()
    def _follow(self) -> None:
        # A young average follows faster, or it would long hold the first weights.
        keep = min(self._settings.ema, (1 + self.done) / (10 + self.done))
        state = self._network.state_dict()
        floating = [name for name, value in state.items() if value.is_floating_point()]
        averages = [self._average[name] for name in floating]
        torch._foreach_lerp_(averages, [state[name] for name in floating], 1 - keep)
        for name in state.keys() - set(floating):
            self._average[name].copy_(state[name])

    def state(self) -> dict[str, Any]:
        """Return everything that a continuation needs."""
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": self._average,
            "done": self.done,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        for name, value in state["average"].items():
            self._average[name].copy_(value)
        self.done = int(state["done"])
