"""State dicts for torch networks, from verified bytes: official .pth files, safetensors, and packaged files.

Never unpickles code (`weights_only=True`) and never returns tensors from unverified bytes.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from facerecon.engines.arrays import Arrays, converted
from facerecon.errors import IntegrityError
from facerecon.weights import Entry, verified_bytes

State = dict[str, torch.Tensor]
_WRAPPERS = ("params_ema", "params", "state_dict", "model")


def load_state(item: Entry) -> State:
    """Return a model's state dict, from bytes whose digest was compared with the pinned one.

    Raises:
        ResourceError: the file is not there.
        IntegrityError: its content, or that of its conversion in the cache, is not the pinned one.
    """
    data = verified_bytes(item)
    if item.provider == "packaged":
        return safetensors.torch.load(converted(item, data))
    return {name.removeprefix("module."): tensor for name, tensor in _unwrapped(read_tensors(item.file, data)).items()}


def read_tensors(file: str, data: bytes) -> Mapping[str, Any]:
    """Return what a checkpoint's bytes hold, by safetensors or by an unpickler that builds tensors only.

    Raises:
        IntegrityError: it holds anything else, is compressed, or is damaged.
    """
    try:
        if file.endswith(".safetensors"):
            return dict(safetensors.torch.load(data))
        _require_stored(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # An unpickler that is given crafted bytes may raise anything.
        raise IntegrityError(f"{file} holds more than tensors, or is damaged: {_reason(error)}") from error
    if not isinstance(content, Mapping):
        raise IntegrityError(f"{file} holds no named tensors but a {type(content).__name__}")
    return content


def _require_stored(data: bytes) -> None:
    """Make sure that a checkpoint in zip form is not compressed: a small file could unpack to any size.

    Raises:
        ValueError: it is; `torch.save` never compresses.
    """
    if not data.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if any(each.compress_type != zipfile.ZIP_STORED for each in members):
        raise ValueError("it is compressed, which torch.save never does")
    if sum(each.file_size for each in members) > len(data):
        raise ValueError("it says that it unpacks to more than it holds")


def _reason(error: Exception) -> str:
    """Return why a file was refused, without torch's advice to load it all the same."""
    words = " ".join(str(error).split())
    found = re.search(r"GLOBAL ([\w.]+)", words)
    if found:
        return f"its unpickling would call {found[1]}; nothing of it was run"
    return "it cannot be read as tensors" if "eights only load" in words or not words else words[:200]


def load_into(network: nn.Module, item: Entry) -> None:
    """Load a model's state into its network, every key of both accounted for, and set it to inference.

    Raises:
        ResourceError: the file is not there.
        IntegrityError: digest or keys do not fit.
    """
    fill(network, load_state(item), item)


def fill(network: nn.Module, state: Mapping[str, torch.Tensor] | Arrays, item: Entry) -> None:
    """Put a state, tensors or arrays, into its network, every key of both accounted for, and set it to inference.

    Raises:
        IntegrityError: the keys or shapes do not fit.
    """
    try:
        network.load_state_dict(as_tensors(state), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise IntegrityError(f"{item.id} does not fit the network {item.architecture}: {reason}") from error
    network.eval().requires_grad_(False)


def as_tensors(state: Mapping[str, torch.Tensor] | Arrays) -> State:
    """Return a state as tensors; arrays are copied, since theirs may be bytes that nobody may write to."""
    return {name: torch.tensor(each) if isinstance(each, np.ndarray) else each for name, each in state.items()}


def _unwrapped(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the state dict out of what training scripts wrap around it; averaged weights first, as upstream has it."""
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return _unwrapped(content[wrapper])
    return content
