"""Our restoring networks: sizes, a start that changes little, gradients everywhere, determinism, and their cost."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from facerecon.engines.architectures import AUTOENCODER, OWN_RESTORERS, UNET
from facerecon.engines.autoencoder import Autoencoder
from facerecon.engines.restored import GREATEST_SCALE, LEAST_SCALE, Restored
from facerecon.engines.restoring_networks import restoring_network
from facerecon.engines.unet import UNet

NARROW = {UNET: (8, 16, 16, 24), AUTOENCODER: (8, 12, 16)}


def narrow(architecture: str) -> UNet | Autoencoder:
    torch.manual_seed(0)
    return restoring_network(architecture, NARROW[architecture], 1)


def squares(side: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def laplace_loss(answer: Restored, truth: torch.Tensor) -> torch.Tensor:
    return ((answer.picture - truth).abs() / answer.log_scale.exp() + answer.log_scale).mean()


@pytest.fixture
def deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
@pytest.mark.parametrize("side", [64, 80, 128, 144])
def test_any_multiple_gives_a_picture_and_one_scale_per_pixel(architecture: str, side: int) -> None:
    network = narrow(architecture)
    answer = network(squares(side, 2))
    assert isinstance(answer, Restored)
    assert answer.picture.shape == (2, 3, side, side)
    assert answer.log_scale.shape == (2, 1, side, side)
    assert answer.log_scale.std() > 0
    assert side % network.multiple == 0


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_a_side_that_cannot_be_halved_is_refused(architecture: str) -> None:
    with pytest.raises(ValueError, match="multiples"):
        narrow(architecture)(squares(68))


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_a_new_network_changes_little(architecture: str) -> None:
    torch.manual_seed(0)
    network, given = restoring_network(architecture), squares(64)
    with torch.no_grad():
        picture, log_scale = network(given)
    assert 0 < float((picture - given).abs().mean()) < 0.02
    middle = (math.log(LEAST_SCALE) + math.log(GREATEST_SCALE)) / 2
    assert float((log_scale - middle).abs().max()) < 0.5


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_the_picture_is_not_clipped_and_the_scale_is_bounded(architecture: str) -> None:
    network = narrow(architecture)
    with torch.no_grad():
        network.output.weight.mul_(1e4)
        picture, log_scale = network(squares(64))
    assert picture.max() > 1
    assert picture.min() < 0
    assert math.log(LEAST_SCALE) - 1e-5 <= float(log_scale.min()) < float(log_scale.max())
    assert float(log_scale.max()) <= math.log(GREATEST_SCALE) + 1e-5


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_gradients_reach_every_parameter(architecture: str) -> None:
    network = narrow(architecture)
    laplace_loss(network(squares(64)), squares(64).flip(3)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
@pytest.mark.usefixtures("deterministic")
def test_learning_is_repeatable_and_lowers_the_loss(architecture: str) -> None:
    """Two networks of one seed take the same steps; what they learn is a picture's mean colour."""
    losses = [_learned(narrow(architecture)) for _ in range(2)]
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0] - 0.1


def _learned(network: UNet | Autoencoder) -> list[float]:
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    given, losses = squares(32, 2), list[float]()
    for _ in range(8):
        loss = laplace_loss(network(given), given.mean(dim=(2, 3), keepdim=True).expand_as(given))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_a_change_at_one_place_reaches_beyond_it_but_pictures_do_not_reach_each_other(architecture: str) -> None:
    network, given = narrow(architecture).eval(), squares(64, 2)
    other = given.clone()
    other[1, :, 30:34, 30:34] = 0
    with torch.no_grad():
        before, after = network(given).picture, network(other).picture
    assert torch.allclose(before[0], after[0], atol=1e-6)
    assert float((before[1] - after[1]).abs()[:, :24].max()) > 0


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_half_precision_keeps_the_input_exact(architecture: str) -> None:
    """What is added may be rounded, never the picture that it is added to."""
    network, given = narrow(architecture), squares(64)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        answer = network(given)
    with torch.no_grad():
        full = network(given)
    assert answer.picture.dtype == answer.log_scale.dtype == torch.float32
    correction = float((full.picture - given).abs().max())
    assert float((answer.picture - full.picture).abs().max()) < 0.05 * correction + 1e-5


@pytest.mark.parametrize(
    ("architecture", "least", "most", "gigamacs"), [(UNET, 5e6, 9e6, 2.2), (AUTOENCODER, 0.5e6, 1e6, 1.2)]
)
def test_the_default_networks_are_as_large_as_they_should_be(
    architecture: str, least: float, most: float, gigamacs: float
) -> None:
    network = restoring_network(architecture)
    assert least < sum(parameter.numel() for parameter in network.parameters()) < most
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        network(squares(128))
    assert 0.5e9 < counted.get_total_flops() / 2 < gigamacs * 1e9


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="restorer-unet"):
        restoring_network("u-net")
