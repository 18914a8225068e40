"""Batches of examples, made by worker processes while the network learns. Owns the workers; decides nothing.

A batch depends on its number alone, so a resumed run sees what an undisturbed one would have seen.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from facerecon.errors import FacereconError
from facerecon.interruption import SIGNALS, handled
from facerecon.training.examples import Example, Maker


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples together: squares uint8 (N, 3, side, side), and the corpus's rows."""

    given: torch.Tensor
    sharp: torch.Tensor
    rows: torch.Tensor

    def pin_memory(self) -> Batch:
        """Return it in memory from which a GPU copies by itself; torch's loader calls this by its name."""
        return Batch(self.given.pin_memory(), self.sharp.pin_memory(), self.rows.pin_memory())

    def to(self, device: torch.device) -> Batch:
        """Return it on a device; nothing waits for the copy of pinned memory."""
        given, sharp, rows = (each.to(device, non_blocking=True) for each in (self.given, self.sharp, self.rows))
        return Batch(given, sharp, rows)


def _together_or_error(examples: Sequence[Example | FacereconError]) -> Batch | FacereconError:
    failed = next((each for each in examples if isinstance(each, FacereconError)), None)
    return failed or together([each for each in examples if isinstance(each, Example)])


def together(examples: Sequence[Example]) -> Batch:
    """Return examples as one batch."""
    given, sharp = (np.stack(squares) for squares in zip(*((each.given, each.sharp) for each in examples), strict=True))
    return Batch(_planar(given), _planar(sharp), torch.tensor([each.row for each in examples]))


def _planar(squares: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(squares)).permute(0, 3, 1, 2)


def pictures_of(squares: torch.Tensor) -> torch.Tensor:
    """Return uint8 squares as float32 in 0..1, in the layout that networks are fastest in."""
    return squares.float().div_(255).contiguous(memory_format=torch.channels_last)


def batches(maker: Maker, *, first: int, last: int, size: int, workers: int, pinned: bool) -> Iterator[Batch]:
    """Yield the batches `first` to `last` - 1 of `size` examples, in order; made ahead by `workers` processes."""
    if first >= last:
        return
    loader: DataLoader[Any] = DataLoader(
        _Examples(maker),
        batch_sampler=_Numbers(first, last, size),
        num_workers=workers,
        collate_fn=_together_or_error,
        pin_memory=pinned,
        worker_init_fn=_begin_worker,
        prefetch_factor=4 if workers else None,
        # A forked copy of a process with threads may wait for ever for a lock that one of them held.
        multiprocessing_context="spawn" if workers else None,
    )
    for batch in _started(loader):
        if isinstance(batch, FacereconError):
            raise batch
        yield batch


def _started(loader: DataLoader[Any]) -> Iterator[Any]:
    """Start the workers such that no signal ends them: a terminal and a scheduler send theirs to all processes."""
    with handled(signal.SIG_IGN):
        return iter(loader)


@dataclass(frozen=True)
class _Numbers(Sampler[list[int]]):
    first: int
    last: int
    size: int

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self.first, self.last):
            yield list(range(number * self.size, (number + 1) * self.size))

    def __len__(self) -> int:
        return self.last - self.first


class _Examples(Dataset["Example | FacereconError"]):
    def __init__(self, maker: Maker) -> None:
        self._make: Callable[[int], Example] = maker.example

    def __getitem__(self, number: int) -> Example | FacereconError:
        try:
            return self._make(number)
        except FacereconError as error:
            return error


def _begin_worker(_number: int) -> None:
    """Leave signals to the parent, which finishes its step and then ends its workers; and be one thread."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
