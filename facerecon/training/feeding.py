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
from torch.utils.data import DataLoader, Dataset

from facerecon.training.examples import Example, Maker


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples together: squares uint8 (N, 3, side, side), and the corpus's rows."""

    given: torch.Tensor
    sharp: torch.Tensor
    rows: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return it on a device; nothing waits for the copy."""
        given, sharp, rows = (each.to(device, non_blocking=True) for each in (self.given, self.sharp, self.rows))
        return Batch(given, sharp, rows)


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
        batch_sampler=[list(range(number * size, (number + 1) * size)) for number in range(first, last)],
        num_workers=workers,
        collate_fn=together,
        pin_memory=pinned,
        worker_init_fn=_begin_worker,
        prefetch_factor=4 if workers else None,
        # A forked copy of a process with threads may wait for ever for a lock that one of them held.
        multiprocessing_context="spawn" if workers else None,
    )
    yield from loader


class _Examples(Dataset[Example]):
    def __init__(self, maker: Maker) -> None:
        self._make: Callable[[int], Example] = maker.example

    def __getitem__(self, number: int) -> Example:
        return self._make(number)


def _begin_worker(_number: int) -> None:
    """Leave Ctrl-C to the parent, which finishes its step; and be one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
