"""Model files that `facerecon train` made: what they say of themselves, and the tensors in them.

The description stands in the safetensors header, so that a file alone is enough to use it. Nothing in it is executed,
and the digest that the user names is compared before anything is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from facerecon.engines.arrays import Arrays, read_arrays
from facerecon.errors import IntegrityError
from facerecon.weights import Checkpoint, Entry, checkpoint_bytes

if TYPE_CHECKING:
    import torch

KEY = "facerecon"
"""The header's key; its value is JSON: role, architecture, licence, training data, reference, capabilities."""
_LENGTH_BYTES = 8


def written(state: dict[str, torch.Tensor], description: dict[str, Any]) -> bytes:
    """Return a model file: tensors, and in its header what they are."""
    import safetensors.torch

    return safetensors.torch.save(state, {KEY: json.dumps(description, sort_keys=True)})


def read_own(checkpoint: Checkpoint) -> tuple[Entry, Arrays] | None:
    """Return a file's description and tensors; None when `facerecon train` did not make it.

    Raises:
        ResourceError: it cannot be read.
        IntegrityError: it is not the file that was named, or is damaged.
    """
    data = checkpoint_bytes(checkpoint)
    description = _description(data)
    if description is None:
        return None
    try:
        given = {"id": checkpoint.id, "provider": "brought", "file": checkpoint.file.name, "sha256": checkpoint.sha256}
        item = Entry.model_validate({**json.loads(description), **given})
    except (ValidationError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise IntegrityError(f"{checkpoint.file} says of itself what cannot be: {reason}") from error
    return item, read_arrays(checkpoint.file.name, data)


def _description(data: bytes) -> str | None:
    """Return what stands at the header's key, None where there is no such header."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if not 0 < length <= len(data) - _LENGTH_BYTES:
        return None
    try:
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        value = header["__metadata__"][KEY]
    except (ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None
