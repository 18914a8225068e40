"""What a training run goes on from: the weights of a model that is here already. Owns reading them; trains nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import nn

from facerecon.engines.own import read_own
from facerecon.engines.states import State, as_tensors, load_state
from facerecon.errors import UsageError
from facerecon.profiles import BroughtModel
from facerecon.weights import Checkpoint, Entry, entry


def begin(network: nn.Module, given: str | BroughtModel, architecture: str, dropped: Collection[str] = ()) -> Entry:
    """Fill a network with the weights of a model of the same architecture; return what is known of that model.

    Args:
        network: to be filled in place.
        given: whose weights: a model of the registry, or a file that `facerecon train` made.
        architecture: what the model must be.
        dropped: names of tensors beside the weights, which a run finds anew.

    Raises:
        UsageError: there is no such model, it is of another architecture, or its layers have other sizes.
        ResourceError: its file is not here.
        IntegrityError: its file is not the one that was named.
    """
    item, state = earlier(given, architecture)
    _fill(network, {name: tensor for name, tensor in state.items() if name not in dropped}, item)
    return item


def earlier(given: str | BroughtModel, architecture: str) -> tuple[Entry, State]:
    """Return what is known of a model of this architecture, and its tensors.

    Raises:
        UsageError: there is no such model, or it is of another architecture.
        ResourceError: its file is not here.
        IntegrityError: its file is not the one that was named.
    """
    item, state = _read(given)
    if item.architecture != architecture:
        raise UsageError(f"model.begin: {item.id} is of architecture {item.architecture}; {architecture} is needed")
    return item, state


def _read(given: str | BroughtModel) -> tuple[Entry, State]:
    if isinstance(given, str):
        item = entry(given)
        return item, load_state(item)
    own = read_own(Checkpoint(Path(given.file), given.sha256))
    if own is None:
        raise UsageError(f"model.begin: {given.file} is no file that `facerecon train` made")
    item, arrays = own
    return item, as_tensors(arrays)


def _fill(network: nn.Module, state: State, item: Entry) -> None:
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if wanted != {name: tensor.shape for name, tensor in state.items()}:
        raise UsageError(f"model.begin: the layers of {item.id} have other sizes than this configuration's network")
    with torch.no_grad():
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
