"""What torch needs before a network of it runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facerecon.engines.by_torch import stacked


@pytest.mark.parametrize("limited", [False, True])
def test_pictures_come_to_a_device_unchanged(limited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no memory can be pinned, too."""
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), np.uint8))
    if limited:
        monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device, **_: tensor)
    stack = stacked(pictures, torch.device("cuda" if limited and not torch.cuda.is_available() else "cpu"))
    assert np.array_equal(stack.numpy(), np.stack(pictures))
