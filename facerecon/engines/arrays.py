"""Weights as arrays, from verified bytes: our own files, and packaged ones converted once. Needs no torch.

Owns the conversion cache, and that a state and its network fit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from facerecon.engines import packaged
from facerecon.engines.packaged import Floats
from facerecon.errors import IntegrityError, ResourceError
from facerecon.hashing import sha256_bytes
from facerecon.resources import weights_cache
from facerecon.weights import Entry, verified_bytes, write_atomically

Arrays = Mapping[str, npt.NDArray[Any]]
_CONVERTERS: Mapping[str, Callable[[bytes], packaged.Arrays]] = {
    "retinaface-mobile0.25": packaged.retinaface_state,
    "rrdbnet-23": packaged.rrdbnet_state,
    "dlib-resnet": packaged.dlib_state,
}


def load_arrays(item: Entry) -> Arrays:
    """Return the arrays of a packaged file, or of a safetensors file, whose digest was compared with the pinned one.

    Raises:
        ResourceError: the file is not there.
        IntegrityError: its content, or that of its conversion in the cache, is not the pinned one.
    """
    data = verified_bytes(item)
    return read_arrays(item.file, converted(item, data) if item.provider == "packaged" else data)


def read_arrays(file: str, data: bytes) -> Arrays:
    """Return what the bytes of a safetensors file hold.

    Raises:
        IntegrityError: they are damaged, or no such file.
    """
    try:
        return safetensors.numpy.load(data)
    except KeyError as error:
        raise IntegrityError(f"{file} holds numbers of a kind that no array has ({error.args[0]})") from error
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        raise IntegrityError(f"{file} cannot be read as arrays: {' '.join(str(error).split())[:200]}") from error


def converted(item: Entry, source: bytes) -> bytes:
    """Return the packaged file as safetensors: from the cache if it is there, else converted, and kept if possible.

    Raises:
        IntegrityError: the conversion is not the pinned one.
    """
    path = weights_cache() / item.file
    cached = _read_if_there(path)
    if cached is not None:
        _verify_conversion(item, cached, f"{path} is not the pinned conversion of {item.id}; delete it, it is rebuilt")
        return cached
    data = safetensors.numpy.save(_CONVERTERS[item.architecture](source))
    _verify_conversion(item, data, f"converting {item.id} did not give the pinned result; report this as a bug")
    # A cache that cannot be written costs a second on the next start; it is no reason to stop this run.
    with contextlib.suppress(ResourceError):
        write_atomically(path, data)
    return data


class Weights:
    """A state's arrays, handed out to the network that is made of them; both must name the same."""

    def __init__(self, item: Entry, arrays: Arrays) -> None:
        """Take the state of `item`."""
        self._item, self._arrays = item, arrays
        self._taken: set[str] = set()

    def take(self, name: str, *shape: int) -> Floats:
        """Return an array of this shape, float32.

        Raises:
            IntegrityError: there is none of this name, or it has another shape.
        """
        found = self._arrays.get(name)
        if found is None:
            raise self._misfit(f"it has no {name}")
        if found.shape != shape:
            raise self._misfit(f"{name} is {_sides(found.shape)}, not {_sides(shape)}")
        self._taken.add(name)
        return np.asarray(found, np.float32)

    def finish(self) -> None:
        """Make sure that the network has taken all.

        Raises:
            IntegrityError: it has not.
        """
        others = sorted(set(self._arrays) - self._taken)
        if others:
            raise self._misfit(f"it knows no {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}")

    def _misfit(self, reason: str) -> IntegrityError:
        return IntegrityError(f"{self._item.id} does not fit the network {self._item.architecture}: {reason}")


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _read_if_there(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _verify_conversion(item: Entry, data: bytes, complaint: str) -> None:
    found = sha256_bytes(data)
    if found != item.converted_sha256:
        raise IntegrityError(f"{complaint} (expected SHA-256 {item.converted_sha256}, found {found})")
